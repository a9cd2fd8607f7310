package pipeline

import "context"

// Result is the value and error that the work on an item returned.
type Result[T any] struct {
	Value T
	Err   error
}

// Values hands on the values of results. The first result with an error is a fault: it is dropped,
// ctx ends with its error as the cause, and the output closes. So the stages that follow need not know
// of errors, and the end of the pipeline handles them once, by [context.Cause].
//
// Values panics if the context is not of [WithAbort]. With another context, later stages could not tell an
// error from the end of the stream.
//
// When ctx ends, the one item in hand is dropped.
//
// Values is ordered and not concurrent.
func Values[T any](ctx context.Context, in <-chan Result[T]) <-chan T {
	must(scopeOf(ctx) != nil, "Values", "a context of WithAbort, to tell errors with")
	if in == nil {
		return nil
	}
	out := make(chan T)
	go func() {
		defer close(out)
		for {
			r, ok := receive(ctx, in)
			if !ok {
				return
			}
			if r.Err != nil {
				abort(ctx, r.Err)
				return
			}
			if !send(ctx, out, r.Value) {
				return
			}
		}
	}()
	return out
}
