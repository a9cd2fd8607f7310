package scheduler

import "sync/atomic"

// mailbox carries messages to the owner, and its answers back. Everything that is asked of the owner
// goes through the one channel, so that it is applied in the order in which it was sent.
type mailbox struct {
	in   chan message
	tick chan struct{} // a hint to the owner: to look at the clock, to set its alarm

	underway atomic.Int64 // messages that were sent and not yet applied

	over    atomic.Bool   // the owner takes no more messages
	ended   chan struct{} // closed when the owner has ended
	remains *state        // what it left; written before ended is closed, and only read thereafter

	lending
}

func newMailbox(lends, counts bool) *mailbox {
	return &mailbox{
		in:      make(chan message, mailboxSize),
		tick:    make(chan struct{}, 1),
		ended:   make(chan struct{}),
		lending: lending{lends: lends, home: make(chan *state, 1), counter: counter{counts: counts}},
	}
}

// mailboxSize is how many messages may wait while the owner is at work. A longer box would let
// senders run further ahead, not be served sooner.
const mailboxSize = 64

// hint makes the owner look at the clock and set its alarm.
func (b *mailbox) hint() {
	select {
	case b.tick <- struct{}{}:
	default:
	}
}

// send gives the owner a message and reports whether it was taken: it is refused after the end. The
// owner never waits for anything but messages and its alarm, so send waits no longer than a turn, and
// a message that was taken is answered.
func (b *mailbox) send(m *message) bool {
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
