package scheduler_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

func start(tb testing.TB, l scheduler.Limits, opts ...scheduler.Option) *scheduler.Scheduler {
	tb.Helper()
	s, err := scheduler.New(l, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

// plenty is a limit that a benchmark never meets.
var plenty = scheduler.Per(1_000_000_000, time.Second)

// One caller, permits free: what a caller pays when it need not wait.
func BenchmarkAcquireRelease(b *testing.B) {
	s := start(b, scheduler.Limits{Windows: []scheduler.Window{plenty}, MaxBurst: 4})
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		t, err := s.Acquire(ctx)
		if err != nil {
			b.Fatal(err)
		}
		t.Release()
	}
}

func BenchmarkTryAcquireRelease(b *testing.B) {
	s := start(b, scheduler.Limits{Windows: []scheduler.Window{plenty}, MaxBurst: 4})
	b.ReportAllocs()
	for b.Loop() {
		t, ok := s.TryAcquire()
		if !ok {
			b.Fatal("no permit")
		}
		t.Release()
	}
}

// 128 goroutines take turns with 4 permits.
func BenchmarkContended(b *testing.B) {
	s := start(b, scheduler.Limits{MaxBurst: 4})
	together(b, s, 128)
}

// together shares the acquires of a benchmark among so many callers.
func together(b *testing.B, s *scheduler.Scheduler, callers int) {
	ctx := context.Background()
	b.ReportAllocs()
	var wg sync.WaitGroup
	for i := range callers {
		share := b.N / callers
		if i < b.N%callers {
			share++
		}
		wg.Go(func() {
			for range share {
				t, err := s.Acquire(ctx)
				if err != nil {
					b.Error(err)
					return
				}
				t.Release()
			}
		})
	}
	wg.Wait()
}

// A decision costs the same however many permits a window holds. Every window here is full most of
// the time, so that each decision has something to expire.
func BenchmarkWindowSize(b *testing.B) {
	for _, permits := range []int{10, 10_000, 1_000_000} {
		b.Run(fmt.Sprint(permits), func(b *testing.B) {
			per := time.Duration(permits) * 100 * time.Nanosecond
			s := start(b, scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(permits, per)}})
			b.ReportAllocs()
			for b.Loop() {
				if t, ok := s.TryAcquire(); ok {
					t.Release()
				}
			}
		})
	}
}

// Many callers, permits free.
func BenchmarkManyCallers(b *testing.B) {
	for _, callers := range []int{1, 16, 256} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			together(b, start(b, scheduler.Limits{Windows: []scheduler.Window{plenty}}), callers)
		})
	}
}
