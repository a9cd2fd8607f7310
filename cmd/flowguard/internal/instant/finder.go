package instant

import (
	"fmt"
	"slices"

	"github.com/tidwall/gjson"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/column"
)

// Finder finds the instant of a line. The zero Finder looks for it by itself: in a line of JSON in the fields
// that usually have it, otherwise for the first date in the line, otherwise for a number at its beginning. In
// later lines it looks in the same place as in the first line that had an instant.
type Finder struct {
	Column    int    // from 1; the instant begins there, and may go on into the next ones; 0: anywhere
	Delimiter string // between columns; "": any number of spaces and tabs
	JSON      string // the path of the field, such as "request.time"; "": not only JSON
	Unit      Unit   // of bare numbers

	field string // of JSON, that had the instant before
	at    int    // where the date was in the line before
	form  form   // of the instants of this log, as far as it is known
}

// form is the kind of instants in a log. A log has only one form. If it has dates, a line that begins with a
// number has no instant.
type form int

const (
	formUnknown form = iota
	formDate
	formNumber
)

// fields are where a line of JSON usually has its instant.
var fields = []string{"time", "timestamp", `\@timestamp`, "ts", "date", "datetime", "start_time", "t"}

// Find returns the instant of the line, or false if it has none where it should be.
func (f *Finder) Find(line []byte) (Instant, bool) {
	switch {
	case f.JSON != "":
		return f.json(line, f.JSON)
	case f.Column > 0:
		b, ok := column.From(line, f.Column, f.Delimiter)
		if !ok {
			return Instant{}, false
		}
		return read(b, f.Unit)
	}
	return f.anywhere(line)
}

func (f *Finder) anywhere(line []byte) (Instant, bool) {
	if len(line) > 0 && line[0] == '{' {
		return f.anyField(line)
	}
	if f.form != formNumber {
		if i, ok := f.anyDate(line); ok {
			f.form = formDate
			return i, true
		}
	}
	if f.form != formDate {
		if i, _, ok := number(line, f.Unit); ok {
			f.form = formNumber
			return i, true
		}
	}
	return Instant{}, false
}

func (f *Finder) anyDate(line []byte) (Instant, bool) {
	if f.at < len(line) {
		if i, _, ok := date(line[f.at:]); ok {
			return i, true
		}
	}
	begins := true // a word
	for at, c := range line[:min(len(line), farthest)] {
		if begins && isDigit(c) {
			if i, _, ok := date(line[at:]); ok {
				f.at = at
				return i, true
			}
		}
		begins = isOpening(c) || c == '=' || c == ',' || c == ';' || c == '|' || c == '<' || c == '>'
	}
	return Instant{}, false
}

// farthest is how far into a line a date is looked for.
const farthest = 512

func (f *Finder) anyField(line []byte) (Instant, bool) {
	if f.field != "" {
		if i, ok := f.json(line, f.field); ok {
			return i, true
		}
	}
	for _, name := range fields {
		if i, ok := f.json(line, name); ok {
			f.field = name
			return i, true
		}
	}
	return Instant{}, false
}

func (f *Finder) json(line []byte, path string) (Instant, bool) {
	v := gjson.GetBytes(line, path)
	switch v.Type {
	case gjson.String:
		return read([]byte(v.Str), f.Unit)
	case gjson.Number:
		return read([]byte(v.Raw), f.Unit)
	}
	return Instant{}, false
}

// Set reads a unit: auto, s, ms, us or ns. With String and Type it makes *Unit a flag's value.
func (u *Unit) Set(s string) error {
	i := slices.Index(units[:], s)
	if i < 0 {
		return fmt.Errorf("expected auto, s, ms, us or ns")
	}
	*u = Unit(i)
	return nil
}

// Type says what a flag of this kind takes.
func (u *Unit) Type() string { return "unit" }
