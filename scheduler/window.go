package scheduler

import (
	"math"

	"github.com/flowguard-go/flowguard/internal/weight"
)

// window is one Window at work.
type window struct {
	Window
	past     history    // what was charged in the last Per
	held     weight.Sum // what is charged because it is held; FromRelease only
	observed observed   // what the far side said is left
}

func newWindow(w Window) window {
	return window{Window: w, past: newHistory(w), observed: unobserved}
}

func (w *window) used() int {
	used := w.past.sum()
	if !w.held.IsZero() {
		used += min(w.held.Saturated(), math.MaxInt-used)
	}
	return used
}

// remaining returns how many permits could be granted now, 0 or more.
func (w *window) remaining() int {
	return max(0, min(w.Permits-w.used(), w.observed.latest.left))
}

// advance forgets what no longer counts at now.
func (w *window) advance(now moment) { w.past.expire(now) }

func (w *window) fits(n int) bool {
	return n <= w.Permits-w.used() && n <= w.observed.latest.left
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

// spend charges n permits that were used elsewhere.
func (w *window) spend(now moment, n int) { w.past.add(now, n) }

func (w *window) observe(now moment, sure, left int, until moment) {
	if until > now {
		w.observed.add(now, sure, left, until)
	}
}

func (w *window) roomAt(now moment, ahead *foreseen, n int) (at moment, sure bool) {
	if ahead == nil {
		at, sure = w.freeAt(now, w.excess(n))
	} else {
		at, sure = ahead.roomAt(w, now, n)
	}
	if w.observed.holds() {
		at = w.observed.roomAt(at, ahead, n)
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
		return now.after(w.Per), false
	}
}
