// Package audit says whether a sequence of instants keeps the windows of some limits. It takes the
// instants one by one and remembers no more than a fixed number of them for each window, however many
// there are.
//
// It never reports a limit as broken that may have been kept. If a window has more instants than it remembers
// one by one, or the log writes whole seconds, it may count too few, and says so.
package audit

import (
	"slices"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// Call is one line of a log: an instant, the line's number, and the costs.
type Call struct {
	At    int64   // Unix time in nanoseconds
	Line  int64   // in the log, from 1
	Costs []int64 // in the auditor's units; nil: nothing
}

// Stretch is a series of calls that broke a window. Each came while the window was used up, or too soon after
// the call before.
type Stretch struct {
	Window scheduler.Window
	First  Call // the first call that was too many
	Last   Call // the last one
	Calls  int64
	Most   Count // the worst of them
}

// Count says how much an interval had when a call came.
type Count struct {
	N    int64 // calls, or of the window's unit
	From int64 // the first instant in it
	At   Call  // the last call in it

	// For a call that came too early in a window that is spaced evenly: the time since the call before, by the
	// log, and the time that the window requires.
	Gap, Space time.Duration
}

// worse reports whether a breaks a window by more than b.
func (a Count) worse(b Count) bool {
	if a.Space > 0 || b.Space > 0 {
		return a.Space-a.Gap > b.Space-b.Gap
	}
	return a.N > b.N
}

// Finding is the result for one window.
type Finding struct {
	Window    scheduler.Window
	Most      Count // the fullest interval
	Broken    int64 // calls that came while the window was used up, or too early
	Stretches int64
	First     Stretch // the first of them, and the worst
	Worst     Stretch
	Coarse    bool // the count was rounded down for a time
	Unchecked bool // the log's instants are too coarse for a window this short
}

// Auditor checks the windows of some limits. Make one with [New].
type Auditor struct {
	windows    []*window
	resolution int64 // the finest seen
	report     func(Stretch)
}

// New returns an auditor of the windows of l, which are valid. Units are those of a call's costs, in their
// order. Report is called with each stretch when it is over; it may be nil. Each window is checked as if it were
// shorter by tolerance.
func New(l scheduler.Limits, units []scheduler.Unit, tolerance time.Duration, report func(Stretch)) *Auditor {
	a := &Auditor{report: report}
	for _, w := range l.Windows {
		a.windows = append(a.windows, newWindow(w, slices.Index(units, w.Unit), tolerance))
	}
	return a
}

// Add takes the next call. Its instant must not be before the one of the call before. Resolution is what
// the log writes instants to: calls logged at 1 s and 2 s may be anything between 0 and 2 s apart, and
// only full seconds between them count.
func (a *Auditor) Add(c Call, resolution time.Duration) {
	if r := max(int64(resolution), 1); a.resolution == 0 || r < a.resolution {
		a.resolution = r
		for _, w := range a.windows {
			w.finding.Unchecked = !w.rule.measureIn(r)
		}
	}
	for _, w := range a.windows {
		w.add(c, a.report)
	}
}

// Findings returns what was seen of each window, in their order. Call it once, after the last Add.
func (a *Auditor) Findings() []Finding {
	var all []Finding
	for _, w := range a.windows {
		w.endStretch(a.report)
		all = append(all, w.finding)
	}
	return all
}

// window checks one window.
type window struct {
	finding Finding
	unit    int // in a call's costs; below 0: calls are counted
	rule    rule
	stretch Stretch // the one that goes on; Calls is 0 if there is none
}

func newWindow(w scheduler.Window, unit int, tolerance time.Duration) *window {
	return &window{finding: Finding{Window: w}, unit: unit, rule: ruleOf(w, tolerance)}
}

// amount returns what the call asks the window for.
func (w *window) amount(c Call) int64 {
	switch {
	case w.finding.Window.Unit == "":
		return 1
	case w.unit < 0 || w.unit >= len(c.Costs):
		return 0
	}
	return c.Costs[w.unit]
}

func (w *window) add(c Call, report func(Stretch)) {
	n := w.amount(c)
	c.Costs = nil // they are used again
	f := &w.finding
	if f.Unchecked || n == 0 {
		return
	}
	count, broken := w.rule.add(c, n)
	f.Coarse = f.Coarse || w.rule.coarse()
	if count.N > f.Most.N {
		f.Most = count
	}
	if !broken {
		w.endStretch(report)
		return
	}
	f.Broken++
	s := &w.stretch
	if s.Calls == 0 {
		*s = Stretch{Window: f.Window, First: c, Most: count}
	}
	s.Calls++
	s.Last = c
	if count.worse(s.Most) {
		s.Most = count
	}
}

func (w *window) endStretch(report func(Stretch)) {
	s, f := w.stretch, &w.finding
	if s.Calls == 0 {
		return
	}
	w.stretch = Stretch{}
	f.Stretches++
	if f.Stretches == 1 {
		f.First, f.Worst = s, s
	}
	if s.Most.worse(f.Worst.Most) {
		f.Worst = s
	}
	if report != nil {
		report(s)
	}
}
