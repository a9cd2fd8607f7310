package scheduler

import (
	"context"
	"runtime"
	"slices"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/ticket"
)

// Handle takes permits from a scheduler. It cannot close, pause or change the scheduler, so give it to code
// that is only to be limited, such as a tenant's. [Scheduler.Handle] returns one. Its methods do what the
// methods of [Scheduler] with the same names do, and may be called from any goroutine. The scheduler is not
// garbage collected while a Handle of it is in use.
type Handle struct {
	shared *shared
	box    *mailbox
	root   *Scheduler // is kept from being forgotten

	flow    *line.Flow // nil: the plain line
	invalid error      // why the flow cannot be used
	other   elsewhere  // has the permits instead of all of the above; nil: none

	desk, countedDesk line.Desk // where tickets are given back
}

// init makes the zero Handle one of a scheduler. A copy of a handle would have the desks of the original.
func (h *Handle) init(sh *shared, box *mailbox) {
	h.shared, h.box = sh, box
	h.desk, h.countedDesk = (*desk)(h), (*countedDesk)(h)
}

// Source is anything that permits can be taken from: a [*Scheduler], one of its flows, or the [*Handle] of
// either.
type Source interface {
	// Handle returns the handle to take permits with.
	Handle() *Handle
}

// Handle returns h. It makes a handle a [Source].
func (h *Handle) Handle() *Handle { return h }

var (
	_ Source = (*Scheduler)(nil)
	_ Source = (*Handle)(nil)
)

// Acquire is [Scheduler.Acquire].
func (h *Handle) Acquire(ctx context.Context) (ticket.Ticket, error) { return h.acquire(ctx, 1, nil) }

// AcquireN is [Scheduler.AcquireN].
func (h *Handle) AcquireN(ctx context.Context, weight int, costs ...ticket.Cost) (t ticket.Ticket, err error) {
	if len(costs) == 0 {
		return h.acquire(ctx, weight, nil)
	}
	list := line.ListOf(costs)
	defer list.Recycle() // it is unused once acquire has returned
	return h.acquire(ctx, weight, list)
}

// acquire is AcquireN; costs may be nil.
func (h *Handle) acquire(ctx context.Context, weight int, costs *line.CostList) (t ticket.Ticket, err error) {
	if h.other != nil {
		return h.other.AcquireN(ctx, weight, line.CostsOf[ticket.Cost](costs)...)
	}
	if ctx.Err() != nil {
		return t, h.shared.refused.refuse(gaveUp(ctx))
	}
	if h.invalid != nil {
		return t, h.shared.refused.refuse(h.invalid)
	}
	deadline := never
	if d, ok := ctx.Deadline(); ok {
		deadline = h.shared.momentOf(d)
	} else if weight == 1 && costs == nil && h.box.counting() {
		if granted, _ := h.countNow(&t); granted {
			return t, nil
		}
	}
	if costs == nil {
		if granted, _ := h.takeCalm(&t, weight, deadline); granted {
			return t, nil
		}
	}
	r := request{weight: weight, deadline: deadline, flow: h.flow, costs: costs}
	p, how, err := h.acquireNow(&r, ctx.Done())
	switch how {
	case outcomeGranted:
		h.grant(&t, p)
		return t, nil
	case outcomeRefused:
		return t, err
	case outcomeWatched:
		return h.issue(p, <-p.Ready())
	case outcomeWorthSharing:
		h.shareContext(ctx)
	case outcomeUnanswered:
		if p = h.acquireByMessage(&r); p == nil {
			return t, h.shared.refused.refuse(ErrClosed)
		}
	}
	select {
	case err := <-p.Ready():
		return h.issue(p, err)
	case <-ctx.Done():
		err := gaveUp(ctx)
		h.withdraw(p, how == outcomeUnanswered, err)
		return t, err
	}
}

// acquireByMessage asks the owner for a ticket and returns the place that it comes to, or nil after the
// end. It is not inlined, or the message would be on the stack of every call that waits.
//
//go:noinline
func (h *Handle) acquireByMessage(r *request) *line.Place {
	p := h.shared.place()
	if !h.box.Send(&message{verb: verbAcquire, place: p, request: *r}) {
		return nil
	}
	return p
}

// grant makes the zero ticket that of a place that was granted.
func (h *Handle) grant(t *ticket.Ticket, p *line.Place) {
	(*line.Handle)(t).Grant(&h.desk, p)
}

// issue makes what a place was told into what the caller gets.
func (h *Handle) issue(p *line.Place, told error) (t ticket.Ticket, err error) {
	if told != nil {
		h.shared.places.Put(p)
		return t, told
	}
	h.grant(&t, p)
	return t, nil
}

// withdraw takes back a ticket whose caller has given up. sent says that the ticket went to the owner as a
// message. That message may still be under way, so the owner must take the ticket back. The place is reused
// only after the owner's answer, or else its next ticket would be taken back.
//
//go:noinline
func (h *Handle) withdraw(p *line.Place, sent bool, why error) {
	m := message{verb: verbWithdraw, place: p, err: why}
	if sent {
		if _, ok := h.send(&m); !ok {
			<-h.box.Ended() // until then the owner may come to the message, and reads its costs
		}
	} else {
		h.ask(&m)
	}
	p.TakeBack() // the caller has gone whatever the ticket was told
	h.shared.places.Put(p)
}

// TryAcquire is [Scheduler.TryAcquire].
func (h *Handle) TryAcquire() (ticket.Ticket, bool) { return h.try(1, nil) }

// TryAcquireN is [Scheduler.TryAcquireN].
func (h *Handle) TryAcquireN(weight int, costs ...ticket.Cost) (t ticket.Ticket, ok bool) {
	if len(costs) == 0 {
		return h.try(weight, nil)
	}
	list := line.ListOf(costs)
	defer list.Recycle()
	return h.try(weight, list)
}

// try is TryAcquireN; costs may be nil.
func (h *Handle) try(weight int, costs *line.CostList) (t ticket.Ticket, ok bool) {
	if h.other != nil {
		return h.other.TryAcquireN(weight, line.CostsOf[ticket.Cost](costs)...)
	}
	if h.invalid != nil {
		h.shared.refused.refuse(h.invalid)
		return t, false
	}
	if costs == nil {
		var granted, full bool
		if weight == 1 && h.box.counting() {
			granted, full = h.countNow(&t)
		} else {
			granted, full = h.takeCalm(&t, weight, never)
		}
		switch {
		case granted:
			return t, true
		case full:
			h.shared.refused.refuse(ErrNoPermit)
			return t, false
		}
	}
	r := request{weight: weight, deadline: never, flow: h.flow, costs: costs}
	if p, answered, _ := h.tryNow(callTry, &r); answered {
		if p == nil {
			return t, false
		}
		h.grant(&t, p)
		return t, true
	}
	p := h.shared.place()
	if !h.box.Send(&message{verb: verbTry, place: p, request: r}) {
		h.shared.refused.refuse(ErrClosed)
		return t, false
	}
	t, err := h.issue(p, <-p.Ready())
	return t, err == nil
}

// AcquireNow is [Scheduler.AcquireNow].
func (h *Handle) AcquireNow(weight int, costs ...ticket.Cost) (t ticket.Ticket, err error) {
	if h.other != nil {
		return h.other.AcquireNow(weight, slices.Clone(costs)...) // or they would escape, and allocate in every call
	}
	if h.invalid != nil {
		return t, h.shared.refused.refuse(h.invalid)
	}
	if len(costs) == 0 {
		if granted, _ := h.takeCalm(&t, weight, never); granted {
			return t, nil
		}
	}
	list := line.ListOf(costs)
	defer list.Recycle()
	r := request{weight: weight, deadline: never, flow: h.flow, costs: list}
	if p, answered, err := h.tryNow(callNow, &r); answered {
		if err == nil {
			h.grant(&t, p)
		}
		return t, err
	}
	p := h.shared.place()
	if !h.box.Send(&message{verb: verbNow, place: p, request: r}) {
		return t, h.shared.refused.refuse(ErrClosed)
	}
	return h.issue(p, <-p.Ready())
}

// Enqueue is [Scheduler.Enqueue].
func (h *Handle) Enqueue(weight int, costs ...ticket.Cost) (t ticket.Ticket, err error) {
	if h.other != nil {
		return h.other.Enqueue(weight, slices.Clone(costs)...)
	}
	if h.invalid != nil {
		return t, h.shared.refused.refuse(h.invalid)
	}
	list := line.ListOf(costs)
	defer list.Recycle()
	p := line.NewLazyPlace()
	a, ok := h.ask(&message{verb: verbEnqueue, place: &p.Place, request: request{weight: weight, deadline: never, costs: list}})
	switch {
	case !ok:
		return t, h.shared.refused.refuse(ErrClosed)
	case a.err != nil:
		return t, a.err
	}
	(*line.Handle)(&t).Wait(&h.desk, p, a.number, weight)
	return t, nil
}

// WaitTime is [Scheduler.WaitTime].
func (h *Handle) WaitTime() time.Duration { return h.WaitTimeN(1) }

// WaitTimeN is [Scheduler.WaitTimeN].
func (h *Handle) WaitTimeN(weight int, costs ...ticket.Cost) time.Duration {
	if h.other != nil {
		return h.other.WaitTimeN(weight, slices.Clone(costs)...)
	}
	if h.invalid != nil {
		return Forever
	}
	list := line.ListOf(costs)
	defer list.Recycle()
	a, ok := h.ask(&message{verb: verbWait, request: request{weight: weight, deadline: never, costs: list}})
	if !ok {
		return Forever
	}
	return a.wait
}

// Limits is [Scheduler.Limits].
func (h *Handle) Limits() Limits {
	if h.other != nil {
		return h.other.Limits()
	}
	return h.shared.limits.Load().clone()
}

// Windows is [Scheduler.Windows].
func (h *Handle) Windows() []WindowStats {
	if h.other != nil {
		return h.other.Windows()
	}
	a, ok := h.ask(&message{verb: verbWindows})
	if !ok {
		return h.box.Remains().windows()
	}
	return a.windows
}

// maxBurst returns the MaxBurst of Limits, and does not allocate.
func (h *Handle) maxBurst() int {
	if h.other != nil {
		return h.other.Limits().MaxBurst
	}
	return h.shared.limits.Load().MaxBurst
}

// Clock is [Scheduler.Clock].
func (h *Handle) Clock() Clock {
	if h.other != nil {
		return h.other.Clock()
	}
	return h.shared.clock
}

// ask does what a message asks for and returns the answer. If the verb is brief and the state is in its slot,
// ask borrows it. Otherwise it sends the message to the owner. It returns false if the owner has ended.
func (h *Handle) ask(m *message) (a answer, ok bool) {
	if m.verb.brief() {
		if st := h.box.borrow(); st != nil {
			h.serve(st, m, &a)
			return a, true
		}
	}
	return h.send(m)
}

// serve does with the borrowed state what the owner would do.
func (h *Handle) serve(st *state, m *message, a *answer) {
	defer h.box.giveBack(st) // whatever the clock does
	m.flow = h.flow
	st.catchUp()
	st.apply(m, a)
	st.grant()
}

// send sends the owner a message and waits for its answer. It returns false if the owner has ended.
func (h *Handle) send(m *message) (answer, bool) {
	defer runtime.KeepAlive(h.root) // or a scheduler whose last use this is could end meanwhile
	to := h.shared.answers.Channel()
	m.flow, m.answer = h.flow, to
	if !h.box.Send(m) {
		return answer{}, false
	}
	a := <-to
	h.shared.answers.Recycle(to)
	return a, true
}

// tell is ask for a message that is answered with nothing but an error.
func (h *Handle) tell(m *message) error {
	a, ok := h.ask(m)
	if !ok {
		return ErrClosed
	}
	return a.err
}

// desk is the side of a Handle that tickets speak to.
type desk Handle

// Release implements [line.Desk].
func (d *desk) Release(p *line.Place, n uint64) {
	if h := (*Handle)(d); !h.releaseCalm(p, n) && !h.releaseNow(p, n) {
		h.send(&message{verb: verbRelease, place: p, number: n})
	}
}

// Settle implements [line.Desk].
func (d *desk) Settle(p *line.Place, n uint64, costs *line.CostList) error {
	a, _ := (*Handle)(d).ask(&message{verb: verbSettle, place: p, number: n, request: request{costs: costs}})
	return a.err // nil after the end
}

// Cancel implements [line.Desk]. It waits until the ticket is cancelled. Otherwise its caller could still
// receive a grant that is about to be undone.
func (d *desk) Cancel(p *line.Place, n uint64) {
	(*Handle)(d).ask(&message{verb: verbCancel, place: p, number: n})
}
