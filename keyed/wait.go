package keyed

import (
	"context"

	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/ticket"
)

// Wait waits for one permit of the key and gives it back at once. See [scheduler.Scheduler.WaitN].
func (s *Set[K]) Wait(ctx context.Context, k K) error { return s.WaitN(ctx, k, 1) }

// WaitN waits until a ticket of the key with the given weight and costs is granted, and gives its permits back.
// It is for work that is limited only by rate, where there is nothing to hold. It does what [Set.AcquireN] and
// then Release do, in less time if permits are free. It allocates nothing if the set remembers the key.
func (s *Set[K]) WaitN(ctx context.Context, k K, weight int, costs ...ticket.Cost) error {
	if len(costs) == 0 && ctx.Err() == nil {
		if _, timed := ctx.Deadline(); !timed {
			if b, hash := s.box(k); b.passNow(hash, k, weight) {
				return nil
			}
		}
	}
	t, err := s.AcquireN(ctx, k, weight, costs...)
	t.Release()
	return err
}

// passNow grants a ticket and takes its permits back in one borrowing, if the key is there and the ticket need not
// wait. Otherwise it has done nothing.
func (b *box[K]) passNow(hash uint64, k K, weight int) (passed bool) {
	st := b.borrow()
	if st == nil {
		return false
	}
	r := inside.Request{Weight: weight, Deadline: inside.Never}
	if passed, _ = st.pass(hash, k, r, false); passed {
		b.GiveBack()
		return true
	}
	return b.passWith(st, hash, k, r)
}

// passWith is passNow with the borrowed state.
func (b *box[K]) passWith(st *state[K], hash uint64, k K, r inside.Request) (passed bool) {
	defer b.giveBack(st)
	e := st.known(hash, k)
	if e == nil {
		return false
	}
	st.open(e)
	passed = st.seat.Pass(r)
	st.leave(e)
	return passed
}
