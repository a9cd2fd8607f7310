package scheduler

import (
	"context"

	"github.com/flowguard-go/flowguard/internal/line"
)

// Workers that share a context would each wait for a grant and for the context's end in one select, all
// of them on the one channel of the context: that costs as much as being granted does. So where call after
// call waits with the same context, the scheduler asks that context once to be told of its end, and those
// calls wait for what becomes of their tickets alone. Everything works the same without, only slower.

// sharedContext is a context that many calls wait with.
type sharedContext struct {
	done  <-chan struct{} // of the context
	ended func()          // tells the owner
	stop  func() bool     // makes the context tell no longer
}

// contextWatch is the state's part of it.
type contextWatch struct {
	current *sharedContext // that will tell of its end; nil: none
	waiting int            // calls in line that rely on it, whose places are marked

	last   <-chan struct{} // of the context of the call that came to wait last
	streak int             // calls in a row that came with that
}

// shareAfter is how many calls in a row must wait with one context before it is asked to tell.
const shareAfter = 8

// enter notes that the ticket at p waits with the context that done is of, and says how.
func (w *contextWatch) enter(p *line.Place, done <-chan struct{}) outcome {
	switch {
	case done == nil:
		return outcomeWatched // the context never ends
	case w.current != nil && w.current.done == done:
		p.Marked = true
		w.waiting++
		return outcomeWatched
	case w.last != done:
		w.last, w.streak = done, 0
	}
	if w.streak++; w.streak >= shareAfter && w.waiting == 0 {
		return outcomeWorthSharing
	}
	return outcomeWaiting
}

// leave notes that the ticket at p has left the line.
func (w *contextWatch) leave(p *line.Place) {
	if p.Marked {
		p.Marked = false
		w.waiting--
	}
}

// install makes another context the one that tells, if no call relies on the present one. It returns
// the one that need not tell.
func (w *contextWatch) install(c *sharedContext) (idle *sharedContext) {
	if w.waiting > 0 || w.current != nil && w.current.done == c.done {
		return c
	}
	idle, w.current = w.current, c
	return idle
}

// end is called when all is over.
func (w *contextWatch) end() {
	if w.current != nil {
		w.current.stop()
	}
}

// contextEnded sends away all who rely on a context that has ended.
func (st *state) contextEnded(c *sharedContext, why error) {
	if st.contexts.current != c {
		return
	}
	st.contexts.current = nil
	if st.contexts.waiting == 0 {
		return
	}
	st.begin(&chore{why: func(p *line.Place) error {
		if p.Marked {
			return why
		}
		return nil
	}})
}

// shareContext asks a context to tell the scheduler of its end.
func (h *Handle) shareContext(ctx context.Context) {
	c := newSharedContext(ctx, h.box)
	c.stop = context.AfterFunc(ctx, c.ended)
	h.installContext(ctx, c)
}

// newSharedContext returns a context that tells the owner behind the box of its end. It does not lead to
// the scheduler, which could then not be forgotten while the context lives.
func newSharedContext(ctx context.Context, box *mailbox) *sharedContext {
	c := &sharedContext{done: ctx.Done()}
	c.ended = func() { box.send(&message{verb: verbContextEnded, context: c, err: gaveUp(ctx)}) }
	return c
}

// installContext makes a shared context the one that tells, if it can be.
func (h *Handle) installContext(ctx context.Context, c *sharedContext) {
	idle := c
	if a, ok := h.ask(&message{verb: verbShareContext, context: c}); ok {
		idle = a.stopped
	}
	if idle != nil {
		idle.stop()
	}
	if ctx.Err() != nil { // and it may have told before the scheduler knew it
		c.ended()
	}
}
