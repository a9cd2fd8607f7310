package engine

import (
	"fmt"
	"strconv"
	"strings"
)

// Halt says when a run ends before all items are done. As a flag it is written as GNU parallel writes it:
// never, or soon or now, a comma, and fail, success or done with a number or percentage: "now,fail=1",
// "soon,fail=10%". The zero Halt is what xargs does: no more commands are begun after one that ended with
// status 255 or was killed by a signal.
type Halt struct {
	text    string
	never   bool
	now     bool // what runs is made to end
	what    string
	n       int
	percent bool
}

// fewest is how many jobs must be done before a percentage counts.
const fewest = 3

// Set reads a Halt. With String and Type it makes *Halt a flag's value.
func (h *Halt) Set(s string) error {
	parsed := Halt{text: s}
	if s == "never" {
		parsed.never = true
		*h = parsed
		return nil
	}
	when, what, _ := strings.Cut(s, ",")
	name, number, ok := strings.Cut(what, "=")
	parsed.what = name
	number, parsed.percent = strings.CutSuffix(number, "%")
	n, err := strconv.Atoi(number)
	parsed.n, parsed.now = n, when == "now"
	known := name == "fail" || name == "success" || name == "done"
	if !ok || err != nil || n < 1 || parsed.percent && n > 100 || when != "now" && when != "soon" || !known {
		return fmt.Errorf(`expected "never", or a rule such as "now,fail=1", "soon,fail=10%%" or "now,success=1"`)
	}
	*h = parsed
	return nil
}

// String returns what Set has read.
func (h *Halt) String() string { return h.text }

// Type says what a flag of this kind takes.
func (h *Halt) Type() string { return "when" }

// asXargs reports whether commands that ask for it, and signals, end the run.
func (h *Halt) asXargs() bool { return h.text == "" }

// reached reports whether the run is to end after so many jobs.
func (h *Halt) reached(t Tally) bool {
	var n int
	switch h.what {
	case "fail":
		n = t.Failed
	case "success":
		n = t.Done - t.Failed
	case "done":
		n = t.Done
	default:
		return false
	}
	if h.percent {
		return t.Done >= fewest && n*100 >= h.n*t.Done
	}
	return n >= h.n
}
