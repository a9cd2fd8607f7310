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

// A borrower who does not find the state looks again after a pause, and after a longer one each time. Every
// look takes the slot's cache line from the processor that is at work, and a caller who gets the state takes
// all that it touches over to another processor: ten cache lines or more, which cost more than a decision. So
// while one pauses, others who run where the state is do some calls in a row. It is why two processors that meet
// take little more time for a call than one alone, instead of four times as much; see docs/speed.md.
//
// Sometimes the borrower lets other goroutines run instead: the one who has the state may have been kept from
// running. After the last look, some 0.1 ms in all, it sends the owner a message.
const (
	borrowLooks = 20
	yieldEvery  = 4
	pauseUnit   = 1000 // steps of an empty loop: 0.3 µs
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
	for look := 2; look <= borrowLooks; look++ {
		if !l.out.Load() {
			return nil
		}
		if look%yieldEvery == 0 {
			runtime.Gosched()
		} else {
			for range look * pauseUnit { // nothing: runtime has no pause that others may call
			}
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
