package scheduler

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/flowguard-go/flowguard/internal/cell"
)

// exactEntries is how many charges a history keeps apart.
const exactEntries = 65_536

// mostEntries is how many entries a history may have, apart from empty ones. Entries of a coarse window are
// opened more than Per/65,536 apart: 65,536 at most within a Per and one before it. One is to spare.
const mostEntries = exactEntries + 2

// blockSize is how many slots of a ring share a correction. It is near the square root of the size of the
// largest ring. There a remove corrects about as many blocks as entries.
const blockSize = 256

// history remembers what was charged over the last Per. It is a sliding window log: a ring of charges in
// the order of time. Each entry has the running total, so the permits charged between two entries are a
// subtraction, and the moment at which the oldest n are free again is a binary search. Charges at one
// moment share an entry.
//
// With up to 65,536 permits there are never more entries than that, and all moments are exact.
// Beyond, charges less than Per/65,536 apart share an entry too. It counts as charged at the last of
// them, so permits come back up to that much late and never early, and 65,538 entries always suffice.
//
// To take a charge back, remove lowers the totals of all later entries. It writes to single entries only
// in the first and the last block of slots. For each block between it notes what all totals in that block
// are too high by. So it takes at most about 850 steps. Reading a total takes one subtraction more.
//
// An entry that has become empty stays where it is, because closing the gap would move all later entries.
// At either end it is dropped at once, with the empty ones beside it. If a quarter or more of a full ring
// may be empty, the other entries move to a new ring of the same size. Otherwise a full ring grows. So a
// ring has at most 4/3 of the slots that its charges need.
//
// In a window that is reset, a charge has the moment at which it would have been made to end at the next
// reset, instead of its own. So all charges of a period share an entry.
type history struct {
	per     time.Duration
	quantum moment    // charges up to this far apart share an entry
	limit   int       // entries that suffice while no more than Permits are charged
	reset   *calendar // nil: charges have their own moments

	ring       []cell.Entry // in it a total may be too high; totalAt returns the true one
	tooHigh    []uint64     // by how much the totals in each block of slots are too high; nil: by nothing
	head, size int          // the slot of the oldest entry; how many entries there are, empty ones too
	emptied    int          // at most so many entries are empty; those that expired are still counted
	gone       uint64       // the running total up to the last charge that has expired
	total      uint64       // the running total up to the newest charge
	opened     moment       // when the newest entry was made
	latest     int          // what was charged at the moment of the newest entry itself; 0: not known

	// wideUntil is the last moment whose charges may be in an entry that was opened more than a quantum
	// before its moment, because there was no room. No entry is made before it, or those charges would
	// be looked for there.
	wideUntil moment

	retimed moment // when the time of day was set last, of a window that is reset

	// vagueUntil is the last moment whose charges cannot be taken back one by one: they are not in
	// the history, or not at their own moment.
	vagueUntil moment
}

func newHistory(w Window) history {
	h := history{per: w.Per, limit: min(w.Permits, mostEntries), vagueUntil: -1, wideUntil: math.MinInt64, retimed: math.MinInt64}
	switch {
	case w.From == FromReset:
		h.reset = newCalendar(w)
		h.per = h.reset.longest()
	case w.Permits > exactEntries:
		h.quantum = moment(w.Per) / exactEntries
	}
	return h
}

// entryOf returns the moment of the entry that a charge made at a moment has. It is the same moment, but
// for windows that are reset.
func (h *history) entryOf(at moment) moment {
	if h.reset == nil {
		return at
	}
	return h.reset.after(at) - moment(h.per)
}

// ends returns when a charge made at a moment ends to count.
func (h *history) ends(at moment) moment { return h.entryOf(at).after(h.per) }

// retime moves all charges to the end of the present period, because the time of day was set. There is one
// entry at most.
func (h *history) retime(now moment) {
	n := h.sum()
	h.head, h.size, h.emptied, h.tooHigh, h.gone = 0, 0, 0, nil, h.total
	h.retimed = now
	if n > 0 {
		h.add(now, n)
	}
}

// sum returns the permits charged and not yet expired. It is never more than an int can count.
func (h *history) sum() int { return int(h.total - h.gone) }

// entries counts the entries that are not empty.
func (h *history) entries() (n int) {
	for range h.charges() {
		n++
	}
	return n
}

// slot returns the slot of the i-th oldest entry.
func (h *history) slot(i int) int {
	if i += h.head; i >= len(h.ring) {
		i -= len(h.ring)
	}
	return i
}

// at returns the moment of the entry in a slot.
func (h *history) at(slot int) moment { return moment(h.ring[slot].At) }

// excess returns what the total in a slot is too high by.
func (h *history) excess(slot int) uint64 {
	if block := uint(slot) / blockSize; block < uint(len(h.tooHigh)) {
		return h.tooHigh[block]
	}
	return 0
}

// totalAt returns the running total up to the entry in a slot.
func (h *history) totalAt(slot int) uint64 { return h.ring[slot].Total - h.excess(slot) }

// put writes the entry in a slot.
func (h *history) put(slot int, at moment, total uint64) {
	h.ring[slot] = cell.Entry{At: int64(at), Total: total + h.excess(slot)}
}

// before returns the running total before the i-th oldest entry.
func (h *history) before(i int) uint64 {
	if i == 0 {
		return h.gone
	}
	return h.totalAt(h.slot(i - 1))
}

// expire forgets what was charged at now−Per or before.
func (h *history) expire(now moment) {
	for h.size > 0 && h.at(h.head) <= now-moment(h.per) {
		h.dropOldest()
	}
}

// expiry returns when the oldest charge expires. If there is none, or the time of day decides, it returns when one
// made now could at the earliest.
func (h *history) expiry(now moment) moment {
	switch {
	case h.reset != nil:
		return now
	case h.size == 0:
		return now.after(h.per)
	}
	return h.at(h.head).after(h.per)
}

func (h *history) dropOldest() {
	h.gone = h.totalAt(h.head)
	h.size--
	if h.head++; h.head == len(h.ring) {
		h.head = 0
	}
}

// charges yields what is remembered, the oldest first: so many permits at a moment.
func (h *history) charges() iter.Seq2[moment, int] {
	return func(yield func(moment, int) bool) {
		before := h.gone
		for i := range h.size {
			slot := h.slot(i)
			total := h.totalAt(slot)
			if total != before && !yield(h.at(slot), int(total-before)) {
				return
			}
			before = total
		}
	}
}

// add charges n permits, at least 1, at now, which is not before any earlier charge.
func (h *history) add(now moment, n int) {
	if n > math.MaxInt-h.sum() {
		h.saturate(now, n)
	}
	if h.reset != nil {
		now = h.entryOf(now)
	}
	h.total += uint64(n)
	if h.size > 0 && now-h.quantum <= h.opened || h.size == len(h.ring) && !h.makeRoom() {
		newest := h.slot(h.size - 1)
		if now-h.quantum > h.opened { // there was no room
			h.wideUntil = now
		}
		if h.at(newest) != now {
			h.latest = 0
		}
		h.latest += n
		h.put(newest, now, h.total)
		return
	}
	newest := h.slot(h.size)
	h.put(newest, now, h.total)
	h.size++
	h.opened, h.latest = now, n
}

// newest returns the moment of the last charge that still counts, and how much was charged then. If charges
// share an entry, the amount may be larger. It is 0 if nothing counts.
func (h *history) newest() (at moment, n int) {
	if h.size == 0 {
		return 0, 0
	}
	slot := h.slot(h.size - 1)
	if n = h.latest; n == 0 {
		n = int(h.totalAt(slot) - h.before(h.size-1))
	}
	return h.at(slot), n
}

// saturate makes n permits more countable. It forgets the oldest ones for them, because what is charged
// now counts for longer than those would.
func (h *history) saturate(now moment, n int) {
	gone := h.gone + uint64(n-(math.MaxInt-h.sum()))
	for h.size > 0 && int(h.totalAt(h.head)-gone) <= 0 {
		h.dropOldest()
	}
	h.gone = gone
	h.vagueUntil = max(h.vagueUntil, now)
}

// assume charges n permits, or none, that were charged elsewhere by now. When is not known, so if some of them
// are held they cannot be taken back. If none are, all that is taken back later is charged later.
func (h *history) assume(now moment, n int, held bool) {
	if held {
		h.vagueUntil = now
	}
	if n > 0 {
		h.add(now, n)
	}
}

// makeRoom makes a full ring have a free slot. It reports false if there are as many entries as there
// may ever be.
func (h *history) makeRoom() bool {
	old, size := *h, len(h.ring)
	if h.size-h.emptied >= mostEntries {
		return false
	}
	if 4*h.emptied < size || size == 0 {
		size = h.nextSize()
	}
	h.ring = make([]cell.Entry, size)
	h.take(&old)
	// If all that was empty has expired before, there is no room yet.
	return h.size < size || h.makeRoom()
}

// nextSize returns the size of the next larger ring. It is twice as large, but no step goes beyond
// what suffices: for the permits of the window, with empty entries between them, and the same for as
// many entries as there may ever be.
func (h *history) nextSize() int {
	size := len(h.ring)
	for _, enough := range []int{h.limit, h.limit * 4 / 3, mostEntries, mostEntries * 4 / 3} {
		if size < enough {
			return min(max(4, 2*size), enough)
		}
	}
	return size
}

// take fills the ring of h, which must be large enough, with the entries of other that are not empty.
// The two must not share a ring.
func (h *history) take(other *history) {
	h.head, h.size, h.emptied, h.tooHigh = 0, 0, 0, nil
	if other.emptied == 0 && other.tooHigh == nil { // all as they are
		n := copy(h.ring, other.ring[other.head:min(other.head+other.size, len(other.ring))])
		copy(h.ring[n:other.size], other.ring)
		h.size = other.size
		return
	}
	before := other.gone
	for i := range other.size {
		slot := other.slot(i)
		if total := other.totalAt(slot); total != before {
			h.put(h.size, other.at(slot), total)
			h.size++
			before = total
		}
	}
}

// remove takes back n permits that were charged at the moment at. The entry of a moment is the first that
// is not earlier, even if it took later charges too.
func (h *history) remove(now, at moment, n int) {
	if at <= h.vagueUntil {
		return // nothing to take back
	}
	if at = h.entryOf(at); at <= now-moment(h.per) {
		return // expired
	}
	i := h.search(func(slot int) bool { return h.at(slot) >= at })
	if i == h.size-1 && h.at(h.slot(i)) == at {
		h.latest -= min(n, h.latest)
	}
	if i == 0 {
		h.gone += uint64(n) // the oldest n permits are these
	} else {
		h.lower(i, uint64(n))
	}
	if h.totalAt(h.slot(i)) != h.before(i) {
		return
	}
	switch i {
	case 0:
		for h.size > 0 && h.totalAt(h.head) == h.gone {
			h.dropOldest()
		}
	case h.size - 1:
		for h.size > 0 && h.before(h.size-1) == h.total {
			h.size--
		}
		if h.size > 0 {
			// When the entry that is now the newest was made is not known. Let it take charges of
			// its own moment only.
			h.opened = h.at(h.slot(h.size-1)) - h.quantum
			h.latest = 0
		}
	default:
		h.emptied++
	}
}

// insert charges n permits, at least 1, at a moment that may be before those of other charges. It charges
// nothing if that would not count any more.
//
// In a coarse history the charge joins the next entry if that is at most a quantum later: that one may have
// been opened before. Otherwise it gets an entry of its own. If there are as many entries as there may ever
// be, it joins the next one in any case.
func (h *history) insert(now, at moment, n int) {
	if h.reset != nil {
		at = max(at, h.retimed) // what was charged before counts in the period that began to count then
	}
	if h.ends(at) <= now {
		return
	}
	if most := math.MaxInt - h.sum(); n > most {
		n, h.vagueUntil = most, max(h.vagueUntil, now) // what is not charged cannot be taken back
	}
	entry := h.entryOf(at)
	i := h.search(func(slot int) bool { return h.at(slot) >= entry })
	switch {
	case n == 0:
		return
	case i == h.size:
		h.add(at, n)
		return
	case h.at(h.slot(i))-entry > h.quantum && entry > h.wideUntil:
		i = h.open(entry)
	case h.totalAt(h.slot(i)) == h.before(i):
		h.emptied--
	}
	if i == h.size-1 {
		h.opened = min(h.opened, entry)
		if h.latest > 0 && h.at(h.slot(i)) == entry {
			h.latest += n
		}
	}
	h.lower(i, -uint64(n))
}

// open makes an empty entry for a moment before that of the newest, and returns its index. If there is no
// room it returns that of the next entry.
func (h *history) open(at moment) (i int) {
	room := h.size < len(h.ring) || h.makeRoom()
	i = h.search(func(slot int) bool { return h.at(slot) >= at })
	if !room {
		h.wideUntil = max(h.wideUntil, h.at(h.slot(i)))
		return i
	}
	before := h.before(i)
	h.size++
	for j := h.size - 1; j > i; j-- {
		from, to := h.slot(j-1), h.slot(j)
		h.put(to, h.at(from), h.totalAt(from))
	}
	slot := h.slot(i)
	h.put(slot, at, before)
	return i
}

// lower lowers the totals of the i-th oldest entry and of all later ones by n. Totals wrap around, so a
// negative n raises them.
func (h *history) lower(i int, n uint64) {
	h.total -= n
	if h.tooHigh == nil && len(h.ring) > blockSize {
		h.tooHigh = make([]uint64, (len(h.ring)+blockSize-1)/blockSize)
	}
	for i < h.size {
		slot := h.slot(i)
		block := slot / blockSize
		// The block of the oldest entry may have the newest too, beyond a gap. So it is never
		// corrected as a whole.
		if slot%blockSize == 0 && block != h.head/blockSize {
			h.tooHigh[block] += n
			i += min(blockSize, len(h.ring)-slot)
		} else {
			h.ring[slot].Total -= n
			i++
		}
	}
}

// freeAt returns the moment at which the n oldest permits have expired; n is 1 to sum.
func (h *history) freeAt(n int) moment {
	slot := h.head
	if h.totalAt(slot)-h.gone < uint64(n) {
		slot = h.slot(h.search(func(slot int) bool { return h.totalAt(slot)-h.gone >= uint64(n) }))
	}
	return h.at(slot).after(h.per)
}

// search returns the index of the first entry for whose slot the condition holds. It holds for all that
// follow too.
func (h *history) search(holds func(slot int) bool) int {
	low, high := 0, h.size
	for low < high {
		if mid := int(uint(low+high) / 2); holds(h.slot(mid)) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}

// replay charges what other remembers, as far as it still counts. If one of them is reset, the other is at
// the same instants.
func (h *history) replay(other *history, now moment) {
	h.vagueUntil = other.vagueUntil
	if h.reset != nil {
		h.addAll(other, now)
		return
	}
	if h.wideUntil = other.wideUntil; other.quantum > 0 {
		h.wideUntil = now // its entries are at later moments than some of their charges
	}
	if h.per > other.per {
		h.vagueUntil = max(h.vagueUntil, now-moment(other.per))
	}
	for at, n := range other.charges() {
		if at > now-moment(h.per) {
			h.add(at, n)
		}
	}
}

// addAll charges now what other remembers.
func (h *history) addAll(other *history, now moment) {
	if n := other.sum(); n > 0 {
		h.add(now, n)
	}
}

// merge adds what another history of the same window remembers.
func (h *history) merge(other *history, now moment) {
	if h.reset != nil {
		h.addAll(other, now)
		return
	}
	if other.sum() == 0 {
		return
	}
	type charged struct {
		at moment
		n  int
	}
	var all []charged
	for _, from := range []*history{h, other} {
		for at, n := range from.charges() {
			all = append(all, charged{at, n})
		}
	}
	slices.SortStableFunc(all, func(a, b charged) int { return cmp.Compare(a.at, b.at) })
	*h = history{per: h.per, quantum: h.quantum, limit: h.limit, vagueUntil: h.vagueUntil, wideUntil: h.wideUntil}
	for _, c := range all {
		h.add(c.at, c.n)
	}
	if h.quantum > 0 || h.entries() > exactEntries {
		h.vagueUntil, h.wideUntil = now, now // entries are shared, and none of h's own can be told apart any more
	}
}

// coarse returns a copy with no more than about the given number of moments. It rounds moments up.
func (h *history) coarse(moments int) history {
	c := history{per: h.per}
	if h.size > moments && h.entries() > moments {
		c.quantum = moment(h.per) / moment(moments)
	}
	for at, n := range h.charges() {
		c.add(at, n)
	}
	return c
}
