package scheduler

import "iter"

// forecast answers when a ticket taken now could be granted: it lets copies of the windows run ahead
// through the line as it stands. Grants depend on windows alone there: whoever must release first is
// taken to release at once, so where the burst or a window that counts from release decides, the
// answer is a lower bound. Where windows that count from grant decide, it is exact.
//
// Running ahead costs one pass over the line. Where one flow waits, the result is kept and extended as
// tickets join its line, until anything else happens.
type forecast struct {
	ahead []window // as they will be when the last in line has been granted
	made  bool     // ahead is up to date with the line
	asOf  instant  // when it was made
	first instant  // when the head of the line is granted
	last  instant  // when the tail of the line is granted
	limit int      // index of the window that decides last; -1 if none
}

// forget makes the next question run through the line again.
func (f *forecast) forget() { f.made = false }

// current reports whether what was found out still holds at now.
func (f *forecast) current(now instant, windows []window) bool {
	if !f.made {
		return false
	}
	if f.asOf == now {
		return true
	}
	// While the head of the line need not have moved, only the permits that could be released "at
	// once" make the answer depend on the present.
	if f.first <= now {
		return false
	}
	for i := range windows {
		if windows[i].held > 0 {
			return false
		}
	}
	return true
}

// run lets the windows run ahead through a line of tickets of the given weights, of which none is
// granted before start.
func (f *forecast) run(now, start instant, windows []window, line iter.Seq[int]) {
	if f.ahead == nil {
		f.ahead = make([]window, len(windows))
	}
	for i := range windows {
		w := &f.ahead[i]
		past := w.past
		*w = windows[i]
		past.copyFrom(&windows[i].past)
		w.past = past
		if w.held > 0 {
			w.past.add(now, w.held)
			w.held = 0
		}
	}
	f.made, f.asOf, f.first, f.last, f.limit = true, now, never, start, -1
	for n := range line {
		f.join(n)
	}
}

// join lets a ticket of weight n join the line.
func (f *forecast) join(n int) {
	f.last, f.limit = f.next(n)
	f.first = min(f.first, f.last)
	if f.last == never {
		return // so far off that nothing behind it can be told apart
	}
	for i := range f.ahead {
		f.ahead[i].past.expire(f.last)
		f.ahead[i].past.add(f.last, n)
	}
}

// next returns when a ticket of weight n behind all others would be granted, and which window
// decides that.
func (f *forecast) next(n int) (at instant, limit int) {
	if f.last == never {
		return never, f.limit
	}
	at, limit, _ = roomAt(f.ahead, f.last, n)
	if limit < 0 {
		limit = f.limit
	}
	return at, limit
}

// roomAt returns the earliest instant, not before now, at which n permits fit into all windows, the
// window that decides it (-1 if they fit now), and whether somebody must first release.
func roomAt(windows []window, now instant, n int) (at instant, limit int, release bool) {
	at, limit = now, -1
	for i := range windows {
		room, held := windows[i].roomAt(now, n)
		release = release || held
		if room > at {
			at, limit = room, i
		}
	}
	return at, limit, release
}
