package scheduler

import (
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/ticket"
)

// SetLimits replaces the limits, for those already waiting too: when it returns, every ticket that
// fits the new limits has been granted, and the timer is set for the next.
//
// A window whose Per and From stay keeps its history, and what [Scheduler.Observe] was told of it. A new
// window starts from what the scheduler remembers: from the longest window with the same From, or, where
// there is none, as if the permits that count elsewhere had been charged now, so that it may be late and
// never early. Lowering MaxBurst, or the Permits of a window, below what is in use revokes nothing; it
// waits. A waiting ticket whose weight or cost can no longer ever fit is told a [*TooLargeError], as a new
// one would be.
//
// Windows of one [Unit] start from what is remembered of that unit. A window of a unit that none counted
// before starts empty. A unit that the new limits leave out stays known: calls that name it go on, and it
// limits nothing until a window counts it again. A window that counts [FromReset] keeps its history only if
// its resets stay too; otherwise the permits that count now are charged to it now. A ticket that is held when
// a window starts from what others counted gives nothing of that back, whether it is settled or undone.
//
// It returns the [*InvalidError] of [Limits.Validate], or one if the limits have named more than 1,000 units
// since New, and then changes nothing, or [ErrClosed]. The limits are copied. It costs a copy of each
// window's history, and a look at each ticket in line: at some hundreds in each turn, so that other callers
// are served meanwhile. A unit that is new costs a copy of the costs of all tickets besides.
func (s *Scheduler) SetLimits(l Limits) error {
	if err := l.Validate(); err != nil {
		return err
	}
	l = l.clone()
	return s.change(verbConfigure, change{limits: &l})
}

// Pause stops all grants until [Scheduler.Resume]. Waiting tickets keep their places, newcomers join
// the line, and tries fail. Nothing is known of its end, so no deadline is refused because of it
// and WaitTime does not count it.
func (s *Scheduler) Pause() error { return s.change(verbPause, change{until: never}) }

// PauseUntil stops all grants before the instant t. A pause that lasts longer already stays as it is,
// so that several workers may each report what the far side told them ("429, retry after 30 seconds"):
// none shortens another's pause. An instant that is not in the future changes nothing: "retry after 0"
// is obeyed by going on. WaitTime and the refusal of deadlines count the pause.
//
// An instant that has only a time of day, such as an HTTP date, is compared with the clock's time of
// day as it is now. The error is nil or [ErrClosed].
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
// process. The window then behaves as if it had granted them now; one that counts from release as if
// they had been given back now. A window may hold more than its Permits in this way; its Remaining is 0
// then. In a window that spaces grants evenly a charge keeps the next grant away as a grant would, and never
// brings it forward. To pass on what the far side says is left, use [Scheduler.Observe].
//
// It returns an [*InvalidError] if the limits have no such window, or if n is below 1 or above its
// Permits, or [ErrClosed].
func (s *Scheduler) Charge(w Window, n int) error {
	return s.handle.tell(&message{verb: verbCharge, request: request{weight: n}, change: &change{window: w}})
}

// Observe tells the scheduler what the far side said of the given window: at most left more permits in
// the next d. So say the t and r of an IETF RateLimit header, and the remaining count and reset time of
// others. For d the scheduler then grants at most left more permits of the window; when they are used
// up, tickets wait for the end of d. The window's own limit holds as before: an observation makes it
// tighter, never looser.
//
// Call it while you hold the ticket of the call that was answered, before its Release. Then answers may
// come from many workers and in any order. Of the permits that were in use together with that ticket the
// far side may not have counted all, so only left without those is certain. The scheduler goes on with
// that, or with what it has counted itself since the observation before, if that is more and not above
// left. Name the ticket as of, so that what it holds itself is known to be counted. Without it the scheduler
// knows only that some ticket with at least one permit was, which matters most for windows of another
// [Unit]. With one call at a time, each observation replaces the one before. If it ends sooner, the one
// before holds again until its own end. A call that lasts long makes what is certain small, because all
// permits granted since it began may not have been counted.
//
// The scheduler counts what is in use together from the first call of Observe on. That call takes all permits that
// were given back before it as counted by the far side, though some may have been in use together with the
// ticket. To have the first answer treated as carefully as later ones, call Observe once at the start with d of 0,
// as flowhttp.NewTransport does. Counting makes each call a little slower.
//
// WaitTime, deadlines, Stats, Watch and Snapshot know of it. With d of 0 or less it says nothing about the window. It
// returns an [*InvalidError] if the limits have no such window, left is below 0 or more than one ticket is
// named, or [ErrClosed]. A ticket that is not held, or not of this scheduler, counts as none.
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
		snap = s.handle.box.Remains().core.snapshot(epoch)
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

// change sends the owner a message that changes how the scheduler works.
func (s *Scheduler) change(v verb, c change) error {
	return s.handle.tell(&message{verb: v, change: &c})
}
