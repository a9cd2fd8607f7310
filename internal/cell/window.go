package cell

// Window is what is kept of a window of a dormant key: what its limits do not say.
type Window struct {
	Ring       []Entry
	Head, Size uint32 // the slot of the oldest entry; how many entries there are, empty ones too
	Emptied    uint32 // at most so many entries are empty
	Gone       uint64 // the running total up to the last charge that has expired
	Total      uint64 // the running total up to the newest charge
	Opened     int64  // when the newest entry was made
	Latest     int    // what was charged at the moment of the newest entry itself; 0: not known
	Rare       *Rare  // nil: NoneRare
}

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

// sum returns the permits charged and not yet expired.
func (w *Window) sum() int { return int(w.Total - w.Gone) }

// Slot returns the slot of the i-th oldest entry.
func (w *Window) Slot(i uint32) uint32 {
	if i += w.Head; i >= uint32(len(w.Ring)) {
		i -= uint32(len(w.Ring))
	}
	return i
}

// Expire forgets what was charged until the moment or before.
func (w *Window) Expire(until int64) {
	for w.Size > 0 && w.Ring[w.Head].At <= until {
		w.Gone = w.Ring[w.Head].Total
		w.Size--
		if w.Head++; w.Head == uint32(len(w.Ring)) {
			w.Head = 0
		}
	}
}

// shares reports whether a charge goes into the newest entry, if that was opened at the moment or later.
func (w *Window) shares(since int64) bool { return w.Size > 0 && since <= w.Opened }

// hasSlot reports whether there is memory for one more charge.
func (w *Window) hasSlot(since int64) bool {
	return w.Size < uint32(len(w.Ring)) || w.shares(since)
}

// add charges n permits at now, where hasSlot is true.
func (w *Window) add(now, quantum int64, n int) {
	w.Total += uint64(n)
	if !w.shares(now - quantum) {
		w.Ring[w.Slot(w.Size)] = Entry{now, w.Total}
		w.Size++
		w.Opened, w.Latest = now, n
		return
	}
	newest := &w.Ring[w.Slot(w.Size-1)]
	if newest.At != now {
		w.Latest = 0
	}
	w.Latest += n
	*newest = Entry{now, w.Total}
}
