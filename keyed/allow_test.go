package keyed_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Goroutines that ask for one key at once never refuse each other for the sake of the burst, because none of them holds a
// permit, whether the key has limits of its own or shares the overflow.
func TestAllowHoldsNothing(t *testing.T) {
	const goroutines, each = 8, 200
	const permits = goroutines * each
	for name, opts := range map[string][]keyed.Option{"lends": nil, "keeps its state": {keyed.KeepState()}} {
		for _, text := range []string{"%d/h burst 1", "%[1]d/h from release burst 1", "%[1]d/h %[1]d tokens/h burst 1"} {
			l := scheduler.MustParseLimits(fmt.Sprintf(text, permits))
			opts := append(opts, keyed.MaxKeys(1), keyed.Overflow(l))
			set, err := keyed.New(func(int) scheduler.Limits { return l }, opts...)
			if err != nil {
				t.Fatal(err)
			}
			for key := range 2 {
				var all sync.WaitGroup
				var refused atomic.Int64
				for range goroutines {
					all.Go(func() {
						for i := range each {
							var costs []ticket.Cost
							if len(l.Windows) > 1 && i%2 == 0 {
								costs = append(costs, tokens.Of(1))
							}
							if !set.AllowN(key, 1, costs...) {
								refused.Add(1)
							}
							if i%20 == 0 {
								set.Len() // the owner has the state for a while
							}
						}
					})
				}
				all.Wait()
				if refused.Load() > 0 {
					t.Errorf("%s, %v, key %d: %d of %d were refused", name, l, key, refused.Load(), permits)
				}
				if set.Allow(key) {
					t.Errorf("%s, %v, key %d: one more was allowed", name, l, key)
				}
			}
			if got := set.Stats(0); got.Granted != permits || got.Totals.Released != permits || got.Totals.Refused.NoPermit != 1 {
				t.Errorf("%s, %v: %+v", name, l, got)
			}
			set.Close()
			if set.Allow(0) {
				t.Errorf("%s, %v: allowed after Close", name, l)
			}
		}
	}
}

// What is allowed is charged to the key and to the limits for all keys, and holds nothing of either.
func TestAllowWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJoint(t, "3/s burst 1", "4/s burst 1")
		defer j.close()
		for i, want := range []bool{true, true, true, false} {
			if j.set.Allow(1) != want {
				t.Errorf("call %d: want %v", i, want)
			}
		}
		if got, all := j.set.Stats(1), j.all.Stats(); got.Windows[0].Used != 3 || got.InUse != 0 || all.Windows[0].Used != 3 || all.InUse != 0 {
			t.Errorf("of the key %+v, of all %+v", got, all)
		}
		held, _ := j.all.TryAcquire()
		if j.set.Allow(2) {
			t.Error("allowed although all is used up")
		}
		held.Release()
	})
}

// A call for a key that is there allocates nothing, whether it is allowed or refused.
func TestAllowAllocatesNothing(t *testing.T) {
	set := perKey(t, "1000000/h burst 5")
	costly := perKey(t, "1000000/h 1000000 tokens/h")
	refused := set.Key("b")
	for range 1_000 {
		set.Allow("a") // the histories have grown
		refused.Allow()
		costly.AllowN("a", 1, tokens.Of(1))
	}
	if !refused.AllowN(5) {
		t.Fatal("refused")
	}
	if _, err := refused.Acquire(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() {
		if !set.Allow("a") || refused.AllowN(5) || !costly.AllowN("a", 1, tokens.Of(1)) {
			t.Fatal("the wrong one was allowed")
		}
	}); n > 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}
