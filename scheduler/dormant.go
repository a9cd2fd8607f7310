package scheduler

import "time"

// A scheduler's core and windows take more than a kilobyte, most of it for what is rarely used: lines of
// several flows, forecasts, costs. Of a key that nobody waits for and whose permits are all given back,
// little of that is in use. So what is kept of it is a cell, and a core is lent to it while somebody works
// with it. To wake a key copies a hundred bytes for each window, and moves what the windows remember.

// cell is what is kept of one key.
type cell struct {
	rules *rules
	live  *liveCore // nil: the key is dormant, and what follows is all there is

	granted, released, noPermit uint64
	rest                        *totals // what else was counted; nil: nothing
	windows                     []dormantWindow
}

// liveCore is a core that is lent to a key.
type liveCore struct {
	core
	own     bool            // the limits are not those of the rules
	foreign bool            // the core was changed in a way that other keys would notice
	stands  *representative // of the first ticket in line, in the line of the scheduler for all keys; nil: none
	warm    bool            // it is on the list of those that may be taken back
}

// dormantWindow is what is kept of a window: what its limits do not say.
type dormantWindow struct {
	ring                           []charge
	head, size, emptied            uint32
	gone, total                    uint64
	opened                         moment
	latest                         int
	wideUntil, retimed, vagueUntil moment
	apart                          moment
}

// newCell returns a cell for a key about which nothing is known.
func newCell(r *rules) *cell {
	if n := len(r.limits.Windows); n != 1 {
		c := &cell{rules: r}
		c.windows = make([]dormantWindow, n)
		c.init()
		return c
	}
	c := new(struct { // one piece of memory instead of two
		cell
		windows [1]dormantWindow
	})
	c.rules, c.cell.windows = r, c.windows[:]
	c.init()
	return &c.cell
}

func (c *cell) init() {
	for i, w := range c.rules.limits.Windows {
		c.windows[i].store(&window{Window: w, past: newPast(w)})
	}
}

// newPast is newHistory without a calendar, which belongs to the core.
func newPast(w Window) history {
	w.From = FromGrant
	return newHistory(w)
}

func (d *dormantWindow) store(w *window) {
	h := &w.past
	ring := h.ring
	if h.size == 0 {
		ring = nil
	}
	*d = dormantWindow{
		ring: ring, head: uint32(h.head), size: uint32(h.size), emptied: uint32(h.emptied),
		gone: h.gone, total: h.total, opened: h.opened, latest: h.latest,
		wideUntil: h.wideUntil, retimed: h.retimed, vagueUntil: h.vagueUntil,
		apart: w.apart,
	}
	if ring == nil {
		d.head, d.emptied = 0, 0
	}
	if h.reset != nil { // a window that is reset spaces nothing, so apart has room for when moment 0 was
		d.apart = moment(h.reset.epoch.UnixNano())
	}
	h.ring = nil
}

func (d *dormantWindow) load(w *window) {
	h := &w.past
	h.ring, h.tooHigh = d.ring, nil
	h.head, h.size, h.emptied = int(d.head), int(d.size), int(d.emptied)
	h.gone, h.total, h.opened, h.latest = d.gone, d.total, d.opened, d.latest
	h.wideUntil, h.retimed, h.vagueUntil = d.wideUntil, d.retimed, d.vagueUntil
	w.apart = d.apart
	if h.reset != nil {
		w.apart = 0
		if d.apart != 0 { // if the time of day was set meanwhile, the core learns that next
			h.reset.set(time.Unix(0, int64(d.apart)))
		}
	}
	d.ring = nil // it has one owner
}

// wake fills a core that is made for the cell's rules with what is kept of the key.
func (c *cell) wake(l *liveCore, now moment) {
	l.now, l.behind = now, 0
	for i := range l.windows {
		c.windows[i].load(&l.windows[i])
	}
	l.forget()
	l.granted = c.granted
	if c.rest != nil {
		l.totals = *c.rest
	} else {
		l.totals = totals{}
	}
	l.totals.released, l.totals.refused[reasonNoPermit] = c.released, c.noPermit
	c.live = l
}

// sleep keeps what is to be kept of the key, whose core must be idle, and returns the core.
func (c *cell) sleep() *liveCore {
	l := c.live
	for i := range l.windows {
		c.windows[i].store(&l.windows[i])
	}
	c.granted = l.granted
	t := l.totals
	c.released, c.noPermit = t.released, t.refused[reasonNoPermit]
	t.released, t.refused[reasonNoPermit] = 0, 0
	c.rest = nil
	if t != (totals{}) {
		rest := t
		c.rest = &rest
	}
	c.live = nil
	return l
}

// idle reports whether nobody waits and nothing is held.
func (c *core) idle() bool { return c.line.Len() == 0 && c.burst.held.IsZero() }

// canSleep reports whether all that must be kept of the key has a place in its cell.
func (l *liveCore) canSleep() bool {
	if l.own || !l.idle() || l.thinning || l.underway.counting || l.pause.paused(l.now) || l.quota != nil {
		return false
	}
	for i := range l.windows {
		if w := &l.windows[i]; w.observed.holds() || w.past.tooHigh != nil {
			return false
		}
	}
	return true
}

// forgettable returns the first instant at which the idle core is as one that was just made, apart from what
// it has counted. It is never if time alone does not make it so.
func (l *liveCore) forgettable() moment {
	if l.own || l.pause.halted {
		return never
	}
	at := max(l.now, l.pause.until)
	if l.quota != nil {
		at = max(at, l.quota.forgettable(l.now))
	}
	for i := range l.windows {
		w := &l.windows[i]
		if n := w.past.size; n > 0 {
			at = max(at, w.past.ring[w.past.slot(n-1)].at.after(w.past.per))
		}
		if w.observed.holds() {
			at = max(at, w.observed.latest.until, w.observed.longer.until)
		}
	}
	return at
}

// rules is what keys with the same limits have in common.
type rules struct {
	limits Limits
	text   string // the limits as a text
	cells  int    // how many keys have them
	spare  []*liveCore
}

// maxSpare is how many cores that nobody uses are kept.
const maxSpare = 64

// ruleBook finds the rules for limits.
type ruleBook struct {
	recent [4]*rules // those that were asked for last
	all    map[string]*rules
}

// find returns the rules for the limits, which are valid.
func (b *ruleBook) find(l Limits) *rules {
	for _, r := range b.recent {
		if r != nil && r.limits.equal(l) {
			return r
		}
	}
	text := l.String()
	r := b.all[text]
	if r == nil {
		r = &rules{limits: l.clone(), text: text}
		if b.all == nil {
			b.all = make(map[string]*rules)
		}
		b.all[text] = r
	}
	if last := b.recent[len(b.recent)-1]; last != nil && last.cells == 0 {
		delete(b.all, last.text)
	}
	copy(b.recent[1:], b.recent[:])
	b.recent[0] = r
	return r
}

// leave notes that a key with the rules is forgotten.
func (b *ruleBook) leave(r *rules) {
	if r.cells--; r.cells > 0 {
		return
	}
	for _, recent := range b.recent {
		if recent == r {
			return // it will be asked for again
		}
	}
	delete(b.all, r.text)
}

func (l Limits) equal(other Limits) bool {
	if l.MaxBurst != other.MaxBurst || len(l.Windows) != len(other.Windows) {
		return false
	}
	for i := range l.Windows {
		if l.Windows[i] != other.Windows[i] {
			return false
		}
	}
	return true
}
