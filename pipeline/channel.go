package pipeline

import (
	"context"
	"time"
)

// receive takes the next item. It returns false when the input is closed and empty, and when ctx has ended.
// [cause] then tells which, because a channel is closed for an abort only after the end of the context.
func receive[T any](ctx context.Context, in <-chan T) (item T, ok bool) {
	done := ctx.Done()
	if done == nil { // it never ends
		item, ok = <-in
		return item, ok
	}
	if ctx.Err() != nil { // select would choose at random
		return item, false
	}
	select { // a look at one channel takes a third of the time of a select of two
	case item, ok = <-in:
		return item, ok
	default:
	}
	select {
	case item, ok = <-in:
	case <-done:
	}
	return item, ok
}

// send hands an item on. It returns false, and the item is dropped, if ctx ends before.
func send[T any](ctx context.Context, out chan<- T, item T) bool {
	done := ctx.Done()
	if done == nil {
		out <- item
		return true
	}
	if ctx.Err() != nil {
		return false
	}
	select {
	case out <- item:
		return true
	default:
	}
	select {
	case out <- item:
		return true
	case <-done:
		return false
	}
}

// patient is a context that hides its deadline. A scheduler refuses a ticket whose deadline is too near, before
// the context ends. If the stage ended then, its reader would think that all items had been handed on.
type patient struct{ context.Context }

// Deadline implements [context.Context].
func (patient) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// one is the weight of items that have none of their own.
func one[T any](T) int { return 1 }

// must panics with what the caller of stage has to change, unless it is fulfilled.
func must(fulfilled bool, stage, want string) {
	if !fulfilled {
		panic("pipeline: " + stage + " needs " + want)
	}
}
