package keyed

import (
	"time"

	"github.com/flowguard-go/flowguard/internal/cell"
	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/scheduler"
)

// state is what an owner owns and lends: the keys that hash to it. Its methods are what only its holder may
// do.
type state[K comparable] struct {
	// What every call touches comes first.
	cell.Register
	keys     table[K]
	idle     line.Stock // for tickets that need no core
	busy     int        // keys for which a ticket waits or a permit is held
	box      *box[K]
	alone    bool // the keys share no limits, neither with each other nor with other sets
	draining bool
	closed   bool
	unserved bool // closed while a key was busy

	armed  int64 // what the owner's alarm is set to, or will be
	seat   seat
	agenda agenda[K]
	waits  int // keys for which a ticket waits for an instant

	_ [cacheLine]byte
}

// cacheLine is how much is between what different owners write, or processors would take it from each other.
const cacheLine = 64

// perTurn is how many keys are looked at in a turn because their time has come. To forget one takes one to two
// microseconds. Where many keys end at once all owners have such turns, and a caller may wait for several of them.
const perTurn = 8

// catchUp brings the state to the present.
func (st *state[K]) catchUp() { st.SetTime(st.box.Now()) }

// entry returns the entry of a key. Where there is none it makes one with the limits, or if l is nil returns
// errUnknown.
func (st *state[K]) entry(hash uint64, k K, l *scheduler.Limits) (*entry[K], error) {
	if e := st.known(hash, k); e != nil {
		return e, nil
	}
	switch {
	case st.draining:
		return nil, scheduler.ErrClosed
	case !st.box.admit(st):
		return nil, ErrTooManyKeys
	case l == nil:
		st.box.count.Add(-1)
		return nil, errUnknown
	}
	e := st.newEntry(hash, k, *l)
	st.keys.insert(e)
	return e, nil
}

// known returns the entry of a key, or nil if there is none. A key whose time has come is looked at first, so
// it makes no difference whether the owner has done that.
func (st *state[K]) known(hash uint64, k K) *entry[K] {
	e := st.keys.find(hash, k)
	if e != nil && e.planned <= st.Latest && e.index >= 0 {
		st.lookAt(e)
		if e.forgotten() {
			return nil
		}
	}
	return e
}

// open makes the key the one that the seat works on.
func (st *state[K]) open(e *entry[K]) { st.seat.Open(&e.cell, e) }

// leave ends the work on the key.
func (st *state[K]) leave(e *entry[K]) { st.note(e, st.seat.Leave()) }

// note notes how the seat has left a key. It returns when the key is to be looked at again, if it is not forgotten.
func (st *state[K]) note(e *entry[K], s inside.Standing) (at int64) {
	if e.busy != s.Busy {
		e.busy = s.Busy
		if s.Busy {
			st.busy++
		} else {
			st.busy--
		}
	}
	if waits := s.Busy && s.At != inside.Never; e.waits != waits {
		e.waits = waits
		if waits {
			st.waits++
		} else {
			st.waits--
		}
	}
	if s.Forget && !e.queued {
		st.forget(e)
		return inside.Never
	}
	at = s.At
	if st.box.quotas != nil {
		at = st.planExchange(e, s)
	}
	st.agenda.plan(e, at)
	return at
}

// forget ends a key.
func (st *state[K]) forget(e *entry[K]) {
	st.agenda.remove(e)
	st.keys.remove(e)
	st.seat.Forget(&e.cell)
	st.box.count.Add(-1)
}

// work looks at a turn's worth of keys: first those of which there is news, then those whose time has come. It reports
// whether more may be left to do.
func (st *state[K]) work() (more bool) {
	left := st.hear(perTurn)
	return left == 0 || st.lookAtDue(left)
}

// hear looks at n keys, or all, of which there is news, and returns how many fewer than n there were.
func (st *state[K]) hear(n int) (left int) {
	for ; n > 0; n-- {
		key := st.seat.News()
		if key == nil {
			return n
		}
		if e := key.(*entry[K]); !e.forgotten() {
			st.open(e)
			st.leave(e)
		}
	}
	return 0
}

// lookAtDue looks at n keys, or all, whose time has come. It reports whether there are more.
func (st *state[K]) lookAtDue(n int) (more bool) {
	for ; n > 0 && st.agenda.first() <= st.Latest; n-- {
		st.lookAt(st.agenda.item(0).entry)
	}
	return st.agenda.first() <= st.Latest
}

// lookAt looks at a key whose time has come.
func (st *state[K]) lookAt(e *entry[K]) {
	if at := st.note(e, st.look(e)); !e.forgotten() {
		st.agenda.postpone(e, at)
	}
}

// finished reports whether all is over.
func (st *state[K]) finished() bool { return st.closed || st.draining && st.busy == 0 }

// forgetEvery is how late the owner may forget a key. Where keys end one after the other, as they came, it then wakes
// for many of them and not for each. Who asks how many keys there are, or needs room for one, forgets first what is due.
const forgetEvery = int64(time.Millisecond)

// wakeAt returns when the owner is to look at keys: at the very instant if a ticket waits for one, or an exchange may be
// due.
func (st *state[K]) wakeAt() int64 {
	at := st.agenda.first()
	if st.waits == 0 && st.box.quotas == nil && at < inside.Never-forgetEvery {
		at += forgetEvery
	}
	return at
}

// wakeIsSooner reports whether a key is to be looked at before the alarm rings, and notes that the alarm is
// to be set.
func (st *state[K]) wakeIsSooner() bool {
	at := st.wakeAt()
	if at >= st.armed {
		return false
	}
	st.armed = at
	return true
}

// release gives back what a ticket holds.
func (st *state[K]) release(e *entry[K], p *line.Place, n uint64) {
	switch {
	case st.takeBack(e, p, n):
	case st.alone && e.cell.Dormant():
		st.end(e, p)
		st.note(e, st.look(e))
	case !st.seat.NeedsTime(&e.cell):
		st.note(e, st.seat.ReleaseUntimed(&e.cell, p, n))
	default:
		st.catchUp()
		st.open(e)
		st.seat.Release(p, n)
		st.leave(e)
	}
}

// close prepares the end: all waiting tickets will be told.
func (st *state[K]) close() {
	st.draining, st.closed, st.unserved = true, true, st.unserved || st.busy > 0
	st.seat.Close()
}

// dismiss tells all waiting tickets that the set has ended.
func (st *state[K]) dismiss() {
	st.draining, st.closed = true, true
	st.seat.Close()
	if st.busy == 0 {
		return
	}
	for e := range st.keys.all() {
		if e.busy {
			st.open(e)
			st.seat.Dismiss()
			st.seat.Leave()
		}
	}
}

// stats answers with the stats and the limits of a key. A key that is not there is made for that, and forgotten.
func (st *state[K]) stats(hash uint64, k K, l *scheduler.Limits, a *answer[K]) {
	e := st.known(hash, k)
	switch {
	case e == nil && l == nil:
		a.err = errUnknown
		return
	case e == nil:
		e = st.newEntry(hash, k, *l)
		defer func() { st.seat.Forget(&e.cell) }()
	default:
		defer st.leave(e)
	}
	st.open(e)
	stats, limits := st.seat.Stats(), st.seat.Limits()
	a.stats, a.limits = &stats, &limits
}
