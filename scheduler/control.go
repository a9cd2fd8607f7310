package scheduler

import (
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/ticket"
)

// SetLimits replaces the limits. The new limits hold for waiting tickets too. When SetLimits returns, every
// ticket that fits them has been granted, and the timer is set for the next.
//
// A window whose Per and From stay the same keeps its history, and what [Scheduler.Observe] was told of it. A
// new window starts from the history of the longest window with the same From. If there is none, the permits
// that count in other windows are charged to it now. So it may grant late, and never early. If MaxBurst, or the
// Permits of a window, is now below what is in use, nothing is revoked. New grants wait. A waiting ticket whose
// weight or cost can never fit the new limits gets a [*TooLargeError], as a new one would.
//
// A window of a [Unit] starts from what other windows of that unit remember. If no window counted the unit
// before, it starts empty. The new limits may leave a unit out. Calls may still name it, and it limits nothing
// until a window counts it again. A window that counts [FromReset] keeps its history only if its resets stay
// the same. Otherwise the permits that count now are charged to it now. Settling or undoing a ticket that was
// held at that time does not correct what the new window took over.
//
// It returns the [*InvalidError] of [Limits.Validate], or one if the limits have named more than 1,000 units
// since New. Then nothing has changed. After Close it returns [ErrClosed]. The limits are copied. It copies
// each window's history and looks at each ticket in line. It looks at some hundreds in one turn, so other
// callers are served meanwhile. If there is a new unit, it also copies the costs of all tickets.
func (s *Scheduler) SetLimits(l Limits) error {
	if err := l.Validate(); err != nil {
		return err
	}
	l = l.clone()
	return s.change(verbConfigure, change{limits: &l})
}

// Pause stops all grants until [Scheduler.Resume]. Waiting tickets keep their places, new tickets join the
// line, and tries fail. The scheduler does not know when the pause ends. So it refuses no deadline because of
// it, and WaitTime ignores it.
func (s *Scheduler) Pause() error { return s.change(verbPause, change{until: never}) }

// PauseUntil stops all grants before the instant t. If a pause already lasts longer, it stays as it is. So
// several workers may each report what the server told them ("429, retry after 30 seconds"), and none shortens
// another's pause. An instant that is not in the future changes nothing. WaitTime and the refusal of deadlines
// take the pause into account.
//
// If t has no monotonic clock reading, such as an HTTP date, it is compared with the clock's present wall time.
// The error is nil or [ErrClosed].
func (s *Scheduler) PauseUntil(t time.Time) error {
	return s.change(verbPause, change{until: s.handle.shared.momentOf(t)})
}

// PauseFor is [Scheduler.PauseUntil] for the instant d from now. It does nothing if d is 0 or less.
func (s *Scheduler) PauseFor(d time.Duration) error {
	return s.change(verbPause, change{until: s.handle.shared.momentIn(d)})
}

// Resume ends every pause. It returns [ErrClosed] after Close.
func (s *Scheduler) Resume() error { return s.change(verbResume, change{}) }

// Charge tells the scheduler that n permits of the given window were used elsewhere, such as by another
// process. The window then behaves as if it had granted them now. A window that counts from release behaves as
// if they had been given back now. A charge may take a window above its Permits. Its Remaining is 0 then. In a
// window that spaces grants evenly a charge delays the next grant as a grant would, and never brings it
// forward. To pass on what the server says is left, use [Scheduler.Observe].
//
// It returns an [*InvalidError] if the limits have no such window, or if n is below 1 or above its Permits.
// After Close it returns [ErrClosed].
func (s *Scheduler) Charge(w Window, n int) error {
	return s.handle.tell(&message{verb: verbCharge, request: request{weight: n}, change: &change{window: w}})
}

// Observe tells the scheduler what the server said of the given window: at most left more permits in the next
// d. The r and t of an IETF RateLimit header say that, and so do the remaining count and reset time of other
// headers. For d the scheduler then grants at most left more permits of the window. When they are used up,
// tickets wait for the end of d. The window's own limit holds as before, so an observation makes it tighter,
// never looser.
//
// Call it before you release the ticket of the call that was answered. Then answers may come from many workers
// and in any order. The server may not have counted all permits that were in use together with that ticket. So
// only left minus those permits is certain, and the scheduler uses that number. If its own count since the
// previous observation says that more is left, but not more than left, it uses its own count. Pass the ticket
// as of, so that the scheduler knows that the ticket's own permits were counted. Without it the scheduler
// assumes a ticket of one permit, which matters most for windows of another [Unit]. With one call at a time,
// each observation replaces the one before. If the new one ends sooner, the one before holds again until its
// own end. During a long call many permits are granted that the server may not have counted, so little is
// certain after it.
//
// The scheduler begins to count what is in use together at the first call of Observe. That call assumes that
// the server has counted all permits released before it. But some of them may have been in use together with
// the ticket. To treat the first answer as carefully as later ones, call Observe once at the start with d of 0,
// as flowhttp.NewTransport does. Counting makes each call a little slower.
//
// WaitTime, deadlines, Stats, Watch and Snapshot take observations into account. If d is 0 or less, Observe
// changes nothing about the window. It returns an [*InvalidError] if the limits have no such window, left is
// below 0, or more than one ticket is named. After Close it returns [ErrClosed]. A ticket that is not held, or
// is another scheduler's, counts as none.
func (s *Scheduler) Observe(w Window, left int, d time.Duration, of ...ticket.Ticket) error {
	if len(of) > 1 {
		return &InvalidError{"the tickets of Observe", len(of), "at most one: that of the call that was answered"}
	}
	until := s.handle.shared.momentIn(d)
	m := message{verb: verbObserve, request: request{weight: left}, change: &change{window: w, until: until}}
	for i := range of {
		t := (*line.Handle)(&of[i])
		if d, ok := t.Desk().(*desk); ok && d.box == s.handle.box {
			m.place, m.number = t.Place(), t.Number()
		}
	}
	return s.handle.tell(&m)
}

// Snapshot returns what the scheduler remembers. It also works after Close. Take it then, because what is
// granted after a snapshot is not in it.
//
// It is small. If a window remembers more than 1,024 instants, grants up to Per/1,024 apart count as made at
// the last of them. So a restored window may free permits that much late, and never early. Waiting tickets and
// a Pause without an end are not in it. It takes a pass over what the windows remember.
func (s *Scheduler) Snapshot() Snapshot {
	// The time of day may have been set since the scheduler was made, and after a restart nothing else is
	// known. Now is read last: what differs between two readings makes a permit come back later.
	sh := s.handle.shared
	age := sh.clock.Since(sh.epoch)
	epoch := sh.clock.Now().Add(-age)
	var snap Snapshot
	m := message{verb: verbSnapshot, change: &change{snapshot: &snap, epoch: epoch}}
	if _, ok := s.handle.ask(&m); !ok {
		snap = s.handle.box.Remains().core.snapshot(epoch)
	}
	return snap
}

// Restore charges the windows with what a snapshot remembers, in addition to what they remember themselves.
// Call it right after New. Limits may have changed since the snapshot. Each window then takes over what it
// would have taken over from the old limits in [Scheduler.SetLimits].
//
// Restoring never makes the scheduler exceed a limit. Old grants no longer count. Grants in the future, which
// appear if a clock was set back, count as charged now. Permits that were in use count as given back now. A
// pause goes on until it ends. Restoring a snapshot twice charges it twice.
//
// It returns an [*InvalidError] if the snapshot is damaged or of another version, and then changes nothing.
// After Close it returns [ErrClosed].
func (s *Scheduler) Restore(snap Snapshot) error {
	if err := snap.damage(); err != nil {
		return err
	}
	sh := s.handle.shared
	epoch := sh.clock.Now()
	epoch = epoch.Add(-sh.clock.Since(sh.epoch))
	return s.change(verbRestore, change{snapshot: &snap, epoch: epoch})
}

// change sends the owner a message that changes how the scheduler works.
func (s *Scheduler) change(v verb, c change) error {
	return s.handle.tell(&message{verb: v, change: &c})
}
