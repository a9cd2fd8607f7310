package scheduler

import "context"

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
	c.ended = func() { box.Send(&message{verb: verbContextEnded, context: c, err: gaveUp(ctx)}) }
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
