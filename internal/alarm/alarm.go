// Package alarm wakes its user when a clock shows a given time.
package alarm

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"
)

// Never is a time that no clock reaches. An alarm that is set to it is off.
const Never = time.Duration(math.MaxInt64)

// unset is the duration with which the timer is made before it is stopped: longer than any program runs.
const unset = 100 * 365 * 24 * time.Hour

// closeEnough is how far the clock may move while the timer is being set. The timer is late by as much
// as the clock moved.
const closeEnough = time.Microsecond

// Alarm rings when a clock shows a time. It counts time from an instant that its user chose.
//
// A ring is a hint to read the clock. It may come early, twice, or after Off. After a ring the user
// reads the clock, does what is due, and calls Set again; Set does nothing if the timer is still armed
// for the same time, so it may be called at every opportunity.
//
// Set and Off must not be called at the same time.
type Alarm struct {
	timer *clock.Timer
	read  func() time.Duration
	ring  func()
	at    time.Duration // what the timer was last set to; Never if the alarm is off
	fired atomic.Bool   // the timer may not be armed for at
}

// New returns an alarm that is off. The alarm makes its one timer with afterFunc, the AfterFunc of a clock,
// and reads the same clock with read. One timer serves for its whole life because making timers while a
// mock clock moves is not safe. The timer calls a function because a mock clock sends on a timer's channel
// with its lock held.
//
// The alarm calls ring from any goroutine, also from within Set, so ring must return at once.
func New(afterFunc func(time.Duration, func()) *clock.Timer, read func() time.Duration, ring func()) *Alarm {
	a := &Alarm{read: read, ring: ring, at: Never}
	a.timer = afterFunc(unset, a.fire)
	a.timer.Stop()
	return a
}

// fire is called by the timer, sometimes for a time that the alarm is no longer set to.
func (a *Alarm) fire() {
	a.fired.Store(true)
	a.ring()
}

// Set makes the alarm ring when the clock shows at, and at once if it has shown that already. Now is
// what the clock showed when it was last read. Set with [Never] turns the alarm off.
//
// A ring is late by up to a microsecond, or by the time that one reading takes if the clock is slow to
// read.
func (a *Alarm) Set(now, at time.Duration) {
	if at == a.at && at > now && !a.fired.Load() {
		return
	}
	if at == Never {
		a.Off()
		return
	}
	a.at = at
	a.fired.Store(false) // before the timer is set, or the alarm could miss that it fires
	// The clock may have moved since it was read. Then the timer is set again, because it would be late.
	// A clock that is slow to read moves with each reading, so each reading tolerates twice as much.
	// The doubling ends with any clock: 55 movements of more than that are more than 64 bits can count.
	for slack := uint64(closeEnough); at > now; slack *= 2 {
		a.timer.Reset(time.Duration(min(distance(now, at), math.MaxInt64)))
		before := now
		now = a.read()
		if at > now && (now <= before || distance(before, now) <= slack) {
			return
		}
	}
	// A mock's timer that is set to a time in the past would not fire until the clock moves again.
	a.timer.Stop()
	a.fire()
}

// distance returns the time from one time to a later one. It is exact where a Duration would overflow.
func distance(from, to time.Duration) uint64 { return uint64(to) - uint64(from) }

// Off turns the alarm off. A ring that has already begun may still come.
func (a *Alarm) Off() {
	if a.at != Never {
		a.at = Never
		a.timer.Stop()
	}
}
