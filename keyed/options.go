package keyed

import (
	"fmt"
	"math"
	"reflect"
	"runtime"

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
	shards      int
	keepsState  bool // the owners lend nothing; for tests, which must pass either way
}

// defaultMaxKeys is what MaxKeys is where it is not given.
const defaultMaxKeys = 100_000

func newConfig(opts []Option) (config, error) {
	cfg := config{clock: clock.New(), maxKeys: defaultMaxKeys, maxQueue: math.MaxInt, shards: 1}
	for cfg.shards < 2*runtime.GOMAXPROCS(0) && cfg.shards < 32 {
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

// MaxKeys bounds how many keys the set remembers at a time, 100,000 without this option. A call that names a
// new key beyond is refused with [ErrTooManyKeys], or served as [Overflow] says. A key is never forgotten
// to make room for another: clients could push out what is known of them by making keys up.
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

// Overflow makes all new keys beyond [MaxKeys] share one scheduler with the given limits, instead of being
// refused. A key that is new again after others were forgotten has limits of its own again.
func Overflow(l scheduler.Limits) Option {
	return optionFunc(func(cfg *config) error {
		if err := l.Validate(); err != nil {
			return fmt.Errorf("keyed: the limits of Overflow: %w", err)
		}
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
