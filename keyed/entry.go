package keyed

import (
	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/internal/line"
)

// entry is what is kept of a key. It belongs to the holder of the state, but for box and key, which never
// change. A ticket holds a pointer to it as the desk where it is given back. When the key is forgotten the
// ticket has ended, and the entry is gone for good: a key that comes again has another.
type entry[K comparable] struct {
	box   *box[K]
	key   K
	cell  inside.Cell // nil: forgotten
	index int32       // in the agenda; -1: not there
	busy  bool        // a ticket waits, or a permit is held
}

// Release implements [line.Desk].
func (e *entry[K]) Release(p *line.Place, n uint64) {
	b := e.box
	if st := b.borrow(); st != nil {
		defer b.giveBack(st)
		st.release(e, p, n)
		return
	}
	b.sendAndWait(&message[K]{verb: verbRelease, entry: e, place: p, number: n})
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
