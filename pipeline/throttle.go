package pipeline

import (
	"context"

	"github.com/flowguard-go/flowguard/scheduler"
)

// Throttle hands each item on when s has granted it a permit.
//
// It limits only hand-offs. The permit is released before the item is handed on, so a throttle cannot bound the
// work that follows. A burst only makes it wait for permits that others hold. To limit work, use [Map] or
// [ForEach], which hold the permit until the work ends.
//
// A reader that is always ready gets each item at the instant of its grant. A slow reader may get one item that
// was granted earlier, and then one that is granted now. So it may see one item more than a window allows,
// never two, because the stage asks for the next permit only after it has handed the item on.
//
// When ctx ends, the one item in hand is dropped. If it had been granted, its window budget is spent. A refusal
// by s, such as [scheduler.ErrClosed], is a fault. Then the item is dropped and the output closes. If ctx was
// made by [WithAbort], it ends with the refusal as its cause.
//
// Of the options only [Cost] has an effect.
//
// Throttle is ordered and not concurrent.
func Throttle[T any](ctx context.Context, s scheduler.Source, in <-chan T, opts ...Option) <-chan T {
	return throttle(ctx, "Throttle", s, in, one, opts)
}

// ThrottleN is [Throttle] with a weight for each item: bytes, tokens, rows. The permits of one item
// are granted together. A weight below 1, or above what a limit can hold, is a fault; split such
// items before.
//
// ThrottleN is ordered and not concurrent.
func ThrottleN[T any](ctx context.Context, s scheduler.Source, in <-chan T, weight func(T) int, opts ...Option) <-chan T {
	must(weight != nil, "ThrottleN", "a weight function")
	return throttle(ctx, "ThrottleN", s, in, weight, opts)
}

func throttle[T any](ctx context.Context, stage string, s scheduler.Source, in <-chan T, weight func(T) int, opts []Option) <-chan T {
	h := handleOf(s, stage, "a scheduler")
	costs := &pricer[T]{of: costsOf[T](stage, newBounds(opts))}
	if in == nil {
		return nil
	}
	out := make(chan T)
	go func() {
		defer close(out)
		fault := ErrExited
		defer func() { abort(ctx, fault) }() // before the output closes, so that its reader knows
		fault = pass(ctx, stage, h, in, weight, costs, out)
	}()
	return out
}

// pass hands items on until there are no more, and returns the fault that made it stop.
func pass[T any](ctx context.Context, stage string, h *scheduler.Handle, in <-chan T, weight func(T) int, costs *pricer[T], out chan<- T) error {
	var waiting context.Context = patient{ctx} // once, or it would be boxed for each item
	for {
		item, ok := receive(ctx, in)
		if !ok {
			return nil
		}
		if err := h.WaitN(waiting, weight(item), costs.price(item)...); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return refused(stage, err)
		}
		if !send(ctx, out, item) {
			return nil
		}
	}
}
