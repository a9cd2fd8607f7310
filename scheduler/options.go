package scheduler

import (
	"reflect"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/internal/settings"
)

// Clock is what a scheduler needs of a clock. clock.New() and *clock.Mock of
// github.com/benbjohnson/clock are clocks.
//
// The scheduler calls Now when it is made and Since thereafter, often, also in the goroutines of its
// callers. Since alone is trusted: what it passes to AfterFunc does no more than make it look at the
// clock, so calls that come early, late or twice change nothing. A clock that steps back is taken to
// stand still.
type Clock interface {
	Now() time.Time
	Since(t time.Time) time.Duration
	AfterFunc(d time.Duration, f func()) *clock.Timer
}

// Option changes how a scheduler works. Options are made by the With functions and
// [NonBlocking]; package schedulertest has one more. The type in its method keeps out all others.
type Option interface {
	Apply(*settings.Settings) error
}

type optionFunc func(*settings.Settings) error

func (f optionFunc) Apply(s *settings.Settings) error { return f(s) }

// WithClock makes the scheduler read the given clock instead of the computer's. Tests pass a
// *clock.Mock. Deadlines of contexts are compared with this clock: to a mock that stands in 1970 those
// of the context package are decades away, until it is Set to the present.
func WithClock(c Clock) Option {
	return optionFunc(func(set *settings.Settings) error {
		if v := reflect.ValueOf(c); c == nil || v.Kind() == reflect.Pointer && v.IsNil() {
			return &InvalidError{"the clock of WithClock", nil, "a clock such as clock.New()"}
		}
		set.Clock = c
		return nil
	})
}

// WithMaxQueue bounds the line: a ticket that would have to wait behind n others is refused with
// [ErrQueueFull]. With 0 nobody waits. Lest one [Scheduler.Flow] with a long line keep the others out, a
// flow may join a full line while it has less than its part in it, n divided by the number of flows that
// wait, until 2n wait in all. Without this option the line may grow as long as memory lasts.
func WithMaxQueue(n int) Option {
	return optionFunc(func(set *settings.Settings) error {
		if n < 0 {
			return &InvalidError{"the length of WithMaxQueue", n, "0 or more"}
		}
		set.MaxQueue = n
		return nil
	})
}

// NonBlocking makes Acquire, AcquireN, Do and wrapped functions return [ErrNoPermit] where they
// would have to wait for a permit. Enqueue and the jobs of a [Group] are as before.
func NonBlocking() Option {
	return optionFunc(func(set *settings.Settings) error {
		set.NonBlocking = true
		return nil
	})
}
