package keyed

import (
	"runtime"
	"sync/atomic"
)

// mailbox carries messages to an owner, and its answers back, as that of a scheduler does: everything that is
// asked of the owner goes through the one channel, in the order in which it was sent. It also lends the
// owner's state to callers.
type mailbox[K comparable] struct {
	in   chan message[K]
	tick chan struct{} // a hint to the owner: to look at the clock, to set its alarm

	underway atomic.Int64 // messages that were sent and not yet applied

	over    atomic.Bool   // the owner takes no more messages
	ended   chan struct{} // closed when the owner has ended
	remains *state[K]     // what it left; written before ended is closed

	lends bool // false only in tests
	slot  atomic.Pointer[state[K]]
	home  chan *state[K] // to the owner, who waits for it; has a slot free
	out   atomic.Bool    // the owner does not want it back
}

// mailboxSize is how many messages may wait while the owner is at work.
const mailboxSize = 64

func (b *mailbox[K]) init(lends bool) {
	b.in = make(chan message[K], mailboxSize)
	b.tick = make(chan struct{}, 1)
	b.ended = make(chan struct{})
	b.home = make(chan *state[K], 1)
	b.lends = lends
}

// hint makes the owner look at the clock and set its alarm.
func (b *mailbox[K]) hint() {
	select {
	case b.tick <- struct{}{}:
	default:
	}
}

// send gives the owner a message and reports whether it was taken: it is refused after the end. A message
// that was taken is answered.
func (b *mailbox[K]) send(m *message[K]) bool {
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

// lend puts the state where borrowers find it.
func (b *mailbox[K]) lend(st *state[K]) {
	b.out.Store(true)
	b.slot.Store(st)
}

// callIn waits until the state is back.
func (b *mailbox[K]) callIn() *state[K] {
	b.out.Store(false)
	if st := b.slot.Swap(nil); st != nil {
		return st
	}
	return <-b.home
}

// A borrower looks for the state so often while another has it, and in between lets others run.
const (
	borrowLooks = 400
	yieldEvery  = 100
)

// borrow returns the state, or nil if the owner has it or wants it.
func (b *mailbox[K]) borrow() *state[K] {
	for look := 1; look < borrowLooks; look++ {
		if b.slot.Load() != nil {
			if st := b.slot.Swap(nil); st != nil {
				return st
			}
		}
		if !b.out.Load() {
			return nil
		}
		if look%yieldEvery == 0 {
			runtime.Gosched()
		}
	}
	return nil
}

// giveBack ends a borrowing. The owner looks at the slot after it has called, and giveBack at the call after it
// has filled the slot: one of them sees the other. If a key is to be looked at earlier than the alarm is set
// for, the owner is told to set it.
func (b *mailbox[K]) giveBack(st *state[K]) {
	sooner := st.wakeIsSooner()
	b.slot.Store(st)
	if !b.out.Load() {
		if st := b.slot.Swap(nil); st != nil {
			b.home <- st
		}
	}
	if sooner {
		b.hint()
	}
}
