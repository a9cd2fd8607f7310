package keyed

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/internal/loop"
	"github.com/flowguard-go/flowguard/scheduler"
)

// box is what any goroutine may use of the keys that one owner has: the way to the owner and to its state, and
// the clock.
type box[K comparable] struct {
	common
	loop.Mailbox[state[K], message[K]]
	lends   bool // false only in tests
	answers loop.Answers[answer[K]]

	seed  maphash.Seed
	count *atomic.Int64 // keys of the set
	max   int64         // how many there may be

	within bool          // there is a scheduler for all keys
	quotas *exchanges[K] // nil: the keys share no limits with other sets

	after sync.Mutex // of those who look at what remains

	_ [cacheLine]byte
}

// mailboxRoom is how many messages an owner's mailbox holds. There are many owners, and few messages, because most
// callers borrow.
const mailboxRoom = 8

func (b *box[K]) hash(k K) uint64 { return maphash.Comparable(b.seed, k) }

// admit counts one more key of the set, if there may be one more. Keys that could be forgotten by now make
// room.
func (b *box[K]) admit(st *state[K]) bool {
	for range 2 {
		if b.count.Add(1) <= b.max {
			return true
		}
		b.count.Add(-1)
		if st.agenda.first() > st.Latest {
			return false
		}
		st.lookAtDue(perTurn)
	}
	return false
}

// look borrows the state. Unlike Borrow, it makes no call if the first look finds the state.
func (b *box[K]) look() *state[K] {
	if st := b.Look(); st != nil {
		return st
	}
	return b.Borrow()
}

// borrow borrows the state and brings it to the present, for a request without a deadline.
//
// It reads the clock before it borrows the state, so that others have it sooner. If another caller read it
// later and was quicker, that reading counts. It also counts if the clock has stepped back, which only matters
// to deadlines.
func (b *box[K]) borrow() *state[K] {
	reading := b.Now()
	st := b.look()
	if st != nil {
		st.SetTime(max(reading, st.Latest))
	}
	return st
}

// giveBack ends a borrowing. If a key is to be looked at earlier than the alarm is set for, the owner is told to set
// it.
func (b *box[K]) giveBack(st *state[K]) {
	sooner := st.wakeIsSooner()
	b.GiveBack()
	if sooner {
		b.Hint()
	}
}

// ask does what a message asks for and returns its answer. If the verb is brief and the state is in the slot,
// ask borrows it. Otherwise it sends the message to the owner. It returns false if the owner has ended.
func (b *box[K]) ask(m *message[K]) (a answer[K], ok bool) {
	if m.verb.brief() {
		if st := b.Borrow(); st != nil {
			defer b.giveBack(st) // whatever the clock does
			st.catchUp()
			st.apply(m, &a)
			return a, true
		}
	}
	return b.sendAndWait(m)
}

func (b *box[K]) sendAndWait(m *message[K]) (a answer[K], ok bool) {
	to := b.answers.Channel()
	m.answer = to
	if !b.Send(m) {
		return a, false
	}
	a = <-to
	b.answers.Recycle(to)
	return a, true
}

// try grants a ticket of the key if it need not wait. It returns a nil place if it would have to.
func (b *box[K]) try(hash uint64, k K, l *scheduler.Limits, r inside.Request) (e *entry[K], p *line.Place, err error) {
	st := b.borrow()
	if st == nil {
		return b.tryByMessage(hash, k, l, r)
	}
	e, p, decided := st.take(hash, k, r, true)
	if decided {
		b.GiveBack()
		return e, p, nil
	}
	return b.tryWith(st, hash, k, l, r)
}

// tryWith is try with the borrowed state.
func (b *box[K]) tryWith(st *state[K], hash uint64, k K, l *scheduler.Limits, r inside.Request) (e *entry[K], p *line.Place, err error) {
	defer b.giveBack(st)
	if e, err = st.entry(hash, k, l); err != nil {
		return nil, nil, err
	}
	st.open(e)
	p = st.seat.Try(r)
	st.leave(e)
	return e, p, nil
}

//go:noinline
func (b *box[K]) tryByMessage(hash uint64, k K, l *scheduler.Limits, r inside.Request) (*entry[K], *line.Place, error) {
	a, ok := b.sendAndWait(&message[K]{verb: verbTry, hash: hash, key: k, limits: l, request: r})
	if !ok {
		return nil, nil, scheduler.ErrClosed
	}
	return a.entry, a.place, a.err
}

// now is try with the reason. A forecast behind a long line is left to the owner.
func (b *box[K]) now(hash uint64, k K, l *scheduler.Limits, r inside.Request) (e *entry[K], p *line.Place, err error) {
	if st := b.Borrow(); st != nil {
		defer b.giveBack(st)
		st.catchUp()
		if e, p, _ = st.take(hash, k, r, false); p != nil {
			return e, p, nil
		}
		if e, err = st.entry(hash, k, l); err != nil {
			return nil, nil, err
		}
		st.open(e)
		p, err = st.seat.AcquireNow(r, false)
		st.leave(e)
		if p != nil || err != nil {
			return e, p, err
		}
	}
	a, ok := b.sendAndWait(&message[K]{verb: verbNow, hash: hash, key: k, limits: l, request: r})
	if !ok {
		return nil, nil, scheduler.ErrClosed
	}
	return a.entry, a.place, a.err
}
