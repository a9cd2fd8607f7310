package cell

// Window is what is kept of a window of a dormant key: what its limits do not say.
type Window struct {
	large      *[]Entry // nil: the entries are in few
	Head, Size uint32   // the slot of the oldest entry; how many entries there are, empty ones too
	Gone       uint64   // the running total up to the last charge that has expired
	Total      uint64   // the running total up to the newest charge
	Opened     int64    // when the newest entry was made
	Latest     int      // what was charged at the moment of the newest entry itself; 0: not known
	Emptied    uint32   // at most so many entries are empty
	few        [fewEntries]Entry
	Rare       *Rare // nil: as of a new window
}

// fewEntries is how many entries of a window are in one piece of memory with its key. A call for one among many keys
// touches no other memory.
const fewEntries = 4

// Entry says that by the moment At, Total permits had been charged since the beginning. Totals wrap around; only
// differences matter.
type Entry struct {
	At    int64
	Total uint64
}

// Rare is what is needed of a window for few limits, or after few calls. See history in package scheduler.
type Rare struct {
	WideUntil, Retimed, VagueUntil int64
	Apart                          int64 // of a window that is reset, which spaces nothing, when moment 0 was
}

// Ring returns the slots of the entries.
func (w *Window) Ring() []Entry {
	if w.large != nil {
		return *w.large
	}
	return w.few[:]
}

// SetRing makes the slots those of a ring, where the entries are. If there are none, the window needs little memory.
func (w *Window) SetRing(ring []Entry) {
	switch {
	case w.Size == 0:
		w.Head, w.Emptied, w.large = 0, 0, nil
	case &ring[0] == &w.few[0]: // as before
	case w.large != nil:
		*w.large = ring
	default:
		large := ring // or every call would allocate
		w.large = &large
	}
}

// sum returns the permits charged and not yet expired.
func (w *Window) sum() int { return int(w.Total - w.Gone) }

// Newest returns the moment of the newest entry, of a window that has any.
func (w *Window) Newest() int64 {
	ring := w.Ring()
	return ring[w.slot(ring, w.Size-1)].At
}

// slot returns the slot of the i-th oldest entry.
func (w *Window) slot(ring []Entry, i uint32) uint32 {
	if i += w.Head; i >= uint32(len(ring)) {
		i -= uint32(len(ring))
	}
	return i
}

// Expire forgets what was charged until the moment or before.
func (w *Window) Expire(until int64) {
	for ring := w.Ring(); w.Size > 0 && ring[w.Head].At <= until; {
		w.Gone = ring[w.Head].Total
		w.Size--
		if w.Head++; w.Head == uint32(len(ring)) {
			w.Head = 0
		}
	}
}

// shares reports whether a charge goes into the newest entry, if that was opened at the moment or later.
func (w *Window) shares(since int64) bool { return w.Size > 0 && since <= w.Opened }

// hasSlot reports whether there is memory for one more charge.
func (w *Window) hasSlot(since int64) bool {
	return w.Size < uint32(len(w.Ring())) || w.shares(since)
}

// add charges n permits at now, where hasSlot is true.
func (w *Window) add(now, quantum int64, n int) {
	ring := w.Ring()
	w.Total += uint64(n)
	if !w.shares(now - quantum) {
		ring[w.slot(ring, w.Size)] = Entry{now, w.Total}
		w.Size++
		w.Opened, w.Latest = now, n
		return
	}
	newest := &ring[w.slot(ring, w.Size-1)]
	if newest.At != now {
		w.Latest = 0
	}
	w.Latest += n
	*newest = Entry{now, w.Total}
}
