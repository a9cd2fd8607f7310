package flowhttp

import (
	"math"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

var now = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

func header(lines ...string) http.Header {
	h := http.Header{}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		h.Add(name, value)
	}
	return h
}

func TestRetryAfter(t *testing.T) {
	const no = -1
	for _, c := range []struct {
		lines []string
		want  time.Duration
	}{
		{[]string{"Retry-After: 120"}, 2 * time.Minute},
		{[]string{"Retry-After:  7 "}, 7 * time.Second},
		{[]string{"Retry-After: 0"}, 0},
		{[]string{"Retry-After: 1.5"}, 1500 * time.Millisecond},
		{[]string{"Retry-After: .25"}, 250 * time.Millisecond},
		{[]string{"Retry-After: 0.123456789"}, 123456789},
		{[]string{"Retry-After: 0.1234567891"}, 123456790}, // never too early
		{[]string{"Retry-After: 99999999999999999999"}, scheduler.Forever},
		{[]string{"Retry-After: 9223372036.854775807"}, scheduler.Forever},
		{[]string{"Retry-After: 9223372036.854775806"}, scheduler.Forever - 1},
		{[]string{"Retry-After-Ms: 20"}, 20 * time.Millisecond},
		{[]string{"Retry-After-Ms: 0.5"}, 500 * time.Microsecond},
		{[]string{"Retry-After-Ms: 20", "Retry-After: 1"}, 20 * time.Millisecond},
		{[]string{"Retry-After-Ms: soon", "Retry-After: 1"}, time.Second},
		{[]string{"Retry-After: Fri, 02 Jan 2026 15:04:35 GMT"}, 30 * time.Second},
		{[]string{"Retry-After: Friday, 02-Jan-26 15:04:35 GMT"}, 30 * time.Second},
		{[]string{"Retry-After: Fri Jan  2 15:04:35 2026"}, 30 * time.Second},
		{[]string{"Retry-After: Fri, 02 Jan 2026 15:04:04 GMT"}, 0},
		// The server's clock is an hour ahead.
		{[]string{"Retry-After: Fri, 02 Jan 2026 16:04:35 GMT", "Date: Fri, 02 Jan 2026 16:04:05 GMT"}, 30 * time.Second},
		{[]string{"Retry-After: Fri, 02 Jan 2026 16:04:35 GMT", "Date: today"}, time.Hour + 30*time.Second},
		{nil, no}, {[]string{"Retry-After: "}, no}, {[]string{"Retry-After: soon"}, no}, {[]string{"Retry-After: -1"}, no},
		{[]string{"Retry-After: +1"}, no}, {[]string{"Retry-After: 1e3"}, no}, {[]string{"Retry-After: 0x10"}, no}, {[]string{"Retry-After: Inf"}, no},
		{[]string{"Retry-After: ."}, no}, {[]string{"Retry-After: 1."}, no}, {[]string{"Retry-After: 1_0"}, no}, {[]string{"Retry-After: 1 2"}, no},
	} {
		got, ok := retryAfter(header(c.lines...), now)
		if !ok {
			got = no
		}
		if got != c.want {
			t.Errorf("%v: got %v, want %v", c.lines, got, c.want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"6m0s": 6 * time.Minute, "20ms": 20 * time.Millisecond, "7.66s": 7660 * time.Millisecond, "0s": 0, "1h2m3s": time.Hour + 2*time.Minute + 3*time.Second,
		"1d": 24 * time.Hour, "1d2h": 26 * time.Hour, " 1s ": time.Second, "": -1, "1": -1, "-1s": -1, "d": -1, "1d-1s": -1, "soon": -1, "1dd": -1,
		"999999999999d": scheduler.Forever, "106751d23h47m16.854775808s": scheduler.Forever,
	} {
		got, ok := parseDuration(text)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

// A decimal is what exact arithmetic says, rounded up to the nanosecond.
func FuzzParseDecimal(f *testing.F) {
	f.Add("1.5", false)
	f.Add("0.0000000001", true)
	f.Add("9223372036.854775807", false)
	f.Fuzz(func(t *testing.T, text string, ms bool) {
		unit := time.Second
		if ms {
			unit = time.Millisecond
		}
		got, ok := parseDecimal(text, unit)
		digits := strings.TrimSpace(text)
		plain := digits != "" && digits != "." && !strings.HasSuffix(digits, ".") && strings.Trim(digits, "0123456789.") == "" && strings.Count(digits, ".") <= 1
		if ok != plain {
			t.Fatalf("%q: %v", text, ok)
		}
		if !ok {
			return
		}
		exact, valid := new(big.Rat).SetString("0" + digits)
		if !valid {
			return // too long for big
		}
		exact.Mul(exact, new(big.Rat).SetInt64(int64(unit)))
		want := new(big.Int).Add(exact.Num(), new(big.Int).Sub(exact.Denom(), big.NewInt(1)))
		want.Quo(want, exact.Denom())
		if !want.IsInt64() {
			want.SetInt64(math.MaxInt64)
		}
		if int64(got) != want.Int64() {
			t.Errorf("%q: got %d, want %v", text, got, want)
		}
	})
}
