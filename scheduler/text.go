package scheduler

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseLimits reads limits as people write them in flags and configuration files:
//
//	3/2s                     3 in any 2 seconds
//	5/s 100/min 5000/day     several windows together
//	15/min burst 2           never more than 2 permits held at once
//	5/s from release         the window counts from release
//
// The words are separated by spaces. After the slash stands a unit (s, min, h, day, and their longer
// forms sec, second, m, minute, hour, d, and ms, us, ns), a count and a unit (2min, 7day), or a duration as
// [time.ParseDuration] reads it (2s, 1h30m, 250ms). "from release" belongs to the window before it,
// "burst" may stand once, anywhere. [Limits.String] writes this form.
//
// Text that does not parse, or that parses to values which cannot work, such as 0/s, gives a
// [*ParseError] that says where. No limits at all give the [*InvalidError] of [Limits.Validate].
func ParseLimits(s string) (Limits, error) {
	var l Limits
	p := words{text: s}
	burst := false
	for p.next() {
		switch {
		case strings.Contains(p.word, "/"):
			w, err := p.window()
			if err != nil {
				return Limits{}, err
			}
			l.Windows = append(l.Windows, w)
		case p.word == "burst":
			if burst {
				return Limits{}, p.fail("a second burst; one was given before")
			}
			if !p.next() {
				return Limits{}, p.fail("a number after burst is missing")
			}
			n, err := p.count("burst", p.word)
			if err != nil {
				return Limits{}, err
			}
			if n < 1 {
				return Limits{}, p.invalid(&InvalidError{"burst", n, "1 or more (without a burst there is no cap)"})
			}
			l.MaxBurst, burst = n, true
		default:
			return Limits{}, p.fail(`expected a window such as "3/2s", or "burst 2"`)
		}
	}
	if err := l.Validate(); err != nil {
		return Limits{}, err
	}
	return l, nil
}

// words walks through a text word by word and knows where each word begins.
type words struct {
	text string
	word string
	at   int // where word begins
	end  int // where it ends
}

func (p *words) next() bool {
	rest := p.text[p.end:]
	trimmed := strings.TrimLeft(rest, " \t\r\n")
	p.at = p.end + len(rest) - len(trimmed)
	if i := strings.IndexAny(trimmed, " \t\r\n"); i >= 0 {
		trimmed = trimmed[:i]
	}
	p.word, p.end = trimmed, p.at+len(trimmed)
	return p.word != ""
}

func (p *words) fail(why string) error {
	return &ParseError{Text: p.text, Offset: p.at, Reason: why}
}

// invalid is fail for a value that reads well but cannot work.
func (p *words) invalid(err *InvalidError) error {
	why := fmt.Sprintf("%s must be %s, got %v", err.What, err.Want, err.Got)
	return &ParseError{Text: p.text, Offset: p.at, Reason: why, Err: err}
}

// count reads a whole number.
func (p *words) count(what, s string) (int, error) {
	n, err := strconv.Atoi(s)
	if errors.Is(err, strconv.ErrRange) {
		return 0, p.fail(what + " is a larger number than fits")
	}
	if err != nil {
		return 0, p.fail(what + " must be a whole number")
	}
	return n, nil
}

// window reads the word "3/2s" and, where they follow, the words "from release".
func (p *words) window() (Window, error) {
	count, length, _ := strings.Cut(p.word, "/")
	permits, err := p.count("Permits", count)
	if err != nil {
		return Window{}, err
	}
	per, ok := parsePer(length)
	if !ok {
		p.at += len(count) + 1
		return Window{}, p.fail(`expected a length such as "s", "2s", "min", "1h30m" or "day" after the slash`)
	}
	w := Window{Permits: permits, Per: per}
	if err := w.invalid(); err != nil {
		return Window{}, p.invalid(err)
	}
	ahead := *p
	if !ahead.next() || ahead.word != "from" {
		return w, nil
	}
	ahead.next()
	switch ahead.word {
	case "grant":
		w.From = FromGrant
	case "release":
		w.From = FromRelease
	default:
		return Window{}, ahead.fail(`expected "release" or "grant" after from`)
	}
	*p = ahead
	return w, nil
}

var units = map[string]time.Duration{
	"ns": time.Nanosecond, "us": time.Microsecond, "µs": time.Microsecond, "ms": time.Millisecond,
	"s": time.Second, "sec": time.Second, "second": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute,
	"h": time.Hour, "hour": time.Hour,
	"d": day, "day": day,
}

func parsePer(s string) (time.Duration, bool) {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if unit, ok := units[s[digits:]]; ok {
		if digits == 0 {
			return unit, true
		}
		n, err := strconv.ParseInt(s[:digits], 10, 64)
		if err != nil || n > math.MaxInt64/int64(unit) {
			return math.MaxInt64, true // too long, which is for others to say
		}
		return time.Duration(n) * unit, true
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}

// String returns the window as [ParseLimits] reads it, such as "3/2s" or "5/s from release".
func (w Window) String() string {
	s := strconv.Itoa(w.Permits) + "/" + formatPer(w.Per)
	if w.From != FromGrant {
		s += " from " + w.From.String()
	}
	return s
}

func formatPer(per time.Duration) string {
	switch per {
	case time.Second:
		return "s"
	case time.Minute:
		return "min"
	case time.Hour:
		return "h"
	case day:
		return "day"
	}
	if per > 0 && per%day == 0 {
		return fmt.Sprintf("%dday", per/day)
	}
	s := per.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func (l Limits) burst() string { return "burst " + strconv.Itoa(l.MaxBurst) }

// String returns the limits as [ParseLimits] reads them.
func (l Limits) String() string {
	parts := make([]string, 0, len(l.Windows)+1)
	for _, w := range l.Windows {
		parts = append(parts, w.String())
	}
	if l.MaxBurst != 0 {
		parts = append(parts, l.burst())
	}
	return strings.Join(parts, " ")
}

// MarshalText returns [Limits.String], or the error of [Limits.Validate].
func (l Limits) MarshalText() ([]byte, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return []byte(l.String()), nil
}

// UnmarshalText is [ParseLimits], so that limits load from JSON, YAML and flags ([flag.TextVar]).
func (l *Limits) UnmarshalText(text []byte) error {
	parsed, err := ParseLimits(string(text))
	if err != nil {
		return err
	}
	*l = parsed
	return nil
}
