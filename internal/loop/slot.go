package loop

import (
	"runtime"
	"sync/atomic"
)

// Slot is where an owner leaves its state between turns. A round trip to the owner costs two switches between
// goroutines, so a caller who takes the state from the slot owns it for a moment, does one thing with it as the
// owner would do it, and puts it back. Taking is one atomic exchange, which only one can win, so the state
// still has one owner at any time, and the same code keeps every guarantee. Work that takes longer stays with
// the owner. Only the owner sets the alarm, and it calls the state in before it does anything else that callers
// ask for.
//
// Without the slot everything works the same, only slower: a caller that does not get the state sends the owner
// a message, and waits until it is applied. So a caller's calls take effect in their order, whether they borrow
// or send.
//
// An exchange of a pointer would be a call, because the garbage collector has to know of it. So what is exchanged is a
// number, which says whether the state lies in the slot.
type Slot[S any] struct {
	lies  atomic.Uint32 // 1: the state lies here, lent out and not in use
	out   atomic.Bool   // the owner does not want it back
	state *S            // for who has made lies 0
	home  chan *S       // to the owner, who waits for it; has a slot free
}

// Lend puts the state where borrowers find it.
func (s *Slot[S]) Lend(st *S) {
	s.out.Store(true)
	s.state = st
	s.lies.Store(1)
}

// CallIn waits until the state is back. A borrower has it for less than a microsecond, unless it is kept from
// running or the clock is slow to read.
func (s *Slot[S]) CallIn() *S {
	s.out.Store(false)
	if s.lies.CompareAndSwap(1, 0) {
		return s.state
	}
	return <-s.home
}

// A borrower who does not find the state looks again after a pause, and after a longer one each time. Every
// look takes the slot's cache line from the processor that is at work, and a caller who gets the state takes
// all that it touches over to another processor: ten cache lines or more, which cost more than a decision. So
// while one pauses, others who run where the state is do some calls in a row. So a call on two processors takes
// little more time than on one, instead of four times as much; see docs/speed.md.
//
// Sometimes the borrower lets other goroutines run instead: the one who has the state may have been kept from
// running. After the last look, some 0.1 ms in all, it sends the owner a message.
const (
	borrowLooks = 20
	yieldEvery  = 4
	pauseUnit   = 1000 // steps of an empty loop: 0.3 µs
)

// Borrow returns the state, or nil if the owner has it or wants it.
func (s *Slot[S]) Borrow() *S {
	if s.look() {
		return s.state
	}
	return s.lookAgain()
}

// look takes the state if it is in the slot.
func (s *Slot[S]) look() bool { return s.lies.Load() != 0 && s.lies.CompareAndSwap(1, 0) }

// lookAgain is Borrow where the first look did not find the state.
func (s *Slot[S]) lookAgain() *S {
	for look := 2; look <= borrowLooks; look++ {
		if !s.out.Load() {
			return nil
		}
		if look%yieldEvery == 0 {
			runtime.Gosched()
		} else {
			for range look * pauseUnit { // nothing: runtime has no pause that others may call
			}
		}
		if s.look() {
			return s.state
		}
	}
	return nil
}

// GiveBack ends a borrowing: it puts the state where the next borrower finds it, or hands it to the owner
// who has called it in. The owner looks at the slot after it has called, and GiveBack at the call after it
// has filled the slot: one of them sees the other.
func (s *Slot[S]) GiveBack() {
	s.lies.Store(1)
	if !s.out.Load() {
		s.bringHome()
	}
}

// bringHome hands the state to the owner, if it is still in the slot.
func (s *Slot[S]) bringHome() {
	if s.lies.CompareAndSwap(1, 0) {
		s.home <- s.state
	}
}
