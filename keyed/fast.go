package keyed

import (
	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/internal/line"
)

// A reader may skip this file: everything works the same without it, only slower. It replaces open, one
// operation of the seat, and leave, if the key is known and dormant and needs no core. If a method does not decide,
// it has changed nothing. If it does, neither the agenda nor the alarm changes: a key that is not busy stands in the
// agenda already, with an instant that is early enough.

// decides reports whether cells may decide about requests.
func (st *state[K]) decides(r inside.Request) bool {
	return st.alone && !st.draining && r.Costs == nil && r.Deadline >= st.Latest
}

// asleep returns the entry of a key, if it is known and its time has not come.
func (st *state[K]) asleep(hash uint64, k K) *entry[K] {
	if e := st.keys.find(hash, k); e != nil && (e.index < 0 || e.planned > st.Latest) {
		return e
	}
	return nil
}

// charge charges the limits of a key, and reports whether they had room, if that needs no core. If it is for a try, it
// may also decide that there is no permit.
func (st *state[K]) charge(e *entry[K], r inside.Request, try bool) (charged, decided bool) {
	if !st.decides(r) || !e.cell.Decides(r.Weight) {
		return false, false
	}
	charged, decided = e.cell.Charge(st.Latest, r.Weight)
	if !charged && decided && try {
		e.cell.NoPermit++
	}
	return charged, charged || decided && try
}

// take grants a ticket of the key, and returns its entry and place, if that needs no core. If it is for a try, it may
// also decide that there is no permit.
func (st *state[K]) take(hash uint64, k K, r inside.Request, try bool) (e *entry[K], p *line.Place, decided bool) {
	if e = st.asleep(hash, k); e == nil {
		return nil, nil, false
	}
	if charged, decided := st.charge(e, r, try); !charged {
		return nil, nil, decided
	}
	e.cell.Held += r.Weight
	if !e.busy {
		e.busy = true
		st.busy++
	}
	if p = st.idle.Take(); p == nil {
		p = st.box.Place()
	}
	st.Issued++
	p.Number, p.Weight, p.State, p.At = st.Issued, r.Weight, line.Holding, st.Latest
	return e, p, true
}

// pass grants a ticket of the key and takes its permits back, if that needs no core. If it is for a try, it may also
// decide that there is no permit.
func (st *state[K]) pass(hash uint64, k K, r inside.Request, try bool) (passed, decided bool) {
	e := st.asleep(hash, k)
	if e == nil {
		return false, false
	}
	if passed, decided = st.charge(e, r, try); passed {
		e.cell.Released++
	}
	return passed, decided
}

// takeBack takes back what a ticket holds, if that needs no core.
func (st *state[K]) takeBack(e *entry[K], p *line.Place, n uint64) bool {
	switch {
	case e.forgotten():
		return true
	case !st.alone || !e.cell.Dormant():
		return false
	case p.Number != n || p.State != line.Holding:
		return true // the ticket has ended
	case e.cell.Held > p.Weight: // the key stays busy
	case e.index < 0:
		return false // the key is to be planned
	default:
		e.busy = false
		st.busy--
	}
	st.end(e, p)
	return true
}

// end ends the ticket at p, which holds permits of a dormant key.
func (st *state[K]) end(e *entry[K], p *line.Place) {
	e.cell.Held -= p.Weight
	e.cell.Released++
	p.State = line.Idle
	if p.Reused && !st.idle.Keep(p) {
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
