package scheduler

import (
	"time"

	"github.com/flowguard-go/flowguard/internal/weight"
)

// snapshotInstants is how many instants of a window a snapshot tells apart.
const snapshotInstants = 1_024

// snapshot returns what the core remembers. Moment 0 was at the given time.
func (c *core) snapshot(epoch time.Time) Snapshot {
	at := func(t moment) time.Time { return epoch.Add(time.Duration(t)).UTC().Round(0) }
	snap := Snapshot{
		Version: snapshotVersion,
		Taken:   at(c.now),
		Limits:  c.limits.clone(),
		Windows: make([]WindowSnapshot, len(c.windows)),
	}
	if c.now < c.pause.until {
		snap.PausedUntil = at(c.pause.until)
	}
	for i := range c.windows {
		snap.Windows[i] = c.windows[i].snapshot(c.now, at)
	}
	return snap
}

func (w *window) snapshot(now moment, at func(moment) time.Time) WindowSnapshot {
	s := WindowSnapshot{Held: w.held.Saturated(), Spent: []Spent{}}
	if w.past.reset != nil {
		if n := w.past.sum(); n > 0 {
			s.Spent = append(s.Spent, Spent{at(now), n}) // any instant of the period says the same
		}
	} else {
		past := w.past.coarse(snapshotInstants)
		for t, n := range past.charges() {
			s.Spent = append(s.Spent, Spent{at(t), n})
		}
	}
	if w.observed.holds() {
		s.Left, s.Until = max(0, w.observed.latest.left), at(max(w.observed.latest.until, w.observed.longer.until))
	}
	return s
}

// restore charges the windows with what a snapshot without damage remembers.
func (c *core) restore(snap *Snapshot, epoch time.Time) {
	at := func(t time.Time) moment { return c.standing(moment(t.Sub(epoch))) }
	// Not later than it was to be when the snapshot was taken, should a clock have been set back.
	future := func(t time.Time) moment {
		left := moment(t.Sub(snap.Taken))
		return min(at(t), c.now+min(left, horizon), horizon)
	}
	old := make([]window, len(snap.Windows))
	for i, s := range snap.Windows {
		old[i] = newWindow(snap.Limits.Windows[i], 0)
		old[i].setEpoch(epoch)
		old[i].refill(s, c.now, at)
		if !s.Until.IsZero() {
			old[i].observe(c.now, s.Left, s.Left, future(s.Until))
		}
	}
	before := newAncestors(old)
	for i := range c.windows {
		w := newWindow(c.windows[i].Window, c.windows[i].column)
		w.setEpoch(epoch)
		w.inherit(before, c.now, weight.Sum{})
		c.windows[i].merge(&w, c.now)
		if c.windows[i].observed.holds() {
			c.countUnderway() // grants use up what is left
		}
	}
	c.expiry = c.now
	c.enforce()
	if !snap.PausedUntil.IsZero() {
		c.setPause(future(snap.PausedUntil))
	}
}

// refill charges an empty window with what a snapshot says of it. When those who held permits gave them
// back is not known, but not later than now.
func (w *window) refill(s WindowSnapshot, now moment, at func(time.Time) moment) {
	for _, spent := range s.Spent {
		if t := min(at(spent.At), now); w.past.ends(t) > now {
			w.past.add(t, spent.Permits)
		}
	}
	if s.Held > 0 {
		w.past.add(now, s.Held)
	}
}

// merge adds what another window like it remembers.
func (w *window) merge(other *window, now moment) {
	w.past.merge(&other.past, now)
	if w.Evenly {
		w.setApart()
	}
	if other.observed.holds() {
		// Which of the two is the later is not known, so neither makes the other looser.
		left := min(w.observed.latest.left, other.observed.latest.left)
		w.observed.add(now, left, left, other.observed.latest.until)
	}
}
