package keyed

import (
	"context"
	"fmt"
	"hash/maphash"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/flowguard-go/flowguard/internal/cell"
	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Set keeps limits for each of many keys. Most callers want [Set.Acquire] and then defer t.Release(), or
// [Set.TryAcquire], or [Set.Do]. If only a rate is limited, they want [Set.Wait] or [Set.Allow]. Each method that
// takes a key does for that key what the method of [scheduler.Scheduler] with the same name does. It has the same
// guarantees and returns the same errors. If the key is new and there are too many, it returns a
// [*TooManyKeysError].
//
// Make one with [New]; the zero Set panics. All methods may be called from any goroutine. End it with
// [Set.Close] or [Set.Drain]. If a program drops a set without Close, the garbage collector ends it some time
// later, even if tickets are still held. Tests in a synctest bubble must close theirs.
//
// The numbers of a key's tickets rise in the order in which they were received. They have gaps, because keys
// share numbers.
type Set[K comparable] struct {
	limits   func(K) scheduler.Limits
	clock    scheduler.Clock
	boxes    []*box[K]
	seed     maphash.Seed
	count    *atomic.Int64
	max      int
	within   *scheduler.Scheduler // for all keys together; nil: there is none
	overflow *Key[struct{}]       // that new keys beyond max share; nil: they are refused
	quotas   *exchanges[K]        // nil: the keys share no limits with other sets
	cleanup  runtime.Cleanup
}

// New starts a set in which each key has the limits that the function returns for it. The set calls the
// function when a call names a key that is new or was forgotten, in the goroutine of that call. Several
// goroutines may call it at the same time. It should return quickly, and the limits that it returned must not
// be changed afterwards. If [scheduler.Limits.Validate] refuses them, the call that named the key returns that
// error. Keys with equal limits share memory for them.
//
// It returns a [*scheduler.InvalidError] if the function is nil or an option is invalid.
func New[K comparable](limits func(K) scheduler.Limits, opts ...Option) (*Set[K], error) {
	if limits == nil {
		return nil, invalid("the limits of keyed.New", nil, "a function that returns the limits of a key")
	}
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	s := &Set[K]{limits: limits, clock: cfg.clock, seed: maphash.MakeSeed(), count: new(atomic.Int64), max: cfg.maxKeys, within: cfg.within}
	if cfg.overflow != nil {
		if s.overflow, err = newOverflow(cfg); err != nil {
			return nil, err
		}
	}
	if cfg.quota != nil {
		s.quotas = newExchanges[K](cfg.quota.(scheduler.QuotaOpener), cfg.shards)
	}
	newSeat := inside.NewSeats(cfg.clock, cfg.maxQueue, cfg.nonBlocking).(func(*cell.Register) (any, any))
	for range cfg.shards {
		st := &state[K]{alone: cfg.within == nil && cfg.quota == nil, armed: inside.Never, idle: line.NewStock()}
		work, shared := newSeat(&st.Register)
		b := &box[K]{common: shared.(common), seed: s.seed, count: s.count, max: int64(cfg.maxKeys)}
		b.Init(mailboxRoom)
		b.lends, b.within = !cfg.keepsState, cfg.within != nil
		b.quotas = s.quotas
		s.boxes = append(s.boxes, b)
		st.box, st.seat = b, work.(seat)
		if cfg.within != nil {
			st.seat.Within(cfg.within.Handle(), b.Hint)
		}
		if cfg.quota != nil {
			st.seat.ShareQuotas(cfg.quota, cfg.away)
			s.quotas.boxes = append(s.quotas.boxes, b)
		}
		go newOwner(b, cfg.clock).run(st)
	}
	// Nothing that the owners hold leads to s.
	s.cleanup = runtime.AddCleanup(s, func(boxes []*box[K]) {
		for _, b := range boxes {
			b.Send(&message[K]{verb: verbClose})
		}
	}, s.boxes)
	return s, nil
}

// newOverflow returns the key that all new keys beyond the most share: the only one of a set that is like the first.
func newOverflow(cfg config) (*Key[struct{}], error) {
	opts := []Option{WithClock(cfg.clock), WithMaxQueue(cfg.maxQueue), optionFunc(func(c *config) error {
		c.nonBlocking, c.within, c.shards, c.keepsState = cfg.nonBlocking, cfg.within, 1, cfg.keepsState
		return nil
	})}
	set, err := New(func(struct{}) scheduler.Limits { return *cfg.overflow }, opts...)
	if err != nil {
		return nil, err
	}
	return &Key[struct{}]{set: set}, nil
}

// box returns the box of the owner that has the key, and the key's hash.
func (s *Set[K]) box(k K) (*box[K], uint64) {
	hash := maphash.Comparable(s.seed, k)
	return s.boxes[hash&uint64(len(s.boxes)-1)], hash
}

// limitsOf asks for the limits of a new key.
func (s *Set[K]) limitsOf(k K) (*scheduler.Limits, error) {
	l := s.limits(k)
	err := l.Validate()
	if err == nil && s.quotas != nil {
		err = s.boxes[0].NotShareable(l)
	}
	if err != nil {
		return nil, fmt.Errorf("keyed: the limits of key %v: %w", k, err)
	}
	return &l, nil
}

// withLimits calls do without limits, and if the key turns out to be new again with them.
func (s *Set[K]) withLimits(k K, do func(*scheduler.Limits) error) error {
	var l *scheduler.Limits
	for {
		err := do(l)
		if err != errUnknown {
			if err == ErrTooManyKeys {
				err = &TooManyKeysError{s.max}
			}
			return err
		}
		if l, err = s.limitsOf(k); err != nil {
			return err
		}
	}
}

// Len returns how many keys the set remembers. It first forgets those that can be forgotten. It asks each of
// the owners.
func (s *Set[K]) Len() (n int) {
	for _, b := range s.boxes {
		for more := true; more; {
			a, ok := b.ask(&message[K]{verb: verbCount})
			if !ok {
				a.count = b.Remains().keys.length
			}
			more = a.more
			if !more {
				n += a.count
			}
		}
	}
	return n
}

// Clock returns the clock that the set reads.
func (s *Set[K]) Clock() scheduler.Clock { return s.clock }

// Close ends the set now: every waiting ticket of every key is told [scheduler.ErrClosed], and nothing is
// granted any more. When Close returns, the goroutines and timers of the owners are gone. Closing again does
// nothing. The error is always nil.
func (s *Set[K]) Close() error {
	for _, b := range s.boxes {
		b.Send(&message[K]{verb: verbClose})
	}
	if s.overflow != nil {
		s.overflow.set.Close()
	}
	for _, b := range s.boxes {
		<-b.Ended()
	}
	s.quotas.wait()
	s.cleanup.Stop()
	return nil
}

// Drain ends the set gracefully. It accepts no new tickets, serves all lines, waits for all permits to be
// released, and then closes. It returns what [scheduler.Scheduler.Drain] would.
func (s *Set[K]) Drain(ctx context.Context) error {
	for _, b := range s.boxes {
		b.ask(&message[K]{verb: verbDrain})
	}
	err := s.drainOverflow(ctx)
	for _, b := range s.boxes {
		select {
		case <-b.Ended():
			if b.Remains().unserved {
				err = scheduler.ErrClosed
			}
		case <-ctx.Done():
			return b.DrainCut(ctx)
		}
	}
	s.quotas.wait()
	if err == nil {
		s.cleanup.Stop()
	}
	return err
}

func (s *Set[K]) drainOverflow(ctx context.Context) error {
	if s.overflow == nil {
		return nil
	}
	return s.overflow.set.Drain(ctx)
}

// Stats returns a consistent view of a key. When it returns, every earlier call for the key has taken effect,
// and every grant that was due has been made. If the set does not remember the key, Stats returns what a new
// scheduler with the key's limits would. It does not add the key. When a key is forgotten, its Totals and
// Granted are too.
func (s *Set[K]) Stats(k K) scheduler.Stats {
	if s.within != nil {
		s.within.Stats() // makes the grants that are due there
	}
	stats, _ := s.look(k, verbStats)
	return stats
}

// Limits returns a copy of the limits of a key as they are now.
func (s *Set[K]) Limits(k K) scheduler.Limits {
	_, limits := s.look(k, verbWindows)
	return limits
}

// Windows returns how full each window of a key is now, as Stats.Windows does. It is not a barrier, and usually
// takes a tenth of the time of [Set.Stats].
func (s *Set[K]) Windows(k K) []scheduler.WindowStats {
	stats, _ := s.look(k, verbWindows)
	return stats.Windows
}

// look returns the stats and the limits of a key, after all that was sent before or, with verbWindows, soon.
func (s *Set[K]) look(k K, v verb) (stats scheduler.Stats, limits scheduler.Limits) {
	b, hash := s.box(k)
	s.withLimits(k, func(l *scheduler.Limits) error {
		a, ok := b.ask(&message[K]{verb: v, hash: hash, key: k, limits: l})
		if !ok {
			st := b.Remains()
			b.after.Lock()
			defer b.after.Unlock()
			st.stats(hash, k, l, &a)
		}
		if a.err == nil {
			stats, limits = *a.stats, *a.limits
		}
		return a.err
	})
	return stats, limits
}

// WaitTime returns how long a ticket of weight 1 of the key taken now would wait. See
// [scheduler.Scheduler.WaitTimeN].
func (s *Set[K]) WaitTime(k K) time.Duration { return s.WaitTimeN(k, 1) }

// WaitTimeN is [scheduler.Scheduler.WaitTimeN] for a key. It also returns [scheduler.Forever] if the key is new
// and there are too many keys.
func (s *Set[K]) WaitTimeN(k K, weight int, costs ...ticket.Cost) (d time.Duration) {
	b, hash := s.box(k)
	list := line.ListOf(costs)
	defer list.Recycle()
	m := &message[K]{verb: verbWait, hash: hash, key: k, request: inside.Request{Weight: weight, Deadline: inside.Never, Costs: list}}
	err := s.withLimits(k, func(l *scheduler.Limits) error {
		m.limits = l
		a, ok := b.ask(m)
		if !ok {
			return scheduler.ErrClosed
		}
		d = a.wait
		return a.err
	})
	if s.overflows(err) {
		return s.overflow.WaitTimeN(weight, costs...)
	}
	if err != nil {
		return scheduler.Forever
	}
	return d
}
