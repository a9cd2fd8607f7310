package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/pipeline"
	"github.com/flowguard-go/flowguard/scheduler"
)

func TestForEachDoesAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "2/s burst 2")
		begin := time.Now()
		var done []int
		err := pipeline.ForEach(t.Context(), s, filled(numbers(5)...), func(_ context.Context, i int) error {
			equal(t, "begun", time.Since(begin), time.Duration(i/2)*time.Second)
			done = append(done, i)
			return nil
		}, pipeline.Concurrency(1))
		equal(t, "error", err, nil)
		equal(t, "done", done, numbers(5))
		idle(t, s)
	})
}

func TestForEachNTakesTheWeight(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "4/s")
		begin := time.Now()
		err := pipeline.ForEachN(t.Context(), s, filled(4, 3, 2, 5), func(i int) int { return i }, nothing[int])
		if !errors.Is(err, scheduler.ErrTooLarge) {
			t.Error("the error is", err)
		}
		equal(t, "time taken", time.Since(begin), 2*time.Second)
	})
}

// The first error is returned, after the rest has been cancelled and has come to its end.
func TestForEachReturnsTheFirstError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "burst 3")
		ctx, abort := pipeline.WithAbort(t.Context())
		defer abort(nil)
		var ended list[string]
		in := pipeline.FromSlice(ctx, numbers(100))
		err := pipeline.ForEach(ctx, s, in, func(ctx context.Context, i int) error {
			if i == 1 {
				time.Sleep(time.Second)
				return errors.New("first")
			}
			<-ctx.Done()
			ended.add(fmt.Sprint(i, " ", context.Cause(ctx)))
			time.Sleep(time.Second)
			return errors.New("second")
		})
		equal(t, "error", err, "first")
		slices.Sort(ended.items)
		equal(t, "ended", ended.items, []string{"0 first", "2 first"})
		idle(t, s)
		equal(t, "cause of the pipeline's end", context.Cause(ctx), "first")
		closed(t, in)
	})
}

// What goes wrong after the first error, because of it, does not hide it.
func TestForEachErrorIsNotHiddenByTheEndOfTheContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "burst 2")
		ctx, cancel := context.WithCancel(t.Context())
		err := pipeline.ForEach(ctx, s, filled(0, 1), func(calls context.Context, i int) error {
			if i == 0 {
				return errors.New("first")
			}
			<-calls.Done()
			cancel()
			return calls.Err()
		})
		equal(t, "error", err, "first")
	})
}

func TestForEachReturnsTheCause(t *testing.T) {
	quit := errors.New("quit")
	bubble(t, func(t *testing.T) {
		s := start(t, "1/h")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			time.Sleep(time.Minute)
			cancel(quit)
		}()
		equal(t, "error", pipeline.ForEach(ctx, s, filled(1, 2, 3), nothing[int]), quit)
		idle(t, s)
	})
}

// A fault before the end of the pipeline is what ForEach returns, though its input has closed.
func TestForEachReturnsAFaultUpstream(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, other := start(t, "1/s"), start(t, "burst 1")
		for range 100 {
			other.Close()
			ctx, abort := pipeline.WithAbort(t.Context())
			err := pipeline.ForEach(ctx, s, pipeline.Throttle(ctx, other, filled(1)), nothing[int])
			if !errors.Is(err, scheduler.ErrClosed) {
				t.Fatal("the error is", err)
			}
			abort(nil)
		}
	})
}

func TestForEachReturnsAClosedScheduler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "1/h")
		go func() {
			time.Sleep(time.Minute)
			s.Close()
		}()
		err := pipeline.ForEach(t.Context(), s, filled(1, 2, 3), nothing[int])
		if !errors.Is(err, scheduler.ErrClosed) {
			t.Error("the error is", err)
		}
		synctest.Wait()
	})
}
