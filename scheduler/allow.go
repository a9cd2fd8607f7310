package scheduler

import (
	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/ticket"
)

// Allow reports whether one permit is free now. If so, it takes the permit and gives it back at once. See
// [Scheduler.AllowN].
func (s *Scheduler) Allow() bool { return s.handle.allow(1, nil) }

// AllowN grants a ticket of the given weight and costs if it need not wait, gives its permits back at that
// instant, and returns true. Otherwise it returns false. It is for work that is limited only by rate and does not
// wait, such as a request that a server serves or refuses. [Scheduler.WaitN] is for work that waits.
//
// It does what [Scheduler.TryAcquireN] and then Release do, and refuses what TryAcquireN refuses, but in one
// decision. So it holds nothing, and a burst only makes it refuse while others hold permits. A window that counts
// from release counts from the grant here. [Scheduler.AcquireNow] says why there is no permit and when to come back.
//
// It takes less time than TryAcquireN and Release, and allocates nothing.
func (s *Scheduler) AllowN(weight int, costs ...ticket.Cost) bool {
	return s.handle.AllowN(weight, costs...)
}

// Allow is [Scheduler.Allow].
func (h *Handle) Allow() bool { return h.allow(1, nil) }

// AllowN is [Scheduler.AllowN].
func (h *Handle) AllowN(weight int, costs ...ticket.Cost) bool {
	if len(costs) == 0 {
		return h.allow(weight, nil)
	}
	list := line.ListOf(costs)
	defer list.Recycle()
	return h.allow(weight, list)
}

// allow is AllowN; costs may be nil.
func (h *Handle) allow(weight int, costs *line.CostList) bool {
	if h.other != nil {
		return h.other.AllowN(weight, line.CostsOf[ticket.Cost](costs)...)
	}
	if h.invalid != nil {
		h.shared.refused.refuse(h.invalid)
		return false
	}
	r := request{weight: weight, deadline: never, flow: h.flow, costs: costs}
	if passed, decided := h.passNow(&r, true); decided {
		return passed
	}
	a, ok := h.send(&message{verb: verbAllow, request: r})
	if !ok {
		h.shared.refused.refuse(ErrClosed)
	}
	return ok && a.err == nil
}

// allow grants a ticket and takes its permits back, or refuses it as a try.
func (st *state) allow(r *request) error {
	if st.pass(r) {
		return nil
	}
	v, err := st.core.decideToWait(callTry, r)
	st.admit(v, nil, r, err)
	return err
}
