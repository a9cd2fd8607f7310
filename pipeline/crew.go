package pipeline

import (
	"context"
	"errors"
	"sync"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// crew is what the concurrent stages have in common: one goroutine that takes items and asks for
// their permits, and one for each item in work.
//
// The items of a stage stand in line one at a time and not one for each worker. So permits follow the
// order of the input, and a stage with many workers gets no more of a shared scheduler than others.
type crew[A, B any] struct {
	stage  string
	ctx    context.Context
	s      *scheduler.Scheduler
	weight func(A) int
	work   func(context.Context, A) (B, error)

	slots   chan struct{}  // holds one for each item in work
	places  chan struct{}  // holds one for each item accepted and not yet handed on; nil: no bound
	running sync.WaitGroup // the items in work
}

func newCrew[A, B any](ctx context.Context, stage string, s *scheduler.Scheduler, weight func(A) int,
	work func(context.Context, A) (B, error), n int) *crew[A, B] {
	return &crew[A, B]{stage: stage, ctx: ctx, s: s, weight: weight, work: work, slots: make(chan struct{}, n)}
}

// run works on the items of in until there are no more, and returns the fault that made it stop. When
// it returns, work may still be running.
//
// For each item, in the order of the input, it calls place, which returns where the item's result
// goes. The result is put there from another goroutine.
func (c *crew[A, B]) run(in <-chan A, place func() (put func(Result[B]))) (fault error) {
	var waiting context.Context = patient{c.ctx} // once, or it would be boxed for each item
	for c.ready() {
		item, ok := receive(c.ctx, in)
		if !ok {
			return nil
		}
		t, err := c.s.AcquireN(waiting, c.weight(item))
		switch {
		case c.ctx.Err() != nil:
			t.Release()
			return nil
		case errors.Is(err, scheduler.ErrClosed):
			return refused(c.stage, err)
		case err != nil:
			place()(Result[B]{Err: refused(c.stage, err)})
			<-c.slots
		default:
			c.running.Add(1)
			go c.do(t, item, place())
		}
	}
	return nil
}

// ready waits until there is room for one more item, and returns false if ctx ends before. This is
// done before an item is taken: a permit must not wait for room.
func (c *crew[A, B]) ready() bool {
	if c.places != nil && !send(c.ctx, c.places, struct{}{}) {
		return false
	}
	return send(c.ctx, c.slots, struct{}{})
}

// do works on one item. The slot is free when the result has been put, so where that waits for the
// reader, a slow reader holds up the work.
func (c *crew[A, B]) do(t ticket.Ticket, item A, put func(Result[B])) {
	r := Result[B]{Err: ErrExited}
	settle(func() { c.call(t, item, &r) }, func(bool) {
		put(r)
		<-c.slots
		c.running.Done()
	})
}

// call holds the permit for exactly as long as the work runs.
func (c *crew[A, B]) call(t ticket.Ticket, item A, r *Result[B]) {
	defer t.Release()
	r.Value, r.Err = c.work(c.ctx, item)
}
