package main

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/flowguard-go/flowguard/scheduler"
	"golang.org/x/sync/semaphore"
)

// Case 3: 128 goroutines take turns with 4 permits. They give one back at once, as most benchmarks have it, or
// after others have run.
func BenchmarkHandOff(b *testing.B) {
	b.Run("held over a yield", func(b *testing.B) {
		contexts(b, func(b *testing.B, ctx context.Context) {
			handOff(b, ctx, runtime.Gosched, order(flowguardPermits, semaphorePermits, channelPermits))
		})
	})
	b.Run("given back at once", func(b *testing.B) {
		contexts(b, func(b *testing.B, ctx context.Context) {
			handOff(b, ctx, nothing, order(flowguardPermits, semaphorePermits, channelPermits, bulkheadPermits))
		})
	})
}

const (
	handOffCallers = 128
	handOffPermits = 4
)

// handOff measures contenders whose callers share b.N calls.
//
// All callers wait when the measurement begins. If they did not, a peer that lets a goroutine take again what it
// has just given back would go without waiting until the runtime interrupts a goroutine that holds a permit,
// and from then on all would wait. So its figure would be one of two that differ by a factor of 20, or something
// between them.
func handOff(b *testing.B, ctx context.Context, held func(), contenders []holder) {
	for _, c := range contenders {
		b.Run(c.name, func(b *testing.B) {
			acquire := c.permits(b)
			try := func(held func()) {
				if err := acquire(ctx, held); err != nil {
					b.Error(err)
				}
			}
			var taken, arrived, all sync.WaitGroup
			begin := make(chan struct{})
			taken.Add(handOffPermits)
			for range handOffPermits {
				all.Go(func() {
					try(func() {
						taken.Done()
						<-begin
					})
				})
			}
			taken.Wait()
			arrived.Add(handOffCallers)
			for i := range handOffCallers {
				share := (b.N + i) / handOffCallers
				all.Go(func() {
					arrived.Done()
					for range share {
						try(held)
					}
				})
			}
			arrived.Wait()
			time.Sleep(time.Millisecond) // so that the last ones wait too
			b.ReportAllocs()
			used := processorTime()
			b.ResetTimer()
			close(begin)
			all.Wait()
			used.report(b)
		})
	}
}

// permits acquires, calls held, and releases.
type permits func(ctx context.Context, held func()) error

// holder is a contender that does something while it holds a permit.
type holder struct {
	name    string
	permits func(testing.TB) permits
}

var flowguardPermits = holder{"flowguard", func(tb testing.TB) permits {
	s := start(tb, scheduler.Limits{MaxBurst: handOffPermits})
	return func(ctx context.Context, held func()) error {
		t, err := s.Acquire(ctx)
		if err != nil {
			return err
		}
		held()
		t.Release()
		return nil
	}
}}

var semaphorePermits = holder{"semaphore", func(testing.TB) permits {
	sem := semaphore.NewWeighted(handOffPermits)
	return func(ctx context.Context, held func()) error {
		if err := sem.Acquire(ctx, 1); err != nil {
			return err
		}
		held()
		sem.Release(1)
		return nil
	}
}}

var channelPermits = holder{"channel", func(testing.TB) permits {
	slots := make(chan struct{}, handOffPermits)
	return func(ctx context.Context, held func()) error {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		held()
		<-slots
		return nil
	}
}}

var bulkheadPermits = holder{"failsafe bulkhead", func(testing.TB) permits {
	bulk := bulkhead.New[any](handOffPermits)
	return func(ctx context.Context, held func()) error {
		if err := bulk.AcquirePermit(ctx); err != nil {
			return err
		}
		held()
		bulk.ReleasePermit()
		return nil
	}
}}
