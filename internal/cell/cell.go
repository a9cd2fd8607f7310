// Package cell has what is kept of one key of many. A scheduler's core and windows take more than a kilobyte, most
// of it for what is rarely used: lines of several flows, forecasts, costs. A key without waiting tickets uses
// little of that. So it is kept as a [Cell], and gets a core of package scheduler only for the time of a call. Most
// calls need none: they name no costs and have room, and the key's limits are simple. Then the cell decides itself.
//
// Everything here is plain data that is told the time. Times are nanoseconds since the owner began to count. The
// code that decides repeats what the cores of package scheduler do. A test there compares the two.
package cell

import "math"

// Cell is what is kept of one key. The zero Cell is that of no key.
type Cell struct {
	Rules *Rules // nil: no key, or a forgotten one
	Live  *Link  // to the core that is lent to the key; nil: the key is dormant, and what follows is all there is

	// What most calls touch comes first.
	Held              int // weight granted and not released
	Granted, Released uint64
	First             Window

	more     *[]Window // but the first; nil: none
	NoPermit uint64
	Rest     *Link // to what else was counted; nil: nothing
}

// Link leads to what this package does not know.
type Link struct{ To any }

// Rules is what keys with the same limits have in common.
type Rules struct {
	Simple   bool // cells decide by themselves: windows count permits from grant, and none is spaced
	MaxBurst int  // 0: none
	Windows  []Limit
	Link     // to the limits
}

// Limit says how many permits a window of simple rules has.
type Limit struct {
	Permits      int
	Per, Quantum int64 // charges up to a quantum apart share an entry
}

// Register is what all keys of one owner have in common: the time, and the number of the last ticket.
type Register struct {
	Read   int64 // what the clock showed last
	Latest int64 // the time, which stands still while the clock is behind
	Issued uint64
}

// SetTime moves the time on to what the clock shows.
func (r *Register) SetTime(reading int64) {
	r.Read = reading
	r.Latest = max(r.Latest, reading)
}

// Init makes the zero Cell that of a key with the rules, about which nothing is known.
func (c *Cell) Init(r *Rules) {
	c.Rules = r
	if n := len(r.Windows); n > 1 {
		more := make([]Window, n-1)
		c.more = &more
	}
}

// Window returns what is kept of the i-th window.
func (c *Cell) Window(i int) *Window {
	if i == 0 {
		return &c.First
	}
	return &(*c.more)[i-1]
}

// Decides reports whether the cell can decide by itself about a weight.
func (c *Cell) Decides(weight int) bool { return c.Dormant() && weight > 0 }

// Dormant reports whether the key is dormant and its rules are simple.
func (c *Cell) Dormant() bool { return c.Live == nil && c.Rules.Simple }

// Charge charges all limits for n permits and reports whether they had room, but does not hold the permits. If it
// is not known whether there is room, or there is no memory to note the charge, decided is false. What is not
// charged has changed nothing that counts.
func (c *Cell) Charge(now int64, n int) (charged, decided bool) {
	if most := c.Rules.MaxBurst; most > 0 && n > most-c.Held {
		return false, true
	}
	for i := range c.Rules.Windows {
		l, w := &c.Rules.Windows[i], c.Window(i)
		w.Expire(now - l.Per)
		switch {
		case n > l.Permits-w.sum():
			return false, true
		case !w.hasSlot(now - l.Quantum):
			return false, false
		}
	}
	if n > math.MaxInt-1-c.Held {
		return false, false
	}
	for i := range c.Rules.Windows {
		c.Window(i).add(now, c.Rules.Windows[i].Quantum, n)
	}
	c.Granted++
	return true, true
}

// Forgettable returns the first instant at which the windows remember nothing.
func (c *Cell) Forgettable(now int64) int64 {
	for i := range c.Rules.Windows {
		if w := c.Window(i); w.Size > 0 {
			now = max(now, w.Newest()+c.Rules.Windows[i].Per)
		}
	}
	return now
}
