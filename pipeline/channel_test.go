package pipeline_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/pipeline"
)

// A context that has ended: no item is taken, none handed on, and no permit asked for.
func TestEndedContextTakesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s := start(t, "1000/s")
		for range 50 { // select chooses at random: once would not be enough
			in := filled(1, 2, 3)
			equal(t, "Throttle", len(all(pipeline.Throttle(ctx, s, in))), 0)
			equal(t, "Map", len(all(pipeline.Map(ctx, s, in, same[int]))), 0)
			equal(t, "OrderedMap", len(all(pipeline.OrderedMap(ctx, s, in, same[int]))), 0)
			equal(t, "ForEach", pipeline.ForEach(ctx, s, in, nothing[int]), context.Canceled)
			equal(t, "Batch", len(all(pipeline.Batch(ctx, s, in, 1, 0))), 0)
			equal(t, "Merge", len(all(pipeline.Merge(ctx, in, make(chan int)))), 0)
			for item := range pipeline.ToSeq(ctx, in) {
				t.Error("ToSeq gave", item)
			}
			equal(t, "items left", len(in), 3)
			equal(t, "FromSlice", len(all(pipeline.FromSlice(ctx, numbers(2)))), 0)
			equal(t, "FromSeq", len(all(pipeline.FromSeq(ctx, func(func(int) bool) { t.Error("the sequence was started") }))), 0)
		}
		equal(t, "grants", s.Stats().Granted, 0)
	})
}

// An item that is ready for a waiting reader only after the context has ended is dropped.
func TestEndedContextHandsNothingOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "burst 1")
		for range 50 { // as above
			ctx, cancel := context.WithCancel(t.Context())
			end := func(_ context.Context, i int) (int, error) {
				cancel()
				return i, nil
			}
			equal(t, "Map", len(all(pipeline.Map(ctx, s, filled(1), end))), 0)
			ctx, cancel = context.WithCancel(t.Context())
			equal(t, "OrderedMap", len(all(pipeline.OrderedMap(ctx, s, filled(1), end))), 0)
			ctx, cancel = context.WithCancel(t.Context())
			equal(t, "FromSeq", len(all(pipeline.FromSeq(ctx, func(yield func(int) bool) {
				cancel()
				yield(1)
			}))), 0)
		}
	})
}

// With a deadline that comes before the next grant, the stage must still end with its context, or its
// reader would find the output closed and ctx.Err() nil: the signs of a normal end.
func TestDeadlineEndsAStageWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "1/h")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for name, out := range map[string]<-chan int{
			"Throttle": pipeline.Throttle(ctx, s, filled(1, 2, 3)),
			"Map":      values(t, pipeline.Map(ctx, s, filled(1, 2, 3), same[int])),
		} {
			all(out)
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Errorf("the output of %s closed with ctx.Err() = %v", name, ctx.Err())
			}
		}
		idle(t, s)
	})
}
