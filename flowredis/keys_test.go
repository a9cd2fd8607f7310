package flowredis

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
	"go.uber.org/goleak"
)

// stoppable is the computer's clock, which can be stopped: so that several sets tell with one epoch when they granted.
type stoppable struct {
	clock.Clock
	at atomic.Pointer[time.Time]
}

func (c *stoppable) Now() time.Time {
	if at := c.at.Load(); at != nil {
		return *at
	}
	return c.Clock.Now()
}

func (c *stoppable) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

func (c *stoppable) stop() {
	now := c.Clock.Now()
	c.at.Store(&now)
}

// grantsOf returns all that sets remember to have granted, by key. The clock must be stopped.
func grantsOf(sets ...*keyed.Set[int]) map[int][]scheduler.Spent {
	all := map[int][]scheduler.Spent{}
	for _, set := range sets {
		for _, k := range set.Snapshot().Keys {
			all[k.Key] = append(all[k.Key], k.Windows[len(k.Windows)-1].Spent...)
		}
	}
	for _, grants := range all {
		slices.SortFunc(grants, func(a, b scheduler.Spent) int { return a.At.Compare(b.At) })
	}
	return all
}

// most returns how many permits were granted in any interval.
func most(grants []scheduler.Spent, per time.Duration) (n int) {
	sum, first := 0, 0
	for _, g := range grants {
		sum += g.Permits
		for !grants[first].At.After(g.At.Add(-per)) {
			sum -= grants[first].Permits
			first++
		}
		n = max(n, sum)
	}
	return n
}

// Two sets on a real engine never exceed the limits of any key together, also while the engine is flushed and forgets the
// script. Their long window remembers each grant, so that they tell when it was made.
func TestShareKeys(t *testing.T) {
	s := startServer(t)
	short, long := scheduler.Per(10, 400*time.Millisecond), scheduler.PerHour(60_000)
	limits := scheduler.Limits{Windows: []scheduler.Window{short, long}}
	const keys = 50
	watch := &stoppable{Clock: clock.New()}
	ctx, stop := context.WithTimeout(context.Background(), 6*time.Second)
	defer stop()
	var sets []*keyed.Set[int]
	var working sync.WaitGroup
	for i := range 2 {
		rdb := s.client()
		defer rdb.Close()
		set, err := keyed.New(func(int) scheduler.Limits { return limits }, ShareKeys(rdb, "tenants", Lease(400*time.Millisecond)), keyed.WithClock(watch))
		must(t, err)
		sets = append(sets, set)
		for j := range 2 * keys {
			working.Go(func() {
				r := rand.New(rand.NewPCG(uint64(i), uint64(j)))
				for ctx.Err() == nil {
					k := (j + r.IntN(3)) % keys
					soon, cancel := context.WithTimeout(ctx, time.Second)
					if r.IntN(4) > 0 {
						set.WaitN(soon, k, 1+r.IntN(2))
					} else if got, ok := set.TryAcquire(k); ok {
						got.Release()
					}
					cancel()
					time.Sleep(time.Duration(r.IntN(10)) * time.Millisecond)
				}
			})
		}
	}
	rdb := s.client()
	defer rdb.Close()
	for _, wipe := range []func() error{
		func() error { return rdb.FlushAll(ctx).Err() },
		func() error { return rdb.ScriptFlush(ctx).Err() },
	} {
		select {
		case <-time.After(2 * time.Second):
			must(t, wipe())
		case <-ctx.Done():
		}
	}
	working.Wait()
	for _, set := range sets {
		set.Close()
	}
	watch.stop()
	total, highest := 0, 0
	for k, grants := range grantsOf(sets...) {
		n := most(grants, short.Per)
		if n > short.Permits {
			t.Errorf("key %d: %d granted in %v, limit %v", k, n, short.Per, short)
		}
		highest = max(highest, n)
		for _, g := range grants {
			total += g.Permits
		}
	}
	t.Logf("%d granted, at most %d of a key in %v", total, highest, short.Per)
	if total == 0 {
		t.Error("nothing was granted")
	}
}

// A scheduler with the name of a key shares the quota of the key.
func TestShareKeysWithScheduler(t *testing.T) {
	s := startServer(t)
	rdb := s.client()
	defer rdb.Close()
	limits := scheduler.MustParseLimits("10/h")
	set, err := keyed.New(func(int) scheduler.Limits { return limits }, ShareKeys(rdb, "tenants"))
	must(t, err)
	defer set.Close()
	one, err := scheduler.New(limits, Share(rdb, "tenants"), scheduler.WithQuotaKey("7"))
	must(t, err)
	defer one.Close()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	must(t, set.WaitN(ctx, 7, 4))
	must(t, one.WaitN(ctx, 6))
	must(t, set.WaitN(ctx, 8, 10))
	soon, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	if err := one.Wait(soon); err == nil {
		t.Error("granted an eleventh permit")
	}
	if err := set.Wait(soon, 7); err == nil {
		t.Error("granted an eleventh permit of the key")
	}
}

// Sets whose keys have different limits are told so, key by key.
func TestShareKeysDiffer(t *testing.T) {
	s := startServer(t)
	rdb := s.client()
	defer rdb.Close()
	for i, text := range []string{"10/h", "20/h"} {
		limits := scheduler.MustParseLimits(text)
		set, err := keyed.New(func(string) scheduler.Limits { return limits }, ShareKeys(rdb, "tenants"))
		must(t, err)
		defer set.Close()
		ctx, stop := context.WithTimeout(context.Background(), time.Minute)
		defer stop()
		err = set.Wait(ctx, "alice")
		var refused *scheduler.QuotaError
		var differ *LimitsError
		switch {
		case i == 0:
			must(t, err)
		case !errors.As(err, &refused) || !errors.As(refused.Err, &differ) || differ.Quota != "tenants of alice":
			t.Errorf("got %v", err)
		}
	}
}

// What Share refuses is refused by keyed.New too.
func TestShareKeysInvalid(t *testing.T) {
	limits := func(int) scheduler.Limits { return scheduler.MustParseLimits("10/h") }
	rdb := client("127.0.0.1:1")
	defer rdb.Close()
	for _, option := range []keyed.Option{
		ShareKeys(nil, "tenants"),
		ShareKeys(rdb, ""),
		ShareKeys(rdb, "tenants", Lease(time.Millisecond)),
		ShareKeys(rdb, "tenants", OnLoss(9)),
	} {
		var invalid *scheduler.InvalidError
		if _, err := keyed.New(limits, option); !errors.As(err, &invalid) {
			t.Errorf("got %v", err)
		}
	}
	if strconv.IntSize == 32 {
		return
	}
	set, err := keyed.New(func(int) scheduler.Limits { return scheduler.MustParseLimits("2000000000000000000/h") }, ShareKeys(rdb, "tenants"))
	must(t, err)
	defer set.Close()
	if err := set.Wait(context.Background(), 1); !errors.As(err, new(*scheduler.QuotaError)) {
		t.Errorf("too large a window: %v", err)
	}
}

// Close ends the exchanges with an engine that is stuck: it takes connections and says nothing.
func TestShareKeysStuck(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	})
	rdb := client(l.Addr().String())
	before := goleak.IgnoreCurrent()
	limits := scheduler.MustParseLimits("10/s")
	set, err := keyed.New(func(int) scheduler.Limits { return limits }, ShareKeys(rdb, "tenants", Lease(time.Minute)))
	must(t, err)
	for k := range 200 {
		if _, err := set.Enqueue(k, 1); err != nil {
			t.Error(err)
		}
	}
	set.Close()
	goleak.VerifyNone(t, before)
	rdb.Close()
	l.Close()
	accepting.Wait()
}

// What only remembers grants is heard often enough to be recollected in a lease, whatever its shortest window. Quarantine
// needs nobody's memory.
func TestRemind(t *testing.T) {
	rdb := client("127.0.0.1:1")
	defer rdb.Close()
	for recovery, want := range map[Recovery]time.Duration{Recollect: 10 * time.Second, Quarantine: time.Hour, Optimistic: 10 * time.Second} {
		s := newShare(rdb, "tenants", []Option{Lease(30 * time.Second), OnLoss(recovery)})
		src, err := s.Open(scheduler.QuotaMember{Limits: scheduler.MustParseLimits("10/s 100/h")})
		must(t, err)
		if got := src.(*source); got.remind != want || got.beat != 600*time.Millisecond {
			t.Errorf("%v: reminds each %v, beats each %v", recovery, got.remind, got.beat)
		}
	}
}
