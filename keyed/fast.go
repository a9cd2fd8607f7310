package keyed

import (
	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/internal/line"
)

// A reader may skip this file: everything works the same without it, only slower. It replaces open, one
// operation of the seat, and leave, if the key is known and dormant and needs no core. If a method does not decide,
// it has changed nothing. If it does, the agenda stays as it is, so the alarm need not be checked: the key is in the
// agenda and not due earlier than before, or it holds permits before and after.

// decides reports whether cells may decide about requests.
func (st *state[K]) decides(r inside.Request) bool {
	return st.alone && !st.draining && r.Costs == nil && r.Deadline >= st.Latest
}

// asleep returns the entry of a key, if it is known and its time has not come. A dormant key that is not in the agenda
// holds permits, so it has no such time.
func (st *state[K]) asleep(hash uint64, k K) *entry[K] {
	if e := st.keys.find(hash, k); e != nil && (e.index < 0 || e.planned > st.Latest) {
		return e
	}
	return nil
}

// charge charges the limits of a key, and returns its entry, if that needs no core. If it is for a try, it may also
// decide that there is no permit.
func (st *state[K]) charge(hash uint64, k K, r inside.Request, try bool) (e *entry[K], decided bool) {
	if e = st.asleep(hash, k); e == nil || !st.decides(r) || !e.cell.Decides(r.Weight) {
		return nil, false
	}
	charged, decided := e.cell.Charge(st.Latest, r.Weight)
	switch {
	case charged:
		return e, true
	case decided && try:
		e.cell.NoPermit++
		return nil, true
	}
	return nil, false
}

// take grants a ticket of the key, and returns its entry and place, if that needs no core. If it is for a try, it may
// also decide that there is no permit.
func (st *state[K]) take(hash uint64, k K, r inside.Request, try bool) (e *entry[K], p *line.Place, decided bool) {
	if e, decided = st.charge(hash, k, r, try); e == nil {
		return nil, nil, decided
	}
	e.cell.Held += r.Weight
	if !e.busy {
		e.busy = true
		st.busy++
	}
	p = st.idlePlace()
	st.Issued++
	p.Number, p.Weight, p.State, p.At = st.Issued, r.Weight, line.Holding, st.Latest
	return e, p, true
}

// pass grants a ticket of the key and takes its permits back, if that needs no core. If it is for a try, it may also
// decide that there is no permit.
func (st *state[K]) pass(hash uint64, k K, r inside.Request, try bool) (passed, decided bool) {
	e, decided := st.charge(hash, k, r, try)
	if e != nil {
		e.cell.Released++
	}
	return e != nil, decided
}

// takeBack takes back what a ticket holds, if that needs no core.
func (st *state[K]) takeBack(e *entry[K], p *line.Place, n uint64) bool {
	if e.forgotten() || !st.alone || !e.cell.Dormant() {
		return false
	}
	if p.Number != n || p.State != line.Holding {
		return true // it has ended
	}
	if e.index < 0 && e.cell.Held == p.Weight {
		return false // the last permit: from now on the key can be forgotten at some time
	}
	e.cell.Held -= p.Weight
	e.cell.Released++
	if e.cell.Held == 0 {
		e.busy = false
		st.busy--
	}
	p.State = line.Idle
	if p.Reused {
		st.keep(p)
	}
	return true
}

// idlePlaces is how many places an owner keeps for tickets that need no core.
const idlePlaces = 16

// idlePlace returns a place for a ticket.
func (st *state[K]) idlePlace() (p *line.Place) {
	last := len(st.idle) - 1
	if last < 0 {
		return st.box.Place()
	}
	p, st.idle = st.idle[last], st.idle[:last]
	return p
}

// keep keeps an idle place for another ticket.
func (st *state[K]) keep(p *line.Place) {
	if len(st.idle) < cap(st.idle) {
		st.idle = append(st.idle, p)
	} else {
		st.box.Recycle(p)
	}
}

// look is open and then leave of the seat, for a key whose time has come.
func (st *state[K]) look(e *entry[K]) inside.Standing {
	switch {
	case !e.cell.Dormant():
		st.open(e)
		return st.seat.Leave()
	case e.cell.Held > 0:
		return inside.Standing{At: inside.Never, Busy: true}
	}
	at := e.cell.Forgettable(st.Latest)
	return inside.Standing{At: at, Forget: at <= st.Latest}
}
