package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// Batch collects items and hands them on together, as soon as it has size items or wait has passed since it
// took the first. A batch is never empty and never larger than size. Batch reads the clock of s, but takes no
// permit. With a wait of 0 or less, only size decides. Batch panics if size is below 1.
//
// If wait has passed but the reader does not take the batch, Batch goes on filling it up to size. The slice
// belongs to the reader. Downstream, a batch costs one permit, or with [ThrottleN], [MapN] or [ForEachN] its
// weight.
//
// When the input closes, the items that have been collected are the last batch. When ctx ends, they are
// dropped.
//
// Batch is ordered and not concurrent.
func Batch[T any](ctx context.Context, s scheduler.Source, in <-chan T, size int, wait time.Duration) <-chan []T {
	h := handleOf(s, "Batch", "a scheduler, for its clock")
	if size < 1 {
		panic(fmt.Sprintf("pipeline: the size of Batch must be 1 or more, got %d", size))
	}
	if in == nil {
		return nil
	}
	out := make(chan []T)
	t := newTimeout(h.Clock())
	go func() {
		defer close(out)
		defer t.off()
		collect(ctx, t, in, size, wait, out)
	}()
	return out
}

// collect is the life of a Batch stage.
func collect[T any](ctx context.Context, t *timeout, in <-chan T, size int, wait time.Duration, out chan<- []T) {
	var batch []T
	due := false
	handedOn := func() {
		batch, due = nil, false
		t.off()
	}
	for ctx.Err() == nil {
		more := in
		if len(batch) == size {
			more = nil // not before this batch is handed on
		}
		var ready chan<- []T // nil while the batch is not due
		if due {
			ready = out
			select { // a reader that waits gets the batch as it was when it became due
			case ready <- batch:
				handedOn()
				continue
			default:
			}
		}
		select {
		case item, ok := <-more:
			if !ok {
				if len(batch) > 0 && cause(ctx) == nil { // or it closed because of an abort
					send(ctx, out, batch)
				}
				return
			}
			batch = append(batch, item)
			due = due || len(batch) == size
			if len(batch) == 1 && !due && wait > 0 {
				t.set(wait)
			}
		case ready <- batch:
			handedOn()
		case <-t.rings:
			due = due || t.passed()
		case <-ctx.Done():
		}
	}
}
