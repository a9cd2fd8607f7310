package pipeline

import (
	"context"

	"github.com/flowguard-go/flowguard/scheduler"
)

// Map calls work for each item, and hands the results on as they come. It runs as many calls at a time as the
// limits of s and [Concurrency] allow. It waits for a permit before each call and holds it until the call
// returns, so windows and burst hold for the work itself.
//
// If s has a burst or Concurrency is given, a result that waits for the reader still counts as a call. Its
// permit has been released. With neither, only the windows and the length of the calls bound how many run. At
// 10 a second, calls of 30 seconds run 300 at a time, and calls that hang add up. The stage then takes no item
// while more than 1,000 results wait for the reader. [Buffer] changes that number.
//
// If work returns an error, the error is in its [Result], and the stage goes on. It also goes on if s refuses
// an item for its weight, because s is NonBlocking, or because its line is full. Only [scheduler.ErrClosed] is
// a fault. Then the item in hand is dropped, and the stage waits for running calls. The last result has the
// fault as its error. If ctx was made by [WithAbort], it then ends with the fault as its cause.
//
// When ctx ends, the item in line is dropped, and so are the results of calls that were running or
// had not been taken. The output closes when all calls have returned.
//
// Map is concurrent and not ordered.
func Map[A, B any](ctx context.Context, s scheduler.Source, in <-chan A,
	work func(context.Context, A) (B, error), opts ...Option) <-chan Result[B] {
	return unordered(ctx, "Map", s, in, one, work, opts)
}

// MapN is [Map] with a weight for each item, such as the length of a batch. If an item's weight is below 1, or
// above what a limit can hold, its result is the refusal and work is not called.
//
// MapN is concurrent and not ordered.
func MapN[A, B any](ctx context.Context, s scheduler.Source, in <-chan A, weight func(A) int,
	work func(context.Context, A) (B, error), opts ...Option) <-chan Result[B] {
	return unordered(ctx, "MapN", s, in, weight, work, opts)
}

func unordered[A, B any](ctx context.Context, stage string, s scheduler.Source, in <-chan A, weight func(A) int,
	work func(context.Context, A) (B, error), opts []Option) <-chan Result[B] {
	h := handleOf(s, stage, "a scheduler")
	must(weight != nil && work != nil, stage, "functions to call")
	if in == nil {
		return nil
	}
	c := newCrew(ctx, stage, h, weight, work, newBounds(opts), false)
	out := make(chan Result[B])
	put := func(r Result[B]) {
		send(ctx, out, r)
		c.room.handOn()
	}
	go func() {
		fault := ErrExited
		settle(func() { fault = c.run(in, func() func(Result[B]) { return put }) }, func(bool) {
			c.running.Wait()
			c.finish(out, fault)
		})
	}()
	return out
}

// finish ends the output of a stage, after all its results.
func (c *crew[A, B]) finish(out chan<- Result[B], fault error) {
	if fault != nil {
		send(c.ctx, out, Result[B]{Err: fault})
		abort(c.ctx, fault) // before the output closes, so that its reader knows
	}
	close(out)
}

// OrderedMap is [Map] with the results in the order of the input. The limits of s and [Concurrency] bound the
// calls that run at a time. If a call finishes before an earlier one, OrderedMap keeps its result. It keeps as
// many as [Buffer] says, or 1,000 if neither Buffer nor Concurrency is given.
//
// Let C be the number of calls that the burst of s and Concurrency allow at a time. While the oldest item is in
// work, or its result is not taken, the stage takes up to C−1+Buffer later items. If s has no burst and
// Concurrency is not given, it takes later items until more than Buffer of them have finished.
//
// When ctx ends, results that were held up are dropped too.
//
// OrderedMap is concurrent and ordered.
func OrderedMap[A, B any](ctx context.Context, s scheduler.Source, in <-chan A,
	work func(context.Context, A) (B, error), opts ...Option) <-chan Result[B] {
	return ordered(ctx, "OrderedMap", s, in, one, work, opts)
}

// OrderedMapN is [OrderedMap] with a weight for each item, as [MapN] takes it.
//
// OrderedMapN is concurrent and ordered.
func OrderedMapN[A, B any](ctx context.Context, s scheduler.Source, in <-chan A, weight func(A) int,
	work func(context.Context, A) (B, error), opts ...Option) <-chan Result[B] {
	return ordered(ctx, "OrderedMapN", s, in, weight, work, opts)
}

func ordered[A, B any](ctx context.Context, stage string, s scheduler.Source, in <-chan A, weight func(A) int,
	work func(context.Context, A) (B, error), opts []Option) <-chan Result[B] {
	h := handleOf(s, stage, "a scheduler")
	must(weight != nil && work != nil, stage, "functions to call")
	if in == nil {
		return nil
	}
	c := newCrew(ctx, stage, h, weight, work, newBounds(opts), true)
	out := make(chan Result[B])
	// The results wait in a list of places in the order of the input; tail is the place of the item
	// to come. A result never waits for the reader there, so it holds up no work but its own share.
	head := newPlace[B]()
	fault, ended := ErrExited, make(chan struct{})
	go func() {
		tail := head
		place := func() func(Result[B]) {
			p := tail
			tail = newPlace[B]()
			p.next = tail
			return func(r Result[B]) { p.result <- r }
		}
		settle(func() { fault = c.run(in, place) }, func(bool) {
			close(tail.result)
			c.running.Wait()
			close(ended)
		})
	}()
	go func() {
		for p := head; ; p = p.next {
			r, ok := receive(ctx, p.result)
			if !ok || !send(ctx, out, r) {
				break
			}
			c.room.handOn()
		}
		<-ended
		c.finish(out, fault)
	}()
	return out
}

// place is where the result of one item waits for its turn.
type place[B any] struct {
	result chan Result[B] // has a slot free; closed if there is no such item
	next   *place[B]      // set before there is a result
}

func newPlace[B any]() *place[B] { return &place[B]{result: make(chan Result[B], 1)} }
