package main

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go/ratelimiter"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/scheduler/schedulertest"
	"go.uber.org/ratelimit"
	"golang.org/x/time/rate"
)

// Case 8: what is let through when callers always want more. After one permit and a while of nothing,
// 16 callers ask without pause. Used is in percent of what the window allows in that time.

const (
	quota     = 100 // in each second
	idle      = 1500 * time.Millisecond
	saturated = 2 * time.Second
)

func BenchmarkQuota(b *testing.B) {
	b.Run("100 a second for 2 s", func(b *testing.B) {
		for _, g := range order(guards...) {
			b.Run(g.name, func(b *testing.B) {
				var used, most int
				for b.Loop() {
					at := saturate(b, g, time.Second, idle, saturated)
					used += len(at)
					most = max(most, mostIn(at, time.Second))
				}
				b.ReportMetric(0, "ns/op") // says nothing here
				b.ReportMetric(100*float64(used)/float64(b.N)/(quota*saturated.Seconds()), "%used")
				b.ReportMetric(float64(most), "most-in-1s")
			})
		}
	})
}

// guard keeps callers to quota permits per. Its take waits, and returns the instant for which the
// permit was given, or that at which the caller went on if it cannot know. Exact, if there is one,
// returns the instants once more as they were decided.
type guard struct {
	name string
	make func(tb testing.TB, per time.Duration) (take, exact)
}

type (
	take  func(context.Context) (time.Time, error)
	exact func() []time.Time
)

var guards = []guard{
	{"flowguard", recorded},
	{"rate.Wait with burst 100", rateGuard(quota)},
	{"rate.Wait with burst 1", rateGuard(1)},
	{"ratelimit.Take", uberGuard()},
	{"ratelimit.Take without slack", uberGuard(ratelimit.WithoutSlack)},
	{"failsafe bursty limiter", func(_ testing.TB, per time.Duration) (take, exact) {
		return observed(ratelimiter.NewBursty[any](quota, per).AcquirePermit), nil
	}},
	{"failsafe smooth limiter", func(_ testing.TB, per time.Duration) (take, exact) {
		return observed(ratelimiter.NewSmooth[any](quota, per).AcquirePermit), nil
	}},
}

// recorded also fails if the record breaks the limit, in whatever interval.
func recorded(tb testing.TB, per time.Duration) (take, exact) {
	var record schedulertest.Recorder
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(quota, per)}}
	s := start(tb, limits, &record)
	exact := func() (at []time.Time) {
		s.Close()
		if err := schedulertest.Check(limits, record.Tickets(), scheduler.Forever); err != nil {
			tb.Error(err)
		}
		for _, t := range record.Tickets().Granted() {
			at = append(at, t.Granted)
		}
		return at
	}
	return observed(func(ctx context.Context) error {
		t, err := s.Acquire(ctx)
		t.Release()
		return err
	}), exact
}

func rateGuard(burst int) func(testing.TB, time.Duration) (take, exact) {
	return func(_ testing.TB, per time.Duration) (take, exact) {
		return observed(rate.NewLimiter(rate.Every(per/quota), burst).Wait), nil
	}
}

func uberGuard(opts ...ratelimit.Option) func(testing.TB, time.Duration) (take, exact) {
	return func(_ testing.TB, per time.Duration) (take, exact) {
		limiter := ratelimit.New(quota, append(opts, ratelimit.Per(per))...)
		return func(ctx context.Context) (time.Time, error) { return limiter.Take(), ctx.Err() }, nil
	}
}

func observed(wait func(context.Context) error) take {
	return func(ctx context.Context) (time.Time, error) {
		err := wait(ctx)
		return time.Now(), err
	}
}

// saturate returns, in order, the instants of all that was let through from the end of the idle time
// on, for as long as that is to last.
func saturate(tb testing.TB, g guard, per, idle, lasting time.Duration) (at []time.Time) {
	take, exact := g.make(tb, per)
	if _, err := take(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	time.Sleep(idle)
	ctx, cancel := context.WithCancel(tb.Context())
	begin := time.Now()
	time.AfterFunc(lasting, cancel)
	var mu sync.Mutex
	var callers sync.WaitGroup
	for range 16 {
		callers.Go(func() {
			for {
				t, err := take(ctx)
				if err != nil {
					return
				}
				mu.Lock()
				at = append(at, t)
				mu.Unlock()
			}
		})
	}
	callers.Wait()
	if exact != nil {
		at = exact()
	}
	slices.SortFunc(at, time.Time.Compare)
	return slices.DeleteFunc(at, func(t time.Time) bool { return t.Before(begin) || t.Sub(begin) > lasting })
}

// mostIn returns the most instants in any one interval of length per.
func mostIn(at []time.Time, per time.Duration) (most int) {
	first := 0
	for i := range at {
		for at[i].Sub(at[first]) >= per {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

func TestMostIn(t *testing.T) {
	zero := time.Time{}
	at := []time.Time{zero, zero.Add(5), zero.Add(9), zero.Add(10), zero.Add(14), zero.Add(30)}
	if got := mostIn(at, 10); got != 4 { // 5, 9, 10, 14
		t.Errorf("%d, want 4", got)
	}
}

// What each lets through of 100 in 200 ms. Those who keep exactly to it are seen through the clocks of
// callers, which some milliseconds may pass by.
func TestWhatIsLetThrough(t *testing.T) {
	const per = 200 * time.Millisecond
	for name, want := range map[string][2]int{
		"flowguard":                    {quota, quota},
		"rate.Wait with burst 100":     {quota + 80, 2 * quota},
		"rate.Wait with burst 1":       {quota / 2, quota + 20},
		"ratelimit.Take without slack": {quota / 2, quota + 20},
		"failsafe bursty limiter":      {quota + 80, 2*quota + 20},
		"failsafe smooth limiter":      {quota / 2, quota + 20},
	} {
		g := guards[slices.IndexFunc(guards, func(g guard) bool { return g.name == name })]
		if got := mostIn(saturate(t, g, per, 3*per/2, 2*per), per); got < want[0] || got > want[1] {
			t.Errorf("%s let %d through, want %d to %d", name, got, want[0], want[1])
		}
	}
}
