package pipeline

import (
	"context"

	"github.com/flowguard-go/flowguard/scheduler"
)

// ForEach calls work for each item, at the end of a pipeline, and returns when all calls have
// returned. Like [Map] it waits for a permit before each call and holds it until the call returns,
// and runs at most [Concurrency] calls at a time.
//
// It returns nil if the input has closed and work returned nil for every item of it. Otherwise it
// returns the first error: of work, of s when it refused an item, or the cause of the end of ctx. It
// then ends the context of the calls still running, with that error as the cause, and takes no more
// items. An error that is not ctx's own is a fault: it ends ctx too if that was made by [WithAbort], so
// that the stages before it stop. With another context, end it when ForEach returns.
//
// When ctx ends, the item in line is dropped.
//
// ForEach is concurrent, and ordered only where calls run one at a time.
func ForEach[T any](ctx context.Context, s *scheduler.Scheduler, in <-chan T,
	work func(context.Context, T) error, opts ...Option) error {
	return forEach(ctx, "ForEach", s, in, one, work, opts)
}

// ForEachN is [ForEach] with a weight for each item. A weight that is below 1, or above what a limit
// can hold, is an error.
//
// ForEachN is concurrent, and ordered only where calls run one at a time.
func ForEachN[T any](ctx context.Context, s *scheduler.Scheduler, in <-chan T, weight func(T) int,
	work func(context.Context, T) error, opts ...Option) error {
	return forEach(ctx, "ForEachN", s, in, weight, work, opts)
}

func forEach[T any](ctx context.Context, stage string, s *scheduler.Scheduler, in <-chan T, weight func(T) int,
	work func(context.Context, T) error, opts []Option) error {
	must(s != nil, stage, "a scheduler")
	must(weight != nil && work != nil, stage, "functions to call")
	if in == nil {
		return nil
	}
	calls, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	b := newBounds(s, opts)
	c := newCrew(calls, stage, s, weight, func(ctx context.Context, item T) (struct{}, error) {
		return struct{}{}, work(ctx, item)
	}, b.concurrency)
	put := func(r Result[struct{}]) {
		if r.Err != nil {
			stop(r.Err) // only the first counts
		}
	}
	put(Result[struct{}]{Err: c.run(in, func() func(Result[struct{}]) { return put })})
	c.running.Wait()
	if err := context.Cause(calls); err != nil {
		abort(ctx, err) // does nothing if ctx was the first to end
		return err
	}
	// Perhaps the input closed because ctx has ended, and calls is about to.
	return cause(ctx)
}
