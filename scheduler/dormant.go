package scheduler

import (
	"math"
	"time"

	"github.com/flowguard-go/flowguard/internal/cell"
	"github.com/flowguard-go/flowguard/internal/weight"
)

// A key of package keyed without waiting tickets is kept as a cell, and gets a core for the time of a call. To wake a
// key copies a hundred bytes for each window, and moves what the windows remember. Most calls do not wake it: its
// cell decides itself. See package cell.

// liveCore is a core that is lent to a key.
type liveCore struct {
	core
	cell.Link                 // to itself
	own       bool            // the limits are not those of the rules
	foreign   bool            // the core was changed in a way that other keys would notice
	stands    *representative // of the first ticket in line, in the line of the scheduler for all keys; nil: none
	warm      bool            // it is on the list of those that may be taken back
}

// live returns the core that is lent to a key, or nil.
func live(c *cell.Cell) *liveCore {
	if c.Live == nil {
		return nil
	}
	return c.Live.To.(*liveCore)
}

// noneRare are the rare moments of a window that is new.
var noneRare = cell.Rare{WideUntil: math.MinInt64, Retimed: math.MinInt64, VagueUntil: -1}

// newPast is newHistory without a calendar, which belongs to the core.
func newPast(w Window) history {
	w.From = FromGrant
	return newHistory(w)
}

// storeWindow keeps what is to be kept of a window.
func storeWindow(d *cell.Window, w *window) {
	h := &w.past
	d.Head, d.Size, d.Emptied = uint32(h.head), uint32(h.size), uint32(h.emptied)
	d.Gone, d.Total, d.Opened, d.Latest = h.gone, h.total, int64(h.opened), h.latest
	d.SetRing(h.ring)
	rare := cell.Rare{WideUntil: int64(h.wideUntil), Retimed: int64(h.retimed), VagueUntil: int64(h.vagueUntil), Apart: int64(w.apart)}
	if h.reset != nil {
		rare.Apart = h.reset.epoch.UnixNano()
	}
	switch {
	case d.Rare != nil:
		*d.Rare = rare
	case rare != noneRare:
		kept := rare // or every call would allocate
		d.Rare = &kept
	}
}

// loadWindow gives a window of a core what is kept of it.
func loadWindow(d *cell.Window, w *window) {
	h := &w.past
	h.ring, h.tooHigh = d.Ring(), nil
	h.head, h.size, h.emptied = int(d.Head), int(d.Size), int(d.Emptied)
	h.gone, h.total, h.opened, h.latest = d.Gone, d.Total, moment(d.Opened), d.Latest
	rare := &noneRare
	if d.Rare != nil {
		rare = d.Rare
	}
	h.wideUntil, h.retimed, h.vagueUntil = moment(rare.WideUntil), moment(rare.Retimed), moment(rare.VagueUntil)
	w.apart = moment(rare.Apart)
	if h.reset != nil {
		w.apart = 0
		if rare.Apart != 0 { // if the time of day was set meanwhile, the core learns that next
			h.reset.set(time.Unix(0, rare.Apart))
		}
	}
}

// load fills the core, which is made for the cell's rules, with what is kept of the key.
func (l *liveCore) load(c *cell.Cell, now moment) {
	l.now, l.behind = now, 0
	for i := range l.windows {
		loadWindow(c.Window(i), &l.windows[i])
	}
	l.forget()
	l.burst.held = weight.Sum{Low: uint64(c.Held)}
	l.granted = c.Granted
	if c.Rest != nil {
		l.totals = c.Rest.To.(totals)
	} else {
		l.totals = totals{}
	}
	l.totals.released, l.totals.refused[reasonNoPermit] = c.Released, c.NoPermit
	l.To = l
	c.Live = &l.Link
}

// store keeps in the cell what is to be kept of the key, whose core canSleep.
func (l *liveCore) store(c *cell.Cell) {
	c.Held = l.burst.held.Saturated()
	for i := range l.windows {
		storeWindow(c.Window(i), &l.windows[i])
	}
	c.Granted = l.granted
	t := l.totals
	c.Released, c.NoPermit = t.released, t.refused[reasonNoPermit]
	t.released, t.refused[reasonNoPermit] = 0, 0
	c.Rest = nil
	if t != (totals{}) {
		c.Rest = &cell.Link{To: t}
	}
	c.Live = nil
}

// idle reports whether no ticket waits and no permit is held.
func (c *core) idle() bool { return c.line.Len() == 0 && c.burst.held.IsZero() }

// canSleep reports whether all that must be kept of the key has a place in its cell. Of what is under way for observations
// nothing must be kept while no permit is held.
func (l *liveCore) canSleep() bool {
	if l.own || l.line.Len() > 0 || l.thinning || l.pause.paused(l.now) || l.quota != nil {
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
			at = max(at, w.past.at(w.past.slot(n-1)).after(w.past.per))
		}
		if w.observed.holds() {
			at = max(at, w.observed.latest.until, w.observed.longer.until)
		}
	}
	return at
}

// rules is what keys with the same limits have in common.
type rules struct {
	cell.Rules
	limits Limits
	text   string // the limits as a text
	cells  int    // how many keys have them
	spare  []*liveCore
}

func newRules(l Limits) *rules {
	r := &rules{limits: l.clone(), text: l.String()}
	r.To = r
	r.Simple, r.MaxBurst = true, l.MaxBurst
	for _, w := range l.Windows {
		r.Simple = r.Simple && w.Unit == "" && w.From == FromGrant && !w.Evenly
		r.Windows = append(r.Windows, cell.Limit{Permits: w.Permits, Per: int64(w.Per), Quantum: int64(newPast(w).quantum)})
	}
	return r
}

// rulesOf returns the rules of a key.
func rulesOf(c *cell.Cell) *rules { return c.Rules.To.(*rules) }

// maxSpare is how many unused cores are kept.
const maxSpare = 16

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
		r = newRules(l)
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
