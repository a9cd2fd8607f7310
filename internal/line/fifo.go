package line

import (
	"iter"

	"github.com/flowguard-go/flowguard/internal/weight"
)

// fifo is a first-in, first-out queue of places. Every operation is O(1), removal from the middle
// included. The zero fifo is empty and ready for use.
type fifo struct {
	first, last *Place
	length      int
	total       weight.Sum // the weight of all its tickets
	turns       point      // the turns of all its tickets
}

// push puts an idle place, whose ticket has the turn, at the tail.
func (l *fifo) push(p *Place, t Turn) {
	p.State = Queued
	p.prev, p.next = l.last, nil
	if l.last != nil {
		l.last.next = p
	} else {
		l.first = p
	}
	l.last = p
	l.length++
	l.total.Add(p.Weight)
	l.turns = l.turns.plus(span{t.Whole, t.Part})
}

// remove takes a place, whose ticket has the turn, out of any position in the queue, and leaves the place idle.
func (l *fifo) remove(p *Place, t Turn) {
	if p.prev != nil {
		p.prev.next = p.next
	} else {
		l.first = p.next
	}
	if p.next != nil {
		p.next.prev = p.prev
	} else {
		l.last = p.prev
	}
	p.prev, p.next, p.State = nil, nil, Idle
	l.length--
	l.total.Subtract(p.Weight)
	l.turns = l.turns.minus(span{t.Whole, t.Part})
}

// all yields the places from the head to the tail. The queue must not change meanwhile.
func (l *fifo) all() iter.Seq[*Place] {
	return func(yield func(*Place) bool) {
		for p := l.first; p != nil; p = p.next {
			if !yield(p) {
				return
			}
		}
	}
}
