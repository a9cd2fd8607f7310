// Package loop has the parts that all goroutines that own a state share: a [Mailbox] for messages to the owner,
// a [Slot] through which it lends the state between turns, and [Turns], which holds the messages of a turn and
// the answers due. It does not know what the state decides.
package loop

import "sync/atomic"

// Mailbox carries messages to the owner of a state. All messages go through one channel, so the owner applies
// them in the order in which they were sent. Callers that borrow the state send no message; see [Slot].
type Mailbox[S, M any] struct {
	Slot[S]

	in   chan M
	Tick chan struct{} // a hint to the owner: to look at the clock, to set its alarm

	underway atomic.Int64 // messages that were sent and not yet applied

	over    atomic.Bool   // the owner takes no more messages
	ended   chan struct{} // closed when the owner has ended
	remains *S            // what it left; written before ended is closed, and only read thereafter
}

// Init makes the zero Mailbox an empty one. The state is with the owner. Room is how many messages may wait while the
// owner is at work. In a longer box, senders would run further ahead but would not be served sooner.
func (b *Mailbox[S, M]) Init(room int) {
	b.home = make(chan *S, 1)
	b.in = make(chan M, room)
	b.Tick = make(chan struct{}, 1)
	b.ended = make(chan struct{})
}

// Hint makes the owner look at the clock and set its alarm.
func (b *Mailbox[S, M]) Hint() {
	select {
	case b.Tick <- struct{}{}:
	default:
	}
}

// Send gives the owner a message and reports whether it was taken: it is refused after the end. The
// owner never waits for anything but messages and its alarm, so Send waits no longer than a turn, and
// a message that was taken is answered.
func (b *Mailbox[S, M]) Send(m *M) bool {
	if b.over.Load() {
		return false
	}
	b.underway.Add(1)
	if b.over.Load() {
		b.underway.Add(-1)
		return false
	}
	b.in <- *m
	return true
}

// Underway returns how many messages were sent and are not yet applied.
func (b *Mailbox[S, M]) Underway() int64 { return b.underway.Load() }

// Ended returns a channel that is closed when the owner has ended.
func (b *Mailbox[S, M]) Ended() <-chan struct{} { return b.ended }

// Remains waits for the end of the owner and returns the state that it left, which has no owner any more.
func (b *Mailbox[S, M]) Remains() *S {
	<-b.ended
	return b.remains
}
