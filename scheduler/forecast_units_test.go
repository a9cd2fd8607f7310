package scheduler

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/ticket"
)

// longLine is a core with a long line of tickets that have costs, and who holds permits of it.
type longLine struct {
	core
	held []*line.Place
}

func newLongLine(l Limits) *longLine {
	c := new(longLine)
	c.core.epoch = twinEpoch
	c.core.init(l, unlimited, false)
	return c
}

func requestOf(f *line.Flow, weight int, costs ...ticket.Cost) *request {
	return &request{weight: weight, deadline: never, flow: f, costs: line.ListOf(costs)}
}

// enqueue lets a ticket wait, and grants what fits.
func (c *longLine) enqueue(r *request) *line.Place {
	p := line.NewPlace()
	if err := c.admits(r); err != nil {
		panic(err)
	}
	c.join(p, r)
	c.grant()
	return p
}

func (c *longLine) grant() {
	for p, _, _ := c.next(); p != nil; p, _, _ = c.next() {
		c.held = append(c.held, p)
	}
}

func (c *longLine) releaseAll() {
	for _, p := range c.held {
		c.release(p)
	}
	c.held = nil
}

// grantedAt lets time pass until the ticket is granted, and returns when that is. Everybody releases at once.
func (c *longLine) grantedAt(t *testing.T, p *line.Place) moment {
	c.releaseAll()
	for c.grant(); p.State == line.Queued; c.grant() {
		c.releaseAll()
		if c.grant(); p.State != line.Queued || len(c.held) > 0 {
			continue
		}
		at := c.wake()
		if at == never {
			t.Fatalf("%v: a line of %d never moves", c.limits, c.line.Len())
		}
		c.advance(at)
	}
	return c.now
}

// anyWindow returns a window of one of the units.
func anyWindow(r *rand.Rand, units ...Unit) Window {
	w := Window{Permits: 1 + r.IntN(20), Per: time.Duration(1 + r.IntN(300)), From: Instant(r.IntN(3)), Unit: units[r.IntN(len(units))]}
	switch w.From {
	case FromReset:
		w.Per = []time.Duration{10, 20, 25, 64, 250}[r.IntN(5)]
	case FromGrant:
		w.Evenly = r.IntN(3) == 0
	}
	return w
}

// Behind more than lookAhead tickets a forecast is never later than the grant, also for tickets that have costs,
// even spacing and resets.
func TestForecastOfALongLineWithCosts(t *testing.T) {
	seed := seed(t)
	tight, late := 0, 0
	for run := range rehearsals() {
		r := rand.New(rand.NewPCG(seed, uint64(run)))
		var l Limits
		for range 1 + r.IntN(3) {
			l.Windows = append(l.Windows, anyWindow(r, "", tokens, rows))
		}
		c, flows := newLongLine(l), rehearsedFlows(r)
		some := func(f *line.Flow) *request {
			costs := []ticket.Cost{}
			for _, col := range c.columns[1:] {
				if r.IntN(3) > 0 {
					costs = append(costs, col.unit.Of(r.IntN(col.most+1)))
				}
			}
			most, _ := l.tightest("")
			return requestOf(f, 1+r.IntN(min(most, 4)), costs...)
		}
		for c.line.Len() <= lookAhead && c.granted < 2_000 {
			switch r.IntN(8) {
			case 0:
				c.advance(c.now + moment(r.IntN(9)))
				c.grant()
			case 1:
				c.releaseAll()
				c.grant()
			case 2:
				w := l.Windows[r.IntN(len(l.Windows))]
				c.spend(w, 1+r.IntN(w.Permits))
			default:
				for range 8 {
					c.enqueue(some(someFlow(r, flows)))
				}
			}
		}
		if c.line.Len() <= lookAhead {
			continue // nothing makes them wait
		}
		req := some(otherFlow(r, flows))
		got, now := c.now.after(c.wait(req)), c.now
		want := c.grantedAt(t, c.enqueue(req))
		switch {
		case got > want:
			t.Fatalf("run %d: %v, weight %d and %v of %v: forecast %d, granted at %d, now %d", run, l, req.weight, req.costs.All(), req.flow, got, want, now)
		case got == want:
			tight++
		case got > now:
			late++
		}
	}
	t.Logf("%d forecasts were exact, %d more said something", tight, late)
	if tight == 0 || late == 0 {
		t.Error("the forecasts say nothing")
	}
}

// For one window of a unit, tickets that cost one each and one flow it is exact.
func TestForecastOfALongLineOfCostsOfOne(t *testing.T) {
	seed := seed(t)
	for run := range rehearsals() {
		r := rand.New(rand.NewPCG(seed, uint64(run)))
		w := anyWindow(r, tokens)
		if w.Evenly {
			w.Per = time.Duration(w.Permits * (1 + r.IntN(20))) // or spaces would be rounded one by one
		}
		c := newLongLine(Limits{Windows: []Window{w}})
		for c.line.Len() <= lookAhead+r.IntN(100) {
			c.enqueue(requestOf(nil, 1, tokens.Of(1)))
			if r.IntN(40) == 0 { // it names no tokens, so it does not count
				c.enqueue(requestOf(nil, 1+r.IntN(3), tokens.Of(0)))
			}
		}
		req := requestOf(nil, 1, tokens.Of(1))
		got, now := c.now.after(c.wait(req)), c.now
		if want := c.grantedAt(t, c.enqueue(req)); got != want {
			t.Fatalf("run %d: %v: forecast %d, granted at %d, now %d", run, w, got, want, now)
		}
	}
}

// For one window of permits, tickets of weight 1 and several flows it is exact too, because turns are by costs
// here as they are when tickets are granted. The window of tokens is never full, and only its rate matters.
func TestForecastOfALongLineOfTurns(t *testing.T) {
	seed := seed(t)
	longer := 0
	for run := range 3 * rehearsals() { // costs make a difference in a fifth of them
		r := rand.New(rand.NewPCG(seed, uint64(run)))
		w := anyWindow(r, "")
		w.Evenly = false
		c, flows := newLongLine(Limits{Windows: []Window{w, tokens.Per(1_000_000, 100_000)}}), rehearsedFlows(r)
		for c.line.Len() <= lookAhead+r.IntN(100) {
			c.enqueue(requestOf(someFlow(r, flows), 1, tokens.Of(r.IntN(1_000))))
		}
		f := otherFlow(r, flows)
		plain := c.wait(requestOf(f, 1))
		req := requestOf(f, 1, tokens.Of(1_000))
		got, now := c.now.after(c.wait(req)), c.now
		if c.now.after(plain) < got {
			longer++
		}
		if want := c.grantedAt(t, c.enqueue(req)); got != want {
			t.Fatalf("run %d: %v: forecast %d, granted at %d, now %d", run, c.limits, got, want, now)
		}
	}
	if longer == 0 {
		t.Error("costs make no difference")
	}
}
