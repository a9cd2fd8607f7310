package keyed

import (
	"github.com/flowguard-go/flowguard/internal/cell"
	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/internal/line"
)

// entry is the stored state of a key. It belongs to the holder of the state, except for key, hash, box and
// desk, which never change. It is the desk where its tickets are given back. When the key is forgotten its
// tickets have ended, and the entry is never used again: a key that comes again gets a new entry.
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

func newEntry[K comparable](b *box[K], hash uint64, k K) (e *entry[K], first []cell.Entry) {
	one := &struct {
		entry[K]
		first [cell.FirstEntries]cell.Entry
	}{entry: entry[K]{key: k, hash: hash, box: b, index: -1}}
	one.desk = &one.entry
	return &one.entry, one.first[:]
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
