package scheduler

import (
	"math"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/internal/weight"
)

// observation is what the server said of a window: at most left more permits until an instant. Grants use it
// up.
type observation struct {
	since moment
	until moment // 0: there is none
	left  int    // math.MaxInt if there is none
}

func (o *observation) grant(n int) {
	if o.until != 0 {
		o.left = max(o.left, math.MinInt+n) - n
	}
}

// settle notes that a grant used more than was thought. The server may or may not have counted the difference
// before it said what is left.
func (o *observation) settle(more int) { o.grant(more) }

// undo gives back a grant that the server has never seen. Of grants at the instant of the observation it is not
// known whether they were made after it.
func (o *observation) undo(at moment, n int) {
	if o.until != 0 && at > o.since {
		o.left += n
	}
}

// observed is the observations of a window that still hold: the latest until it ends, and after it the one that
// ends last. A late answer may be of a period that is over, and end in the middle of the next. Without the
// other one, nothing would then be left of what was said of the present period.
//
// The other leaves at least as much as the latest, so time alone never takes away what fits. Both are true,
// so each of them may be used after the latest has ended.
type observed struct {
	latest observation
	longer observation // ends after the latest
}

var unobserved = observed{observation{left: math.MaxInt}, observation{left: math.MaxInt}}

func (o *observed) holds() bool { return o.latest.until != 0 }

// add notes that the server grants at most left more permits until an instant. Some of these may already be
// granted here; sure of them are not. What is left of the observation before is more exact than sure, unless it
// is above left. Then others use the server's limit too.
func (o *observed) add(now moment, sure, left int, until moment) {
	if o.latest.left <= left {
		sure = max(sure, o.latest.left)
	}
	latest, longer := observation{now, until, sure}, o.longer
	if longer.until == 0 {
		longer = o.latest
	}
	switch {
	case longer.until <= until:
		longer = unobserved.longer
	case longer.left < sure:
		longer.since, longer.left = now, sure
	}
	o.latest, o.longer = latest, longer
}

// expire forgets what no longer holds.
func (o *observed) expire(now moment) {
	for o.holds() && o.latest.until <= now {
		o.latest, o.longer = o.longer, unobserved.longer
	}
}

func (o *observed) grant(n int) {
	o.latest.grant(n)
	o.longer.grant(n)
}

func (o *observed) undo(at moment, n int) {
	o.latest.undo(at, n)
	o.longer.undo(at, n)
}

func (o *observed) settle(more int) {
	o.latest.settle(more)
	o.longer.settle(more)
}

// roomAt returns the first instant from at on at which n permits fit behind those ahead.
func (o *observed) roomAt(at moment, ahead weight.Sum, n int) moment {
	for _, o := range []*observation{&o.latest, &o.longer} {
		if o.until != 0 && n > o.left-min(o.left, ahead.Saturated()) {
			at = max(at, o.until)
		}
	}
	return at
}

// underway counts the permits that the server may not have counted when it gave an answer that arrives now. The
// answer belongs to a ticket that is still held, and was given after that ticket was granted. So every ticket
// that was released before the oldest one still held was granted has been counted; of the others nothing is
// known.
//
// To remember each ticket would take memory without bound. Instead tickets belong to the round in which
// they are granted, and a round begins only when no ticket of the round before the last is held. Then
// the oldest ticket held is of the last two rounds, and what was held together with it is of the last
// three.
//
// Counting begins with the first observation, so that it costs nothing without one.
type underway struct {
	counting bool
	round    uint8           // modulo 3
	held     [3]weight.Sum   // permits
	granted  [3][]weight.Sum // of each round by column, given back or not
}

// start begins to count; held is in use already, by column.
func (u *underway) start(held []weight.Sum) {
	*u = underway{counting: true}
	u.held[0] = held[0]
	for i := range u.granted {
		u.granted[i] = make([]weight.Sum, len(held))
	}
	copy(u.granted[0], held)
}

// widen makes room for the given number of columns.
func (u *underway) widen(columns int) {
	for i := range u.granted {
		if more := columns - len(u.granted[i]); u.counting && more > 0 {
			u.granted[i] = append(u.granted[i], make([]weight.Sum, more)...)
		}
	}
}

// clear forgets the grants of a round.
func (u *underway) clear(round uint8) {
	u.held[round] = weight.Sum{}
	clear(u.granted[round])
}

// rounds returns the present round, the one before it and the one before that, modulo 3.
func (u *underway) rounds() (present, last, oldest uint8) {
	return u.round, (u.round + 2) % 3, (u.round + 1) % 3
}

func (u *underway) grant(p *line.Place, d demand) {
	p.Round = u.round
	u.held[u.round].Add(p.Weight)
	u.granted[u.round][0].Add(p.Weight)
	for i := range d.costs {
		u.granted[u.round][i+1].Add(d.in(i + 1))
	}
}

// settle notes that the ticket at p, which is held, cost n in a column and not what was thought.
func (u *underway) settle(p *line.Place, column, was, n int) {
	u.granted[p.Round][column].Subtract(was)
	u.granted[p.Round][column].Add(n)
}

// end notes that the ticket at p is no longer held. The place may serve another key next. If that begins to count later,
// all that it has granted before belongs to its first round, 0.
func (u *underway) end(p *line.Place) {
	u.held[p.Round].Subtract(p.Weight)
	p.Round = 0
	present, last, oldest := u.rounds()
	switch {
	case !u.held[last].IsZero():
	case u.held[present].IsZero():
		for i := range u.granted {
			u.clear(uint8(i))
		}
	default:
		u.round = oldest
		u.clear(oldest)
	}
}

// deductFrom returns what is left of n in a column for tickets to come, 0 or more. At least answered of the
// granted amount belongs to the ticket whose answer it is, and the server has counted that. If that ticket is
// the one at p and belongs to the present round, then all tickets of the oldest round had ended before its
// grant, so the server has counted them too. While nothing is held there is no round with a grant.
func (u *underway) deductFrom(n, column, answered int, p *line.Place) int {
	var uncounted weight.Sum
	_, _, oldest := u.rounds()
	for round := range u.granted {
		if p == nil || p.Round != u.round || uint8(round) != oldest {
			uncounted.AddSum(u.granted[round][column])
		}
	}
	return n - min(n, max(0, uncounted.Saturated()-answered))
}
