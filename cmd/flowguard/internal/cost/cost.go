// Package cost says what a line costs in units such as tokens.
package cost

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/column"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Most is the largest cost of a line. Sums of some ten million of them still fit into 63 bits.
const Most int64 = 100_000_000_000

// Cost says where the amount of one unit is found, as a flag gives it: tokens=900, tokens={2},
// tokens={usage.total} or bytes=length.
type Cost struct {
	Unit   scheduler.Unit
	text   string
	fixed  int64  // if nothing else is set
	column int    // from 1
	field  string // of JSON
	length bool   // of the line, in bytes
}

// String returns the cost as [Flag.Set] reads it.
func (c Cost) String() string { return c.text }

// Where says where the amount is found, such as "column 2" or "field usage.total".
func (c Cost) Where() string {
	switch {
	case c.column > 0:
		return fmt.Sprintf("column %d", c.column)
	case c.field != "":
		return "field " + c.field
	}
	return "it"
}

// Fixed reports whether each line costs the same.
func (c Cost) Fixed() bool { return c.column == 0 && c.field == "" && !c.length }

// Of returns what the line costs. Exact is false if the amount has a fraction, which is left out. It returns
// false if the line has no number from 0 to [Most] there.
func (c Cost) Of(line []byte, delimiter string) (n int64, exact, ok bool) {
	switch {
	case c.length:
		return int64(len(line)), true, int64(len(line)) <= Most
	case c.field != "":
		v := gjson.GetBytes(line, c.field)
		switch v.Type {
		case gjson.String:
			return amount(v.Str)
		case gjson.Number:
			return amount(v.Raw)
		}
		return 0, false, false
	case c.column > 0:
		b, found := column.Of(line, c.column, delimiter)
		if !found {
			return 0, false, false
		}
		return amount(strings.Trim(string(b), `"`))
	}
	return c.fixed, true, true
}

// amount reads a number of 0 or more.
func amount(s string) (n int64, exact, ok bool) {
	if n, err := strconv.ParseUint(s, 10, 63); err == nil {
		return int64(n), true, n <= uint64(Most)
	}
	if s == "" || s[0] != '+' && (s[0] < '0' || s[0] > '9') {
		return 0, false, false // also 0x1p2, Inf and NaN
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 0 && f <= float64(Most)) {
		return 0, false, false
	}
	n = int64(f)
	return n, float64(n) == f, true
}

// Flag is the value of a flag --cost, which may be given once for each unit.
type Flag []Cost

// Set adds a cost.
func (f *Flag) Set(s string) error {
	c := Cost{text: s}
	unit, what, ok := strings.Cut(s, "=")
	c.Unit = scheduler.Unit(unit)
	if err := (scheduler.Limits{Windows: []scheduler.Window{c.Unit.PerSecond(1)}}).Validate(); !ok || unit == "" || err != nil {
		return errors.New("expected a unit and what a line costs, such as tokens=900 or tokens={2}")
	}
	for _, other := range *f {
		if other.Unit == c.Unit {
			return fmt.Errorf("the cost in %s is given twice; it was %s before", c.Unit, other)
		}
	}
	inner, braces := strings.CutPrefix(what, "{")
	inner, closed := strings.CutSuffix(inner, "}")
	switch n, err := strconv.ParseInt(inner, 10, 64); {
	case braces && closed && err == nil && n >= 1:
		c.column = int(min(n, math.MaxInt32))
	case braces && closed && err != nil && inner != "":
		c.field = inner
	case braces || closed || what == "":
		return errors.New("braces hold a column from 1, such as {2}, or the path of a field of JSON")
	case what == "length":
		c.length = true
	case err != nil || n < 0 || n > Most:
		return fmt.Errorf("%q is not an amount; write a number up to %d, {2} for column 2, {usage.total} for a field of JSON, or length for the bytes of the line", what, Most)
	default:
		c.fixed = n
	}
	*f = append(*f, c)
	return nil
}

// String returns the costs, with commas.
func (f *Flag) String() string {
	var all []string
	for _, c := range *f {
		all = append(all, c.text)
	}
	return strings.Join(all, ",")
}

// Type says what a flag of this kind takes.
func (f *Flag) Type() string { return "UNIT=WHAT" }

// MatchLimits returns an error unless each unit of the limits has a cost, and each cost has a limit.
func (f Flag) MatchLimits(l scheduler.Limits) error {
	counted := map[scheduler.Unit]bool{}
	for _, w := range l.Windows {
		counted[w.Unit] = true
		if w.Unit != "" && f.of(w.Unit) == nil {
			return fmt.Errorf("%v counts %s; say what each costs with --cost, such as --cost %s=100 or --cost %s={2}", w, w.Unit, w.Unit, w.Unit)
		}
	}
	for _, c := range f {
		if !counted[c.Unit] {
			return fmt.Errorf("--cost %s: no limit counts %s", c, c.Unit)
		}
	}
	return nil
}

func (f Flag) of(unit scheduler.Unit) *Cost {
	for i := range f {
		if f[i].Unit == unit {
			return &f[i]
		}
	}
	return nil
}

// Tickets returns what the line costs, as a scheduler takes it, and rounded up. It returns an error if the line does
// not say so.
func (f Flag) Tickets(line []byte, delimiter string) ([]ticket.Cost, error) {
	var all []ticket.Cost
	for _, c := range f {
		n, exact, ok := c.Of(line, delimiter)
		if !ok {
			return nil, fmt.Errorf("its cost in %s is missing; %s has no number from 0 to %d", c.Unit, c.Where(), Most)
		}
		if !exact {
			n++
		}
		all = append(all, c.Unit.Of(int(min(n, math.MaxInt))))
	}
	return all, nil
}
