package scheduler

import (
	"sync/atomic"

	"github.com/flowguard-go/flowguard/internal/settings"
	"github.com/flowguard-go/flowguard/ticket"
)

// A round trip to the owner costs two switches between goroutines. While nobody waits there is
// nothing to decide but whether a ticket fits now, and the owner lends its core out: it puts it into
// a channel with one slot. Whoever receives it owns all state for a moment, does one thing with it as
// the owner would do it, and puts it back. So the state still has one owner at any time and moves
// over channels only, and every guarantee is kept by the same code. The owner calls the core in
// before it does anything itself, and keeps it for as long as somebody waits.
//
// Everything works the same without this file's fast paths, only slower: where they return false the
// caller sends the owner a message.
type lending struct {
	core chan *core  // has the core in it while it is lent out and nobody uses it
	out  atomic.Bool // the owner does not want it back

	// underway counts messages that were sent and not yet applied. A borrower must not get ahead of
	// them: its own release may be among them.
	underway atomic.Int64
}

// lend puts the core where borrowers find it.
func (l *lending) lend(c *core) {
	l.out.Store(true)
	l.core <- c
}

// callIn waits until the core is back. A borrower has it for less than a microsecond.
func (l *lending) callIn() *core {
	l.out.Store(false)
	return <-l.core
}

// spins is how often a borrower looks for the core while another has it.
const spins = 20

// borrow returns the core, or nil if the owner has it or is about to.
func (l *lending) borrow() *core {
	for range spins {
		select {
		case c := <-l.core:
			if l.underway.Load() == 0 {
				return c
			}
			l.core <- c
			return nil
		default:
			if !l.out.Load() {
				return nil
			}
		}
	}
	return nil
}

// giveBack ends a borrowing.
func (l *lending) giveBack(c *core) { l.core <- c }

// tryNow answers a try without the owner, if it can.
func (b *mailbox) tryNow(n int) (p *ticket.Place, answered bool) {
	c := b.borrow()
	if c == nil {
		return nil, false
	}
	defer b.giveBack(c) // whatever the clock does
	c.advance(b.now())
	if n >= 1 && n <= c.most && c.fits(n) {
		p = b.grantNow(c, n)
	}
	return p, true
}

// acquireNow grants a ticket without the owner, if it can.
func (b *mailbox) acquireNow(n int, deadline instant) *ticket.Place {
	c := b.borrow()
	if c == nil {
		return nil
	}
	defer b.giveBack(c)
	c.advance(b.now())
	if n < 1 || n > c.most || !c.fits(n) || c.now > deadline {
		return nil
	}
	return b.grantNow(c, n)
}

// grantNow grants a ticket that fits into a line in which nobody stands.
func (b *mailbox) grantNow(c *core, n int) *ticket.Place {
	p := b.place()
	c.line.Issue(p, n)
	b.note(c, settings.Enqueued, p)
	c.spend(p)
	b.note(c, settings.Granted, p)
	return p
}

// releaseNow releases a ticket without the owner, if it can.
func (b *mailbox) releaseNow(p *ticket.Place, n ticket.Number) bool {
	c := b.borrow()
	if c == nil {
		return false
	}
	defer b.giveBack(c)
	if c.timed || b.journal != nil { // else reading the clock would change nothing
		c.advance(b.now())
	}
	b.release(c, p, n)
	return true
}
