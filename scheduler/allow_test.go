package scheduler

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/flowguard-go/flowguard/ticket"
)

// Allow does what TryAcquire and Release do: all that can be seen of two schedulers of which one is asked in one way and
// the other in the other way is the same, whatever else is done to them.
func TestAllowIsTryAcquireAndRelease(t *testing.T) {
	runs := uint64(200)
	if raceEnabled || testing.Short() {
		runs = 50
	}
	seed := seed(t)
	allowed := 0
	tryAndRelease := func(s *Scheduler, weight int, costs ...ticket.Cost) bool {
		held, ok := s.TryAcquireN(weight, costs...)
		held.Release()
		held.Release()
		return ok
	}
	allow := func(s *Scheduler, weight int, costs ...ticket.Cost) bool {
		ok := s.AllowN(weight, costs...)
		if ok {
			allowed++
		}
		return ok
	}
	synctest.Test(t, func(t *testing.T) {
		for run := range runs {
			for _, opts := range [][]Option{nil, {KeepCount()}, {KeepCore()}} {
				got := disturb(t, rand.New(rand.NewPCG(seed, run)), opts, allow, new(int))
				want := disturb(t, rand.New(rand.NewPCG(seed, run)), opts, tryAndRelease, new(int))
				for i := range max(len(got), len(want)) {
					if got, want := append(got, "nothing")[i], append(want, "nothing")[i]; got != want {
						t.Fatalf("run %d, step %d:\n%s\ninstead of\n%s", run, i, got, want)
					}
				}
			}
		}
	})
	if allowed < int(runs) {
		t.Errorf("only %d were allowed", allowed)
	}
}

// Goroutines that ask at once never refuse each other for the sake of the burst, because none of them holds a permit.
func TestAllowHoldsNothing(t *testing.T) {
	const goroutines, each = 8, 200
	for _, opts := range [][]Option{nil, {KeepCount()}, {KeepCore()}} {
		for _, limits := range []Limits{
			{Windows: []Window{PerHour(goroutines * each)}, MaxBurst: 1},
			{Windows: []Window{PerHour(goroutines * each), tokens.PerHour(goroutines * each)}, MaxBurst: 1},
			{MaxBurst: 1},
		} {
			s, err := New(limits, opts...)
			if err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			var refused atomic.Int64
			for range goroutines {
				all.Go(func() {
					for i := range each {
						var costs []ticket.Cost
						if len(limits.Windows) > 1 && i%2 == 0 {
							costs = append(costs, tokens.Of(1))
						}
						if !s.AllowN(1, costs...) {
							refused.Add(1)
						}
						if i%20 == 0 {
							s.Stats() // the owner has the state for a while
						}
					}
				})
			}
			all.Wait()
			s.Close()
			if got := s.Stats(); refused.Load() > 0 || got.Granted != goroutines*each || got.Totals.Released != got.Granted {
				t.Errorf("%v: %d of %d were refused: %+v", limits, refused.Load(), goroutines*each, got)
			}
		}
	}
}
