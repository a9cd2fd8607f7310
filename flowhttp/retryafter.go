package flowhttp

import (
	"net/http"
	"strings"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// retryAfter returns how long a response says to wait. Retry-After-Ms is more exact than Retry-After, so it is
// read first. A value that does not parse is ignored.
func retryAfter(h http.Header, now time.Time) (d time.Duration, ok bool) {
	if d, ok := parseDecimal(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return d, true
	}
	text := h.Get("Retry-After")
	if d, ok := parseDecimal(text, time.Second); ok {
		return d, true
	}
	t, err := http.ParseTime(strings.TrimSpace(text))
	if err != nil {
		return 0, false
	}
	return until(t, h, now), true
}

// until returns how long it takes until the server's clock shows t, 0 or more. The two clocks may differ, so
// the response's own Date is taken as the present, if there is one. A Date has whole seconds, so the result is
// up to a second too long and never too short.
func until(t time.Time, h http.Header, now time.Time) time.Duration {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(0, t.Sub(now))
}

// parseDecimal parses a number of units, with or without a decimal point. A value too long for a duration
// becomes [scheduler.Forever]. Parts of a nanosecond are rounded up.
func parseDecimal(text string, unit time.Duration) (d time.Duration, ok bool) {
	whole, fraction, point := strings.Cut(strings.TrimSpace(text), ".")
	if whole == "" && fraction == "" || point && fraction == "" {
		return 0, false
	}
	for _, c := range []byte(whole) {
		if !isDigit(c) {
			return 0, false
		}
		d = plus(times(d, 10), time.Duration(c-'0'))
	}
	d = times(d, unit)
	inexact := false
	for _, c := range []byte(fraction) {
		if !isDigit(c) {
			return 0, false
		}
		digit := time.Duration(c - '0')
		d = plus(d, digit*unit/10)
		inexact = inexact || digit*unit%10 != 0 || unit == 0 && digit != 0
		unit /= 10
	}
	if inexact {
		d = plus(d, 1)
	}
	return d, true
}

// parseDuration parses a duration as Go writes it, such as 6m0s, with days too: 1d2h. It must be 0 or more.
func parseDuration(text string) (d time.Duration, ok bool) {
	text = strings.TrimSpace(text)
	if days, rest, found := strings.Cut(text, "d"); found {
		if d, ok = parseDecimal(days, 24*time.Hour); !ok || rest == "" {
			return d, ok
		}
		text = rest
	}
	rest, err := time.ParseDuration(text)
	if err != nil || rest < 0 {
		return 0, false
	}
	return plus(d, rest), true
}

// seconds returns n seconds.
func seconds(n int64) time.Duration { return times(time.Duration(n), time.Second) }

// times multiplies numbers of 0 or more and saturates.
func times(d, n time.Duration) time.Duration {
	if n != 0 && d > scheduler.Forever/n {
		return scheduler.Forever
	}
	return d * n
}

// plus adds numbers of 0 or more and saturates.
func plus(a, b time.Duration) time.Duration {
	if a > scheduler.Forever-b {
		return scheduler.Forever
	}
	return a + b
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
