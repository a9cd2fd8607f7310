package scheduler

import (
	"context"

	"github.com/flowguard-go/flowguard/ticket"
)

// Workers that share a context would each wait for a grant and for its end in one select, all of them
// on the one channel of the context: that costs as much as being granted does. So where call after call
// waits with the same context, the scheduler is told once when it ends, and those calls wait for what
// becomes of their tickets alone. Everything works the same without, only slower.

// crowd is those who wait with one context.
type crowd struct {
	done <-chan struct{} // of the context
	stop func() bool     // the scheduler is no longer told
}

// crowds is the core's part of it.
type crowds struct {
	crowd  *crowd // nil: none
	marked int    // how many of it are in line, at places that are marked

	last   <-chan struct{} // of the context of whoever came to wait last
	streak int             // how many came with that in a row
}

// many is how many calls in a row must wait with one context.
const many = 8

// attend notes that the ticket at p waits with the context that done is of, and says how.
func (c *crowds) attend(p *ticket.Place, done <-chan struct{}) outcome {
	switch {
	case done == nil:
		return attended // the context never ends
	case c.crowd != nil && c.crowd.done == done:
		p.Marked = true
		c.marked++
		return attended
	case c.last != done:
		c.last, c.streak = done, 0
	}
	if c.streak++; c.streak >= many && c.marked == 0 {
		return gathering
	}
	return waiting
}

// depart notes that the ticket at p has left the line.
func (c *crowds) depart(p *ticket.Place) {
	if p.Marked {
		p.Marked = false
		c.marked--
	}
}

// replace makes another crowd the one that is told, if none of the present one are left in line, and
// returns the one that is told no longer.
func (c *crowds) replace(with *crowd) (old *crowd) {
	if c.marked > 0 || c.crowd != nil && c.crowd.done == with.done {
		return with
	}
	old, c.crowd = c.crowd, with
	return old
}

// gather sees to it that the scheduler is told when the context ends.
func (b *mailbox) gather(ctx context.Context) {
	cr := &crowd{done: ctx.Done()}
	cr.stop = context.AfterFunc(ctx, func() { b.send(message{verb: dispel, crowd: cr}) })
	b.install(ctx, cr)
}

// install makes the crowd of a context the one that is told, if it can.
func (b *mailbox) install(ctx context.Context, cr *crowd) {
	old := cr
	b.whileLent(func(c *core) { old = c.replace(cr) })
	if old != nil {
		old.stop()
	}
	if ctx.Err() != nil { // and the scheduler may have been told too early
		b.send(message{verb: dispel, crowd: cr})
	}
}

// dispel tells all who wait with a context that it has ended. It costs a pass over the line.
func (o *owner) dispel(c *core, cr *crowd) {
	if c.crowd != cr {
		return
	}
	c.crowd = nil
	if c.marked == 0 {
		return
	}
	for _, w := range c.waiters(func(p *ticket.Place) bool { return p.Marked }) {
		o.dismiss(c, w.place, w.flow, errGivenUp)
	}
}
