package main

import (
	"context"
	"flag"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/ratelimiter"
	"github.com/flowguard-go/flowguard/scheduler"
	"go.uber.org/ratelimit"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

// contender is one way to do what a case asks for. Its name is the last part of the benchmark's name;
// promises.go says what each peer leaves open.
type contender struct {
	name string
	op   func(testing.TB) func(context.Context) error // makes the contender; what it returns acquires and releases
}

var reverse = flag.Bool("reverse", false, "run the contenders of each case in reverse order")

// order returns the contenders in the order in which this run measures them.
func order[T any](of ...T) []T {
	of = slices.Clone(of)
	if *reverse {
		slices.Reverse(of)
	}
	return of
}

// alone measures contenders with one caller. All go through the same call of a function value.
func alone(b *testing.B, contenders ...contender) {
	for _, c := range order(contenders...) {
		b.Run(c.name, func(b *testing.B) {
			op, ctx := c.op(b), b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if err := op(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// together measures contenders with n callers that share b.N calls, all with one context.
func together(b *testing.B, ctx context.Context, n int, contenders ...contender) {
	for _, c := range order(contenders...) {
		b.Run(c.name, func(b *testing.B) {
			op := c.op(b)
			b.ReportAllocs()
			used := processorTime()
			b.ResetTimer()
			var callers sync.WaitGroup
			for i := range n {
				share := (b.N + i) / n
				callers.Go(func() {
					for range share {
						if err := op(ctx); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			callers.Wait()
			used.report(b)
		})
	}
}

// contexts are the two kinds that callers have. A wait with one that can end is a select in most peers, on
// a channel that all callers share here, as the workers of one server do. A context of each caller's own
// is in no case.
func contexts(b *testing.B, f func(b *testing.B, ctx context.Context)) {
	b.Run("Background", func(b *testing.B) { f(b, context.Background()) })
	b.Run("shared context", func(b *testing.B) { f(b, b.Context()) })
}

// plenty permits in any second are more than a benchmark can take.
const plenty = 1_000_000_000

// windows returns n windows that are never full.
func windows(n int) (w []scheduler.Window) {
	for i := range n {
		w = append(w, scheduler.Per(plenty, time.Second+time.Duration(i)*time.Millisecond))
	}
	return w
}

func start(tb testing.TB, limits scheduler.Limits, opts ...scheduler.Option) *scheduler.Scheduler {
	tb.Helper()
	s, err := scheduler.New(limits, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

func flowguard(limits scheduler.Limits) contender {
	return contender{"flowguard", func(tb testing.TB) func(context.Context) error {
		s := start(tb, limits)
		return func(ctx context.Context) error {
			t, err := s.Acquire(ctx)
			t.Release()
			return err
		}
	}}
}

func flowguardWait(limits scheduler.Limits) contender {
	return contender{"flowguard", func(tb testing.TB) func(context.Context) error {
		return start(tb, limits).Wait
	}}
}

// rateWaits is one limiter of x/time/rate for each window, asked in turn.
func rateWaits(n int) contender {
	name := "rate.Wait"
	if n > 1 {
		name = "rate.Wait in turn"
	}
	return contender{name, func(tb testing.TB) func(context.Context) error {
		var limiters []*rate.Limiter
		for range n {
			limiters = append(limiters, rate.NewLimiter(plenty, plenty))
		}
		return func(ctx context.Context) error {
			for _, l := range limiters {
				if err := l.Wait(ctx); err != nil {
					return err
				}
			}
			return nil
		}
	}}
}

// both asks a semaphore and then limiters: what one would write by hand for windows and a burst.
func both(windows, burst int) contender {
	return contender{"semaphore and rate.Wait", func(tb testing.TB) func(context.Context) error {
		wait := rateWaits(windows).op(tb)
		sem := semaphore.NewWeighted(int64(burst))
		return func(ctx context.Context) error {
			if err := sem.Acquire(ctx, 1); err != nil {
				return err
			}
			defer sem.Release(1)
			return wait(ctx)
		}
	}}
}

func uber() contender {
	return contender{"ratelimit.Take", func(tb testing.TB) func(context.Context) error {
		l := ratelimit.New(plenty)
		return func(context.Context) error {
			l.Take()
			return nil
		}
	}}
}

func failsafeLimiter() contender {
	return contender{"failsafe limiter", func(tb testing.TB) func(context.Context) error {
		return ratelimiter.NewBursty[any](plenty, time.Second).AcquirePermit
	}}
}

func failsafeBulkhead(n int) contender {
	return contender{"failsafe bulkhead", func(tb testing.TB) func(context.Context) error {
		bulk := bulkhead.New[any](uint(n))
		return func(ctx context.Context) error {
			if err := bulk.AcquirePermit(ctx); err != nil {
				return err
			}
			bulk.ReleasePermit()
			return nil
		}
	}}
}

func xsemaphore(n int) contender {
	return contender{"semaphore", func(tb testing.TB) func(context.Context) error {
		sem := semaphore.NewWeighted(int64(n))
		return func(ctx context.Context) error {
			if err := sem.Acquire(ctx, 1); err != nil {
				return err
			}
			sem.Release(1)
			return nil
		}
	}}
}

// channel takes a slot of a buffered channel, and watches ctx as all others do.
func channel(n int) contender {
	return contender{"channel", func(tb testing.TB) func(context.Context) error {
		slots := make(chan struct{}, n)
		return func(ctx context.Context) error {
			select {
			case slots <- struct{}{}:
				<-slots
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}}
}
