package main

import (
	"context"
	"runtime"
	"testing"

	"github.com/flowguard-go/flowguard/scheduler"
	"golang.org/x/sync/semaphore"
)

// Case 3: 128 goroutines take turns with 4 permits. Whoever holds one yields to others before giving
// it back, or a goroutine would go round without meeting anybody until its time slice ends.
func BenchmarkHandOff(b *testing.B) {
	b.Run("held over a yield", func(b *testing.B) {
		contexts(b, func(b *testing.B, ctx context.Context) {
			together(b, ctx, 128, yielding("flowguard", flowguardPermits), yielding("semaphore", semaphorePermits),
				yielding("channel", channelPermits))
		})
	})
	b.Run("given back at once", func(b *testing.B) {
		contexts(b, func(b *testing.B, ctx context.Context) {
			together(b, ctx, 128, flowguard(scheduler.Limits{MaxBurst: 4}), xsemaphore(4), channel(4), failsafeBulkhead(4))
		})
	})
}

// permits acquires, calls held, and releases.
type permits func(ctx context.Context, held func()) error

func yielding(name string, make func(testing.TB) permits) contender {
	return contender{name, func(tb testing.TB) func(context.Context) error {
		acquire := make(tb)
		return func(ctx context.Context) error { return acquire(ctx, runtime.Gosched) }
	}}
}

func flowguardPermits(tb testing.TB) permits {
	s := start(tb, scheduler.Limits{MaxBurst: 4})
	return func(ctx context.Context, held func()) error {
		t, err := s.Acquire(ctx)
		if err != nil {
			return err
		}
		held()
		t.Release()
		return nil
	}
}

func semaphorePermits(testing.TB) permits {
	sem := semaphore.NewWeighted(4)
	return func(ctx context.Context, held func()) error {
		if err := sem.Acquire(ctx, 1); err != nil {
			return err
		}
		held()
		sem.Release(1)
		return nil
	}
}

func channelPermits(testing.TB) permits {
	slots := make(chan struct{}, 4)
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
}
