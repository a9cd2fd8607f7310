package scheduler

import (
	"fmt"
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

	// What Scheduler.Observe was told: at most Left more permits until an instant; zero: nothing.
	Left  int       `json:"left,omitempty"`
	Until time.Time `json:"until,omitzero"`
}

// Spent says that permits were granted at an instant, or given back in a window that counts from
// release.
type Spent struct {
	At      time.Time `json:"at"`
	Permits int       `json:"permits"`
}

// SnapshotVersion is the version of the snapshots that this package makes and takes.
const SnapshotVersion = 1

// snapshotInstants is how many instants of a window a snapshot tells apart.
const snapshotInstants = 1_024

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
	sh := s.handle.shared
	age := sh.clock.Since(sh.epoch)
	epoch := sh.clock.Now().Add(-age)
	var snap Snapshot
	m := message{verb: verbSnapshot, change: &change{snapshot: &snap, epoch: epoch}}
	if _, ok := s.handle.ask(&m); !ok {
		<-s.handle.box.ended
		snap = s.handle.box.remains.core.snapshot(epoch)
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
	sh := s.handle.shared
	epoch := sh.clock.Now()
	epoch = epoch.Add(-sh.clock.Since(sh.epoch))
	return s.change(verbRestore, change{snapshot: &snap, epoch: epoch})
}

// damage returns what is wrong with the snapshot, or nil.
func (snap *Snapshot) damage() error {
	if snap.Version != SnapshotVersion {
		return &InvalidError{"Snapshot.Version", snap.Version, fmt.Sprint(SnapshotVersion)}
	}
	if snap.Taken.IsZero() {
		return &InvalidError{"Snapshot.Taken", "no time", "the time at which it was taken"}
	}
	if err := snap.Limits.Validate(); err != nil {
		invalid := *err.(*InvalidError) // there is no other
		invalid.What = "Snapshot." + invalid.What
		return &invalid
	}
	if got, want := len(snap.Windows), len(snap.Limits.Windows); got != want {
		return &InvalidError{"Snapshot.Windows", got, fmt.Sprintf("have %d entries, as many as Snapshot.Limits has windows", want)}
	}
	for i, w := range snap.Windows {
		if w.Held < 0 {
			return &InvalidError{fmt.Sprintf("Snapshot.Windows[%d].Held", i), w.Held, "0 or more"}
		}
		if w.Left < 0 {
			return &InvalidError{fmt.Sprintf("Snapshot.Windows[%d].Left", i), w.Left, "0 or more"}
		}
		var before time.Time
		for j, s := range w.Spent {
			name := fmt.Sprintf("Snapshot.Windows[%d].Spent[%d].", i, j)
			switch {
			case s.Permits < 1:
				return &InvalidError{name + "Permits", s.Permits, "1 or more"}
			case s.At.Before(before):
				return &InvalidError{name + "At", s.At, "at or after the one before it"}
			case s.At.After(snap.Taken):
				return &InvalidError{name + "At", s.At, "at or before Snapshot.Taken"}
			}
			before = s.At
		}
	}
	return nil
}

// snapshot returns what the core remembers. Moment 0 was at the given time.
func (c *core) snapshot(epoch time.Time) Snapshot {
	at := func(t moment) time.Time { return epoch.Add(time.Duration(t)).UTC().Round(0) }
	snap := Snapshot{
		Version: SnapshotVersion,
		Taken:   at(c.now),
		Limits:  c.limits.clone(),
		Windows: make([]WindowSnapshot, len(c.windows)),
	}
	if c.now < c.pause.until {
		snap.PausedUntil = at(c.pause.until)
	}
	for i := range c.windows {
		snap.Windows[i] = c.windows[i].snapshot(at)
	}
	return snap
}

func (w *window) snapshot(at func(moment) time.Time) WindowSnapshot {
	s := WindowSnapshot{Held: w.held.int(), Spent: []Spent{}}
	past := w.past.coarse(snapshotInstants)
	for t, n := range past.charges() {
		s.Spent = append(s.Spent, Spent{at(t), n})
	}
	if w.observed.holds() {
		s.Left, s.Until = w.observed.left, at(w.observed.until)
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
		old[i] = newWindow(snap.Limits.Windows[i])
		old[i].refill(s, c.now, at)
		if !s.Until.IsZero() {
			old[i].observe(c.now, s.Left, future(s.Until))
		}
	}
	before := newAncestors(old)
	for i := range c.windows {
		w := newWindow(c.windows[i].Window)
		w.inherit(before, c.now, tally{})
		c.windows[i].merge(&w, c.now)
	}
	c.enforce()
	if !snap.PausedUntil.IsZero() {
		c.setPause(future(snap.PausedUntil))
	}
}

// refill charges an empty window with what a snapshot says of it. When those who held permits gave them
// back is not known, but not later than now.
func (w *window) refill(s WindowSnapshot, now moment, at func(time.Time) moment) {
	for _, spent := range s.Spent {
		if t := min(at(spent.At), now); t > now-moment(w.Per) {
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
	if other.observed.holds() {
		w.observed = other.observed
	}
}
