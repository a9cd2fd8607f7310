package scheduler

import (
	"math"
	"time"

	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/internal/line"
)

// A reader may skip this file: everything works the same without it, only slower. Most calls for a key find it
// dormant, name no costs and have room. If the key's limits are simple, its cell then decides itself, and no
// core is lent to it. Otherwise it decides nothing and changes nothing. dormantWindow.add does what history.add
// does, and a test compares the two.

// fastRules is what a cell needs of its limits to decide by itself.
type fastRules struct {
	simple    bool // windows count permits from grant, and none is spaced
	maxBurst  int  // 0: none
	maxWeight int  // the largest weight that every limit can hold
	windows   []fastWindow
}

type fastWindow struct {
	permits      int
	per, quantum moment
}

func newFastRules(l Limits) fastRules {
	f := fastRules{simple: true, maxBurst: l.MaxBurst}
	f.maxWeight, _ = l.tightest("")
	for _, w := range l.Windows {
		f.simple = f.simple && w.Unit == "" && w.From == FromGrant && !w.Evenly
		f.windows = append(f.windows, fastWindow{w.Permits, moment(w.Per), newPast(w).quantum})
	}
	return f
}

// decides reports whether the cell can decide by itself about a weight.
func (c *cell) decides(weight int) bool {
	return c.live == nil && c.rules.fast.simple && 0 < weight && weight <= c.rules.fast.maxWeight
}

// fits reports whether there is room for n permits. If that is not known, or there is no memory to note the
// permits, decided is false.
func (c *cell) fits(now moment, n int) (fits, decided bool) {
	f := &c.rules.fast
	for i := range f.windows {
		w, d := &f.windows[i], c.window(i)
		d.expire(now - w.per)
		if n > w.permits-int(d.total-d.gone) {
			return false, true
		}
		if !d.hasSlot(now - w.quantum) {
			return false, false
		}
	}
	return f.maxBurst == 0 || n <= f.maxBurst-c.held, n <= math.MaxInt-1-c.held
}

// charge charges all limits for n permits, which fit, but does not hold them.
func (c *cell) charge(now moment, n int) {
	f := &c.rules.fast
	for i := range f.windows {
		c.window(i).add(now, f.windows[i].quantum, n)
	}
	c.granted++
}

// forgettable is that of a core.
func (c *cell) forgettable(now moment) moment {
	f := &c.rules.fast
	for i := range f.windows {
		if d := c.window(i); d.size > 0 {
			now = max(now, d.ring[d.slot(d.size-1)].at.after(time.Duration(f.windows[i].per)))
		}
	}
	return now
}

func (d *dormantWindow) slot(i uint32) uint32 {
	if i += d.head; i >= uint32(len(d.ring)) {
		i -= uint32(len(d.ring))
	}
	return i
}

// expire forgets what was charged until the moment or before.
func (d *dormantWindow) expire(until moment) {
	for d.size > 0 && d.ring[d.head].at <= until {
		d.gone = d.ring[d.head].total
		d.size--
		if d.head++; d.head == uint32(len(d.ring)) {
			d.head = 0
		}
	}
}

// shares reports whether a charge goes into the newest entry, if that was opened at the moment or later.
func (d *dormantWindow) shares(since moment) bool { return d.size > 0 && since <= d.opened }

// hasSlot reports whether there is memory for one more charge.
func (d *dormantWindow) hasSlot(since moment) bool {
	return d.size < uint32(len(d.ring)) || d.shares(since)
}

// add charges n permits at now, where hasSlot is true.
func (d *dormantWindow) add(now, quantum moment, n int) {
	d.total += uint64(n)
	if !d.shares(now - quantum) {
		d.ring[d.slot(d.size)] = charge{now, d.total}
		d.size++
		d.opened, d.latest = now, n
		return
	}
	newest := &d.ring[d.slot(d.size-1)]
	if newest.at != now {
		d.latest = 0
	}
	d.latest += n
	*newest = charge{now, d.total}
}

// decidesFor reports whether the cell of a dormant key decides about a request.
func (s *seat) decidesFor(c *cell, r inside.Request) bool {
	return c.decides(r.Weight) && r.Costs == nil && !s.draining && s.within == nil && s.quota == nil && r.Deadline >= int64(s.latest)
}

// TakeDormant grants a ticket of a dormant key, and returns its place, if that needs no core. If it is for a try, it
// may also decide that there is no permit. If nothing is decided, another method of the seat decides.
func (s *seat) TakeDormant(of inside.Cell, r inside.Request, try bool) (p *line.Place, decided bool) {
	c := of.(*cell)
	if !s.decidesFor(c, r) {
		return nil, false
	}
	fits, decided := c.fits(s.latest, r.Weight)
	switch {
	case !decided:
		return nil, false
	case !fits:
		if try {
			c.noPermit++
		}
		return nil, try
	}
	last := len(s.idle) - 1
	if last >= 0 {
		p, s.idle = s.idle[last], s.idle[:last]
	} else {
		p = s.place()
	}
	s.issued++
	p.Number, p.Weight, p.State, p.At = s.issued, r.Weight, line.Holding, int64(s.latest)
	c.charge(s.latest, r.Weight)
	c.held += r.Weight
	return p, true
}

// PassDormant is Pass for a dormant key, if that needs no core.
func (s *seat) PassDormant(of inside.Cell, r inside.Request) (passed bool, left inside.Standing) {
	c := of.(*cell)
	if !s.decidesFor(c, r) {
		return false, left
	}
	if fits, decided := c.fits(s.latest, r.Weight); !fits || !decided {
		return false, left
	}
	c.charge(s.latest, r.Weight)
	c.released++
	return true, s.standing(c)
}

// ReleaseDormant is Release for a dormant key, if that needs no core.
func (s *seat) ReleaseDormant(of inside.Cell, p *line.Place, n uint64) (left inside.Standing, done bool) {
	c := of.(*cell)
	if c.live != nil || !c.rules.fast.simple || s.within != nil {
		return left, false
	}
	if p.Number == n && p.State == line.Holding {
		c.held -= p.Weight
		c.released++
		p.State = line.Idle
		if p.Reused {
			s.keep(p)
		}
	}
	return s.standing(c), true
}

// keep keeps an idle place for another ticket.
func (s *seat) keep(p *line.Place) {
	if len(s.idle) < cap(s.idle) {
		s.idle = append(s.idle, p)
	} else {
		s.places.Put(p)
	}
}

// LookAtDormant is Open and then Leave for a dormant key, if that needs no core.
func (s *seat) LookAtDormant(of inside.Cell) (left inside.Standing, done bool) {
	c := of.(*cell)
	if c.live != nil || !c.rules.fast.simple {
		return left, false
	}
	return s.standing(c), true
}

// standing says how a dormant key is left.
func (s *seat) standing(c *cell) inside.Standing {
	if c.held > 0 {
		return inside.Standing{At: inside.Never, Busy: true}
	}
	at := c.forgettable(s.latest)
	return inside.Standing{At: int64(at), Forget: at <= s.latest}
}
