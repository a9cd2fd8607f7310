package scheduler

import "math"

// window is one Window at work. It is plain data that is told the time.
type window struct {
	Window
	past history // what was charged in the last Per
	held int     // what is charged because it is held; FromRelease only
}

func newWindow(w Window) window { return window{Window: w, past: newHistory(w)} }

func (w *window) used() int {
	used := w.past.sum()
	if w.held > 0 {
		used += min(w.held, math.MaxInt-used)
	}
	return used
}

func (w *window) fits(n int) bool { return n <= w.Permits-w.used() }

// grant charges n permits that are granted now.
func (w *window) grant(now instant, n int) {
	if w.From == FromRelease {
		w.held += n
	} else {
		w.past.add(now, n)
	}
}

// release notes that n permits are given back now.
func (w *window) release(now instant, n int) {
	if w.From == FromRelease {
		w.held -= n
		w.past.add(now, n)
	}
}

// undo takes back a grant that was made at the instant at and not released.
func (w *window) undo(now, at instant, n int) {
	if w.From == FromRelease {
		w.held -= n
	} else {
		w.past.remove(now, at, n)
	}
}

// roomAt returns the earliest instant at which n permits fit. Permits that are held are taken to be
// released now, which makes it a lower bound; release says whether it is one.
func (w *window) roomAt(now instant, n int) (at instant, release bool) {
	over := n - (w.Permits - w.used())
	switch {
	case over <= 0:
		return now, false
	case over <= w.past.sum():
		return w.past.freeAt(over), false
	default:
		return now.after(w.Per), true
	}
}
