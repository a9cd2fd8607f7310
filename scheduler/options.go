package scheduler

import (
	"reflect"

	"github.com/benbjohnson/clock"
)

// Option changes how a scheduler works. The With functions and [NonBlocking] make options. An [*EventLog] is an
// option too.
type Option interface {
	apply(*config) error
}

// config is what options change.
type config struct {
	clock       Clock
	maxQueue    int
	nonBlocking bool
	countsHeld  bool
	subscribers []subscriber
	quota       QuotaSource
	quotaKey    string
	away        Away
	keepsState  bool // the owner lends nothing; for tests, which must pass either way
	keepsCount  bool // callers count nothing, and no state is calm; for the same
}

func newConfig(opts []Option) (config, error) {
	cfg := config{clock: clock.New(), maxQueue: unlimited}
	for _, opt := range opts {
		if opt == nil {
			return cfg, &InvalidError{"an Option of New", nil, "made by one of the With functions or NonBlocking"}
		}
		if err := opt.apply(&cfg); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

type optionFunc func(*config) error

func (f optionFunc) apply(cfg *config) error { return f(cfg) }

// WithClock makes the scheduler read the given clock instead of the computer's. Tests pass a *clock.Mock. The
// scheduler compares deadlines of contexts with this clock. A mock begins in 1970, where the deadlines of the
// context package are decades away, so Set it to the present if they matter.
func WithClock(c Clock) Option {
	return optionFunc(func(cfg *config) error {
		if v := reflect.ValueOf(c); c == nil || v.Kind() == reflect.Pointer && v.IsNil() {
			return &InvalidError{"the clock of WithClock", nil, "a clock such as clock.New()"}
		}
		cfg.clock = c
		return nil
	})
}

// WithMaxQueue bounds the wait queue: a ticket that would have to wait behind n others is refused with
// [ErrQueueFull]. With 0 no ticket waits. Without this option only memory bounds the line.
//
// A full line still accepts a few tickets per [Scheduler.Flow], so one flow cannot shut out the others. Each
// flow's part is n divided by the number of flows that wait. A flow that has less than its part in line may
// join until 2n tickets wait in all. Many flows together can fill the line up to 2n, and then a new flow is
// refused too. So if clients can invent keys, bound the number of keys that you make flows of.
func WithMaxQueue(n int) Option {
	return optionFunc(func(cfg *config) error {
		if n < 0 {
			return &InvalidError{"the length of WithMaxQueue", n, "0 or more"}
		}
		cfg.maxQueue = n
		return nil
	})
}

// WithHeldTime makes the scheduler measure how long tickets are held, for Totals.Held in [Stats]. It then reads
// the clock at every release. Without the option it does so only if a ticket waits. That saves about a third of
// the time of an Acquire and its Release.
func WithHeldTime() Option {
	return optionFunc(func(cfg *config) error {
		cfg.countsHeld = true
		return nil
	})
}

// NonBlocking makes Acquire, AcquireN, Do and wrapped functions return [ErrNoPermit] where they would have to
// wait for a permit. Enqueue and the jobs of a [Group] still wait.
func NonBlocking() Option {
	return optionFunc(func(cfg *config) error {
		cfg.nonBlocking = true
		return nil
	})
}
