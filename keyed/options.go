package keyed

import (
	"fmt"
	"math"
	"reflect"
	"runtime"
	"slices"

	"github.com/benbjohnson/clock"

	"github.com/flowguard-go/flowguard/scheduler"
)

// Option changes how a [Set] works.
type Option interface {
	apply(*config) error
}

// config is what options change.
type config struct {
	clock       scheduler.Clock
	maxKeys     int
	maxQueue    int
	nonBlocking bool
	overflow    *scheduler.Limits
	within      *scheduler.Scheduler
	quota       scheduler.QuotaSource // a QuotaOpener
	away        scheduler.Away
	shards      int
	keepsState  bool // the owners lend nothing; for tests, which must pass either way
}

// defaultMaxKeys is what MaxKeys is where it is not given.
const defaultMaxKeys = 100_000

func newConfig(opts []Option) (config, error) {
	cfg := config{maxKeys: defaultMaxKeys, maxQueue: math.MaxInt, shards: 1}
	for cfg.shards < 8*runtime.GOMAXPROCS(0) && cfg.shards < 64 {
		cfg.shards *= 2
	}
	for _, opt := range opts {
		if opt == nil {
			return cfg, invalid("an Option of keyed.New", nil, "made by a function of package keyed")
		}
		if err := opt.apply(&cfg); err != nil {
			return cfg, err
		}
	}
	if cfg.quota != nil {
		if err := cfg.checkQuota(); err != nil {
			return cfg, err
		}
	}
	switch {
	case cfg.within == nil && cfg.clock == nil:
		cfg.clock = clock.New()
	case cfg.within == nil:
	case cfg.clock != nil && cfg.clock != cfg.within.Clock():
		return cfg, invalid("the clock of WithClock", cfg.clock, "that of the scheduler of Within; leave WithClock out")
	default:
		cfg.clock = cfg.within.Clock()
	}
	return cfg, nil
}

func invalid(what string, got any, want string) error {
	return &scheduler.InvalidError{What: what, Got: got, Want: want}
}

type optionFunc func(*config) error

func (f optionFunc) apply(cfg *config) error { return f(cfg) }

// WithClock makes the set read the given clock instead of the computer's, as [scheduler.WithClock] does.
func WithClock(c scheduler.Clock) Option {
	return optionFunc(func(cfg *config) error {
		if v := reflect.ValueOf(c); c == nil || v.Kind() == reflect.Pointer && v.IsNil() {
			return invalid("the clock of WithClock", nil, "a clock such as clock.New()")
		}
		cfg.clock = c
		return nil
	})
}

// MaxKeys bounds how many keys the set remembers at a time. The default is 100,000. A call that names a new key
// beyond that is refused with [ErrTooManyKeys], or served as [Overflow] says. A key is never forgotten to make
// room for another. Otherwise clients could erase their history by inventing keys.
//
// A key that can be forgotten may take room for up to a millisecond longer. [Set.Len] forgets all such keys.
//
// Memory grows with the keys in use, not with n.
func MaxKeys(n int) Option {
	return optionFunc(func(cfg *config) error {
		if n < 1 {
			return invalid("the number of MaxKeys", n, "1 or more")
		}
		cfg.maxKeys = n
		return nil
	})
}

// Overflow makes all new keys beyond [MaxKeys] share the given limits, as if they were one key more, instead of
// being refused. Once other keys have been forgotten, a new key has limits of its own again. With [Within], the
// shared limits are also within the limits for all keys.
func Overflow(l scheduler.Limits) Option {
	return optionFunc(func(cfg *config) error {
		if err := l.Validate(); err != nil {
			return fmt.Errorf("keyed: the limits of Overflow: %w", err)
		}
		l.Windows = slices.Clone(l.Windows)
		cfg.overflow = &l
		return nil
	})
}

// WithMaxQueue bounds the line of each key, as [scheduler.WithMaxQueue] bounds that of a scheduler.
func WithMaxQueue(n int) Option {
	return optionFunc(func(cfg *config) error {
		if n < 0 {
			return invalid("the length of WithMaxQueue", n, "0 or more")
		}
		cfg.maxQueue = n
		return nil
	})
}

// NonBlocking makes Acquire, AcquireN, Do and DoN return [scheduler.ErrNoPermit] where they would have to wait.
func NonBlocking() Option {
	return optionFunc(func(cfg *config) error {
		cfg.nonBlocking = true
		return nil
	})
}

// Within makes the limits of s hold for all keys together, in addition to those of each key: "10 a second for a
// user, 1,000 a second in all, at most 200 at once". You may also use s directly and for other sets, and you
// close it, after the set. The set reads the clock of s. s may be a flow of a scheduler.
//
// A ticket is granted when the key and s have room, and is charged to both at once. A waiting ticket is charged
// to neither. Its Release, Cancel and Settle go to both. Both must know the units of costs.
//
// The order is this. Tickets of one key are granted in the order of their numbers. A ticket joins the line of s
// at the instant at which it is the first of its key and fits the key's limits. From then on it is a ticket
// like others there. So keys whose limits have room are served in the order in which their first tickets
// joined. A key whose own limits are full holds up no other key. If a key's limits are changed, charged or
// paused so that its first ticket no longer fits, the ticket leaves the line of s. It joins again at the end
// when it fits.
//
// When s grants the first ticket of a key, it tells the key's owner, which grants the ticket some microseconds
// later. A deadline is checked against the key and s when the call is made. If the ticket joins the line of s
// later, that wait is not foreseen. s may refuse the first ticket of a waiting key, because the line of s is
// full or s is closed. That ticket then gets the error.
//
// Each grant takes a decision of s. All owners share s, so a set within a scheduler is no faster than the
// scheduler.
func Within(s *scheduler.Scheduler) Option {
	return optionFunc(func(cfg *config) error {
		if s == nil {
			return invalid("the scheduler of Within", nil, "a scheduler")
		}
		cfg.within = s
		return nil
	})
}
