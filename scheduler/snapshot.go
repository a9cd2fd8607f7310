package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Snapshot is what a scheduler remembers of the grants that still count, so that a window of an hour or
// a day survives a restart of the program. It is made by [Scheduler.Snapshot], marshals to JSON, and is
// used by [Scheduler.Restore].
//
// In JSON the limits are a text as [ParseLimits] reads it and times are as in RFC 3339:
//
//	{"version":1, "taken":"2026-01-02T15:04:05Z", "limits":"5000/day",
//	 "windows":[{"spent":[{"at":"2026-01-02T09:00:00Z","permits":120}, …]}]}
type Snapshot struct {
	Version     int              `json:"version"` // SnapshotVersion
	Taken       time.Time        `json:"taken"`   // by the scheduler's clock
	Limits      Limits           `json:"limits"`
	Windows     []WindowSnapshot `json:"windows"`               // in the order of Limits.Windows
	PausedUntil time.Time        `json:"paused_until,omitzero"` // the end of a pause that ends by itself
}

// WindowSnapshot is what counted in a window.
type WindowSnapshot struct {
	Spent []Spent `json:"spent"`          // the oldest first, 1,025 at most
	Held  int     `json:"held,omitempty"` // permits in use, of a window that counts from release
}

// Spent says that permits were granted at an instant, or given back in a window that counts from
// release.
type Spent struct {
	At      time.Time `json:"at"`
	Permits int       `json:"permits"`
}

// SnapshotVersion is the version of the snapshots that this package makes and takes.
const SnapshotVersion = 1

// finest is how many instants of a window a snapshot tells apart.
const finest = 1_024

// Snapshot returns what the scheduler remembers. It also works after Close, which is when it misses
// nothing: what is granted after a snapshot is not in it.
//
// It is small: of a window that remembers more than 1,024 instants, grants up to Per/1,024 apart count
// as made at the last of them. So a restored window may give permits back that much late, never early.
// Those who wait are not in it, nor is a Pause without an end. It costs a pass over what the windows
// remember.
func (s *Scheduler) Snapshot() Snapshot {
	// The time of day may have been set since the scheduler was made, and after a restart nothing else is
	// known. Now is read last: what differs between two readings makes a permit come back later.
	age := s.box.clock.Since(s.box.epoch)
	epoch := s.box.clock.Now().Add(-age)
	var snap Snapshot
	if _, ok := s.ask(message{verb: snapshot, snapshot: &snap, epoch: &epoch}); !ok {
		<-s.box.ended
		snap = s.box.remains.snapshot(epoch)
	}
	return snap
}

// Restore charges the windows with what a snapshot remembers, in addition to what they remember
// themselves. Call it right after New. Each window takes what [Scheduler.SetLimits] would have given it
// had the snapshot's limits been replaced by the present ones.
//
// Whatever the snapshot says, no limit is ever exceeded for it. What is old no longer counts. What lies
// in the future, because a clock was set back, counts as charged now. Permits that were in use count as
// given back now. A pause goes on until it ends. Restoring a snapshot twice charges it twice.
//
// It returns an [*InvalidError] for a snapshot that is damaged or of another version, and then changes
// nothing, or [ErrClosed].
func (s *Scheduler) Restore(snap Snapshot) error {
	if err := snap.damage(); err != nil {
		return err
	}
	epoch := s.box.clock.Now()
	epoch = epoch.Add(-s.box.clock.Since(s.box.epoch))
	return s.tell(message{verb: restore, snapshot: &snap, epoch: &epoch})
}

// damage returns what is wrong with the snapshot, or nil.
func (snap *Snapshot) damage() error {
	if snap.Version != SnapshotVersion {
		return &InvalidError{"Snapshot.Version", snap.Version, fmt.Sprint(SnapshotVersion)}
	}
	if snap.Taken.IsZero() {
		return &InvalidError{"Snapshot.Taken", "no time", "when it was taken"}
	}
	if err := snap.Limits.Validate(); err != nil {
		invalid := *err.(*InvalidError) // there is no other
		invalid.What = "Snapshot." + invalid.What
		return &invalid
	}
	if got, want := len(snap.Windows), len(snap.Limits.Windows); got != want {
		return &InvalidError{"Snapshot.Windows", fmt.Sprint(got, " windows"), fmt.Sprintf("as many as in Snapshot.Limits, %d", want)}
	}
	for i, w := range snap.Windows {
		if w.Held < 0 {
			return &InvalidError{fmt.Sprintf("Snapshot.Windows[%d].Held", i), w.Held, "0 or more"}
		}
		var before time.Time
		for j, s := range w.Spent {
			name := fmt.Sprintf("Snapshot.Windows[%d].Spent[%d].", i, j)
			switch {
			case s.Permits < 1:
				return &InvalidError{name + "Permits", s.Permits, "1 or more"}
			case s.At.Before(before):
				return &InvalidError{name + "At", s.At, "not before the one that precedes it"}
			case s.At.After(snap.Taken):
				return &InvalidError{name + "At", s.At, "not after Snapshot.Taken"}
			}
			before = s.At
		}
	}
	return nil
}

// snapshot returns what the core remembers. Instant 0 was at the given time.
func (c *core) snapshot(epoch time.Time) Snapshot {
	at := func(t instant) time.Time { return epoch.Add(time.Duration(t)).UTC().Round(0) }
	snap := Snapshot{
		Version: SnapshotVersion,
		Taken:   at(c.now),
		Limits:  c.limits.clone(),
		Windows: make([]WindowSnapshot, len(c.windows)),
	}
	if c.now < c.pausedUntil {
		snap.PausedUntil = at(c.pausedUntil)
	}
	for i := range c.windows {
		w, past := &snap.Windows[i], c.windows[i].past.coarse()
		w.Held, w.Spent = c.windows[i].held, make([]Spent, 0, past.size)
		for t, n := range past.charges() {
			w.Spent = append(w.Spent, Spent{at(t), n})
		}
	}
	return snap
}

// coarse returns a copy that tells no more than about 1,024 instants apart.
func (h *history) coarse() history {
	c := history{per: h.per}
	if h.size > finest {
		c.quantum = instant(h.per) / finest
	}
	for at, n := range h.charges() {
		c.add(at, n)
	}
	return c
}

// restore charges the windows with what a snapshot without damage remembers.
func (c *core) restore(snap *Snapshot, epoch time.Time) {
	old := make([]window, len(snap.Windows))
	for i, s := range snap.Windows {
		old[i] = newWindow(snap.Limits.Windows[i])
		old[i].refill(s, c.now, func(t time.Time) instant { return instant(t.Sub(epoch)) })
	}
	for i := range c.windows {
		w := newWindow(c.windows[i].Window)
		w.inherit(old, c.now, 0)
		c.windows[i].past.merge(&w.past, c.now)
	}
	if !snap.PausedUntil.IsZero() {
		// Not longer than it was to last when the snapshot was taken, should a clock have been set back.
		left := instant(snap.PausedUntil.Sub(snap.Taken))
		until := min(instant(snap.PausedUntil.Sub(epoch)), c.now+min(left, horizon), horizon)
		c.pausedUntil = max(c.pausedUntil, until)
	}
	c.forecast.forget()
}

// refill charges an empty window with what a snapshot says of it. When those who held permits gave them
// back is not known, but not later than now.
func (w *window) refill(s WindowSnapshot, now instant, at func(time.Time) instant) {
	for _, spent := range s.Spent {
		if t := min(at(spent.At), now); t > now-instant(w.Per) {
			w.past.add(t, spent.Permits)
		}
	}
	if s.Held > 0 {
		w.past.add(now, s.Held)
	}
}

// merge adds what another history of the same window remembers.
func (h *history) merge(other *history, now instant) {
	if other.size == 0 {
		return
	}
	type spent struct {
		at instant
		n  int
	}
	var all []spent
	for _, from := range []*history{h, other} {
		for at, n := range from.charges() {
			all = append(all, spent{at, n})
		}
	}
	slices.SortStableFunc(all, func(a, b spent) int { return cmp.Compare(a.at, b.at) })
	*h = history{per: h.per, quantum: h.quantum, limit: h.limit, since: h.since}
	for _, s := range all {
		h.add(s.at, s.n)
	}
	if h.quantum > 0 || h.size > exactly {
		h.since = now // entries are shared, and none of h's own can be told apart any more
	}
}
