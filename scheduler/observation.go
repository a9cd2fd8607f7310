package scheduler

import (
	"math"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/internal/weight"
)

// observation is what the far side said of a window: at most left more permits until an instant. Grants
// use it up.
type observation struct {
	since moment
	until moment // 0: there is none
	left  int
}

// unobserved says nothing.
var unobserved = observation{left: math.MaxInt}

func (o *observation) holds() bool { return o.until != 0 }

func (o *observation) grant(n int) {
	if o.holds() {
		o.left -= n
	}
}

// undo gives back a grant that the far side has never seen. Of grants at the instant of the
// observation it is not known whether they were made after it.
func (o *observation) undo(at moment, n int) {
	if o.holds() && at > o.since {
		o.left += n
	}
}

// fits reports whether n more permits fit behind those foreseen.
func (o *observation) fits(ahead *foreseen, n int) bool {
	return n <= o.left-min(o.left, ahead.weight().Saturated())
}

// underway counts the permits that the far side may not have counted when it gave an answer that
// arrives now. The answer belongs to a ticket that is still held, and was given after that ticket was
// granted. So every ticket that was released before the oldest one still held was granted has been
// counted; of the others nothing is known.
//
// To remember each ticket would take memory without bound. Instead tickets belong to the round in which
// they are granted, and a round begins only when no ticket of the round before the last is held. Then
// the oldest ticket held is of the last two rounds, and what was held together with it is of the last
// three.
//
// Counting begins with the first observation, so that it costs nothing without one.
type underway struct {
	counting bool
	round    uint8 // modulo 3
	held     [3]weight.Sum
	granted  [3]weight.Sum // of each round, given back or not
}

// start begins to count; held is in use already.
func (u *underway) start(held weight.Sum) {
	*u = underway{counting: true}
	u.held[0], u.granted[0] = held, held
}

// rounds returns the present round, the one before it and the one before that, modulo 3.
func (u *underway) rounds() (present, last, oldest uint8) {
	return u.round, (u.round + 2) % 3, (u.round + 1) % 3
}

func (u *underway) grant(p *line.Place) {
	p.Round = u.round
	u.held[u.round].Add(p.Weight)
	u.granted[u.round].Add(p.Weight)
}

// end notes that the ticket at p is no longer held.
func (u *underway) end(p *line.Place) {
	u.held[p.Round].Subtract(p.Weight)
	present, last, oldest := u.rounds()
	switch {
	case !u.held[last].IsZero():
	case u.held[present].IsZero():
		u.start(weight.Sum{})
	default:
		u.round = oldest
		u.held[oldest], u.granted[oldest] = weight.Sum{}, weight.Sum{}
	}
}

// deductFrom returns what is left of n for tickets to come, 0 or more. At least one permit belongs to the
// ticket whose answer it is, and the far side has counted that.
func (u *underway) deductFrom(n int) int {
	present, last, oldest := u.rounds()
	uncounted := u.granted[present]
	switch {
	case !u.held[last].IsZero():
		uncounted.AddSum(u.granted[last])
		uncounted.AddSum(u.granted[oldest])
	case !u.held[present].IsZero():
		uncounted.AddSum(u.granted[last])
	default:
		return n
	}
	return n - min(n, uncounted.Saturated()-1)
}
