package keyed

import "github.com/flowguard-go/flowguard/internal/inside"

// agenda says which key is to be looked at next: a heap by instants, in which each item is above four. With two there
// would be twice as many levels, and at each level an entry is written to that is seldom in the processor's caches. A key may stand in it with an instant
// that is too early, because what moves the instant on is frequent and looking once too often is cheap. So
// a grant does not touch the agenda.
type agenda[K comparable] struct {
	chunks [][]item[K] // a slice would copy a million items when it grows
	length int
}

// item is an entry in the agenda, with its instant beside it, so that the heap need not look into entries.
type item[K comparable] struct {
	at    int64
	entry *entry[K]
}

const (
	agendaChunk = 1024
	agendaBelow = 4
)

func (a *agenda[K]) item(i int) *item[K] { return &a.chunks[i/agendaChunk][i%agendaChunk] }

// first returns the earliest instant, inside.Never if the agenda is empty.
func (a *agenda[K]) first() int64 {
	if a.length == 0 {
		return inside.Never
	}
	return a.chunks[0][0].at
}

// plan makes sure that the entry is looked at by the instant.
func (a *agenda[K]) plan(e *entry[K], at int64) {
	switch {
	case e.index < 0:
		if at == inside.Never {
			return
		}
		if a.length == len(a.chunks)*agendaChunk {
			a.chunks = append(a.chunks, make([]item[K], agendaChunk))
		}
		*a.item(a.length) = item[K]{at, e}
		a.length++
		e.planned = at
		a.up(a.length - 1)
	case at < e.planned:
		e.planned = at
		a.item(int(e.index)).at = at
		a.up(int(e.index))
	}
}

// postpone moves the entry, which is in the agenda, to its true instant.
func (a *agenda[K]) postpone(e *entry[K], at int64) {
	if at == inside.Never {
		a.remove(e)
		return
	}
	i := int(e.index)
	e.planned = at
	a.item(i).at = at
	a.down(a.up(i))
}

// remove takes an entry out, if it is there.
func (a *agenda[K]) remove(e *entry[K]) {
	if e.index < 0 {
		return
	}
	i := int(e.index)
	a.length--
	last := a.item(a.length)
	if i != a.length {
		*a.item(i) = *last
		a.item(i).entry.index = int32(i)
	}
	*last = item[K]{}
	e.index = -1
	if i != a.length {
		a.down(a.up(i))
	}
	if spare := len(a.chunks)*agendaChunk - a.length; spare > 2*agendaChunk || a.length == 0 {
		a.chunks[len(a.chunks)-1] = nil
		a.chunks = a.chunks[:len(a.chunks)-1]
	}
}

// up moves an item towards the first, to where it belongs, and returns its index.
func (a *agenda[K]) up(i int) int {
	moved := *a.item(i)
	for i > 0 {
		above := (i - 1) / agendaBelow
		if a.item(above).at <= moved.at {
			break
		}
		a.put(i, *a.item(above))
		i = above
	}
	a.put(i, moved)
	return i
}

// down moves an item away from the first, to where it belongs.
func (a *agenda[K]) down(i int) {
	moved := *a.item(i)
	for {
		below := agendaBelow*i + 1
		if below >= a.length {
			break
		}
		for next := below + 1; next < min(agendaBelow*i+1+agendaBelow, a.length); next++ {
			if a.item(next).at < a.item(below).at {
				below = next
			}
		}
		if a.item(below).at >= moved.at {
			break
		}
		a.put(i, *a.item(below))
		i = below
	}
	a.put(i, moved)
}

func (a *agenda[K]) put(i int, it item[K]) {
	*a.item(i) = it
	it.entry.index = int32(i)
}
