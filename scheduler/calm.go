package scheduler

import (
	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/ticket"
)

// Most often no ticket waits, nobody watches, and the limits are windows of permits that count from grant and perhaps
// a burst. Then the state is calm: a ticket that has room changes windows, the burst and totals, a release only the
// last two, and nothing follows from either. So the state is calm afterwards too. Whoever gives it back notes in
// the slot that it is, and the calls of this file take only a calm one.
//
// They decide and charge with the methods of the core that every call uses. What they leave out is all that would find
// nothing to do: half of the time of a call.
//
// Everything works the same without, only slower.

// calm reports whether the state is calm.
func (st *state) calm() bool {
	c := st.core
	return c.line.Len() == 0 && c.plain && !c.timeless && !c.countsReleases && !c.resets && !c.draining && c.quota == nil &&
		!c.totals.holds && !st.watched
}

// takeCalm grants a ticket of weight n if a calm state has room for it, and returns its place. Else it returns nil.
func (st *state) takeCalm(n int, deadline moment) *line.Place {
	c := st.core
	c.advance(st.now())
	if n < 1 || c.late(deadline) || !c.plainFit(n) {
		return nil
	}
	p := st.idlePlace()
	c.line.Issue(p, n)
	c.charge(p)
	return p
}

// takeCalm makes the zero ticket a granted one, if the state is calm and has room. Full says that it is calm and has
// none, or that the deadline has passed.
func (h *Handle) takeCalm(t *ticket.Ticket, n int, deadline moment) (granted, full bool) {
	st := h.box.LookCalm()
	if st == nil {
		st = h.box.BorrowCalm()
	}
	if st == nil {
		return false, false
	}
	defer h.box.GiveBackCalm() // whatever the clock does
	p := st.takeCalm(n, deadline)
	if p == nil {
		return false, true
	}
	h.grant(t, p)
	return true, false
}

// releaseCalm releases a ticket if the state is calm.
func (h *Handle) releaseCalm(p *line.Place, n uint64) bool {
	st := h.box.LookCalm()
	if st == nil {
		st = h.box.BorrowCalm()
	}
	if st == nil {
		return false
	}
	st.release(p, n, nil) // the flow is for watchers
	h.box.GiveBackCalm()
	return true
}

// passCalm grants a ticket and takes its permits back, if the state is calm and has room.
func (h *Handle) passCalm(n int) bool {
	st := h.box.BorrowCalm()
	if st == nil {
		return false
	}
	defer h.box.GiveBackCalm() // whatever the clock does
	c := st.core
	c.advance(st.now())
	return n >= 1 && c.plainFit(n) && c.pass(n)
}
