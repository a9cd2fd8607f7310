package keyed

import (
	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Allow reports whether one permit of the key is free now. If so, it takes the permit and gives it back at once.
// See [Set.AllowN].
func (s *Set[K]) Allow(k K) bool { return s.allow(k, 1, nil) }

// AllowN grants a ticket of the key with the given weight and costs if it need not wait, gives its permits back at
// that instant, and returns true. Otherwise it returns false. It is for work that is limited only by rate and does
// not wait, such as a request that a server serves or refuses. It does what [Set.TryAcquireN] and then Release do, in
// one decision, as [scheduler.Scheduler.AllowN] does. It allocates nothing if the set remembers the key.
func (s *Set[K]) AllowN(k K, weight int, costs ...ticket.Cost) bool {
	if len(costs) == 0 {
		return s.allow(k, weight, nil)
	}
	list := line.ListOf(costs)
	defer list.Recycle()
	return s.allow(k, weight, list)
}

// allow is AllowN; costs may be nil.
func (s *Set[K]) allow(k K, weight int, costs *line.CostList) bool {
	b, hash := s.box(k)
	r := inside.Request{Weight: weight, Deadline: inside.Never, Costs: costs}
	err := s.withLimits(k, func(l *scheduler.Limits) error { return b.allow(hash, k, l, r) })
	if s.overflows(err) {
		return s.overflow.AllowN(weight, line.CostsOf[ticket.Cost](costs)...)
	}
	return err == nil
}

// allow grants a ticket of the key and takes its permits back in one borrowing, or says why not.
func (b *box[K]) allow(hash uint64, k K, l *scheduler.Limits, r inside.Request) error {
	st := b.borrow()
	if st == nil {
		return b.allowByMessage(hash, k, l, r)
	}
	passed, decided := st.pass(hash, k, r, true)
	if !decided {
		return b.allowWith(st, hash, k, l, r)
	}
	b.GiveBack()
	if !passed {
		return scheduler.ErrNoPermit
	}
	return nil
}

// allowWith is allow with the borrowed state.
func (b *box[K]) allowWith(st *state[K], hash uint64, k K, l *scheduler.Limits, r inside.Request) error {
	defer b.giveBack(st)
	e, err := st.entry(hash, k, l)
	if err != nil {
		return err
	}
	st.open(e)
	defer st.leave(e)
	return st.allow(r)
}

//go:noinline
func (b *box[K]) allowByMessage(hash uint64, k K, l *scheduler.Limits, r inside.Request) error {
	a, ok := b.sendAndWait(&message[K]{verb: verbAllow, hash: hash, key: k, limits: l, request: r})
	if !ok {
		return scheduler.ErrClosed
	}
	return a.err
}

// allow grants a ticket of the key that is open and takes its permits back, or refuses it.
func (st *state[K]) allow(r inside.Request) error {
	p := st.seat.Try(r)
	if p == nil {
		return scheduler.ErrNoPermit
	}
	st.seat.Release(p, p.Number)
	return nil
}
