package ticket

import "iter"

// State tells what has become of the ticket at a place.
type State uint8

// The states of a place, in the order in which a ticket passes through them.
const (
	Idle    State = iota // no ticket: not yet in line, refused, or ended
	Queued               // in line
	Holding              // granted and not yet given back
)

// Place is what a line's owner keeps for one ticket. It and everything in it belong to the owner of
// the line; others hold a *Place only as the name of a ticket, together with its number.
//
// A place may serve one ticket after another. That is safe because every ticket has a new number: one
// whose number no longer matches is over.
type Place struct {
	Number Number
	Weight int
	State  State
	Reused bool  // it serves again when its ticket has ended; set by whoever made it
	Marked bool  // for its owner to tell some from others
	At     int64 // since when it waits; once granted, since when it holds; as its owner counts time

	listener   Listener
	prev, next *Place
}

// Listener hears what becomes of the ticket at a place, from the owner of the line: its methods must
// return at once.
type Listener interface {
	// Told hears nil if the ticket is granted, or why it never will be.
	Told(err error)
	// TakeBack takes back what was told last. It reports false if somebody may have acted on it.
	TakeBack() bool
}

// NewPlace returns an idle place whose listener is a channel, [Place.Ready].
func NewPlace() *Place { return &Place{listener: make(channel, 1)} }

// PlaceFor returns an idle place with a listener of its own, for those who embed places.
func PlaceFor(l Listener) Place { return Place{listener: l} }

// Ready delivers what [Place.Tell] was told. It is nil for a place made by [PlaceFor].
func (p *Place) Ready() <-chan error { return p.channel() }

func (p *Place) channel() channel {
	c, _ := p.listener.(channel)
	return c
}

// Tell says what became of the ticket: nil for granted, or why it never will be. A ticket is told
// one thing; the owner may tell it another only after [Place.TakeBack] returned true. Then Tell never
// blocks.
func (p *Place) Tell(err error) { p.listener.Told(err) }

// TakeBack takes back what was told and reports whether it was there to take, which means that
// nobody has received it.
func (p *Place) TakeBack() bool { return p.listener.TakeBack() }

// channel is a listener with one slot: telling never blocks.
type channel chan error

// Told implements [Listener].
func (c channel) Told(err error) { c <- err }

// TakeBack implements [Listener].
func (c channel) TakeBack() bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Line is a first-in, first-out line of places. Every operation is O(1), leaving from the middle
// included. The zero Line is empty and ready for use. It is plain data: one goroutine owns it.
type Line struct {
	first, last *Place
	length      int
}

// Len returns how many tickets stand in line.
func (l *Line) Len() int { return l.length }

// First returns the place at the head of the line, nil if the line is empty.
func (l *Line) First() *Place { return l.first }

// All yields the places from the head to the tail. The line must not change meanwhile.
func (l *Line) All() iter.Seq[*Place] {
	return func(yield func(*Place) bool) {
		for p := l.first; p != nil; p = p.next {
			if !yield(p) {
				return
			}
		}
	}
}

// Push puts an idle place at the tail.
func (l *Line) Push(p *Place) {
	p.State = Queued
	p.prev, p.next = l.last, nil
	if l.last != nil {
		l.last.next = p
	} else {
		l.first = p
	}
	l.last = p
	l.length++
}

// Remove takes a place out of the line, wherever in it it stands, and leaves it idle.
func (l *Line) Remove(p *Place) {
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
}
