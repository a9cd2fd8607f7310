package scheduler

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"time"
)

// exactEntries is how many charges a history keeps apart.
const exactEntries = 65_536

// history remembers what was charged over the last Per: a sliding log. It is a ring of charges in
// the order of time, of which each one spends the running total, so that the permits charged between
// any two of them are a subtraction, and the moment at which the oldest n are free again is a
// binary search. Charges at one moment share an entry.
//
// With up to 65,536 permits there are never more entries than that, and all instants are exact.
// Beyond, charges less than Per/65,536 apart share an entry too, which counts as charged at its last
// moment: permits come back up to that much late, never early, and 65,538 entries always suffice.
// The ring grows as entries come.
type history struct {
	per     time.Duration
	quantum moment // charges up to this far apart share an entry
	limit   int    // entries that always suffice

	ring       []charge
	head, size int
	gone       uint64 // the running total up to the last charge that has expired
	opened     moment // when the newest entry was made
	vagueUntil moment // what was granted until then is not in it, or not at its moment; see inherit
}

// charge says that by the moment at, total permits had been charged since the beginning. Totals
// wrap around; only differences matter.
type charge struct {
	at    moment
	total uint64
}

func newHistory(w Window) history {
	h := history{per: w.Per, limit: min(w.Permits, exactEntries+2), vagueUntil: -1}
	if w.Permits > exactEntries {
		h.quantum = moment(w.Per) / exactEntries
	}
	return h
}

// entry returns the i-th oldest charge.
func (h *history) entry(i int) *charge {
	if i += h.head; i >= len(h.ring) {
		i -= len(h.ring)
	}
	return &h.ring[i]
}

func (h *history) total() uint64 {
	if h.size == 0 {
		return h.gone
	}
	return h.entry(h.size - 1).total
}

// sum returns the permits charged and not yet expired.
func (h *history) sum() int { return int(h.total() - h.gone) }

// expire forgets what was charged at now−Per or before.
func (h *history) expire(now moment) {
	for h.size > 0 && h.ring[h.head].at <= now-moment(h.per) {
		h.gone = h.ring[h.head].total
		h.size--
		if h.head++; h.head == len(h.ring) {
			h.head = 0
		}
	}
}

// charges yields what is remembered, the oldest first: so many permits at an moment.
func (h *history) charges() iter.Seq2[moment, int] {
	return func(yield func(moment, int) bool) {
		before := h.gone
		for i := range h.size {
			c := h.entry(i)
			if !yield(c.at, int(c.total-before)) {
				return
			}
			before = c.total
		}
	}
}

// add charges n permits at now, which is not before any earlier charge. What would be more than can be
// counted makes those counted last longer.
func (h *history) add(now moment, n int) {
	total := h.total()
	if n = min(n, math.MaxInt-int(total-h.gone)); n == 0 {
		h.entry(h.size - 1).at = now
		return
	}
	total += uint64(n)
	if h.size > 0 && (now-h.opened <= h.quantum || h.size >= exactEntries+2) {
		*h.entry(h.size - 1) = charge{now, total}
		return
	}
	if h.size == len(h.ring) {
		h.grow()
	}
	h.size++
	*h.entry(h.size - 1) = charge{now, total}
	h.opened = now
}

func (h *history) grow() {
	size := max(4, 2*h.size)
	if h.size < h.limit {
		size = min(size, h.limit)
	}
	ring := make([]charge, size)
	n := copy(ring, h.ring[h.head:])
	copy(ring[n:], h.ring[:h.head])
	h.ring, h.head = ring, 0
}

// remove takes back n permits that were charged at the moment at. It costs as many steps as there
// were charges since.
func (h *history) remove(now, at moment, n int) {
	if at <= now-moment(h.per) || at <= h.vagueUntil {
		return // expired, and nothing to take back
	}
	i := h.search(func(c *charge) bool { return c.at >= at })
	for j := i; j < h.size; j++ {
		h.entry(j).total -= uint64(n)
	}
	before := h.gone
	if i > 0 {
		before = h.entry(i - 1).total
	}
	if h.entry(i).total != before {
		return
	}
	// The entry is empty. Entries are never left empty, or they would not be bounded by Permits.
	for j := i; j < h.size-1; j++ {
		*h.entry(j) = *h.entry(j + 1)
	}
	h.size--
	if i == h.size && h.size > 0 {
		// When the entry that is now the newest was made is not known; let it take charges of its
		// own last moment only.
		h.opened = h.entry(h.size-1).at - h.quantum
	}
}

// freeAt returns the moment at which the n oldest permits have expired; n is 1 to sum.
func (h *history) freeAt(n int) moment {
	if oldest := h.entry(0); oldest.total-h.gone >= uint64(n) {
		return oldest.at.after(h.per)
	}
	i := h.search(func(c *charge) bool { return c.total-h.gone >= uint64(n) })
	return h.entry(i).at.after(h.per)
}

// search returns the first entry of which the condition holds; it holds of all that follow too.
func (h *history) search(holds func(*charge) bool) int {
	low, high := 0, h.size
	for low < high {
		if mid := int(uint(low+high) / 2); holds(h.entry(mid)) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}

// copyFrom makes h a copy of other that shares nothing with it. It reuses the ring it has.
func (h *history) copyFrom(other *history) {
	ring := h.ring
	*h = *other
	if h.ring = ring; len(ring) < other.size {
		h.ring = make([]charge, len(other.ring))
	}
	h.head = 0
	for i := range other.size {
		h.ring[i] = *other.entry(i)
	}
}

func (h *history) replay(other *history, now moment) {
	h.vagueUntil = other.vagueUntil
	if h.per > other.per {
		h.vagueUntil = max(h.vagueUntil, now-moment(other.per))
	}
	for at, n := range other.charges() {
		if at > now-moment(h.per) {
			h.add(at, n)
		}
	}
}
func (h *history) inheritUnknown(now moment, n int) {
	h.vagueUntil = now
	if n > 0 {
		h.add(now, n)
	}
}
func (h *history) merge(other *history, now moment) {
	if other.size == 0 {
		return
	}
	type spent struct {
		at moment
		n  int
	}
	var all []spent
	for _, from := range []*history{h, other} {
		for at, n := range from.charges() {
			all = append(all, spent{at, n})
		}
	}
	slices.SortStableFunc(all, func(a, b spent) int { return cmp.Compare(a.at, b.at) })
	*h = history{per: h.per, quantum: h.quantum, limit: h.limit, vagueUntil: h.vagueUntil}
	for _, s := range all {
		h.add(s.at, s.n)
	}
	if h.quantum > 0 || h.size > exactEntries {
		h.vagueUntil = now // entries are shared, and none of h's own can be told apart any more
	}
}

// coarse returns a copy that tells no more than about 1,024 instants apart.
func (h *history) coarse(instants int) history {
	c := history{per: h.per}
	if h.size > instants {
		c.quantum = moment(h.per) / moment(instants)
	}
	for at, n := range h.charges() {
		c.add(at, n)
	}
	return c
}
