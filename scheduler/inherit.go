package scheduler

import (
	"time"

	"github.com/flowguard-go/flowguard/internal/weight"
)

// configure replaces the limits. Tickets in line may then be too large for them.
func (c *core) configure(l Limits) {
	before := newAncestors(c.windows)
	c.setLimits(l)
	inUse := c.inUse()
	for i := range c.windows {
		w := &c.windows[i]
		w.inherit(before, c.now, inUse[w.column])
	}
	c.enforce()
}

// ancestors are the windows that new ones replace. For each new window it finds the old one with the best
// history, in the same few steps however many there are.
type ancestors struct {
	same     map[Window]*window // the fullest of those alike
	span     map[span]*window   // the fullest
	longest  map[counted]*window
	mostUsed map[Unit]int
}

// span is what windows of one length have in common that remember the same.
type span struct {
	per time.Duration
	counted
	at   time.Duration
	zone string
}

// counted is what windows that count the same have in common.
type counted struct {
	unit Unit
	from Instant
}

func countedBy(w *window) counted { return counted{w.Unit, w.From} }
func spanOf(w *window) span       { return span{w.Per, countedBy(w), w.ResetAt, w.Zone} }

func newAncestors(windows []window) *ancestors {
	a := &ancestors{
		same:     make(map[Window]*window, len(windows)),
		span:     make(map[span]*window, len(windows)),
		longest:  make(map[counted]*window, 2),
		mostUsed: make(map[Unit]int, 1),
	}
	for i := range windows {
		w := &windows[i]
		a.mostUsed[w.Unit] = max(a.mostUsed[w.Unit], w.used())
		keepBest(a.same, w.Window, w)
		keepBest(a.span, spanOf(w), w)
		if w.From != FromReset { // the charges of another period cannot be told apart
			keepBest(a.longest, countedBy(w), w)
		}
	}
	return a
}

// keepBest keeps the longest window, among equals the fullest.
func keepBest[K comparable](best map[K]*window, k K, w *window) {
	if b := best[k]; b == nil || w.Per > b.Per || w.Per == b.Per && w.used() > b.used() {
		best[k] = w
	}
}

// of returns the window whose history is the best start for w: w itself, or else a window of the same length,
// or else the longest. It returns nil if none counts the same unit from the same instant.
func (a *ancestors) of(w *window) *window {
	if same := a.same[w.Window]; same != nil {
		return same
	}
	if alike := a.span[spanOf(w)]; alike != nil {
		return alike
	}
	return a.longest[countedBy(w)]
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
		// The permits in use are known. The others were released at an unknown instant, at the latest now.
		w.held = inUse
		w.past.assume(now, max(0, before.mostUsed[w.Unit]-inUse.Saturated()), !inUse.IsZero())
	default:
		w.past.assume(now, before.mostUsed[w.Unit], !inUse.IsZero())
	}
	if w.Evenly {
		w.setApart()
	}
}
