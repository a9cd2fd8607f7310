package line

import "github.com/flowguard-go/flowguard/internal/weight"

// Ahead calls each with the places of the tickets that would be served before one with the given turn
// and flow that joined now, in their order, if no other ticket came or left. Meanwhile the lines must not
// change, and each must not call Ahead.
//
// It is for short lines only. It takes a pass over all flows and tickets, and where several flows wait,
// a step for each ticket that costs the logarithm of the number of flows. [Lines.WeightAhead] has a
// bound. Ahead keeps its working memory for the next call.
func (l *Lines) Ahead(t Turn, f *Flow, each func(*Place)) {
	if l.Alone(f) {
		for i := range l.Flows() {
			for p := l.at(i).first; p != nil; p = p.next {
				each(p)
			}
		}
		return
	}
	l.copyHeads(t, f)
	heads, turns := l.scratch, l.turns+1
	for i := len(heads)/2 - 1; i >= 0; i-- {
		heads.sink(i)
	}
	for heads[0].place != nil {
		h := &heads[0]
		each(h.place)
		turns++
		h.start, h.turn, h.place = h.finish, turns, h.place.next
		if h.place == nil && !h.joins {
			last := len(heads) - 1
			heads[0] = heads[last]
			heads = heads[:last]
		} else {
			l.finishOf(h)
		}
		heads.sink(0)
	}
	clear(l.scratch) // keeps no place from being collected
	l.scratch = l.scratch[:0]
}

// head is a flow's first ticket, as it will be at some time.
type head struct {
	start, finish point
	turn          uint64
	place         *Place // nil when it is the newcomer's turn
	joins         bool   // the newcomer joins this flow at the end
	newcomer      Turn
	share         int
}

// finishOf sets when the first ticket of a head ends.
func (l *Lines) finishOf(h *head) {
	turn := h.newcomer
	if h.place != nil {
		turn = l.Costs.turnOf(h.place)
	}
	h.finish = h.start.plus(takes(turn, h.share))
}

// copyHeads leaves in scratch the heads of all flows when a ticket with the given turn has joined f.
func (l *Lines) copyHeads(t Turn, f *Flow) {
	l.scratch = l.scratch[:0] // not empty if each has panicked
	own := l.find(f)
	if own == nil || own.length == 0 {
		own = nil
		l.scratch = append(l.scratch, head{start: l.present, turn: l.turns + 1, joins: true, newcomer: t, share: f.share()})
	}
	for i := range l.Flows() {
		q := l.at(i)
		h := head{start: q.start, turn: q.turn, place: q.first, share: q.Share}
		if q == own {
			h.joins, h.newcomer, h.share = true, t, f.share()
		}
		l.scratch = append(l.scratch, h)
	}
	for i := range l.scratch {
		l.finishOf(&l.scratch[i])
	}
}

// heads is a heap, the next to be served on top.
type heads []head

// sink moves the head at i down to where it belongs.
func (h heads) sink(i int) {
	for {
		next := 2*i + 1
		if next >= len(h) {
			return
		}
		if next+1 < len(h) && h[next+1].servedBefore(&h[next]) {
			next++
		}
		if !h[next].servedBefore(&h[i]) {
			return
		}
		h[i], h[next] = h[next], h[i]
		i = next
	}
}

func (h *head) servedBefore(other *head) bool {
	return h.finish.before(other.finish) || h.finish == other.finish && h.turn < other.turn
}

// WeightAhead looks at no more than so many flows, and at no more than so many tickets one by one.
const (
	aheadFlows   = 10_000
	aheadTickets = 10_000
)

// WeightAhead returns a lower bound of the total weight of the tickets that would be served before one
// with the given turn and flow that joined now, if no other ticket came or left. It returns math.MaxInt
// if the bound is larger than that.
//
// The bound is exact if no more than 10,000 flows wait and no more than 10,000 tickets must be looked at one by
// one. These are the tickets of flows that come only in part before the newcomer. If the newcomer's share is no
// power of two, they include the tickets of its own flow. If another ticket would end at the same virtual time
// as the newcomer, they include the tickets before both. Beyond these numbers the bound is lower.
//
// It costs a few nanoseconds for each flow and for each of those tickets, and it is O(1) if no other
// flow waits.
func (l *Lines) WeightAhead(t Turn, f *Flow) int {
	if l.waiting == 0 {
		return 0
	}
	own := l.find(f)
	if own == nil || own.length == 0 {
		own = nil
	} else if own == l.alone {
		return own.total.Saturated()
	}
	n := newcomer{lines: l, own: own, share: f.share(), start: l.present, budget: aheadTickets}
	if own != nil {
		n.join()
	}
	n.finish = n.start.plus(takes(t, n.share))
	for i := range min(l.Flows(), aheadFlows) {
		if q := l.at(i); q != own {
			n.addFlow(q)
		}
	}
	return n.ahead.Saturated()
}

// newcomer is a ticket that would join, with the tickets that are known to come before it.
type newcomer struct {
	lines         *Lines
	own           *queue // the line of its flow; nil if its flow does not wait
	share         int
	start, finish point
	budget        int // how many more tickets may be looked at
	ahead         weight.Sum
}

// join starts the newcomer when all of its own flow have been served.
func (n *newcomer) join() {
	own := n.own
	n.ahead = own.total
	switch {
	case dividesEvenly(n.share):
		n.start = own.start.plusTotal(own.turns, n.share)
	case own.length <= n.budget:
		n.budget -= own.length
		n.start = own.start
		for p := own.first; p != nil; p = p.next {
			n.start = n.start.plus(n.lines.takes(p, n.share))
		}
	default:
		// Too many to look at. This is earlier than it will be, so what ends now at the same time as the
		// newcomer comes before it, whatever turnAfter finds.
		n.start = own.start.plusTotal(own.turns, n.share).minus(span{0, uint64(own.length)})
	}
}

// addFlow adds the tickets of another flow that are served before the newcomer.
func (n *newcomer) addFlow(q *queue) {
	at := q.finish
	if q.rank == nil { // it was alone
		at = q.start.plus(n.lines.takes(q.first, q.Share))
	}
	if n.finish.before(at) {
		return
	}
	// An end at the same time as the newcomer's is early enough, because a ticket that is first now had its turn
	// before the newcomer.
	if q.length == 1 || q.start.plusTotal(q.turns, q.Share).before(n.finish) {
		n.ahead.AddSum(q.total)
		return
	}
	n.ahead.Add(q.first.Weight)
	for p := q.first.next; p != nil && n.budget > 0; p = p.next {
		n.budget--
		at = at.plus(n.lines.takes(p, q.Share))
		if !at.before(n.finish) && (at != n.finish || !n.turnAfter(q, p)) {
			return
		}
		n.ahead.Add(p.Weight)
	}
}

// turnAfter reports whether the turn of the newcomer comes after that of p, a ticket of q that ends at
// the same time and is not the first. A ticket has its turn when the one before it is served, so the
// question goes back along both flows, until one of them began earlier or its first ticket is reached.
func (n *newcomer) turnAfter(q *queue, p *Place) bool {
	if n.own == nil {
		return false
	}
	mine, other := n.own.last, p.prev // served before the newcomer, and before p
	atMine, atOther := n.start, n.finish.minus(n.lines.takes(p, q.Share))
	for ; n.budget > 0; n.budget-- {
		switch {
		case atMine != atOther:
			return atOther.before(atMine)
		case mine == n.own.first:
			return other == q.first && q.turn < n.own.turn
		case other == q.first:
			return true
		}
		atMine = atMine.minus(n.lines.takes(mine, n.share))
		atOther = atOther.minus(n.lines.takes(other, q.Share))
		mine, other = mine.prev, other.prev
	}
	return false
}
