package scheduler

import (
	"context"

	"github.com/flowguard-go/flowguard/ticket"
)

// Wait waits for one permit and gives it back at once. See [Scheduler.WaitN].
func (s *Scheduler) Wait(ctx context.Context) error { return s.handle.WaitN(ctx, 1) }

// WaitN waits until a ticket of the given weight and costs is granted, and gives its permits back at that
// instant. It is for work that is limited only by rate, where there is nothing to hold. It does what
// [Scheduler.AcquireN] and then Release do, and returns the same errors. It takes less time if permits are
// free. A burst only makes it wait for permits that others hold. A window that counts from release counts from
// the grant here.
//
// It allocates nothing.
func (s *Scheduler) WaitN(ctx context.Context, weight int, costs ...ticket.Cost) error {
	return s.handle.WaitN(ctx, weight, costs...)
}

// Wait is [Scheduler.Wait].
func (h *Handle) Wait(ctx context.Context) error { return h.WaitN(ctx, 1) }

// WaitN is [Scheduler.WaitN].
func (h *Handle) WaitN(ctx context.Context, weight int, costs ...ticket.Cost) error {
	if len(costs) == 0 && h.passNow(ctx, weight) {
		return nil
	}
	t, err := h.AcquireN(ctx, weight, costs...)
	t.Release()
	return err
}

// passNow grants a ticket and takes its permits back in one borrowing, if it need not wait. Otherwise it
// has done nothing.
func (h *Handle) passNow(ctx context.Context, weight int) bool {
	if _, timed := ctx.Deadline(); timed || ctx.Err() != nil || h.invalid != nil || h.other != nil {
		return false
	}
	if h.passCalm(weight) {
		return true
	}
	r := request{weight: weight, deadline: never, flow: h.flow}
	st := h.box.borrow()
	if st == nil {
		return false
	}
	defer h.box.giveBack(st) // whatever the clock does
	if !st.timeless() {
		st.catchUp()
	}
	if !st.core.takes(&r) {
		return false
	}
	if st.watched || !st.core.pass(weight) {
		p := st.grantNow(&r)
		st.release(p, p.Number, h.flow)
	}
	return true
}
