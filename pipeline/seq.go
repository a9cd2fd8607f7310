package pipeline

import (
	"context"
	"errors"
	"iter"
	"slices"
)

// FromSlice hands on the items of a slice, then closes its output. The slice must not be changed
// before that. A nil slice has no items.
//
// When ctx ends, the items that were not taken are dropped.
//
// FromSlice is ordered and not concurrent.
func FromSlice[T any](ctx context.Context, items []T) <-chan T {
	return FromSeq(ctx, slices.Values(items))
}

// FromSeq hands on what seq yields, then closes its output. It asks seq for an item before the reader
// asks for it, so seq is one item ahead. A nil seq gives a nil output.
//
// When ctx ends, the one item in hand is dropped, and seq is stopped when it next yields. If seq itself waits
// for something, it must watch ctx itself.
//
// FromSeq is ordered and not concurrent.
func FromSeq[T any](ctx context.Context, seq iter.Seq[T]) <-chan T {
	if seq == nil {
		return nil
	}
	out := make(chan T)
	go func() {
		defer close(out)
		fault := ErrExited
		defer func() { abort(ctx, fault) }()
		if ctx.Err() == nil {
			seq(func(item T) bool { return send(ctx, out, item) })
		}
		fault = nil
	}()
	return out
}

// ToSeq returns a sequence of the items of in, for range loops and functions such as
// [slices.Collect]. It ends when the input closes or ctx ends; [context.Cause] tells which, see
// [WithAbort]. A loop that is left early does not end the stages before it: end ctx for that, or go on
// with another loop over the sequence. A nil input gives a nil sequence.
//
// ToSeq is ordered and not concurrent.
func ToSeq[T any](ctx context.Context, in <-chan T) iter.Seq[T] {
	if in == nil {
		return nil
	}
	return func(yield func(T) bool) {
		for {
			item, ok := receive(ctx, in)
			if !ok || !yield(item) {
				return
			}
		}
	}
}

// ToSeq2 is [ToSeq] for results: a sequence of values and errors. If ctx has ended when the sequence ends, it
// yields one more pair: a zero value and the cause of the end of ctx. It does not if the last error was that
// cause already. So if a loop that stops at the first error ends without one, it has seen every item.
//
// ToSeq2 is ordered and not concurrent.
func ToSeq2[T any](ctx context.Context, in <-chan Result[T]) iter.Seq2[T, error] {
	if in == nil {
		return nil
	}
	return func(yield func(T, error) bool) {
		var last error
		for {
			r, ok := receive(ctx, in)
			if !ok {
				break
			}
			if last = r.Err; !yield(r.Value, r.Err) {
				return
			}
		}
		if err := cause(ctx); err != nil && !errors.Is(last, err) {
			var zero T
			yield(zero, err)
		}
	}
}
