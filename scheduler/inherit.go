package scheduler

import "github.com/flowguard-go/flowguard/internal/weight"

// configure replaces the limits. Tickets in line may then be too large for them.
func (c *core) configure(l Limits) {
	before := newAncestors(c.windows)
	c.setLimits(l)
	for i := range c.windows {
		c.windows[i].inherit(before, c.now, c.burst.held)
	}
	c.enforce()
}

// ancestors are windows that others take the place of. It finds for each of those the one that
// remembers best what it should, in the same few steps however many there are.
type ancestors struct {
	same     map[Window]*window // the fullest of those alike
	span     map[span]*window   // the fullest
	longest  map[Instant]*window
	mostUsed int
}

type span struct {
	per  int64
	from Instant
}

func newAncestors(windows []window) *ancestors {
	a := &ancestors{
		same:    make(map[Window]*window, len(windows)),
		span:    make(map[span]*window, len(windows)),
		longest: make(map[Instant]*window, 2),
	}
	for i := range windows {
		w := &windows[i]
		a.mostUsed = max(a.mostUsed, w.used())
		keepBest(a.same, w.Window, w)
		keepBest(a.span, span{int64(w.Per), w.From}, w)
		keepBest(a.longest, w.From, w)
	}
	return a
}

// keepBest keeps the longest window, among equals the fullest.
func keepBest[K comparable](best map[K]*window, k K, w *window) {
	if b := best[k]; b == nil || w.Per > b.Per || w.Per == b.Per && w.used() > b.used() {
		best[k] = w
	}
}

// of returns the window that remembers best what w should: itself, or else one as long, or else the
// longest; nil if none counts from the same instant.
func (a *ancestors) of(w *window) *window {
	if same := a.same[w.Window]; same != nil {
		return same
	}
	if alike := a.span[span{int64(w.Per), w.From}]; alike != nil {
		return alike
	}
	return a.longest[w.From]
}

// inherit fills a new window with what those before it remember.
func (w *window) inherit(before *ancestors, now moment, inUse weight.Sum) {
	from := before.of(w)
	switch {
	case from != nil:
		w.held = from.held
		w.observed = from.observed
		w.past.replay(&from.past, now)
	case w.From == FromRelease:
		// What is in use is known; when the others were released is not, but not later than now.
		w.held = inUse
		w.past.assume(now, max(0, before.mostUsed-inUse.Saturated()))
	default:
		w.past.assume(now, before.mostUsed)
	}
}
