package pipeline

import "context"

// Result is what came of an item: the value and error that the work on it returned.
type Result[T any] struct {
	Value T
	Err   error
}

// Values hands on the values of results. The first result with an error is a fault: it is dropped,
// ctx ends with its error as the cause, and the output closes. So the stages that follow need not know
// of errors, and the end of the pipeline handles them once, by [context.Cause].
//
// The context must be of [WithAbort], or Values panics: with another, nobody could tell an error from
// the end of the stream.
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
