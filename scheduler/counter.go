package scheduler

import (
	"math"
	"sync/atomic"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/internal/weight"
	"github.com/flowguard-go/flowguard/ticket"
)

// Where a burst is the only limit and no ticket waits, all that a ticket of weight 1 changes is two numbers:
// how many permits are free, and how many tickets there were. While the state is lent out these two are in one
// word, the counter, which callers change without borrowing the state. What gets the state, a borrower or the
// owner, first closes the counter and counts in what it says. So the core decides everything else, and what it
// knows is exact.
//
// Everything works the same without, only slower.
type counter struct {
	counts bool // false only in tests; then no state is given back as calm either

	// word has, from the highest bit: 1 if the counter is open, 20 bits for the free permits, 43 bits for the
	// number of the last ticket. It is 0 if the counter is closed. A change succeeds only if the word is as it was
	// read. The word is the whole state, so it does not matter what it was in between.
	word atomic.Uint64
}

const (
	counterOpen = 1 << 63
	numberBits  = 43
	lastNumber  = 1<<numberBits - 1
	oneFree     = 1 << numberBits
	mostFree    = counterOpen/oneFree - 1
)

// counting reports whether the counter is open, which it may not be any more.
func (c *counter) counting() bool { return c.word.Load() != 0 }

// take takes a permit and returns the number of its ticket, or 0 and whether that is because none is free.
func (c *counter) take() (number uint64, full bool) {
	for {
		w := c.word.Load()
		switch {
		case w < counterOpen, w&lastNumber == lastNumber:
			return 0, false
		case w < counterOpen+oneFree:
			return 0, true
		}
		if c.word.CompareAndSwap(w, w-oneFree+1) {
			return (w + 1) & lastNumber, false
		}
	}
}

// give gives a permit back, or returns false if the counter is closed.
func (c *counter) give() bool {
	for {
		w := c.word.Load()
		if w < counterOpen {
			return false
		}
		if c.word.CompareAndSwap(w, w+oneFree) {
			return true
		}
	}
}

// openCounter lets callers count for the core, if they can. The state is given back next.
func (st *state) openCounter(c *counter) {
	if !c.counts || !st.timeless() || !st.core.plain || st.core.draining || st.core.line.Len() > 0 {
		return
	}
	free, number := st.core.burst.max-st.core.burst.held.Saturated(), st.core.line.Issued()
	if st.core.burst.max > mostFree || free < 0 || number > lastNumber {
		return
	}
	c.word.Store(counterOpen + uint64(free)<<numberBits + number)
}

// closeCounter ends the counting and tells the core of it.
func (st *state) closeCounter(c *counter) {
	if c.word.Load() != 0 {
		w := c.word.Swap(0)
		st.core.countIn(int(w/oneFree&mostFree), w&lastNumber)
	}
}

// countIn notes that callers took permits one by one and gave some back, so that now so many are free and the
// last ticket has the number.
func (c *core) countIn(free int, number uint64) {
	granted := number - c.line.Issued()
	held := c.burst.max - free
	c.granted += granted
	c.totals.released += granted + uint64(c.burst.held.Saturated()) - uint64(held)
	c.burst.held = weight.Sum{}
	c.burst.held.Add(held)
	c.line.Skip(granted)
}

// countedPlace is the place of a ticket that was granted by the counter. Who changes its number to 0 has ended the
// ticket, and alone may touch the place until it serves another.
type countedPlace struct {
	number atomic.Uint64
	place  line.Place // for when the core takes the permit back
}

// Told implements [line.Listener]. The ticket was granted before its place was made.
func (*countedPlace) Told(error) {}

// TakeBack implements [line.Listener].
func (*countedPlace) TakeBack() bool { return false }

// countNow makes the zero ticket a granted one, if the counter can grant it. Full says that it is open and
// no permit is free.
func (h *Handle) countNow(t *ticket.Ticket) (granted, full bool) {
	number, full := h.box.counter.take()
	if number == 0 {
		return false, full
	}
	p, ok := h.shared.countedPlaces.Get().(*countedPlace)
	if !ok {
		p = new(countedPlace)
		p.place = line.PlaceFor(p)
	}
	p.number.Store(number)
	(*line.Handle)(t).GrantAs(&h.countedDesk, &p.place, number)
	return true, false
}

// countedDesk is the side of a Handle that counted tickets speak to.
type countedDesk Handle

// Release implements [line.Desk].
func (d *countedDesk) Release(place *line.Place, n uint64) {
	p := place.Listener().(*countedPlace)
	if !p.number.CompareAndSwap(n, 0) {
		return
	}
	if !d.box.counter.give() {
		place.Number, place.Weight, place.State, place.Round = n, 1, line.Holding, 0
		(*desk)(d).Release(place, n)
	}
	d.shared.countedPlaces.Put(p)
}

// Cancel implements [line.Desk]. The caller knows that the ticket was granted.
func (d *countedDesk) Cancel(place *line.Place, n uint64) { d.Release(place, n) }

// Settle implements [line.Desk]. The ticket named no unit, so the core has nothing to change, and says so.
func (d *countedDesk) Settle(place *line.Place, n uint64, costs *line.CostList) error {
	stand := line.Place{Number: n, Weight: 1, State: line.Holding, At: math.MinInt64}
	if place.Listener().(*countedPlace).number.Load() != n {
		stand.State = line.Idle
	}
	return (*desk)(d).Settle(&stand, n, costs)
}
