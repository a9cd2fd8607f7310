package timeline

import (
	"cmp"
	"slices"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// elsewhere is the flow of permits that were used outside the run.
const elsewhere int32 = -1

// kind says what a change changes.
type kind uint8

const (
	kindAmount kind = iota // by n
	kindSettle             // by n, which is no grant: it may exceed the limit
	kindLimit              // to n; below 0: there is none
	kindRemark             // at most n more until an instant, as a server says
)

// change is what happens to a row at an instant.
type change struct {
	at, until instant
	seq       uint32 // of the event that made it; 0: an end, which comes before what begins at the instant
	flow      int32
	kind      kind
	n         int
}

// row is an amount over time, against its limit.
type row struct {
	names    []string // the limit, as it was written from time to time
	isWindow bool
	changes  []change // in order
}

// name is the limit, or the first and the last if it changed.
func (rw *row) name() string {
	switch n := len(rw.names); n {
	case 1:
		return rw.names[0]
	case 2:
		return rw.names[0] + " → " + rw.names[1]
	default:
		return rw.names[0] + " … " + rw.names[n-1]
	}
}

// maxRows bounds the windows that are drawn.
const maxRows = 16

// rowKey tells windows apart in the way of [scheduler.Scheduler.SetLimits]: one whose length and beginning
// stay keeps its history. nth tells apart those that have these in common.
type rowKey struct {
	window scheduler.Window
	nth    int
}

// keysOf returns the keys of a limit's windows, in their order.
func keysOf(l scheduler.Limits) []rowKey {
	seen := map[scheduler.Window]int{}
	keys := make([]rowKey, len(l.Windows))
	for i, w := range l.Windows {
		w.Permits = 0
		keys[i] = rowKey{w, seen[w]}
		seen[w]++
	}
	return keys
}

// windowRows returns a row for each window that held at some time between from and to, in the order in which
// the limits first named them. It also returns how many more such windows there are.
func (r *run) windowRows(from, to instant) (rows []row, more int) {
	index := map[rowKey]int{}
	hidden := map[rowKey]bool{}
	var windows []scheduler.Window
	for i, g := range r.regimes {
		ends := i+1 < len(r.regimes) && r.regimes[i+1].from <= from
		if ends || g.from > to {
			continue
		}
		keys := keysOf(g.limits)
		for j, key := range keys {
			at, ok := index[key]
			if !ok {
				if len(rows) == maxRows {
					hidden[key] = true
					continue
				}
				at = len(rows)
				index[key] = at
				rows = append(rows, row{isWindow: true})
				windows = append(windows, g.limits.Windows[j])
			}
			rows[at].limit(g, g.limits.Windows[j].Permits, g.limits.Windows[j].String())
		}
		for key, at := range index {
			if !slices.Contains(keys, key) {
				rows[at].limit(g, -1, "")
			}
		}
	}
	for i := range rows {
		r.fill(&rows[i], windows[i])
	}
	return rows, len(hidden)
}

func sameRow(a, b scheduler.Window) bool {
	a.Permits, b.Permits = 0, 0
	return a == b
}

// limit notes that a limit holds from the beginning of a regime.
func (rw *row) limit(g regime, n int, name string) {
	if last := len(rw.names) - 1; name != "" && (last < 0 || rw.names[last] != name) {
		rw.names = append(rw.names, name)
	}
	rw.changes = append(rw.changes, change{at: g.from, seq: g.seq, kind: kindLimit, n: n})
}

// occupy adds n from one instant to another. A permit that was given back in the instant of its grant is
// not seen, but can break a limit.
func (rw *row) occupy(from, to instant, seq uint32, flow int32, n int) {
	if to < from || to == from && seq == 0 {
		return
	}
	rw.changes = append(rw.changes, change{at: from, seq: seq, flow: flow, n: n})
	if to < forever {
		end := change{at: to, flow: flow, n: -n}
		if to == from {
			end.seq = seq // not before it began
		}
		rw.changes = append(rw.changes, end)
	}
}

// correct adds n, which may be below 0, to what counts until an instant.
func (rw *row) correct(from, to instant, seq uint32, flow int32, n int) {
	if to <= from {
		return // it does not count any more
	}
	rw.changes = append(rw.changes, change{at: from, seq: seq, flow: flow, kind: kindSettle, n: n})
	if to < forever {
		rw.changes = append(rw.changes, change{at: to, flow: flow, kind: kindSettle, n: -n})
	}
}

// sort puts the changes in order. At one instant, ends come before beginnings. Changes with the same number
// keep their order.
func (rw *row) sort() {
	slices.SortStableFunc(rw.changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq))
	})
}

// fill adds what is charged to a window.
func (r *run) fill(rw *row, w scheduler.Window) {
	ends := r.endsOf(w)
	for i := range r.spans {
		s := &r.spans[i]
		if s.before && w.From != scheduler.FromRelease {
			continue // it is among what the window remembered
		}
		if n := s.cost(w); n > 0 && s.granted != unknown {
			rw.occupy(s.granted, s.charged(w, ends), s.seq, s.flow, n)
		}
	}
	for _, c := range r.settlements {
		s := &r.spans[c.span]
		if c.unit == string(w.Unit) && s.granted != unknown && !(s.before && w.From != scheduler.FromRelease) {
			rw.correct(c.at, s.charged(w, ends), c.seq, s.flow, c.extra)
		}
	}
	for _, c := range r.charged {
		if sameRow(c.window, w) {
			rw.occupy(c.at, ends(c.at), c.seq, elsewhere, c.n)
		}
	}
	held := r.heldAll
	if w.Unit != "" {
		held = r.heldOf[w.Unit]
	}
	if w.From == scheduler.FromRelease && held > 0 {
		rw.occupy(0, forever, 0, elsewhere, held)
	}
	for _, o := range r.observed {
		if sameRow(o.window, w) {
			rw.changes = append(rw.changes, change{at: o.at, until: o.until, seq: o.seq, kind: kindRemark, n: o.n})
		}
	}
	rw.sort()
}

// endsOf returns a function that says when what is charged to a window at an instant ends to count.
func (r *run) endsOf(w scheduler.Window) func(instant) instant {
	if w.From != scheduler.FromReset {
		return func(at instant) instant { return at.plus(w.Per) }
	}
	var from, next instant // one period has many charges
	return func(at instant) instant {
		if at >= from && at < next {
			return next
		}
		reset := w.NextReset(r.start.Add(time.Duration(at)))
		if reset.IsZero() { // Validate refuses such a window
			return at.plus(w.Per)
		}
		from, next = at, r.at(reset)
		return next
	}
}

// charged returns until when a granted ticket counts in a window.
func (s *span) charged(w scheduler.Window, ends func(instant) instant) instant {
	switch {
	case s.undone:
		return min(s.left, ends(s.granted))
	case w.From != scheduler.FromRelease:
		return ends(s.granted)
	case s.left != unknown:
		return ends(s.left)
	}
	return forever
}

// cost returns what the ticket takes of a window when it is granted; 0: it is not subject to it.
func (s *span) cost(w scheduler.Window) int {
	if w.Unit == "" {
		return int(s.weight)
	}
	return amountOf(s.costs, string(w.Unit))
}

// burstRow returns the row of the permits held at once, if any were or there is a limit to it.
func (r *run) burstRow(from, to instant) (row, bool) {
	var b row
	limited, held := false, false
	for i, g := range r.regimes {
		ends := i+1 < len(r.regimes) && r.regimes[i+1].from <= from
		if ends || g.from > to {
			continue
		}
		limit := g.limits.MaxBurst
		if limit > 0 {
			limited = true
			b.limit(g, limit, "burst "+count(limit))
		} else {
			b.limit(g, -1, "")
		}
	}
	for i := range r.spans {
		s := &r.spans[i]
		if from, to, ok := s.held(forever); ok {
			b.occupy(from, to, s.seq, s.flow, int(s.weight))
			held = true
		}
	}
	if r.heldAll > 0 {
		b.occupy(0, forever, 0, elsewhere, r.heldAll)
		held = true
	}
	if !limited {
		b.names = []string{"held at once"}
	}
	b.sort()
	return b, limited || held
}

// waitingRow returns the row of the tickets that wait.
func (r *run) waitingRow() row {
	var w row
	for i := range r.spans {
		s := &r.spans[i]
		from, to := s.waits(forever)
		w.occupy(from, to, 0, s.flow, 1)
	}
	w.sort()
	return w
}
