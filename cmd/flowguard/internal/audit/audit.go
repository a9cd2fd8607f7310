// Package audit says whether a sequence of instants keeps the windows of some limits. It takes the
// instants one by one and remembers no more than a fixed number of them for each window, however many
// there are.
//
// It never accuses wrongly. Where it cannot tell for certain, because a window has more instants than it
// remembers one by one, or because the log writes whole seconds, it counts too few and says so.
package audit

import (
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// Call is one line of a log: an instant, and where it stands.
type Call struct {
	At   int64 // Unix time in nanoseconds
	Line int64 // in the log, from 1
}

// Stretch is a run of calls that came while a window was used up already.
type Stretch struct {
	Window scheduler.Window
	First  Call // the first call that was too many
	Last   Call // the last one
	Calls  int  // how many there were
	Most   Count
}

// Count says how many calls an interval had.
type Count struct {
	N    int
	From int64 // the first instant in it
	At   Call  // the last call in it
}

// Finding is what was seen of one window.
type Finding struct {
	Window    scheduler.Window
	Most      Count // the fullest interval of length Per
	Broken    int   // calls that came while the window was used up
	Stretches int
	First     Stretch // the first of them, and the one with the fullest interval
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

// New returns an auditor of the windows of l. Report is called with each stretch when it is over; it may be
// nil. Each window is checked as if it were shorter by tolerance.
func New(l scheduler.Limits, tolerance time.Duration, report func(Stretch)) *Auditor {
	a := &Auditor{report: report}
	for _, w := range l.Windows {
		a.windows = append(a.windows, newWindow(w, tolerance))
	}
	return a
}

// Add takes the next call. Its instant must not be before the one of the call before. Resolution is what
// the log writes instants to: calls logged at 1 s and 2 s may be anything between 0 and 2 s apart, and
// only full seconds between them count.
func (a *Auditor) Add(c Call, resolution time.Duration) {
	if r := int64(resolution); a.resolution == 0 || r < a.resolution {
		a.resolution = r
		for _, w := range a.windows {
			w.measureIn(r)
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
		w.finding.Unchecked = a.resolution > 0 && w.per == 0
		all = append(all, w.finding)
	}
	return all
}

// window checks one window. It has the calls of the last per, the oldest first, those of one instant as
// one entry.
type window struct {
	finding Finding
	length  int64 // the window's Per less the tolerance
	per     int64 // as far as the log's resolution can tell
	history history
	stretch Stretch // the one that goes on; Calls is 0 if there is none
}

func newWindow(w scheduler.Window, tolerance time.Duration) *window {
	return &window{finding: Finding{Window: w}, length: max(0, int64(w.Per-tolerance))}
}

// measureIn takes the window to be the largest multiple of the resolution that it holds: instants that
// are cut off to a multiple of r are apart by at least that, if the calls were apart by the window's length.
func (w *window) measureIn(r int64) { w.per = w.length / max(1, r) * max(1, r) }

func (w *window) add(c Call, report func(Stretch)) {
	if w.per == 0 {
		return
	}
	h := &w.history
	h.expire(c.At - w.per)
	h.add(c.At, w.per)
	f := &w.finding
	f.Coarse = f.Coarse || h.quantum > 0
	count := Count{N: h.sum, From: h.oldest(), At: c}
	if count.N > f.Most.N {
		f.Most = count
	}
	if count.N <= f.Window.Permits {
		w.endStretch(report)
		return
	}
	f.Broken++
	s := &w.stretch
	if s.Calls == 0 {
		*s = Stretch{Window: f.Window, First: c}
	}
	s.Calls++
	s.Last = c
	if count.N > s.Most.N {
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
		f.First = s
	}
	if s.Most.N > f.Worst.Most.N {
		f.Worst = s
	}
	if report != nil {
		report(s)
	}
}
