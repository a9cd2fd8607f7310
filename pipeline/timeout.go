package pipeline

import (
	"time"

	"github.com/flowguard-go/flowguard/internal/alarm"
	"github.com/flowguard-go/flowguard/scheduler"
)

// timeout tells a stage when a time has come. It counts time from when it was made.
type timeout struct {
	read  func() time.Duration
	alarm *alarm.Alarm
	rings chan struct{} // a hint to ask passed
	at    time.Duration // alarm.Never if it is off
}

func newTimeout(c scheduler.Clock) *timeout {
	epoch := c.Now()
	t := &timeout{
		read:  func() time.Duration { return c.Since(epoch) },
		rings: make(chan struct{}, 1),
		at:    alarm.Never,
	}
	t.alarm = alarm.New(c.AfterFunc, t.read, t.hint)
	return t
}

func (t *timeout) hint() {
	select {
	case t.rings <- struct{}{}:
	default:
	}
}

// set makes the time come d from now; d is more than 0.
func (t *timeout) set(d time.Duration) {
	now := t.read()
	if now > alarm.Never-d {
		t.off() // no clock ever shows that
		return
	}
	t.at = now + d
	t.alarm.Set(now, t.at)
}

// off makes the time never come. A hint that still arrives finds that no time has passed.
func (t *timeout) off() {
	t.at = alarm.Never
	t.alarm.Off()
}

// passed reports whether the time has come. After an early hint it sets the alarm again.
func (t *timeout) passed() bool {
	if t.at == alarm.Never {
		return false
	}
	now := t.read()
	if now < t.at {
		t.alarm.Set(now, t.at)
		return false
	}
	return true
}
