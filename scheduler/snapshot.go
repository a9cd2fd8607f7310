package scheduler

import (
	"fmt"
	"time"
)

// Snapshot holds the grants that still count, so that a window of an hour or a day survives a restart of the
// program. [Scheduler.Snapshot] makes one, and [Scheduler.Restore] uses it. It marshals to JSON.
//
// In JSON the limits are a text that [ParseLimits] reads, and times are as in RFC 3339:
//
//	{"version":1, "taken":"2026-01-02T15:04:05Z", "limits":"5000/day",
//	 "windows":[{"spent":[{"at":"2026-01-02T09:00:00Z","permits":120}, …]}]}
type Snapshot struct {
	Version     int              `json:"version"` // 1; Restore takes no other
	Taken       time.Time        `json:"taken"`   // by the scheduler's clock
	Limits      Limits           `json:"limits"`
	Windows     []WindowSnapshot `json:"windows"`               // in the order of Limits.Windows
	PausedUntil time.Time        `json:"paused_until,omitzero"` // when a pause ends; zero if there is none, or it ends only by Resume
}

// WindowSnapshot is what counts in one window.
type WindowSnapshot struct {
	Spent []Spent `json:"spent"`          // the oldest first, 1,025 at most
	Held  int     `json:"held,omitempty"` // permits in use, of a window that counts from release

	// What [Scheduler.Observe] was told: at most Left more permits before Until. Until is zero if there is no
	// observation.
	Left  int       `json:"left,omitempty"`
	Until time.Time `json:"until,omitzero"`
}

// Spent says that permits were granted at an instant. In a window that counts from release, it says that they
// were given back then. In a window of another unit, Permits is an amount of that unit. A window that counts
// from reset has one entry, at the instant of the snapshot, with all that was granted in the period.
type Spent struct {
	At      time.Time `json:"at"`
	Permits int       `json:"permits"`
}

// snapshotVersion is the version of the snapshots that this package makes and takes.
const snapshotVersion = 1

// damage returns what is wrong with the snapshot, or nil.
func (snap *Snapshot) damage() error {
	if snap.Version != snapshotVersion {
		return &InvalidError{"Snapshot.Version", snap.Version, fmt.Sprint(snapshotVersion)}
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
