package line

import (
	"container/heap"
	"iter"
)

// Flow names one of several lines. Tickets of a flow are served in the order in which they came. Flows that
// wait take turns in proportion to their shares. Tickets without a flow belong to the flow with the empty key
// and a share of 1. A nil *Flow means the same.
type Flow struct {
	Key   string
	Share int // 1 to MaxShare. If tickets of a flow come with different shares, the latest counts.
}

// MaxShare is the largest share a flow can have.
const MaxShare = 1_000_000

// Name returns the key, "" for a nil Flow.
func (f *Flow) Name() string {
	if f == nil {
		return ""
	}
	return f.Key
}

func (f *Flow) share() int {
	if f == nil {
		return 1
	}
	return f.Share
}

// Lines is a line for each flow that waits, and decides whose turn it is. With one flow it is a
// first-in, first-out queue. With several it is self-clocked fair queueing (S. J. Golestani, "A
// Self-Clocked Fair Queueing Scheme for Broadband Applications", INFOCOM 1994): the first ticket of each
// flow carries the virtual time at which it would end if flows were served side by side at rates equal
// to their shares, the earliest is served next, and its end is the virtual time from then on.
//
// So of two flows i and j that both wait through a stretch of time, however long,
//
//	|Wi/Si − Wj/Sj| ≤ Li/Si + Lj/Sj
//
// where W is the weight of the tickets served in it, S the share, and L the largest weight of a ticket in line;
// of tickets that name units, W and L are turns, see [Costs]. This holds for weights up to math.MaxInt. A flow
// begins at the present virtual time, so it has no credit for when it was idle. When its last ticket has gone,
// nothing is kept of the flow, because that ticket's end is at the present virtual time or before.
//
// The cost of serving does not depend on how many flows wait. It grows with the logarithm of the number
// of different ratios of weight to share among the tickets at their heads. A flow counts by itself
// until it is served if its first ticket gave up before one of another weight, or if its share changed.
//
// Memory follows the number of flows that wait: after many have gone, each flow that comes or goes
// moves a few of those left into smaller maps.
//
// The zero Lines is empty and ready for use. It is plain data: one goroutine owns it.
type Lines struct {
	waiting int
	issued  uint64

	Costs Costs // of the tickets in line, and of those that are served and not yet given back

	alone  *queue   // the only flow that waits; nil if none or several do
	plain  queue    // of the tickets without a flow
	sweeps []*Sweep // those that have not ended, sorted by how much is left to do, the least first

	lookup           // of all flows and ranks, but for those that are still only in old
	old       lookup // zero if all have been moved out of it
	unmoved   int    // flows at smaller indices may not have been moved out of old
	mostFlows int    // the most flows that waited at once since the maps of lookup were made

	// If only one flow waits, there is nothing to decide. With several:
	order   chunked[*queue] // all of them, in no order that matters
	ranks   ranks
	present point  // the virtual time
	turns   uint64 // how often a flow began or was served

	scratch heads // for Ahead
}

// lookup finds flows by their keys, and ranks by what they take.
type lookup struct {
	keyed  map[string]*queue // all flows that wait but the plain one
	shared map[span]*rank
}

// Maps do not shrink. So when less than a quarter of the flows are left, new maps are made, and the waiting
// flows move there: movesPerStep of them whenever a flow comes or goes. All have moved before a quarter of them
// has gone, and so before the next such move.
const (
	movesPerStep = 4
	// mapsKept is a number of flows whose maps are too small to be worth giving back. Maps of up to four times as
	// many are kept while a ticket waits, and of up to so many even when none does.
	mapsKept = 100
)

// queue is the line of a flow that waits.
type queue struct {
	Flow
	fifo

	start  point  // the virtual time at which its first ticket came to be the first
	finish point  // at which that ticket ends; not kept while the flow is alone
	turn   uint64 // among equals the earlier goes first

	rank       *rank // nil if the flow is alone
	prev, next *queue
	index      int // in order; 0 if the flow is alone
}

// rank holds flows whose first tickets take equally long. If such a flow starts later, it ends later. So they
// are in the order of their turns, and only the first flows of the ranks need be compared. A flow that did not
// start at the present when it got there has a rank to itself.
type rank struct {
	takes       span
	shared      bool
	first, last *queue
	index       int
}

// Len returns how many tickets are in line.
func (l *Lines) Len() int { return l.waiting }

// Flows returns how many flows have a ticket in line.
func (l *Lines) Flows() int {
	if l.alone != nil {
		return 1
	}
	return l.order.length
}

// at returns one of the flows that wait, by its index.
func (l *Lines) at(i int) *queue {
	if l.alone != nil {
		return l.alone
	}
	return l.order.at(i)
}

// LenOf returns how many tickets are in the line of a flow.
func (l *Lines) LenOf(f *Flow) int {
	if q := l.find(f); q != nil {
		return q.length
	}
	return 0
}

// Alone reports whether no ticket of another flow than f waits. Then a ticket of f that joined now would
// be served after all that wait, in the order in which they came.
func (l *Lines) Alone(f *Flow) bool {
	return l.waiting == 0 || l.alone != nil && l.alone == l.find(f)
}

// First returns the place of the ticket to be served next, and its flow. It returns nil if no ticket
// waits.
func (l *Lines) First() (*Place, *Flow) {
	q := l.alone
	if q == nil {
		if l.waiting == 0 {
			return nil, nil
		}
		q = l.ranks.at(0).first
	}
	return q.first, &q.Flow
}

// All yields the places, flow by flow, each from the head to the tail. The lines must not change
// meanwhile; see [Lines.Sweep].
func (l *Lines) All() iter.Seq2[*Place, *Flow] {
	return func(yield func(*Place, *Flow) bool) {
		for i := range l.Flows() {
			q := l.at(i)
			for p := range q.all() {
				if !yield(p, &q.Flow) {
					return
				}
			}
		}
	}
}

// Issue gives an idle place the next number, for a ticket that is granted without waiting in line.
func (l *Lines) Issue(p *Place, weight int) {
	l.issued++
	p.Number, p.Weight = l.issued, weight
}

// Skip leaves out n numbers, which tickets have got elsewhere.
func (l *Lines) Skip(n uint64) { l.issued += n }

// Issued returns how many tickets were given a number.
func (l *Lines) Issued() uint64 { return l.issued }

// Resume makes the next ticket's number n+1. Lines that share places must not give one number twice, or a
// ticket that has ended could be taken for one at the same place in other lines.
func (l *Lines) Resume(n uint64) { l.issued = n }

// Push puts an idle place at the tail of its flow's line and gives it the next number. A ticket that names
// units has its row in Costs already.
func (l *Lines) Push(p *Place, weight int, f *Flow) {
	l.Issue(p, weight)
	l.waiting++
	q := l.find(f)
	if q == nil || q.length == 0 {
		l.begin(q, p, f)
		return
	}
	q.push(p, l.Costs.turnOf(p))
	if share := f.share(); share != q.Share {
		q.Share = share
		if l.alone == nil {
			l.rerank(q)
		}
	}
}

// find returns the flow's queue. It returns nil or an empty queue if the flow does not wait.
func (l *Lines) find(f *Flow) *queue {
	if f == nil || f.Key == "" {
		return &l.plain
	}
	if l.alone != nil && l.alone.Key == f.Key {
		return l.alone
	}
	if q := l.keyed[f.Key]; q != nil {
		return q
	}
	return l.old.keyed[f.Key]
}

// begin lets a flow wait, from its first ticket on.
func (l *Lines) begin(q *queue, p *Place, f *Flow) {
	if q == nil {
		q = &queue{Flow: *f}
		if l.keyed == nil {
			l.keyed = make(map[string]*queue)
		}
		l.keyed[f.Key] = q
	}
	q.Share = f.share()
	q.push(p, l.Costs.turnOf(p))
	l.start(q, l.present)
	if l.waiting == 1 {
		l.alone = q
	} else {
		l.compete(q)
	}
}

// compete lets a flow take turns with others that wait, of which there may have been only one.
func (l *Lines) compete(q *queue) {
	if alone := l.alone; alone != nil {
		l.alone = nil
		l.enter(alone)
		l.join(alone)
	}
	l.enter(q)
	l.join(q)
	l.mostFlows = max(l.mostFlows, l.order.length)
	l.move()
}

// start lets the first ticket of a flow, or its next one, start at the given virtual time.
func (l *Lines) start(q *queue, at point) {
	l.turns++
	q.start, q.turn = at, l.turns
}

// Serve takes the ticket to be served next out of the line and leaves its place idle. A ticket must
// wait.
func (l *Lines) Serve() {
	q := l.alone
	if q == nil {
		q = l.ranks.at(0).first
		l.start(q, q.finish)
		if l.present.before(q.finish) {
			l.present = q.finish
		}
	} else if q.length > 1 {
		l.start(q, l.present)
	}
	l.take(q, q.first)
}

// Remove takes the place of a ticket that gives up out of its flow's line, from any position, and leaves it
// idle.
func (l *Lines) Remove(p *Place, f *Flow) { l.take(l.find(f), p) }

// take takes a place out of its queue and puts the queue where it then belongs.
func (l *Lines) take(q *queue, p *Place) {
	if len(l.sweeps) > 0 {
		l.passOver(p)
	}
	first := p == q.first
	q.remove(p, l.Costs.turnOf(p))
	l.waiting--
	switch {
	case q.length == 0:
		l.end(q)
	case first && l.alone == nil:
		l.rerank(q)
	}
}

// end forgets a flow that waits no more.
func (l *Lines) end(q *queue) {
	if q != &l.plain {
		delete(l.keyed, q.Key)
		delete(l.old.keyed, q.Key)
	}
	if l.alone != nil {
		l.alone = nil
		if len(l.sweeps) > 0 || l.mostFlows > mapsKept {
			l.empty()
		}
	} else {
		l.retire(q)
	}
}

// empty is called when the last ticket in line has gone. It ends the work of sweeps, and gives the memory of
// many flows back.
func (l *Lines) empty() {
	for _, s := range l.sweeps {
		s.todo = 0
	}
	if l.mostFlows > mapsKept {
		l.lookup, l.old, l.unmoved, l.mostFlows = lookup{}, lookup{}, 0, 0
		l.order, l.ranks, l.scratch = chunked[*queue]{}, ranks{}, nil
	}
}

// retire lets a flow take no more turns with others. If only one is left, that one is alone.
func (l *Lines) retire(q *queue) {
	l.leave(q)
	l.drop(q)
	if l.order.length == 1 {
		last := l.order.at(0)
		l.leave(last)
		l.order.pop()
		l.alone = last
	}
	l.move()
	if flows := l.Flows(); l.old.keyed == nil && l.mostFlows > 4*mapsKept && flows < l.mostFlows/4 {
		l.old, l.unmoved, l.mostFlows = l.lookup, flows, flows
		l.lookup = lookup{make(map[string]*queue), make(map[span]*rank)}
		l.scratch = nil
	}
}

// move moves some more flows and ranks out of the old maps.
//
// It goes through the flows from the end: a flow that has not been moved never gets behind one that has. A rank
// moves with its flows. So it has moved when all flows have moved that were in it when the move began. If
// another flow finds the rank earlier, join moves it.
func (l *Lines) move() {
	if l.old.keyed == nil {
		return
	}
	l.unmoved = min(l.unmoved, l.Flows())
	for range movesPerStep {
		if l.unmoved == 0 {
			l.old = lookup{}
			return
		}
		l.unmoved--
		q := l.at(l.unmoved)
		if q != &l.plain {
			l.keyed[q.Key] = q
		}
		if r := q.rank; r != nil && r.shared {
			l.shared[r.takes] = r
		}
	}
}

// enter gives a flow an index.
func (l *Lines) enter(q *queue) {
	q.index = l.order.length
	l.order.push(q)
}

// drop takes a flow's index away and gives it to the last flow. If there are sweeps, that index goes to the
// last flow that the sweep with the least to do has not visited. The index of that flow goes to the last one
// that the next sweep has not visited, and so on. So each sweep still has those it has not visited at its
// smallest indices, and no others.
func (l *Lines) drop(q *queue) {
	hole := q.index
	fill := func(from int) {
		if from != hole {
			moved := l.order.at(from)
			l.order.set(hole, moved)
			moved.index, hole = hole, from
		}
	}
	for _, s := range l.sweeps {
		if s.todo > hole {
			s.todo--
			fill(s.todo)
		}
	}
	fill(l.order.length - 1)
	l.order.pop()
}

// takes returns how long the ticket at p takes in virtual time, in a flow with the share.
func (l *Lines) takes(p *Place, share int) span { return takes(l.Costs.turnOf(p), share) }

// rerank puts one of several flows where it belongs now that another ticket is its first, or its share
// has changed.
func (l *Lines) rerank(q *queue) {
	takes := l.takes(q.first, q.Share)
	if r := q.rank; takes == r.takes {
		finish := q.start.plus(takes)
		if finish == q.finish {
			return // the one that gave up was no different
		}
		if r.shared && r.first == r.last { // as when all other flows have other ratios
			q.finish = finish
			heap.Fix(&l.ranks, r.index)
			return
		}
	}
	l.leave(q)
	l.join(q)
}

// join puts a flow into the rank that it belongs to.
func (l *Lines) join(q *queue) {
	takes := l.takes(q.first, q.Share)
	q.finish = q.start.plus(takes)
	latest := q.turn == l.turns && q.start == l.present || l.ranks.length == 0
	if latest {
		if r := l.sharedRank(takes); r != nil {
			q.rank, q.prev, r.last.next, r.last = r, r.last, q, q
			return
		}
	}
	q.rank = &rank{takes: takes, shared: latest, first: q, last: q}
	if latest {
		if l.shared == nil {
			l.shared = make(map[span]*rank)
		}
		l.shared[takes] = q.rank
	}
	heap.Push(&l.ranks, q.rank)
}

// sharedRank returns the rank of the flows whose first tickets take the given time, or nil if there is none.
func (l *Lines) sharedRank(takes span) *rank {
	r := l.shared[takes]
	if r == nil && l.old.shared != nil {
		if r = l.old.shared[takes]; r != nil {
			l.shared[takes] = r
		}
	}
	return r
}

// leave takes a flow out of its rank.
func (l *Lines) leave(q *queue) {
	r := q.rank
	if r.first == r.last {
		heap.Remove(&l.ranks, r.index)
		if r.shared {
			delete(l.shared, r.takes)
			delete(l.old.shared, r.takes)
		}
		q.rank = nil
		return
	}
	if q.next != nil {
		q.next.prev = q.prev
	} else {
		r.last = q.prev
	}
	if q.prev != nil {
		q.prev.next = q.next
	} else {
		r.first = q.next
		heap.Fix(&l.ranks, r.index)
	}
	q.rank, q.prev, q.next = nil, nil, nil
}

// servedBefore reports whether, of two first tickets of different flows, that of q is served first.
func (q *queue) servedBefore(other *queue) bool {
	return q.finish.before(other.finish) || q.finish == other.finish && q.turn < other.turn
}

// ranks is a heap of ranks, by their first flows.
type ranks struct{ chunked[*rank] }

// Len, Less, Swap, Push and Pop implement [heap.Interface].
func (h *ranks) Len() int { return h.length }

func (h *ranks) Less(i, j int) bool { return h.at(i).first.servedBefore(h.at(j).first) }

func (h *ranks) Swap(i, j int) {
	a, b := h.at(i), h.at(j)
	h.set(i, b)
	h.set(j, a)
	a.index, b.index = j, i
}

func (h *ranks) Push(x any) {
	r := x.(*rank)
	r.index = h.length
	h.push(r)
}

func (h *ranks) Pop() any {
	r := h.at(h.length - 1)
	h.pop()
	return r
}
