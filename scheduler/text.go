package scheduler

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// ParseLimits reads limits as people write them in flags and configuration files:
//
//	3/2s                     3 in any 2 seconds
//	5/s 100/min 5000/day     several windows together
//	15/min burst 2           never more than 2 permits held at once
//	60/min 10000 tokens/min  a window of another unit than permits
//	100/min evenly           grants are spaced evenly: one every 600 ms
//	5/s from release         the window counts from release
//	5000/day from reset 09:00 Europe/Berlin
//	                         the window is reset every morning
//
// As a grammar:
//
//	limits = { window | "burst" N }
//	window = N [unit] "/" length ["evenly"] ["from" ("grant" | "release" | "reset" [HH:MM [zone]])]
//
// Spaces separate the words. A length follows the slash without a space. It is a name (s, min, h or day; also
// sec, second, m, minute, hour, d, ms, us and ns). It can be a count and a name (2min, 7day), or a duration as
// [time.ParseDuration] reads it (2s, 1h30m, 250ms). "from reset" also allows [Month], as month. The words
// "evenly" and "from …" belong to the window before them. "burst" and its number can be anywhere, once.
// [Limits.String] writes this form.
//
// If the text does not parse, or has an invalid value such as 0/s, ParseLimits returns a [*ParseError]. It says
// where the fault is. If the text looks like a common slip, it also says how to write it.
func ParseLimits(s string) (Limits, error) {
	var l Limits
	p := parser{text: s}
	for p.next() {
		switch {
		case strings.Contains(p.word, "/"), p.beginsUnit():
			w, err := p.window()
			if err != nil {
				return Limits{}, err
			}
			l.Windows = append(l.Windows, w)
		case p.word == "burst":
			if l.MaxBurst != 0 {
				return Limits{}, &ParseError{Text: s, Offset: p.at, Reason: "there is a second burst; keep one"}
			}
			n, err := p.burst()
			if err != nil {
				return Limits{}, err
			}
			l.MaxBurst = n
		default:
			return Limits{}, p.fail(`expected a window such as "3/2s", or "burst 2"`, p.hint())
		}
	}
	if err := l.Validate(); err != nil {
		wrong := &ParseError{Text: s, Err: err, Reason: err.(*InvalidError).sentence()} // there is no other
		if len(l.Windows) == 0 {
			wrong.Reason = `expected at least one window such as "3/2s", or "burst 2", but the text is empty`
		}
		return Limits{}, wrong
	}
	return l, nil
}

// MustParseLimits is [ParseLimits] for constant texts, such as in a package's variable or a test. It panics
// with the [*ParseError] that ParseLimits would return.
func MustParseLimits(s string) Limits {
	l, err := ParseLimits(s)
	if err != nil {
		panic(err)
	}
	return l
}

// parser reads a text word by word. A method that reads something begins at the present word. It leaves the
// last word that it read as the present one.
type parser struct {
	text string
	word string // the present word
	at   int    // where it begins
	end  int    // where it ends
}

const spaces = " \t\r\n"

// next goes to the next word and reports whether there is one.
func (p *parser) next() bool {
	rest := p.text[p.end:]
	trimmed := strings.TrimLeft(rest, spaces)
	p.at = p.end + len(rest) - len(trimmed)
	if i := strings.IndexAny(trimmed, spaces); i >= 0 {
		trimmed = trimmed[:i]
	}
	p.word, p.end = trimmed, p.at+len(trimmed)
	return p.word != ""
}

// peek returns the word after the present one, "" if there is none.
func (p parser) peek() string {
	p.next()
	return p.word
}

// skip makes the present word begin n bytes later.
func (p *parser) skip(n int) { p.at, p.word = p.at+n, p.word[n:] }

// fail returns the error for a present word where something else was expected. The hint says how to write it,
// and may be "".
func (p *parser) fail(expected, hint string) error {
	got := "got " + strconv.Quote(firstOf(p.word))
	switch {
	case p.word != "":
	case p.at == len(p.text):
		got = "but the text ends"
	default:
		got = "got a space"
	}
	reason := expected + ", " + got
	if hint != "" {
		reason += "; " + hint
	}
	return &ParseError{Text: p.text, Offset: p.at, Reason: reason}
}

// invalid returns the error for a present word that is well formed but has an invalid value.
func (p *parser) invalid(err *InvalidError) error {
	return &ParseError{Text: p.text, Offset: p.at, Reason: err.sentence(), Err: err}
}

// count reads the present word as a whole number.
func (p *parser) count(what string) (int, error) {
	n, err := strconv.Atoi(p.word)
	if errors.Is(err, strconv.ErrRange) {
		return 0, p.fail(fmt.Sprintf("%s must be a whole number up to %d", what, math.MaxInt), "")
	}
	if err != nil {
		return 0, p.fail(what+" must be a whole number", hintCount(p.word))
	}
	return n, nil
}

// burst reads the words "burst 2".
func (p *parser) burst() (int, error) {
	if !p.next() {
		return 0, p.fail(`expected a number such as "2"`, "")
	}
	n, err := p.count("burst")
	if err != nil {
		return 0, err
	}
	if n < 1 {
		return 0, p.invalid(&InvalidError{"burst", n, "1 or more (without a burst there is no cap)"})
	}
	return n, nil
}

// beginsUnit reports whether the present word is the number of a window whose unit follows, such as
// "10000" before "tokens/min".
func (p *parser) beginsUnit() bool {
	unit, _, slash := strings.Cut(p.peek(), "/")
	return slash && unit != "" && isNumber(p.word) && !isNumber(unit)
}

// window reads the word "3/2s", or the words "10000 tokens/min", and the words that say more about it.
func (p *parser) window() (w Window, err error) {
	begin := *p // errors about values as a whole point here
	slash := strings.IndexByte(p.word, '/')
	switch {
	case slash == 0:
		return Window{}, p.fail("expected a whole number before the slash", "")
	case slash > 0:
		front := *p
		front.word = p.word[:slash]
		if w.Permits, err = front.count("Permits"); err != nil {
			return Window{}, err
		}
	default:
		if w.Permits, err = p.count("Permits"); err != nil {
			return Window{}, err
		}
		p.next()
		slash = strings.IndexByte(p.word, '/')
		if w.Unit = Unit(p.word[:slash]); !w.Unit.valid() {
			return Window{}, p.fail("the unit must be "+wantUnit, "")
		}
	}
	back := *p
	back.skip(slash + 1)
	length := back
	if w.Per, err = back.length(); err != nil {
		return Window{}, err
	}
	if p.peek() == "evenly" {
		p.next()
		w.Evenly = true
	}
	if p.peek() == "from" {
		p.next()
		if err = p.from(&w); err != nil {
			return Window{}, err
		}
	}
	if w.From != FromReset && length.isMonth() {
		return Window{}, length.fail(expectedLength, hintMonth)
	}
	if err := w.invalid(); err != nil {
		return Window{}, begin.invalid(err)
	}
	return w, nil
}

// isMonth reports whether the present word is the length of a calendar month.
func (p *parser) isMonth() bool { return p.word == "month" }

const hintMonth = `count it in days, such as "30day"; calendar months are "month from reset"`

const expectedLength = `expected a length such as "s", "2s", "min", "1h30m" or "day"`

// length reads the present word as the length after the slash.
func (p *parser) length() (time.Duration, error) {
	if p.isMonth() {
		return Month, nil
	}
	if per, ok := parseLength(p.word); ok {
		return per, nil
	}
	if i := strings.IndexAny(p.word, separators); i >= 0 {
		if _, ok := parseLength(p.word[:i]); ok {
			p.skip(i)
			return 0, p.fail("expected a space between two limits", "")
		}
	}
	return 0, p.fail(expectedLength, p.hintLength())
}

// from reads the words "from release" and the like.
func (p *parser) from(w *Window) error {
	p.next()
	switch p.word {
	case "grant":
		w.From = FromGrant
		return nil
	case "release":
		w.From = FromRelease
		return nil
	case "reset":
		w.From = FromReset
		return p.reset(w)
	}
	hint := ""
	switch strings.ToLower(p.word) {
	case "grant", "release", "reset":
		hint = "write it in lower case"
	}
	return p.fail(`expected "release", "reset" or "grant" after "from"`, hint)
}

// reset reads what may follow the words "from reset", such as "09:00 Europe/Berlin".
func (p *parser) reset(w *Window) error {
	if !strings.Contains(p.peek(), ":") {
		return nil
	}
	p.next()
	at, err := time.Parse("15:04", p.word)
	if err != nil || len(p.word) != len("15:04") {
		return p.fail(`expected a time of day such as "09:00"`, "")
	}
	w.ResetAt = time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
	zone := p.peek()
	if zone == "" || !isLetter(zone[0]) || zone == "burst" {
		return nil
	}
	p.next()
	w.Zone = zone
	if err := w.invalid(); err != nil && err.What == "Zone" {
		return p.invalid(err)
	}
	return nil
}

// lengths are the names of lengths of time.
var lengths = map[string]time.Duration{
	"ns": time.Nanosecond, "us": time.Microsecond, "µs": time.Microsecond, "ms": time.Millisecond,
	"s": time.Second, "sec": time.Second, "second": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute,
	"h": time.Hour, "hour": time.Hour,
	"d": day, "day": day,
}

// parseLength reads the name of a length, a count and a name, or a duration.
func parseLength(s string) (time.Duration, bool) {
	count, name := cutDigits(s)
	if length, ok := lengths[name]; ok {
		if count == "" {
			return length, true
		}
		n, err := strconv.ParseInt(count, 10, 64)
		if err != nil || n > math.MaxInt64/int64(length) {
			return math.MaxInt64, true // too long, which is for others to say
		}
		return time.Duration(n) * length, true
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}

// cutDigits returns the digits that s begins with, and the rest.
func cutDigits(s string) (digits, rest string) {
	rest = strings.TrimLeft(s, "0123456789")
	return s[:len(s)-len(rest)], rest
}

func isNumber(s string) bool {
	digits, rest := cutDigits(s)
	return digits != "" && rest == ""
}

// separators are what people write between limits instead of spaces.
const separators = ",;+&|"

const hintSpaces = "separate limits by spaces"

// hint is for a word with which no limit can begin. It says how to write what the word seems to mean, or "" if
// it does not know.
func (p *parser) hint() string {
	lower := strings.ToLower(p.word)
	switch {
	case isDigit(p.word[0]) && !isNumber(p.word) && Unit(p.unitAhead()).valid():
		return hintCount(p.word)
	case strings.ContainsAny(p.word, separators), lower == "and":
		return hintSpaces
	case lower == "from":
		return `write "from release" right after a window`
	case strings.HasPrefix(lower, "from"):
		return `write "from release" with a space, right after a window`
	case strings.Contains(lower, "burst"):
		_, n, _ := strings.Cut(lower, "burst")
		n = strings.TrimLeft(n, "=:")
		if n == "" {
			n = p.peek()
		}
		if !isNumber(n) {
			n = "2"
		}
		return `write "burst ` + firstOf(n) + `"`
	case isNumber(p.word):
		return p.hintNumber()
	case lower == "evenly":
		return `write "evenly" once, right after the length of a window`
	case lower == "tokens", lower == "bytes", lower == "requests":
		return `a unit stands before the slash: "10000 ` + lower + `/min"`
	}
	return ""
}

// unitAhead returns the next word, or what of it is before a slash.
func (p *parser) unitAhead() string {
	unit, _, _ := strings.Cut(p.peek(), "/")
	return unit
}

// hintNumber is hint for a number alone.
func (p parser) hintNumber() string {
	number := firstOf(p.word)
	p.next()
	switch word := strings.ToLower(p.word); word {
	case "per", "a", "an", "each", "every", "and":
	default:
		// Perhaps it is a unit, and the slash is a word of its own or written as a word.
		if next := p.peek(); Unit(p.word).valid() && (strings.HasPrefix(next, "/") || isSlash(next)) {
			number += " " + p.word
			p.next()
		}
	}
	switch word := strings.ToLower(p.word); {
	case isSlash(word):
		p.next()
	case strings.HasPrefix(word, "/"):
		p.skip(1)
	default:
		return fmt.Sprintf(`write "%[1]s/s" for %[1]s a second, or "burst %[1]s" for %[1]s at once`, number)
	}
	length, ok := correctLength(p.word)
	if !ok {
		length = "s"
	}
	if strings.Contains(number, " ") {
		return fmt.Sprintf(`write "%s/%s", without a space at the slash`, number, length)
	}
	return fmt.Sprintf(`write "%s/%s", without spaces`, number, length)
}

// isSlash reports whether people write the word where the slash should be.
func isSlash(word string) bool {
	switch strings.ToLower(word) {
	case "/", "per", "a", "an", "each", "every":
		return true
	}
	return false
}

// hintCount is hint for what should be a whole number.
func hintCount(s string) string {
	switch digits, unit := cutDigits(s); {
	case digits != "" && strings.EqualFold(unit, "k"):
		return fmt.Sprintf("write %q", digits+"000")
	case digits != "" && Unit(unit).valid():
		return "put a space between the number and the unit"
	}
	if plain := strings.NewReplacer(",", "", "_", "", "'", "").Replace(s); isNumber(plain) && !strings.HasSuffix(s, ",") {
		return fmt.Sprintf("write %q", firstOf(plain))
	}
	if strings.ContainsAny(s, separators) {
		return hintSpaces
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil && strings.Contains(s, ".") {
		return `for less than one, make the length longer: "1/2s" for 0.5 a second`
	}
	return ""
}

// hintLength is hint for what should be a length.
func (p *parser) hintLength() string {
	if p.word == "" {
		if length, ok := correctLength(p.peek()); ok {
			return fmt.Sprintf(`write "/%s", without spaces`, length)
		}
		return ""
	}
	count, name := cutDigits(p.word)
	switch strings.TrimSuffix(strings.ToLower(name), "s") {
	case "":
		if name == "" {
			return fmt.Sprintf(`write "%ss" for seconds`, firstOf(count))
		}
	case "w", "wk", "week":
		return `count it in days: a week is "7day"`
	case "mo", "month", "y", "yr", "year":
		return hintMonth
	}
	length, ok := correctLength(p.word)
	switch {
	case !ok:
		return ""
	case length == strings.ToLower(p.word):
		return fmt.Sprintf("lengths are lower case: %q", length)
	}
	return fmt.Sprintf("write %q", length)
}

// correctLength returns a length that s seems to mean: in lower case, in the singular, under its name.
func correctLength(s string) (string, bool) {
	count, name := cutDigits(strings.ToLower(s))
	for _, name := range []string{name, strings.TrimSuffix(name, "s"), strings.TrimSuffix(name, "rs"), strings.TrimSuffix(name, "r")} {
		if _, ok := parseLength(count + name); ok {
			return firstOf(count + name), true
		}
	}
	return "", false
}

// enough is how many bytes of a text an error quotes.
const enough = 40

// firstOf returns the beginning of a text that may be long.
func firstOf(s string) string {
	if len(s) <= enough {
		return s
	}
	end := enough
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// lastOf returns the end of a text that may be long.
func lastOf(s string) string {
	if len(s) <= enough {
		return s
	}
	begin := len(s) - enough
	for begin < len(s) && !utf8.RuneStart(s[begin]) {
		begin++
	}
	return "…" + s[begin:]
}

// String returns the window as [ParseLimits] reads it, such as "3/2s" or "10000 tokens/min from release".
func (w Window) String() string {
	s := strconv.Itoa(w.Permits)
	if w.Unit != "" {
		s += " " + string(w.Unit)
	}
	if w.From == FromReset && w.Per == Month {
		s += "/month"
	} else {
		s += "/" + formatPer(w.Per)
	}
	if w.Evenly {
		s += " evenly"
	}
	if w.From != FromGrant {
		s += " from " + w.From.String()
	}
	if w.ResetAt != 0 || w.Zone != "" {
		s += fmt.Sprintf(" %02d:%02d", w.ResetAt/time.Hour, w.ResetAt%time.Hour/time.Minute)
	}
	if w.Zone != "" {
		s += " " + w.Zone
	}
	return s
}

// MarshalText returns [Window.String], or an [*InvalidError] if the window is invalid.
func (w Window) MarshalText() ([]byte, error) {
	if err := w.invalid(); err != nil {
		return nil, err
	}
	return []byte(w.String()), nil
}

// UnmarshalText reads one window as [ParseLimits] does, such as "3/2s" or "5/s from release". More than
// one window, or a burst, gives a [*ParseError].
func (w *Window) UnmarshalText(text []byte) error {
	p := parser{text: string(text)}
	if p.next(); !strings.Contains(p.word, "/") && !p.beginsUnit() {
		return p.fail(`expected a window such as "3/2s"`, "")
	}
	read, err := p.window()
	if err != nil {
		return err
	}
	if p.next() {
		return p.fail("expected one window and nothing else", "")
	}
	*w = read
	return nil
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
