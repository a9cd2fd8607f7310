package scheduler

import (
	"math"
	"time"

	"github.com/flowguard-go/flowguard/internal/weight"
)

// A scheduler's core and windows take more than a kilobyte, most of it for what is rarely used: lines of
// several flows, forecasts, costs. A key without waiting tickets uses little of that. So the key is kept as a
// cell, and gets a core only for the time of a call. To wake a key copies a hundred bytes for each window, and
// moves what the windows remember. Most tries do not wake the key; see seatfast.go.

// cell is what is kept of one key.
type cell struct {
	rules *rules
	live  *liveCore // nil: the key is dormant, and what follows is all there is

	// What most tries touch comes first. A key with one window has all that it remembers of it in one piece of memory.
	held               int // weight granted and not released
	granted            uint64
	first              dormantWindow
	more               []dormantWindow // but the first
	released, noPermit uint64
	rest               *totals // what else was counted; nil: nothing
}

// window returns what is kept of the i-th window.
func (c *cell) window(i int) *dormantWindow {
	if i == 0 {
		return &c.first
	}
	return &c.more[i-1]
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
	ring                []charge
	head, size, emptied uint32
	gone, total         uint64
	opened              moment
	latest              int
	rare                *rareMoments // nil: noMoments
}

// rareMoments are those of a window that are needed for few limits, or after few calls.
type rareMoments struct {
	wideUntil, retimed, vagueUntil moment
	apart                          moment // of a window that is reset, which spaces nothing, when moment 0 was
}

// noMoments are those of a window that is new.
var noMoments = rareMoments{wideUntil: math.MinInt64, retimed: math.MinInt64, vagueUntil: -1}

// firstCharges is how many charges are kept in one piece of memory with the cell of a key with one window. A try
// of one among many keys then touches no other memory for them.
const firstCharges = 4

// newCell returns a cell for a key about which nothing is known.
func newCell(r *rules) *cell {
	windows := r.limits.Windows
	if len(windows) != 1 {
		c := &cell{rules: r}
		if len(windows) > 1 {
			c.more = make([]dormantWindow, len(windows)-1)
		}
		c.init()
		return c
	}
	c := new(struct { // one piece of memory instead of two
		cell
		charges [firstCharges]charge
	})
	c.rules = r
	c.init()
	c.first.ring = c.charges[:min(firstCharges, windows[0].Permits)]
	return &c.cell
}

func (c *cell) init() {
	for i, w := range c.rules.limits.Windows {
		c.window(i).store(&window{Window: w, past: newPast(w)})
	}
}

// newPast is newHistory without a calendar, which belongs to the core.
func newPast(w Window) history {
	w.From = FromGrant
	return newHistory(w)
}

func (d *dormantWindow) store(w *window) {
	h := &w.past
	*d = dormantWindow{
		ring: h.ring, head: uint32(h.head), size: uint32(h.size), emptied: uint32(h.emptied),
		gone: h.gone, total: h.total, opened: h.opened, latest: h.latest, rare: d.rare,
	}
	if h.size == 0 {
		if d.head, d.emptied = 0, 0; len(h.ring) > firstCharges {
			d.ring = nil
		}
	}
	h.ring = nil
	rare := rareMoments{h.wideUntil, h.retimed, h.vagueUntil, w.apart}
	if h.reset != nil {
		rare.apart = moment(h.reset.epoch.UnixNano())
	}
	switch {
	case d.rare != nil:
		*d.rare = rare
	case rare != noMoments:
		d.rare = &rare
	}
}

func (d *dormantWindow) load(w *window) {
	h := &w.past
	h.ring, h.tooHigh = d.ring, nil
	h.head, h.size, h.emptied = int(d.head), int(d.size), int(d.emptied)
	h.gone, h.total, h.opened, h.latest = d.gone, d.total, d.opened, d.latest
	rare := &noMoments
	if d.rare != nil {
		rare = d.rare
	}
	h.wideUntil, h.retimed, h.vagueUntil = rare.wideUntil, rare.retimed, rare.vagueUntil
	w.apart = rare.apart
	if h.reset != nil {
		w.apart = 0
		if rare.apart != 0 { // if the time of day was set meanwhile, the core learns that next
			h.reset.set(time.Unix(0, int64(rare.apart)))
		}
	}
	d.ring = nil // it has one owner
}

// wake fills a core that is made for the cell's rules with what is kept of the key.
func (c *cell) wake(l *liveCore, now moment) {
	l.now, l.behind = now, 0
	for i := range l.windows {
		c.window(i).load(&l.windows[i])
	}
	l.forget()
	l.burst.held = weight.Sum{Low: uint64(c.held)}
	l.granted = c.granted
	if c.rest != nil {
		l.totals = *c.rest
	} else {
		l.totals = totals{}
	}
	l.totals.released, l.totals.refused[reasonNoPermit] = c.released, c.noPermit
	c.live = l
}

// sleep keeps what is to be kept of the key, whose core canSleep, and returns the core.
func (c *cell) sleep() *liveCore {
	l := c.live
	c.held = l.burst.held.Saturated()
	for i := range l.windows {
		c.window(i).store(&l.windows[i])
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

// idle reports whether no ticket waits and no permit is held.
func (c *core) idle() bool { return c.line.Len() == 0 && c.burst.held.IsZero() }

// canSleep reports whether all that must be kept of the key has a place in its cell.
func (l *liveCore) canSleep() bool {
	if l.own || l.line.Len() > 0 || l.thinning || l.underway.counting || l.pause.paused(l.now) || l.quota != nil {
		return false
	}
	if held := l.burst.held; !held.IsZero() && (!l.plain || l.countsReleases || held.Saturated() == math.MaxInt) {
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
	fast   fastRules
}

// maxSpare is how many unused cores are kept.
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
		r = &rules{limits: l.clone(), text: text, fast: newFastRules(l)}
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
