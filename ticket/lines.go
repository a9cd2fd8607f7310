package ticket

import (
	"container/heap"
	"iter"
)

// Flow names one of several lines. Tickets of a flow are served in the order in which they came;
// flows that wait take turns, in proportion to their shares. A nil *Flow is the line of those who
// name none; so is the empty key.
type Flow struct {
	Key   string
	Share int // 1 to MaxShare. Of a flow whose tickets come with different shares the latest counts.
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
// [Line]. With several it is self-clocked fair queueing (S. J. Golestani, "A Self-Clocked Fair
// Queueing Scheme for Broadband Applications", INFOCOM 1994): the first ticket of each flow carries
// the virtual time at which it would end if flows were served side by side at rates equal to their
// shares, the earliest is served next, and its end is the virtual time from then on.
//
// So of two flows i and j that both wait through a stretch of time, however long,
//
//	|Wi/Si − Wj/Sj| ≤ Li/Si + Lj/Sj
//
// where W is the weight of the tickets served in it, S the share, and L the largest weight of a ticket
// in line. A flow begins at the present virtual time, so it has no credit for when it was idle, and
// when its last ticket has gone nothing is left of it: what it was served last ends at the present
// virtual time or before.
//
// Serving costs the same however many flows wait. It grows with the logarithm of the number of different
// ratios of weight to share among the tickets at their heads; a flow whose first ticket gave up before
// one of another weight, or whose share changed, counts by itself until it is served.
//
// The zero Lines is empty and ready for use. It is plain data: one goroutine owns it.
type Lines struct {
	waiting int
	issued  Number

	plain queue             // of those who name no flow
	keyed map[string]*queue // the others that wait
	peak  int               // the most there were since keyed was made

	// Where one flow waits, there is nothing to decide.
	alone   *queue
	ranks   ranks
	shared  map[tag]*rank
	present tag    // the virtual time
	turns   uint64 // how often a flow began or was served
}

// few flows do not take enough memory to be given back when nobody waits. Maps do not shrink.
const few = 100

// queue is the line of a flow that waits.
type queue struct {
	Flow
	Line

	start  tag    // the virtual time at which its first ticket came to be the first
	finish tag    // at which it ends
	turn   uint64 // among equals the earlier goes first

	rank       *rank // nil if the flow is alone
	prev, next *queue
}

// rank holds flows whose first tickets take equally long. The later such a flow starts the later it
// ends, so they stand in the order of their turns, and only the first of each rank need be compared.
// A flow that did not start at the present when it got there has a rank to itself.
type rank struct {
	takes       tag
	shared      bool
	first, last *queue
	index       int
}

// Len returns how many tickets stand in line.
func (l *Lines) Len() int { return l.waiting }

// Flows returns how many flows have a ticket in line.
func (l *Lines) Flows() int {
	if l.plain.length > 0 {
		return len(l.keyed) + 1
	}
	return len(l.keyed)
}

// LenOf returns how many tickets stand in the line of a flow.
func (l *Lines) LenOf(f *Flow) int {
	if q := l.find(f); q != nil {
		return q.length
	}
	return 0
}

// First returns the place of the ticket to be served next, and its flow; nil if nobody waits.
func (l *Lines) First() (*Place, *Flow) {
	q := l.head()
	if q == nil {
		return nil, nil
	}
	return q.first, &q.Flow
}

func (l *Lines) head() *queue {
	if l.alone == nil && len(l.ranks) > 0 {
		return l.ranks[0].first
	}
	return l.alone
}

// All yields the places, flow by flow, each from the head to the tail. The lines must not change
// meanwhile.
func (l *Lines) All() iter.Seq2[*Place, *Flow] {
	return func(yield func(*Place, *Flow) bool) {
		for q := range l.queues() {
			for p := range q.All() {
				if !yield(p, &q.Flow) {
					return
				}
			}
		}
	}
}

func (l *Lines) queues() iter.Seq[*queue] {
	return func(yield func(*queue) bool) {
		if l.plain.length > 0 && !yield(&l.plain) {
			return
		}
		for _, q := range l.keyed {
			if !yield(q) {
				return
			}
		}
	}
}

// Issue gives an idle place the next number, for a ticket that is granted without standing in line.
func (l *Lines) Issue(p *Place, weight int) {
	l.issued++
	p.Number, p.Weight = l.issued, weight
}

// Push puts an idle place at the tail of its flow's line and gives it the next number.
func (l *Lines) Push(p *Place, weight int, f *Flow) {
	l.Issue(p, weight)
	l.waiting++
	q := l.find(f)
	if q == nil || q.length == 0 {
		l.begin(q, p, f)
		return
	}
	q.Push(p)
	if share := f.share(); share != q.Share {
		q.Share = share
		l.rerank(q)
	}
}

// find returns the flow's queue; nil, or an empty one, if the flow does not wait.
func (l *Lines) find(f *Flow) *queue {
	if f == nil || f.Key == "" {
		return &l.plain
	}
	if l.alone != nil && l.alone.Key == f.Key {
		return l.alone
	}
	return l.keyed[f.Key]
}

// begin lets a flow wait, from its first ticket on.
func (l *Lines) begin(q *queue, p *Place, f *Flow) {
	if q == nil {
		q = &queue{Flow: *f}
		if l.keyed == nil {
			l.keyed = make(map[string]*queue)
		}
		l.keyed[f.Key] = q
		l.peak = max(l.peak, len(l.keyed))
	}
	q.Share = f.share()
	q.Push(p)
	l.start(q, l.present)
	switch {
	case l.waiting == 1:
		l.alone = q
	case l.alone != nil:
		l.join(l.alone)
		l.alone = nil
		fallthrough
	default:
		l.join(q)
	}
}

// start lets the first ticket of a flow, or its next one, start at the given virtual time.
func (l *Lines) start(q *queue, at tag) {
	l.turns++
	q.start, q.turn = at, l.turns
}

// Serve takes the ticket to be served next out of the line and leaves its place idle. Somebody must
// wait.
func (l *Lines) Serve() {
	q := l.head()
	if q == l.alone {
		l.start(q, l.present)
	} else {
		l.start(q, q.finish)
		if l.present.before(q.finish) {
			l.present = q.finish
		}
	}
	l.take(q, q.first)
}

// Remove takes the place of a ticket that gives up out of the line of its flow, wherever in it it
// stands, and leaves it idle.
func (l *Lines) Remove(p *Place, f *Flow) { l.take(l.find(f), p) }

// take takes a place out of its queue and puts the queue where it then belongs.
func (l *Lines) take(q *queue, p *Place) {
	first := p == q.first
	q.Remove(p)
	l.waiting--
	switch {
	case q.length == 0:
		l.end(q)
	case first:
		l.rerank(q)
	}
}

// end forgets a flow that waits no more.
func (l *Lines) end(q *queue) {
	if q != &l.plain {
		delete(l.keyed, q.Key)
	}
	if l.alone == q {
		l.alone = nil
		if l.peak > few {
			l.keyed, l.shared, l.ranks, l.peak = nil, nil, nil, 0
		}
		return
	}
	l.leave(q)
	if len(l.ranks) == 1 && l.ranks[0].first == l.ranks[0].last {
		l.alone = l.ranks[0].first
		l.leave(l.alone)
	}
}

// rerank puts a flow where it belongs now that another ticket is its first, or its share has changed.
func (l *Lines) rerank(q *queue) {
	if q == l.alone {
		return
	}
	takes := cost(q.first.Weight, q.Share)
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
	takes := cost(q.first.Weight, q.Share)
	q.finish = q.start.plus(takes)
	latest := q.turn == l.turns && q.start == l.present || len(l.ranks) == 0
	if r := l.shared[takes]; r != nil && latest {
		q.rank, q.prev, r.last.next, r.last = r, r.last, q, q
		return
	}
	q.rank = &rank{takes: takes, shared: latest, first: q, last: q}
	if latest {
		if l.shared == nil {
			l.shared = make(map[tag]*rank)
		}
		l.shared[takes] = q.rank
	}
	heap.Push(&l.ranks, q.rank)
}

// leave takes a flow out of its rank.
func (l *Lines) leave(q *queue) {
	r := q.rank
	if r.first == r.last {
		heap.Remove(&l.ranks, r.index)
		if r.shared {
			delete(l.shared, r.takes)
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

// earlier reports whether q is to be served before other.
func (q *queue) earlier(other *queue) bool {
	return earlier(q.finish, q.turn, other.finish, other.turn)
}

func earlier(a tag, turnA uint64, b tag, turnB uint64) bool {
	return a.before(b) || a == b && turnA < turnB
}

// ranks is a heap of ranks, by their first flows.
type ranks []*rank

func (h ranks) Len() int           { return len(h) }
func (h ranks) Less(i, j int) bool { return h[i].first.earlier(h[j].first) }

func (h ranks) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *ranks) Push(x any) {
	r := x.(*rank)
	r.index = len(*h)
	*h = append(*h, r)
}

func (h *ranks) Pop() any {
	last := len(*h) - 1
	r := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return r
}
