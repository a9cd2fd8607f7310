package keyed

import "iter"

// table finds entries by their keys. It is many small maps, chosen by the key's hash, because a map does not
// give memory back: one of which few entries are left is made anew, which for a small one takes some
// microseconds.
type table[K comparable] struct {
	parts  [tableParts]part[K]
	length int
}

const tableParts = 256

type part[K comparable] struct {
	entries map[K]*entry[K]
	most    int // the most entries since the map was made
}

// partsKept is a number of entries whose map takes too little memory to be worth making anew.
const partsKept = 16

func (t *table[K]) find(hash uint64, k K) *entry[K] {
	return t.parts[hash>>32%tableParts].entries[k]
}

func (t *table[K]) insert(hash uint64, e *entry[K]) {
	p := &t.parts[hash>>32%tableParts]
	if p.entries == nil {
		p.entries = make(map[K]*entry[K])
	}
	p.entries[e.key] = e
	p.most = max(p.most, len(p.entries))
	t.length++
}

func (t *table[K]) remove(hash uint64, k K) {
	p := &t.parts[hash>>32%tableParts]
	delete(p.entries, k)
	t.length--
	switch n := len(p.entries); {
	case n == 0 && (p.most > partsKept || t.length == 0):
		*p = part[K]{}
	case p.most > partsKept && n < p.most/4:
		entries := make(map[K]*entry[K], n)
		for k, e := range p.entries {
			entries[k] = e
		}
		*p = part[K]{entries, n}
	}
}

// all yields the entries.
func (t *table[K]) all() iter.Seq[*entry[K]] {
	return func(yield func(*entry[K]) bool) {
		for i := range t.parts {
			for _, e := range t.parts[i].entries {
				if !yield(e) {
					return
				}
			}
		}
	}
}
