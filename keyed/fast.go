package keyed

import (
	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/internal/line"
)

// A reader may skip this file: everything works the same without it, only slower. It stands for open, one
// operation of the seat, and leave, where the key is known and dormant and no core need be lent to it. What it does
// not decide has changed nothing. It never makes a key due earlier than it was, so the alarm need not be looked at.

// take grants a ticket of the key, and returns its entry and place, if that needs no core. If it is for a try, it may
// also decide that there is no permit.
func (st *state[K]) take(hash uint64, k K, r inside.Request, try bool) (e *entry[K], p *line.Place, decided bool) {
	if e = st.known(hash, k); e == nil {
		return nil, nil, false
	}
	if p, decided = st.seat.TakeDormant(e.cell, r, try); p != nil && !e.busy {
		e.busy = true
		st.busy++
	}
	return e, p, decided
}

// pass grants a ticket of the key and takes its permits back, if that needs no core.
func (st *state[K]) pass(hash uint64, k K, r inside.Request) bool {
	e := st.known(hash, k)
	if e == nil {
		return false
	}
	passed, left := st.seat.PassDormant(e.cell, r)
	if passed {
		st.note(e, left)
	}
	return passed
}

// look is open and then leave of the seat, for a key whose time has come.
func (st *state[K]) look(e *entry[K]) inside.Standing {
	if left, done := st.seat.LookAtDormant(e.cell); done {
		return left
	}
	st.open(e)
	return st.seat.Leave()
}
