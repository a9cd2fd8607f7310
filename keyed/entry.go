package keyed

import (
	"github.com/flowguard-go/flowguard/internal/cell"
	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/scheduler"
)

// entry is the stored state of a key. It belongs to the holder of the state, except for key, hash, box and
// desk, which never change. It is the desk where its tickets are given back. When the key is forgotten its
// tickets have ended, and the entry is never used again: a key that comes again gets a new entry.
//
// The entry of a string takes 256 bytes, four cache lines. What most calls touch is in the first three.
type entry[K comparable] struct {
	key     K
	planned int64 // its instant in the agenda, here too because every call compares it
	index   int32 // in the agenda; -1: not there
	busy    bool  // a ticket waits, or a permit is held
	waits   bool  // a ticket waits for an instant
	queued  bool  // an exchange is due, and is to be made by the next goroutine that is free; see quota.go

	cell cell.Cell
	desk line.Desk // itself
	box  *box[K]
	hash uint64
}

// newEntry returns the entry of a key about which nothing is known.
func (st *state[K]) newEntry(hash uint64, k K, l scheduler.Limits) *entry[K] {
	e := &entry[K]{key: k, index: -1, box: st.box, hash: hash}
	e.desk = e
	st.seat.InitCell(&e.cell, l)
	return e
}

// forgotten reports whether the key is forgotten.
func (e *entry[K]) forgotten() bool { return e.cell.Rules == nil }

// Release implements [line.Desk].
func (e *entry[K]) Release(p *line.Place, n uint64) {
	b := e.box
	if st := b.look(); st != nil {
		if st.takeBack(e, p, n) {
			b.GiveBack()
			return
		}
		defer b.giveBack(st)
		st.release(e, p, n)
		return
	}
	if _, ok := b.sendAndWait(&message[K]{verb: verbRelease, entry: e, place: p, number: n}); !ok && b.within {
		b.releaseAfter(e, p, n)
	}
}

// Cancel implements [line.Desk].
func (e *entry[K]) Cancel(p *line.Place, n uint64) {
	e.box.ask(&message[K]{verb: verbCancel, entry: e, place: p, number: n})
}

// Settle implements [line.Desk].
func (e *entry[K]) Settle(p *line.Place, n uint64, costs *line.CostList) error {
	a, _ := e.box.ask(&message[K]{verb: verbSettle, entry: e, place: p, number: n, request: inside.Request{Costs: costs}})
	return a.err // nil after the end
}

// releaseAfter gives back, after the end of the set, what a ticket holds of the scheduler for all keys, which goes on.
func (b *box[K]) releaseAfter(e *entry[K], p *line.Place, n uint64) {
	st := b.Remains()
	b.after.Lock()
	defer b.after.Unlock()
	st.release(e, p, n)
}
