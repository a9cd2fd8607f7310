package pipeline

import (
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
)

// alarm tells when a time has come. It has one timer for its life, which it sets and stops: making
// timers while a mock clock moves is not safe. The timer is a hint to look at the clock, and no more.
type alarm struct {
	clock scheduler.Clock
	timer *clock.Timer
	rings chan struct{} // a hint to ask passed
	at    time.Time     // zero if the alarm is off
}

// never is longer than any program runs.
const never = 100 * 365 * 24 * time.Hour

// closeEnough is how far the clock may move while the timer is being set. A clock that was moved in
// that time would make the timer late by that much.
const closeEnough = time.Microsecond

func newAlarm(c scheduler.Clock) *alarm {
	a := &alarm{clock: c, rings: make(chan struct{}, 1)}
	a.timer = c.AfterFunc(never, a.hint)
	a.timer.Stop()
	return a
}

func (a *alarm) hint() {
	select {
	case a.rings <- struct{}{}:
	default:
	}
}

// set makes the alarm ring d from now; d is more than 0.
func (a *alarm) set(d time.Duration) {
	now := a.clock.Now()
	a.at = now.Add(d)
	a.arm(now)
}

func (a *alarm) arm(now time.Time) {
	for {
		a.timer.Reset(a.at.Sub(now))
		again := a.clock.Now()
		switch {
		case !again.Before(a.at):
			a.hint()
			return
		case again.Sub(now) <= closeEnough:
			return
		}
		now = again
	}
}

// off makes the alarm ring no more. A hint that is under way finds nothing passed.
func (a *alarm) off() {
	a.at = time.Time{}
	a.timer.Stop()
}

// passed reports whether the time has come. After an early hint it sets the timer again.
func (a *alarm) passed() bool {
	if a.at.IsZero() {
		return false
	}
	now := a.clock.Now()
	if now.Before(a.at) {
		a.arm(now)
		return false
	}
	return true
}
