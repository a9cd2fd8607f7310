package scheduler

import "github.com/flowguard-go/flowguard/internal/loop"

// mailbox carries messages to the owner, and lends its state to callers; see package loop.
type mailbox struct {
	loop.Mailbox[state, message]
	lends bool // false only in tests

	counter // for callers who do not need all of the state
}

func newMailbox(lends, counts bool) *mailbox {
	b := &mailbox{lends: lends, counter: counter{counts: counts}}
	b.Init(64)
	return b
}

// lend puts the state where borrowers find it.
func (b *mailbox) lend(st *state) {
	if b.counts && st.calm() {
		b.LendCalm(st)
		return
	}
	st.openCounter(&b.counter)
	b.Lend(st)
}

// callIn waits until the state is back.
func (b *mailbox) callIn() *state {
	st := b.CallIn()
	st.closeCounter(&b.counter)
	return st
}

// borrow returns the state, or nil if the owner has it or wants it.
func (b *mailbox) borrow() *state {
	st := b.Borrow()
	if st != nil {
		st.closeCounter(&b.counter)
	}
	return st
}

// giveBack ends a borrowing. If the head of the line now fits before the alarm rings, it tells the owner to set
// the alarm.
func (b *mailbox) giveBack(st *state) {
	sooner := !st.core.timeless && st.core.line.Len() > 0 && st.wakeIsSooner()
	if st.core.quota != nil {
		st.stirQuota()
	}
	if b.counts && st.calm() {
		b.GiveBackCalm()
		return
	}
	st.openCounter(&b.counter)
	b.GiveBack()
	if sooner {
		b.Hint()
	}
}
