package keyed

import (
	"context"

	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Acquire waits for one permit of the key. See [scheduler.Scheduler.AcquireN].
func (s *Set[K]) Acquire(ctx context.Context, k K) (ticket.Ticket, error) {
	return s.acquire(ctx, k, 1, nil)
}

// AcquireN waits until a ticket of the key with the given weight and costs is granted. It does for the key what
// [scheduler.Scheduler.AcquireN] does for a scheduler. It allocates nothing if the set remembers the key.
func (s *Set[K]) AcquireN(ctx context.Context, k K, weight int, costs ...ticket.Cost) (ticket.Ticket, error) {
	list := line.ListOf(costs)
	defer list.Recycle()
	return s.acquire(ctx, k, weight, list)
}

// TryAcquire takes one permit of the key if it is free now. See [scheduler.Scheduler.TryAcquireN].
func (s *Set[K]) TryAcquire(k K) (ticket.Ticket, bool) { return s.try(k, 1, nil) }

// TryAcquireN takes permits of the key if they are free now and no ticket of the key waits in line, as
// [scheduler.Scheduler.TryAcquireN] does. It also returns false if the key is new and there are too many.
func (s *Set[K]) TryAcquireN(k K, weight int, costs ...ticket.Cost) (ticket.Ticket, bool) {
	list := line.ListOf(costs)
	defer list.Recycle()
	return s.try(k, weight, list)
}

// AcquireNow takes permits of the key if they are free now. Otherwise it says why not and when to come back, as
// [scheduler.Scheduler.AcquireNow] does.
func (s *Set[K]) AcquireNow(k K, weight int, costs ...ticket.Cost) (t ticket.Ticket, err error) {
	b, hash := s.box(k)
	list := line.ListOf(costs)
	defer list.Recycle()
	r := inside.Request{Weight: weight, Deadline: inside.Never, Costs: list}
	var e *entry[K]
	var p *line.Place
	err = s.withLimits(k, func(l *scheduler.Limits) (err error) {
		e, p, err = b.now(hash, k, l, r)
		return err
	})
	switch {
	case s.overflows(err):
		return s.overflow.AcquireNow(weight, costs...)
	case err == nil:
		(*line.Handle)(&t).Grant(&e.desk, p)
	}
	return t, err
}

// Enqueue takes a place in the line of the key and returns at once, as [scheduler.Scheduler.Enqueue] does. Keep
// the set while you wait.
func (s *Set[K]) Enqueue(k K, weight int, costs ...ticket.Cost) (t ticket.Ticket, err error) {
	list := line.ListOf(costs)
	defer list.Recycle()
	b, hash := s.box(k)
	p := line.NewLazyPlace()
	m := &message[K]{verb: verbEnqueue, hash: hash, key: k, place: &p.Place, request: inside.Request{Weight: weight, Deadline: inside.Never, Costs: list}}
	err = s.withLimits(k, func(l *scheduler.Limits) error {
		m.limits = l
		a, ok := b.ask(m)
		switch {
		case !ok:
			return scheduler.ErrClosed
		case a.err == nil:
			(*line.Handle)(&t).Wait(&a.entry.desk, p, a.number, weight)
		}
		return a.err
	})
	if s.overflows(err) {
		return s.overflow.Enqueue(weight, costs...)
	}
	return t, err
}

// Do waits for a permit of the key as [Set.Acquire] does, calls f with ctx, and releases the permit when f
// returns or panics. If Acquire fails, Do returns its error and does not call f. Otherwise it returns f's
// error.
func (s *Set[K]) Do(ctx context.Context, k K, f func(context.Context) error) error {
	return s.DoN(ctx, k, 1, func(ctx context.Context, _ ticket.Ticket) error { return f(ctx) })
}

// DoN is [Set.Do] with a weight and costs. It calls f with the ticket, so that f can settle it.
func (s *Set[K]) DoN(ctx context.Context, k K, weight int, f func(context.Context, ticket.Ticket) error, costs ...ticket.Cost) error {
	t, err := s.AcquireN(ctx, k, weight, costs...)
	if err != nil {
		return err
	}
	defer t.Release()
	return f(ctx, t)
}

// overflows reports whether a call that was refused with the error goes to the scheduler for all new keys.
func (s *Set[K]) overflows(err error) bool {
	_, full := err.(*TooManyKeysError)
	return full && s.overflow != nil
}

// try is TryAcquireN; costs may be nil.
func (s *Set[K]) try(k K, weight int, costs *line.CostList) (t ticket.Ticket, ok bool) {
	b, hash := s.box(k)
	r := inside.Request{Weight: weight, Deadline: inside.Never, Costs: costs}
	e, p, err := b.try(hash, k, nil, r)
	if err == errUnknown { // not by withLimits, which makes a try a tenth slower
		var l *scheduler.Limits
		if l, err = s.limitsOf(k); err == nil {
			e, p, err = b.try(hash, k, l, r)
		}
	}
	switch {
	case p != nil:
		(*line.Handle)(&t).Grant(&e.desk, p)
		return t, true
	case err == ErrTooManyKeys && s.overflow != nil:
		return s.overflow.TryAcquireN(weight, line.CostsOf[ticket.Cost](costs)...)
	}
	return t, false
}

// acquire is AcquireN; costs may be nil.
func (s *Set[K]) acquire(ctx context.Context, k K, weight int, costs *line.CostList) (t ticket.Ticket, err error) {
	b, hash := s.box(k)
	if ctx.Err() != nil {
		return t, b.GaveUp(ctx)
	}
	r := inside.Request{Weight: weight, Deadline: inside.Never, Costs: costs}
	if d, ok := ctx.Deadline(); ok {
		r.Deadline = b.MomentOf(d)
	}
	var l *scheduler.Limits
	for {
		t, err = b.acquire(ctx, hash, k, l, r)
		switch err {
		case errUnknown:
			if l, err = s.limitsOf(k); err != nil {
				return t, err
			}
			continue
		case ErrTooManyKeys:
			if s.overflow != nil {
				return s.overflow.AcquireN(ctx, weight, line.CostsOf[ticket.Cost](costs)...)
			}
			return t, &TooManyKeysError{s.max}
		}
		return t, err
	}
}

// acquire waits for a ticket of the key.
func (b *box[K]) acquire(ctx context.Context, hash uint64, k K, l *scheduler.Limits, r inside.Request) (t ticket.Ticket, err error) {
	e, p, granted, err := b.acquireNow(hash, k, l, r)
	switch {
	case granted:
		(*line.Handle)(&t).Grant(&e.desk, p)
		return t, nil
	case err != nil:
		return t, err
	case p == nil:
		return b.acquireByMessage(ctx, hash, k, l, r)
	}
	return b.wait(ctx, hash, k, e, p)
}

// wait waits for what becomes of the ticket at p, which is in line. It is not inlined, so that the entry is on the
// heap only where a call waits.
//
//go:noinline
func (b *box[K]) wait(ctx context.Context, hash uint64, k K, e *entry[K], p *line.Place) (ticket.Ticket, error) {
	return b.await(ctx, hash, k, &e, p, false)
}

// acquireNow grants a ticket, puts it in line or refuses it without the owner. If it cannot, it returns neither a
// place nor an error.
func (b *box[K]) acquireNow(hash uint64, k K, l *scheduler.Limits, r inside.Request) (e *entry[K], p *line.Place, granted bool, err error) {
	if r.Deadline == inside.Never {
		st := b.borrow()
		if st == nil {
			return nil, nil, false, nil
		}
		if e, p, _ = st.take(hash, k, r, false); p != nil {
			b.GiveBack()
			return e, p, true, nil
		}
		defer b.giveBack(st)
		return st.acquire(hash, k, l, r)
	}
	st := b.Borrow()
	if st == nil {
		return nil, nil, false, nil
	}
	defer b.giveBack(st) // whatever the clock does
	st.catchUp()
	if e, p, _ = st.take(hash, k, r, false); p != nil {
		return e, p, true, nil
	}
	return st.acquire(hash, k, l, r)
}

// acquire grants a ticket, puts it in line or refuses it.
func (st *state[K]) acquire(hash uint64, k K, l *scheduler.Limits, r inside.Request) (e *entry[K], p *line.Place, granted bool, err error) {
	if e, err = st.entry(hash, k, l); err != nil {
		return nil, nil, false, err
	}
	st.open(e)
	p, granted, err = st.seat.Acquire(r)
	st.leave(e)
	return e, p, granted, err
}

// acquireByMessage asks the owner for a ticket. It is not inlined, or what it needs would be on the heap in every
// call.
//
//go:noinline
func (b *box[K]) acquireByMessage(ctx context.Context, hash uint64, k K, l *scheduler.Limits, r inside.Request) (t ticket.Ticket, err error) {
	p, e := b.Place(), new(*entry[K])
	if !b.Send(&message[K]{verb: verbAcquire, hash: hash, key: k, limits: l, place: p, request: r, got: e}) {
		return t, scheduler.ErrClosed
	}
	return b.await(ctx, hash, k, e, p, true)
}

// await waits until the ticket at p is granted or ends. Sent says that it went to the owner as a message, which
// may not have arrived yet.
func (b *box[K]) await(ctx context.Context, hash uint64, k K, e **entry[K], p *line.Place, sent bool) (t ticket.Ticket, err error) {
	select {
	case err := <-p.Ready():
		if err != nil {
			b.Recycle(p)
			return t, err
		}
		(*line.Handle)(&t).Grant(&(*e).desk, p)
		return t, nil
	case <-ctx.Done():
		err := b.GaveUp(ctx)
		m := &message[K]{verb: verbWithdraw, hash: hash, key: k, place: p, err: err}
		if sent {
			if _, ok := b.sendAndWait(m); !ok {
				<-b.Ended() // until then the owner may come to the message, and reads its costs
			}
		} else {
			b.ask(m)
		}
		p.TakeBack() // the caller has gone, even if the ticket was granted
		b.Recycle(p)
		return t, err
	}
}
