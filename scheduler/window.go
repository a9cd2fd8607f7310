package scheduler

import (
	"math"
	"time"

	"github.com/flowguard-go/flowguard/internal/spacing"
	"github.com/flowguard-go/flowguard/internal/weight"
)

// window is one Window at work.
type window struct {
	Window
	column   int        // of its unit
	past     history    // what was charged in the last Per
	held     weight.Sum // what is charged while it is held; FromRelease only
	observed observed   // what the server said is left
	apart    moment     // until when charges before the newest delay the next grant; Evenly only
}

func newWindow(w Window, column int) window {
	return window{Window: w, column: column, past: newHistory(w), observed: unobserved}
}

func (w *window) used() int {
	used := w.past.sum()
	if !w.held.IsZero() {
		used += min(w.held.Saturated(), math.MaxInt-used)
	}
	return used
}

// remaining returns how many permits could be granted now, 0 or more.
func (w *window) remaining(now moment) int {
	if w.Evenly && now < w.spaced() {
		return 0
	}
	return max(0, min(w.Permits-w.used(), w.observed.latest.left))
}

// setEpoch says when moment 0 was, and reports whether that is news to the window.
func (w *window) setEpoch(epoch time.Time) bool {
	return w.past.reset != nil && w.past.reset.set(epoch)
}

// nextFree returns when time alone makes remaining grow, or never.
func (w *window) nextFree(now moment) moment {
	n := w.remaining(now)
	if n == w.Permits {
		return never
	}
	at, sure := w.freeAt(now, w.excess(n+1))
	if !sure {
		return never
	}
	if w.Evenly {
		at = max(at, w.spaced())
	}
	return w.observed.roomAt(at, weight.Sum{}, n+1)
}

// advance forgets what no longer counts at now, and returns until when nothing more does so, if nothing is charged for
// the past.
func (w *window) advance(now moment) (until moment) {
	w.past.expire(now)
	return w.past.expiry(now)
}

func (w *window) fits(now moment, n int) bool {
	return w.hasRoom(n) && (!w.Evenly || now >= w.spaced())
}

// hasRoom is fits apart from even spacing.
func (w *window) hasRoom(n int) bool {
	return n <= w.Permits-w.used() && n <= w.observed.latest.left
}

// spaced returns the moment until which the last grant keeps the next one away. What was granted before it
// does not count: it was over by then. What was used elsewhere may be so soon after a grant that it keeps the
// next one away for less, and then the grant counts too.
func (w *window) spaced() moment {
	at, n := w.past.newest()
	return max(w.apart, at.after(w.space(n)))
}

// setApart delays the next grant by what is remembered, as if each charge were that of a grant.
func (w *window) setApart() {
	last := moment(0)
	w.apart = 0
	for at, n := range w.past.charges() {
		w.apart = max(w.apart, last)
		last = at.after(w.space(n)) // the newest is looked at by spaced
	}
}

// space returns how long the next grant must wait after n permits.
func (w *window) space(n int) time.Duration {
	return spacing.Of(int64(n), int64(w.Permits), w.Per)
}

func (w *window) grant(now moment, n int) {
	if w.From == FromRelease {
		w.held.Add(n)
	} else {
		w.past.add(now, n)
	}
}

func (w *window) release(now moment, n int) {
	if w.From == FromRelease {
		w.held.Subtract(n)
		w.past.add(now, n)
	}
}

func (w *window) undo(now, at moment, n int) {
	if w.From == FromRelease {
		w.held.Subtract(n)
	} else {
		w.past.remove(now, at, n)
	}
	w.observed.undo(at, n)
}

// settle corrects the charge of a held ticket that was granted at the instant at: from was permits to n.
func (w *window) settle(now, at moment, was, n int) {
	switch {
	case w.From == FromRelease:
		w.held.Subtract(was)
		w.held.Add(n)
	case n < was:
		w.past.remove(now, at, was-n)
	case n > was:
		w.past.insert(now, at, n-was)
	}
	if n < was {
		w.observed.undo(at, was-n)
	} else {
		w.observed.settle(n - was)
	}
}

// spend charges n permits that were used elsewhere.
func (w *window) spend(now moment, n int) {
	if w.Evenly {
		w.apart = w.spaced()
	}
	w.past.add(now, n)
}

func (w *window) observe(now moment, sure, left int, until moment) {
	if until > now {
		w.observed.add(now, sure, left, until)
	}
}

// roomAt says the same of the window for what d asks of its unit. A ticket that asks for nothing of it is
// not subject to it.
func (w *window) roomAt(now moment, ahead *foreseen, d demand) (at moment, sure bool) {
	n := d.in(w.column)
	if n == 0 {
		return now, true
	}
	if ahead == nil {
		at, sure = w.freeAt(now, w.excess(n))
		if w.Evenly {
			at = max(at, w.spaced())
		}
	} else {
		at, sure = ahead.roomAt(w, now, n)
	}
	if w.observed.holds() {
		at = w.observed.roomAt(at, ahead.amount(w.column), n)
	}
	return at, sure
}

// excess returns how many of the permits that count now must go before n fit.
func (w *window) excess(n int) int { return min(n, w.Permits) - w.Permits + w.used() }

// freeAt returns when the oldest n of the permits that count now have gone, now if n is 0 or less.
// Permits that are held are taken to be released now.
func (w *window) freeAt(now moment, n int) (at moment, sure bool) {
	switch {
	case n <= 0:
		return now, true
	case n <= w.past.sum():
		return w.past.freeAt(n), true
	default:
		return w.past.ends(now), false
	}
}
