package scheduler

import (
	"runtime"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/ticket"
)

// owner is the goroutine that owns all state, and what it needs to speak with the world. The state
// itself, the core, is a local of run: nothing else can reach it.
type owner struct {
	*mailbox
	timer *clock.Timer
	read  instant // what the clock showed in this turn

	batch   []message
	replies []reply
}

func newOwner(box *mailbox) *owner {
	o := &owner{mailbox: box}
	// One timer for the owner's life. It calls a function instead of sending on the timer's channel
	// because a mock clock sends with its lock held.
	o.timer = box.clock.AfterFunc(maxPer, o.hint)
	o.timer.Stop()
	return o
}

// run is the owner's life, turn after turn: receive, read the clock, advance, grant, arm the timer,
// reply. Replying last makes every reply a barrier: what was sent before is done, the grants that
// were due are made, and the timer is set. Between turns the core is lent out; see lend.go.
func (o *owner) run(c *core) {
	lent := o.lends
	if lent {
		o.lend(c)
	}
	for over := false; !over; {
		batch, ticked := o.receive()
		if lent {
			c = o.callIn()
		}
		if ticked {
			c.armed = never
		}
		o.read = o.now()
		c.advance(o.read)
		o.grant(c)
		for i := range batch {
			o.apply(c, &batch[i])
			o.grant(c)
		}
		over = c.finished()
		o.arm(c)
		o.underway.Add(-int64(len(batch)))
		if lent = o.lends && !c.draining && len(o.in) == 0; lent {
			o.lend(c)
		}
		o.reply()
	}
	o.end(c)
}

// receive waits for a message or a tick and returns all messages that had come by then. It counts
// them before the clock is read, so that no message is applied at an instant before it was sent.
func (o *owner) receive() (batch []message, ticked bool) {
	clear(o.batch)
	o.batch = o.batch[:0]
	select {
	case m := <-o.in:
		o.batch = append(o.batch, m)
	case <-o.tick:
		ticked = true
	}
	for range len(o.in) {
		o.batch = append(o.batch, <-o.in)
	}
	return o.batch, ticked
}

// grant grants all that fits. Most often nobody waits.
func (b *mailbox) grant(c *core) {
	if c.line.Len() > 0 {
		b.grantLine(c)
	}
}

func (b *mailbox) grantLine(c *core) {
	for p, f, since := c.grant(); p != nil; p, f, since = c.grant() {
		if c.noted {
			b.noteGrant(c, p, f, since.until(c.now))
		}
		p.Tell(nil)
	}
}

// apply does what the message asks for.
func (o *owner) apply(c *core, m *message) {
	p := m.place
	if c.shut && m.verb.changes() {
		o.answer(m, answer{err: ErrClosed})
		return
	}
	switch m.verb {
	case acquire, try:
		o.arrive(c, m)
	case enqueue:
		o.answer(m, o.enqueue(c, p, m.request))
	case withdraw:
		o.withdraw(c, p, m.flow)
		o.answer(m, answer{})
	case cancel:
		o.cancel(c, p, m.number, m.flow)
		o.answer(m, answer{})
	case release:
		o.release(c, p, m.number, m.flow)
		o.answer(m, answer{})
	case wait:
		o.answer(m, answer{wait: c.wait(m.request)})
	case stats:
		o.answer(m, answer{stats: c.stats(o.epoch)})
	case configure:
		o.configure(c, m)
	case pause, resume, spent, restore:
		o.answer(m, answer{err: o.control(c, m)})
	case snapshot:
		*m.snapshot = c.snapshot(*m.epoch)
		o.answer(m, answer{})
	case watch, unwatch:
		o.observe(c, m)
	case enlist:
		o.answer(m, answer{err: o.enlist(c, m.job, m.request)})
	case dispel:
		o.dispel(c, m.crowd)
	case disband:
		o.answer(m, answer{more: o.disband(c, m.group)})
	case drain:
		c.draining = true
		o.answer(m, answer{})
	case shut:
		o.shut(c)
	}
}

// arrive puts a new ticket in line, or tells it why not.
func (o *owner) arrive(c *core, m *message) {
	take := c.acquire
	if m.verb == try {
		take = c.try
	}
	err := take(m.place, m.request)
	o.accepted(c, m.place, m.request, err)
	if err != nil {
		m.place.Tell(err)
	}
}

// enqueue puts a new ticket in line, or answers why not.
func (b *mailbox) enqueue(c *core, p *ticket.Place, r request) answer {
	err := c.enqueue(p, r)
	b.accepted(c, p, r, err)
	return answer{number: p.Number, err: err}
}

// withdraw ends a ticket whose caller was told nothing and never will be. One that was refused
// meanwhile has ended.
func (b *mailbox) withdraw(c *core, p *ticket.Place, f *ticket.Flow) {
	if p.State != ticket.Idle {
		b.giveUp(c, p, f, true)
	}
}

// cancel ends the ticket with the number in any state. Nobody can have acted on a grant that is still
// there to take back.
func (b *mailbox) cancel(c *core, p *ticket.Place, n ticket.Number, f *ticket.Flow) {
	if p.Number == n {
		b.giveUp(c, p, f, p.State == ticket.Holding && p.TakeBack())
	}
}

// giveUp ends a ticket. Unaware says that its caller knows of no grant and never will.
func (b *mailbox) giveUp(c *core, p *ticket.Place, f *ticket.Flow, unaware bool) {
	switch {
	case p.State == ticket.Queued:
		b.dismiss(c, p, f, errGivenUp)
	case unaware:
		b.note(c, EventUndone, p, f, errGivenUp)
		p.TakeBack()
		c.undo(p)
		p.Tell(errGivenUp)
	default:
		b.release(c, p, p.Number, f)
	}
}

// dismiss sends away a ticket in line.
func (b *mailbox) dismiss(c *core, p *ticket.Place, f *ticket.Flow, why error) {
	b.note(c, EventGivenUp, p, f, why)
	c.leave(p, f)
	p.Tell(why)
}

// release gives back what the ticket with the number holds at p, if it is still that ticket's.
func (b *mailbox) release(c *core, p *ticket.Place, n ticket.Number, f *ticket.Flow) {
	if p.Number != n || p.State != ticket.Holding {
		return
	}
	if c.noted {
		b.note(c, EventReleased, p, f, nil)
	}
	c.release(p)
	switch {
	case !p.Reused:
	case len(c.idle) < cap(c.idle):
		c.idle = append(c.idle, p)
	default:
		b.places.Put(p)
	}
}

// closeEnough is how far the clock may move while the timer is being set. A clock that was moved in
// that time, or a goroutine that was kept from running, would make the timer late by that much.
const closeEnough = instant(time.Microsecond)

// arm sets the timer to the instant at which the head of the line first fits. It counts from what the
// clock showed in this turn, which is behind the core's time if the clock stepped back.
func (o *owner) arm(c *core) {
	wake := c.wake()
	if wake == c.armed && !c.unset {
		return
	}
	c.armed, c.unset = wake, false
	if wake == never {
		o.timer.Stop()
		return
	}
	// A clock that is slow to read moves on with each reading: bear twice as much each time.
	for before, slack := o.read, closeEnough; ; slack *= 2 {
		o.timer.Reset(before.until(wake))
		now := o.now()
		switch {
		case now >= wake:
			o.hint()
			return
		case now-before <= slack:
			return
		}
		before = now
	}
}

// answer notes what to answer at the end of the turn.
func (o *owner) answer(m *message, a answer) {
	o.replies = append(o.replies, reply{m.answer, a})
}

// reply sends the answers of this turn. Each goes to a channel of the asker's with a slot free.
func (o *owner) reply() {
	for _, r := range o.replies {
		r.to <- r.answer
	}
	clear(o.replies)
	o.replies = o.replies[:0]
}

// shut tells all who wait that there is nothing to wait for. From then on the core refuses everybody.
func (o *owner) shut(c *core) {
	c.draining, c.shut, c.unserved = true, true, c.unserved || c.line.Len() > 0
	for p, f := c.line.First(); p != nil; p, f = c.line.First() {
		o.dismiss(c, p, f, ErrClosed)
	}
}

// end answers the messages that are still under way, and leaves nothing behind. So every message
// that send has taken is answered, and nobody needs to watch for the end while waiting.
func (o *owner) end(c *core) {
	c.draining, c.shut = true, true
	o.timer.Stop()
	o.over.Store(true) // before underway is read: whoever did not see it has been counted
	for o.underway.Load() > 0 {
		select {
		case m := <-o.in:
			o.apply(c, &m)
			o.underway.Add(-1)
		default:
			runtime.Gosched() // a sender is between counting itself and sending
		}
	}
	if c.crowd != nil {
		c.crowd.stop()
	}
	for _, f := range c.feeds {
		close(f.events)
	}
	o.remains = c
	close(o.ended)
	o.reply()
}
