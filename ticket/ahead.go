package ticket

import (
	"container/heap"
	"iter"
)

// Alone reports whether nobody waits in another flow than f. Then one of f that joined now would be
// served after all who wait, in the order in which they came.
func (l *Lines) Alone(f *Flow) bool {
	return l.waiting == 0 || l.alone != nil && l.alone == l.find(f)
}

// Ahead yields the weights of the tickets that would be served before one of the given weight and flow
// that joined now, in their order, if nobody else came or went. Where several flows wait it serves a
// copy of their heads, and each step costs the logarithm of the number of flows.
func (l *Lines) Ahead(weight int, f *Flow) iter.Seq[int] {
	return func(yield func(int) bool) {
		if l.Alone(f) {
			for p, _ := range l.All() {
				if !yield(p.Weight) {
					return
				}
			}
			return
		}
		heads, turns := l.heads(weight, f), l.turns+1
		heap.Init(&heads)
		for heads[0].place != nil {
			h := &heads[0]
			if !yield(h.place.Weight) {
				return
			}
			turns++
			h.start, h.turn, h.place = h.finish, turns, h.place.next
			if h.place == nil && h.newcomer == 0 {
				heap.Pop(&heads)
				continue
			}
			h.finish = h.start.plus(h.takes())
			heap.Fix(&heads, 0)
		}
	}
}

// head is a flow's first ticket, as it will be at some time.
type head struct {
	start, finish tag
	turn          uint64
	place         *Place // nil when it is the newcomer's turn
	newcomer      int    // the weight of who joins this flow at the end, 0 if nobody does
	share         int
}

func (h *head) takes() tag {
	if h.place == nil {
		return cost(h.newcomer, h.share)
	}
	return cost(h.place.Weight, h.share)
}

// heads returns the heads of all flows when a ticket of the given weight has joined f.
func (l *Lines) heads(weight int, f *Flow) (heads heads) {
	joined := false
	for q := range l.queues() {
		h := head{start: q.start, turn: q.turn, place: q.first, share: q.Share}
		if q.Key == f.Name() {
			h.newcomer, h.share, joined = weight, f.share(), true
		}
		heads = append(heads, h)
	}
	if !joined {
		heads = append(heads, head{start: l.present, turn: l.turns + 1, newcomer: weight, share: f.share()})
	}
	for i := range heads {
		heads[i].finish = heads[i].start.plus(heads[i].takes())
	}
	return heads
}

// heads is a heap, the next to be served on top.
type heads []head

func (h heads) Len() int { return len(h) }
func (h heads) Less(i, j int) bool {
	return earlier(h[i].finish, h[i].turn, h[j].finish, h[j].turn)
}
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)   { *h = append(*h, x.(head)) }
func (h *heads) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
