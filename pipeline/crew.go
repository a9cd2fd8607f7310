package pipeline

import (
	"context"
	"errors"
	"sync"

	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// crew is the common part of the concurrent stages: one goroutine that takes items and asks for their permits,
// and one for each item in work.
//
// A stage has one item in line at a time, not one for each worker. So permits follow the order of the input,
// and a stage with many workers gets no more of a shared scheduler than others.
type crew[A, B any] struct {
	stage  string
	ctx    context.Context
	h      *scheduler.Handle
	weight func(A) int
	work   func(context.Context, A) (B, error)

	costs   pricer[A]
	room    *room
	running sync.WaitGroup // the items in work
}

func newCrew[A, B any](ctx context.Context, stage string, h *scheduler.Handle, weight func(A) int,
	work func(context.Context, A) (B, error), b bounds, ordered bool) *crew[A, B] {
	return &crew[A, B]{stage: stage, ctx: ctx, h: h, weight: weight, work: work,
		costs: pricer[A]{of: costsOf[A](stage, b)}, room: newRoom(b, ordered, func() int { return inside.MaxBurst(h) })}
}

// run works on the items of in until there are no more, and returns the fault that made it stop. When
// it returns, work may still be running.
//
// For each item, in the order of the input, it calls place, which returns where the item's result
// goes. The result is put there from another goroutine. It leaves the stage's room when it is handed on.
func (c *crew[A, B]) run(in <-chan A, place func() (put func(Result[B]))) (fault error) {
	var waiting context.Context = patient{c.ctx} // once, or it would be boxed for each item
	for c.room.wait(c.ctx) {
		item, ok := receive(c.ctx, in)
		if !ok {
			return nil
		}
		t, err := c.h.AcquireN(waiting, c.weight(item), c.costs.price(item)...)
		switch {
		case c.ctx.Err() != nil:
			t.Release()
			return nil
		case errors.Is(err, scheduler.ErrClosed):
			return refused(c.stage, err)
		case err != nil:
			c.room.take()
			put := place()
			c.room.finish()
			put(Result[B]{Err: refused(c.stage, err)})
		default:
			c.room.take()
			c.running.Add(1)
			go c.do(t, item, place())
		}
	}
	return nil
}

// do works on one item.
func (c *crew[A, B]) do(t ticket.Ticket, item A, put func(Result[B])) {
	r := Result[B]{Err: ErrExited}
	settle(func() { c.call(t, item, &r) }, func(bool) {
		c.room.finish()
		put(r)
		c.running.Done()
	})
}

// call holds the permit for exactly as long as the work runs.
func (c *crew[A, B]) call(t ticket.Ticket, item A, r *Result[B]) {
	defer t.Release()
	ctx := c.ctx
	if c.costs.of != nil {
		ctx = ticket.NewContext(ctx, t)
	}
	r.Value, r.Err = c.work(ctx, item)
}
