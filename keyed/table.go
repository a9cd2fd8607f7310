package keyed

import "iter"

// table finds entries by their keys. A large one is many small hash tables, so that none takes long to be made anew
// when it has become too full or too empty. A small one is in one part, which the processor's nearest cache
// holds. The caller hashes a key once, and a look at one cache line finds most keys. A map would hash again and
// touch three lines.
type table[K comparable] struct {
	parts  []part[K] // none, one or tableParts
	length int
}

const (
	tableParts = 64
	onePart    = 1024 // so many entries are in one part
)

// part is open addressing with linear probing: an entry is in the slot that its hash names, or in one of the
// next, with no empty slot between.
type part[K comparable] struct {
	slots  []slot[K] // a power of two of them, or none; a quarter or more is empty
	length int
}

type slot[K comparable] struct {
	hash  uint64
	entry *entry[K] // nil: the slot is empty
}

// leastSlots is how many slots a part has that has any.
const leastSlots = 8

// partOf returns the number of the part that the hash names in a large table.
func partOf(hash uint64) uint64 { return hash >> 32 % tableParts }

// part returns the part for the hash, of a table that has any.
func (t *table[K]) part(hash uint64) *part[K] {
	return &t.parts[partOf(hash)&uint64(len(t.parts)-1)]
}

// home returns the slot that the hash names.
func (p *part[K]) home(hash uint64) int { return int(hash>>40) & (len(p.slots) - 1) }

func (p *part[K]) next(i int) int { return (i + 1) & (len(p.slots) - 1) }

func (t *table[K]) find(hash uint64, k K) *entry[K] {
	if t.length == 0 {
		return nil
	}
	p := t.part(hash)
	if len(p.slots) == 0 {
		return nil
	}
	for i := p.home(hash); ; i = p.next(i) {
		s := &p.slots[i]
		if s.entry == nil || s.hash == hash && s.entry.key == k {
			return s.entry
		}
	}
}

// insert puts in an entry whose key is not there.
func (t *table[K]) insert(e *entry[K]) {
	switch {
	case t.length == 0:
		t.parts = make([]part[K], 1)
	case t.length == onePart && len(t.parts) == 1:
		t.split()
	}
	p := t.part(e.hash)
	if (p.length+1)*4 > len(p.slots)*3 {
		p.resize(max(leastSlots, 2*len(p.slots)))
	}
	p.put(slot[K]{e.hash, e})
	p.length++
	t.length++
}

// split makes many parts of one.
func (t *table[K]) split() {
	all := t.parts[0]
	t.parts = make([]part[K], tableParts)
	for i := range t.parts {
		t.parts[i].slots = make([]slot[K], 4*onePart/tableParts)
	}
	for _, s := range all.slots {
		if s.entry != nil {
			p := t.part(s.hash)
			if (p.length+1)*4 > len(p.slots)*3 {
				p.resize(2 * len(p.slots))
			}
			p.put(s)
			p.length++
		}
	}
}

func (p *part[K]) put(s slot[K]) {
	i := p.home(s.hash)
	for p.slots[i].entry != nil {
		i = p.next(i)
	}
	p.slots[i] = s
}

// resize makes the slots anew.
func (p *part[K]) resize(n int) {
	old := p.slots
	p.slots = make([]slot[K], n)
	for _, s := range old {
		if s.entry != nil {
			p.put(s)
		}
	}
}

// remove takes out an entry that is there.
func (t *table[K]) remove(e *entry[K]) {
	p := t.part(e.hash)
	i := p.home(e.hash)
	for p.slots[i].entry != e {
		i = p.next(i)
	}
	p.close(i)
	p.length--
	t.length--
	switch {
	case t.length == 0:
		t.parts = nil
	case p.length == 0 && len(p.slots) > leastSlots:
		p.slots = nil
	case len(p.slots) > leastSlots && p.length*8 < len(p.slots):
		p.resize(len(p.slots) / 2)
	}
}

// close empties slot i, and moves up the entries that could not be found otherwise.
func (p *part[K]) close(i int) {
	mask := len(p.slots) - 1
	for j := p.next(i); p.slots[j].entry != nil; j = p.next(j) {
		if home := p.home(p.slots[j].hash); (j-home)&mask >= (j-i)&mask { // i is not before its home
			p.slots[i], i = p.slots[j], j
		}
	}
	p.slots[i] = slot[K]{}
}

// all yields the entries, which must stay meanwhile.
func (t *table[K]) all() iter.Seq[*entry[K]] {
	return func(yield func(*entry[K]) bool) {
		for i := range t.parts {
			for e := range t.parts[i].all() {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// keysFrom returns the keys in the first part from a number on that has any, and the number of the next part. It
// returns tableParts if there is none. So who asks again with each next number gets all keys that stay meanwhile, and
// each once, even if a small table becomes a large one.
func (t *table[K]) keysFrom(number uint64) (keys []K, next uint64) {
	if len(t.parts) <= 1 {
		for e := range t.all() {
			if partOf(e.hash) >= number {
				keys = append(keys, e.key)
			}
		}
		return keys, tableParts
	}
	for ; number < tableParts && len(keys) == 0; number++ {
		for e := range t.parts[number].all() {
			keys = append(keys, e.key)
		}
	}
	return keys, number
}

func (p *part[K]) all() iter.Seq[*entry[K]] {
	return func(yield func(*entry[K]) bool) {
		for _, s := range p.slots {
			if s.entry != nil && !yield(s.entry) {
				return
			}
		}
	}
}
