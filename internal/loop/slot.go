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
// number, which says whether the state lies in the slot. It also says whether the state is calm. What that means is up to
// those who give it back. A caller who wants only a calm state sees there that it is not, without taking it.
type Slot[S any] struct {
	holds atomic.Uint32 // what lies here, lent out and not in use
	out   atomic.Bool   // the owner does not want it back
	state *S            // for the one who changed holds to holdsNothing
	home  chan *S       // to the owner, who waits for it; has a slot free
}

const (
	holdsNothing uint32 = iota // the state is in use
	holdsState
	holdsCalm // the state, and it is calm
)

// Lend puts the state where borrowers find it. It is not marked as calm.
func (s *Slot[S]) Lend(st *S) {
	s.out.Store(true)
	s.state = st
	s.holds.Store(holdsState)
}

// LendCalm is Lend for a state that is calm.
func (s *Slot[S]) LendCalm(st *S) {
	s.out.Store(true)
	s.state = st
	s.holds.Store(holdsCalm)
}

// CallIn waits until the state is back. A borrower has it for less than a microsecond, unless it is kept from
// running or the clock is slow to read.
func (s *Slot[S]) CallIn() *S {
	s.out.Store(false)
	if s.holds.Swap(holdsNothing) != holdsNothing {
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
	if s.look(holdsState) {
		return s.state
	}
	return s.lookAgain(holdsState)
}

// Look is the first look of Borrow. Unlike that it is short enough for the compiler to inline it. A caller who gets nil
// goes on with Borrow.
func (s *Slot[S]) Look() *S {
	if there := s.holds.Load(); there != holdsNothing && s.holds.CompareAndSwap(there, holdsNothing) {
		return s.state
	}
	return nil
}

// BorrowCalm is Borrow for a caller who wants the state only if it is calm.
func (s *Slot[S]) BorrowCalm() *S {
	if s.look(holdsCalm) {
		return s.state
	}
	return s.lookAgain(holdsCalm)
}

// LookCalm is the first look of BorrowCalm. Unlike that it is short enough for the compiler to inline it. A caller who
// gets nil goes on with BorrowCalm.
func (s *Slot[S]) LookCalm() *S {
	if s.holds.Load() == holdsCalm && s.holds.CompareAndSwap(holdsCalm, holdsNothing) {
		return s.state
	}
	return nil
}

// look takes the state if it is in the slot, and at least as calm as wanted.
func (s *Slot[S]) look(wanted uint32) bool {
	there := s.holds.Load()
	return there >= wanted && s.holds.CompareAndSwap(there, holdsNothing)
}

// lookAgain is Borrow or BorrowCalm where the first look did not find the state.
func (s *Slot[S]) lookAgain(wanted uint32) *S {
	for look := 2; look <= borrowLooks; look++ {
		if there := s.holds.Load(); there != holdsNothing && there < wanted || !s.out.Load() {
			return nil
		}
		if look%yieldEvery == 0 {
			runtime.Gosched()
		} else {
			for range look * pauseUnit { // nothing: runtime has no pause that others may call
			}
		}
		if s.look(wanted) {
			return s.state
		}
	}
	return nil
}

// GiveBack ends a borrowing: it puts the state where the next borrower finds it, or hands it to the owner
// who has called it in. The owner looks at the slot after it has called, and GiveBack at the call after it
// has filled the slot: one of them sees the other.
func (s *Slot[S]) GiveBack() {
	s.holds.Store(holdsState)
	if !s.out.Load() {
		s.bringHome()
	}
}

// GiveBackCalm is GiveBack for a state that is calm.
func (s *Slot[S]) GiveBackCalm() {
	s.holds.Store(holdsCalm)
	if !s.out.Load() {
		s.bringHome()
	}
}

// bringHome hands the state to the owner, if it is still in the slot.
func (s *Slot[S]) bringHome() {
	if s.holds.Swap(holdsNothing) != holdsNothing {
		s.home <- s.state
	}
}
