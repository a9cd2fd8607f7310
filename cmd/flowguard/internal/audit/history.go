package audit

// mostEntries is how many different instants a history remembers one by one: 1 MiB of them.
const mostEntries = 1 << 16

// entry is some calls. The first was at first, and if the history was coarse, others up to a quantum later.
type entry struct {
	first int64
	n     int64
}

// history remembers recent calls in a ring that grows to mostEntries. If that is not enough, it merges calls
// that are close together. It forgets an entry as soon as the entry's first call is too old. So sum may then be
// too small, and is never too large.
type history struct {
	ring    []entry // its length is a power of 2
	head    int
	size    int
	sum     int64
	quantum int64 // calls as close as this share an entry; 0: those of one instant
}

func (h *history) slot(i int) *entry { return &h.ring[(h.head+i)&(len(h.ring)-1)] }

func (h *history) oldest() int64 { return h.slot(0).first }

// expire forgets the calls up to and including the instant.
func (h *history) expire(until int64) {
	for h.size > 0 && h.ring[h.head].first <= until {
		h.sum -= h.ring[h.head].n
		h.head = (h.head + 1) & (len(h.ring) - 1)
		h.size--
	}
	if h.size < mostEntries/4 {
		h.quantum = 0
	}
}

// add remembers a call of n. All that the history has is less than per old.
func (h *history) add(at, per, n int64) {
	h.sum += n
	if h.size > 0 {
		if last := h.slot(h.size - 1); at == last.first || at-last.first < h.quantum {
			last.n += n
			return
		}
	}
	switch {
	case h.size < len(h.ring):
	case len(h.ring) < mostEntries:
		h.grow()
	default:
		h.coarsen(per)
	}
	h.size++
	*h.slot(h.size - 1) = entry{at, n}
}

func (h *history) grow() {
	ring := make([]entry, max(16, 2*len(h.ring)))
	for i := range h.size {
		ring[i] = *h.slot(i)
	}
	h.ring, h.head = ring, 0
}

// coarsen merges entries until half of them suffice for the whole window.
func (h *history) coarsen(per int64) {
	h.quantum = per/(mostEntries/2) + 1
	kept := 0
	for i := 1; i < h.size; i++ {
		e, last := *h.slot(i), h.slot(kept)
		if e.first-last.first < h.quantum {
			last.n += e.n
			continue
		}
		kept++
		*h.slot(kept) = e
	}
	h.size = kept + 1
}
