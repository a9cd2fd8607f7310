package scheduler

import (
	"runtime"
	"sync/atomic"

	"github.com/flowguard-go/flowguard/ticket"
)

// A round trip to the owner costs two switches between goroutines, so between turns the owner lends
// its core out: it leaves it in a slot. Whoever takes it from there owns all state for a moment, does
// one thing with it as the owner would do it, grants what can be granted, and puts it back. Taking is
// one atomic exchange, which only one can win, so the state still has one owner at any time, and the
// same code keeps every guarantee. What takes longer than a moment stays with the owner: it alone sets
// the timer, and it calls the core in before it does anything else that callers ask for.
//
// Everything works the same without this file's fast paths, only slower: where they report that they
// could not answer, the caller sends the owner a message, and waits until it is applied. So nobody gets
// ahead of what they did before, whichever way it went.
type lending struct {
	slot atomic.Pointer[core] // the core while it is lent out and nobody uses it
	home chan *core           // to the owner, who waits for it; has a slot free
	out  atomic.Bool          // the owner does not want it back
}

// lend puts the core where borrowers find it.
func (l *lending) lend(c *core) {
	l.out.Store(true)
	l.slot.Store(c)
}

// callIn waits until the core is back. A borrower has it for less than a microsecond, unless it is
// kept from running or the clock is slow to read.
func (l *lending) callIn() *core {
	l.out.Store(false)
	if c := l.slot.Swap(nil); c != nil {
		return c
	}
	return <-l.home
}

// A borrower looks for the core so often while another has it, and in between lets others run, in case
// the one who has it was kept from running. Measured: with fewer looks more calls become messages, and
// with more of them without a pause a processor is spent on waiting.
const (
	looks      = 400
	pauseAfter = 100
)

// borrow returns the core, or nil if the owner has it or wants it.
func (l *lending) borrow() *core {
	for look := 1; look <= looks; look++ {
		if l.slot.Load() != nil {
			if c := l.slot.Swap(nil); c != nil {
				return c
			}
		}
		if !l.out.Load() {
			return nil
		}
		if look%pauseAfter == 0 {
			runtime.Gosched()
		}
	}
	return nil
}

// putBack puts the core where the next borrower finds it, or hands it to the owner who has called it
// in. The owner looks at the slot after it has called, and putBack at the call after it has filled the
// slot: one of them sees the other.
func (l *lending) putBack(c *core) {
	l.slot.Store(c)
	if !l.out.Load() {
		if c := l.slot.Swap(nil); c != nil {
			l.home <- c
		}
	}
}

// giveBack ends a borrowing. If the head of the line now fits earlier than the timer is set for, the
// owner is told to set it.
func (b *mailbox) giveBack(c *core) {
	sooner := false
	if c.line.Len() > 0 {
		if wake := c.wake(); wake < c.armed {
			c.armed, c.unset, sooner = wake, true, true
		}
	}
	b.putBack(c)
	if sooner {
		b.hint()
	}
}

// catchUp brings the core to the present, as the owner does at the beginning of a turn. Reading the clock
// is a third of a call, so calls that need not wait leave it out where nobody could see a difference.
func (b *mailbox) catchUp(c *core) {
	c.advance(b.now())
	b.grant(c)
}

// tryNow answers a try without the owner, if it can.
func (b *mailbox) tryNow(r request) (p *ticket.Place, answered bool) {
	c := b.borrow()
	if c == nil {
		return nil, false
	}
	defer b.giveBack(c) // whatever the clock does
	if !c.timeless() {
		b.catchUp(c)
	}
	if c.takes(r.weight) {
		p = b.grantNow(c, r)
	} else {
		b.accepted(c, nil, r, ErrNoPermit)
	}
	return p, true
}

// outcome is what acquireNow came to.
type outcome uint8

const (
	unanswered outcome = iota // the owner must be asked
	refused
	granted
	waiting
	attended  // waiting, and nobody need watch the context; see crowd.go
	gathering // waiting, with a context that is worth a crowd
)

// acquireNow grants a ticket, puts it in line or refuses it without the owner, if it can; done is of the
// context. A ticket in line is told later how that ends. Running through the line for a deadline is left
// to the owner.
func (b *mailbox) acquireNow(r request, done <-chan struct{}) (p *ticket.Place, how outcome, err error) {
	c := b.borrow()
	if c == nil {
		return nil, unanswered, nil
	}
	defer b.giveBack(c) // whatever the clock does
	if !c.timeless() || r.deadline != never || !c.takes(r.weight) {
		b.catchUp(c)
	}
	if c.takes(r.weight) && c.now <= r.deadline {
		return b.grantNow(c, r), granted, nil
	}
	if !c.foresees(r) {
		return nil, unanswered, nil
	}
	p = b.place()
	err = c.acquire(p, r)
	b.accepted(c, p, r, err)
	if err != nil {
		b.places.Put(p)
		return nil, refused, err
	}
	how = c.attend(p, done)
	b.grant(c)
	return p, how, nil
}

// whileLent does something with the core without the owner, if it can.
func (b *mailbox) whileLent(do func(*core)) bool {
	c := b.borrow()
	if c == nil {
		return false
	}
	defer b.giveBack(c) // whatever the clock does
	b.catchUp(c)
	do(c)
	b.grant(c)
	return true
}

// grantNow grants a ticket that fits into a line in which nobody stands. Nobody need be told.
func (b *mailbox) grantNow(c *core, r request) *ticket.Place {
	var p *ticket.Place
	if last := len(c.idle) - 1; last >= 0 {
		p, c.idle = c.idle[last], c.idle[:last]
	} else {
		p = b.place()
	}
	c.line.Issue(p, r.weight)
	c.spend(p)
	if c.noted {
		b.note(c, EventEnqueued, p, r.flow, nil)
		b.note(c, EventGranted, p, r.flow, nil)
	}
	return p
}

// releaseNow releases a ticket without the owner, if it can.
func (b *mailbox) releaseNow(p *ticket.Place, n ticket.Number, f *ticket.Flow) bool {
	c := b.borrow()
	if c == nil {
		return false
	}
	defer b.giveBack(c)
	// Else reading the clock would change nothing.
	if c.line.Len() > 0 && !c.timeless() || c.timed || c.noted {
		b.catchUp(c)
	}
	b.release(c, p, n, f)
	b.grant(c)
	return true
}
