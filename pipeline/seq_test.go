package pipeline_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/flowguard-go/flowguard/pipeline"
)

func TestFromAndToSequences(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := t.Context()
		equal(t, "slice", slices.Collect(pipeline.ToSeq(ctx, pipeline.FromSlice(ctx, numbers(5)))), numbers(5))
		keys := pipeline.FromSeq(ctx, maps.Keys(map[string]int{"a": 1}))
		equal(t, "sequence", slices.Collect(pipeline.ToSeq(ctx, keys)), "[a]")
		equal(t, "nil slice", len(all(pipeline.FromSlice[int](ctx, nil))), 0)
	})
}

func TestFromSeqStopsTheSequence(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		stopped := false
		out := pipeline.FromSeq(ctx, func(yield func(int) bool) {
			for i := 0; yield(i); i++ {
			}
			stopped = true
		})
		equal(t, "first", <-out, 0)
		cancel()
		closed(t, out)
		equal(t, "stopped", stopped, true)
	})
}

func TestToSeqGoesOnWhereItWasLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		seq := pipeline.ToSeq(t.Context(), filled(numbers(5)...))
		for i := range seq {
			if i == 1 {
				break
			}
		}
		equal(t, "rest", slices.Collect(seq), "[2 3 4]")
	})
}

func TestToSeqEndsWithTheContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			synctest.Wait()
			cancel()
		}()
		equal(t, "items", len(slices.Collect(pipeline.ToSeq(ctx, make(chan int)))), 0)
	})
}

func TestToSeq2EndsWithTheCause(t *testing.T) {
	boom := errors.New("boom")
	collect := func(ctx context.Context, in <-chan pipeline.Result[int]) (list []pipeline.Result[int]) {
		for v, err := range pipeline.ToSeq2(ctx, in) {
			list = append(list, pipeline.Result[int]{Value: v, Err: err})
		}
		return list
	}
	bubble(t, func(t *testing.T) {
		results := []pipeline.Result[int]{{Value: 1}, {Err: boom}, {Value: 3}}
		equal(t, "normal end", collect(t.Context(), filled(results...)), results)

		ctx, abort := context.WithCancelCause(t.Context())
		in := make(chan pipeline.Result[int], 1)
		in <- results[0]
		go func() {
			synctest.Wait()
			abort(boom)
		}()
		equal(t, "abort", collect(ctx, in), []pipeline.Result[int]{{Value: 1}, {Err: boom}})

		s := start(t, "burst 1")
		s.Close()
		ctx, abort = pipeline.WithAbort(t.Context())
		defer abort(nil)
		got := collect(ctx, pipeline.Map(ctx, s, filled(1), same[int]))
		equal(t, "a fault that is also the last result", got, "[{0 pipeline: Map: scheduler: closed}]")

		for _, err := range pipeline.ToSeq2(ctx, filled(results...)) {
			equal(t, "of an ended context", err, context.Cause(ctx))
		}
		for v := range pipeline.ToSeq2(t.Context(), filled(results...)) {
			equal(t, "left early", v, 1)
			break
		}
	})
}
