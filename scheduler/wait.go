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
// the grant here. [Scheduler.AllowN] is for work that does not wait.
//
// It allocates nothing.
func (s *Scheduler) WaitN(ctx context.Context, weight int, costs ...ticket.Cost) error {
	return s.handle.WaitN(ctx, weight, costs...)
}

// Wait is [Scheduler.Wait].
func (h *Handle) Wait(ctx context.Context) error { return h.WaitN(ctx, 1) }

// WaitN is [Scheduler.WaitN].
func (h *Handle) WaitN(ctx context.Context, weight int, costs ...ticket.Cost) error {
	if _, timed := ctx.Deadline(); len(costs) == 0 && !timed && ctx.Err() == nil && h.other == nil && h.invalid == nil {
		r := request{weight: weight, deadline: never, flow: h.flow}
		if passed, _ := h.passNow(&r, false); passed {
			return nil
		}
	}
	t, err := h.AcquireN(ctx, weight, costs...)
	t.Release()
	return err
}

// passNow grants a ticket and takes its permits back in one borrowing, if it need not wait. If it is for a try, it
// may also refuse the ticket. If nothing is decided, it has done nothing.
func (h *Handle) passNow(r *request, try bool) (passed, decided bool) {
	if r.costs == nil {
		passed, full := h.passCalm(r.weight)
		if full && try {
			h.shared.refused.refuse(ErrNoPermit)
		}
		if passed || full {
			return passed, passed || try
		}
	}
	st := h.box.borrow()
	if st == nil {
		return false, false
	}
	defer h.box.giveBack(st) // whatever the clock does
	if !st.timeless() {
		st.catchUp()
	}
	if try {
		return st.allow(r) == nil, true
	}
	passed = st.pass(r)
	return passed, passed
}

// pass grants a ticket and takes its permits back, if it need not wait. Otherwise it has done nothing.
func (st *state) pass(r *request) bool {
	if !st.core.takes(r) {
		return false
	}
	// The core passes no ticket with costs: where units are known, there is more to note.
	if st.watched || !st.core.pass(r.weight) {
		p := st.grantNow(r)
		st.release(p, p.Number, r.flow)
	}
	return true
}
