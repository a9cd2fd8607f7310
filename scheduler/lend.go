package scheduler

import (
	"runtime"
	"sync/atomic"
)

// A round trip to the owner costs two switches between goroutines, so between turns the owner lends
// its state: it leaves it in a slot. A caller who takes it from there owns it for a moment, does one
// thing with it as the owner would do it, grants what can be granted, and puts it back. Taking is
// one atomic exchange, which only one can win, so the state still has one owner at any time, and the
// same code keeps every guarantee. What takes longer than a moment stays with the owner: it alone sets
// the alarm, and it calls the state in before it does anything else that callers ask for.
//
// Everything works the same without lending, only slower: a caller who does not get the state sends the
// owner a message, and waits until it is applied. So no caller gets ahead of what it did before,
// whichever way that went.
type lending struct {
	lends bool // false only in tests

	slot atomic.Pointer[state] // the state while it is lent out and not in use
	home chan *state           // to the owner, who waits for it; has a slot free
	out  atomic.Bool           // the owner does not want it back

	counter // for callers who do not need all of it
}

// lend puts the state where borrowers find it.
func (l *lending) lend(st *state) {
	l.out.Store(true)
	l.counter.open(st)
	l.slot.Store(st)
}

// callIn waits until the state is back. A borrower has it for less than a microsecond, unless it is
// kept from running or the clock is slow to read.
func (l *lending) callIn() *state {
	l.out.Store(false)
	st := l.slot.Swap(nil)
	if st == nil {
		st = <-l.home
	}
	l.counter.close(st)
	return st
}

// A borrower looks for the state so often while another has it, and in between lets others run, in case
// the one who has it was kept from running. Measured: with fewer looks more calls become messages, and
// with more of them without a pause a processor is spent on waiting.
const (
	borrowLooks = 400
	yieldEvery  = 100
)

// borrow returns the state, or nil if the owner has it or wants it.
func (l *lending) borrow() *state {
	st := l.look()
	if st == nil {
		st = l.lookAgain()
	}
	if st != nil {
		l.counter.close(st)
	}
	return st
}

// look takes the state if it is in the slot.
func (l *lending) look() *state {
	if l.slot.Load() == nil {
		return nil
	}
	return l.slot.Swap(nil)
}

// lookAgain is borrow where the first look did not find the state.
func (l *lending) lookAgain() *state {
	for look := 1; look < borrowLooks; look++ {
		if !l.out.Load() {
			return nil
		}
		if look%yieldEvery == 0 {
			runtime.Gosched()
		}
		if st := l.look(); st != nil {
			return st
		}
	}
	return nil
}

// giveBack ends a borrowing: it puts the state where the next borrower finds it, or hands it to the owner
// who has called it in. The owner looks at the slot after it has called, and giveBack at the call after it
// has filled the slot: one of them sees the other.
//
// If the head of the line now fits earlier than the alarm is set for, the owner is told to set it.
func (b *mailbox) giveBack(st *state) {
	sooner := st.core.line.Len() > 0 && st.wakeIsSooner()
	if st.core.quota != nil {
		st.stirQuota()
	}
	b.counter.open(st)
	b.slot.Store(st)
	if !b.out.Load() {
		b.bringHome()
	}
	if sooner {
		b.hint()
	}
}

// bringHome hands the state to the owner, if it is still in the slot.
func (l *lending) bringHome() {
	if st := l.slot.Swap(nil); st != nil {
		l.home <- st
	}
}
