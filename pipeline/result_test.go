package pipeline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/flowguard-go/flowguard/pipeline"
)

func TestValues(t *testing.T) {
	boom := errors.New("boom")
	bubble(t, func(t *testing.T) {
		ctx, abort := pipeline.WithAbort(t.Context())
		defer abort(nil)
		equal(t, "values", all(pipeline.Values(ctx, filled(pipeline.Result[int]{Value: 1}, pipeline.Result[int]{Value: 2}))), "[1 2]")
		equal(t, "cause", context.Cause(ctx), nil)

		endless := pipeline.FromSeq(ctx, func(yield func(pipeline.Result[int]) bool) {
			for i := 0; yield(pipeline.Result[int]{Value: i, Err: map[bool]error{true: boom}[i == 2]}); i++ {
			}
		})
		equal(t, "values before the error", all(pipeline.Values(ctx, endless)), "[0 1]")
		equal(t, "cause", context.Cause(ctx), boom)
		closed(t, endless)
	})
}

func TestValuesAborts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, abort := pipeline.WithAbort(t.Context())
		out := pipeline.Values(ctx, filled(pipeline.Result[int]{Value: 1}))
		synctest.Wait()
		abort(nil)
		closed(t, out)
	})
}
