package pipeline

import (
	"context"

	"github.com/flowguard-go/flowguard/scheduler"
)

// ForEach calls work for each item, and returns when all calls have returned. It runs as many calls at a time
// as the limits of s and [Concurrency] allow. It is the end of a pipeline. Like [Map] it waits for a permit
// before each call and holds it until the call returns.
//
// If s has no burst and Concurrency is not given, only the windows and the length of the calls bound how
// many run, so calls that hang add up.
//
// It returns nil if the input has closed and work returned nil for every item. Otherwise it returns the first
// error: of work, of s if it refused an item, or the cause of the end of ctx. After an error it takes no more
// items, and ends the context of the calls still running, with the error as the cause. An error other than the
// end of ctx is a fault. If ctx was made by [WithAbort], the fault ends ctx too, so that the stages before
// stop. If ctx is another context, end it when ForEach returns.
//
// When ctx ends, the item in line is dropped.
//
// ForEach is concurrent, and ordered only if calls run one at a time.
func ForEach[T any](ctx context.Context, s scheduler.Source, in <-chan T,
	work func(context.Context, T) error, opts ...Option) error {
	return forEach(ctx, "ForEach", s, in, one, work, opts)
}

// ForEachN is [ForEach] with a weight for each item. A weight that is below 1, or above what a limit
// can hold, is an error.
//
// ForEachN is concurrent, and ordered only if calls run one at a time.
func ForEachN[T any](ctx context.Context, s scheduler.Source, in <-chan T, weight func(T) int,
	work func(context.Context, T) error, opts ...Option) error {
	return forEach(ctx, "ForEachN", s, in, weight, work, opts)
}

func forEach[T any](ctx context.Context, stage string, s scheduler.Source, in <-chan T, weight func(T) int,
	work func(context.Context, T) error, opts []Option) error {
	h := handleOf(s, stage, "a scheduler")
	must(weight != nil && work != nil, stage, "functions to call")
	if in == nil {
		return nil
	}
	calls, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	c := newCrew(calls, stage, h, weight, func(ctx context.Context, item T) (struct{}, error) {
		return struct{}{}, work(ctx, item)
	}, newBounds(opts), false)
	fail := func(err error) {
		if err != nil {
			stop(err) // only the first counts
		}
	}
	put := func(r Result[struct{}]) {
		fail(r.Err)
		c.room.handOn()
	}
	fail(c.run(in, func() func(Result[struct{}]) { return put }))
	c.running.Wait()
	if err := context.Cause(calls); err != nil {
		abort(ctx, err) // does nothing if ctx was the first to end
		return err
	}
	// Perhaps the input closed because ctx has ended, and calls is about to.
	return cause(ctx)
}
