package scheduler

import (
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
)

// state is what is owned and handed over: the core and what travels with it. It is a local of the
// owner's loop, the content of the slot it is lent through, or a local of the caller who borrowed it.
// Its methods are what only its holder may do. What they use of shared may be used anywhere.
type state struct {
	*shared
	core *core // of many keys: that of the key whose turn it is; see seat.go

	contexts contextWatch
	idle     line.Stock // a few places that can serve again
	chores   []*chore
	looks    int // how many more tickets may be looked at for them in this turn
	feeds    []subscriber
	watched  bool          // there are feeds
	setBy    time.Duration // by how much the time of day was set, as of this turn; known only while watched

	quotaBell chan struct{} // wakes the goroutine that exchanges with a quota's source; nil if there is none

	gate func() bool // whether the first in line may be granted as far as others go; nil: it may; see within.go

	armed moment // what the owner's alarm is set to, or will be; never if it is off
}

func newState(sh *shared, l Limits, maxQueue int, nonBlocking bool) *state {
	st := &state{shared: sh, core: new(core), armed: never, looks: perTurn, idle: line.NewStock()}
	st.core.epoch = sh.epoch.Round(0)
	st.core.init(l, maxQueue, nonBlocking)
	return st
}

// timeless reports whether it makes no difference what time it is.
func (st *state) timeless() bool { return st.core.timeless && !st.watched && !st.core.totals.holds }

// catchUp brings the state to the present.
func (st *state) catchUp() {
	if st.advance(st.now()) {
		st.grant()
	}
}

// advance moves time on to what the clock shows. What events need of the clock is read here, before
// anything is decided: so all events of a moment tell one time, and a clock that panics changes nothing.
func (st *state) advance(reading moment) (room bool) {
	if st.watched {
		st.setBy = st.step()
	}
	if st.core.resets {
		st.core.setEpoch(st.epochToday())
	}
	return st.core.advance(reading)
}

// eventTime returns what an event tells as the time of the moment.
func (st *state) eventTime(m moment) time.Time { return st.timeAfter(m, st.setBy) }

// beginTurn brings the state to what the clock shows, at the beginning of a turn of the owner's. In
// between borrowers share what the turn leaves of the looks.
func (st *state) beginTurn(reading moment) {
	st.looks = perTurn
	st.advance(reading)
	st.grant()
}

// grant grants all that fits. Most often no ticket waits.
func (st *state) grant() {
	if st.core.line.Len() > 0 {
		st.grantLine()
	}
}

func (st *state) grantLine() {
	for len(st.chores) == 0 || st.dismissHeads() {
		if st.gate != nil && !st.gate() {
			return
		}
		p, f, since := st.core.next()
		if p == nil {
			return
		}
		st.contexts.leave(p)
		if st.watched {
			st.noteGrant(p, f, since.until(st.core.now))
		}
		p.Tell(nil)
	}
}

// arrive decides about a new ticket for the place, and does what it has decided. A ticket that is granted
// at once is told so.
func (st *state) arrive(k call, p *line.Place, r *request) error {
	v, err := st.core.decide(k, r)
	st.admit(v, p, r, err)
	if v == verdictGranted {
		p.Tell(nil)
	}
	return err
}

// admit does what the core has decided about a new ticket.
func (st *state) admit(v verdict, p *line.Place, r *request, err error) {
	switch v {
	case verdictGranted:
		if r.costs != nil {
			st.core.keepCosts(p)
		}
		st.core.grantAtOnce(p, r)
		if st.watched {
			st.noteAtOnce(p, r)
		}
	case verdictQueued:
		st.core.join(p, r)
		if st.watched {
			st.note(EventEnqueued, p, r.flow, nil)
		}
	case verdictRefused:
		st.core.totals.refused[reasonOf(err)]++
		if st.watched {
			st.noteRefusal(r, err)
		}
	}
}

// grantNow grants a ticket that need not wait, and returns its place.
func (st *state) grantNow(r *request) (p *line.Place) {
	p = st.idlePlace()
	if r.costs != nil {
		st.core.keepCosts(p)
	}
	st.core.grantAtOnce(p, r)
	if st.watched {
		st.noteAtOnce(p, r)
	}
	return p
}

// idlePlace returns a place that can serve again.
func (st *state) idlePlace() (p *line.Place) {
	if p = st.idle.Take(); p == nil {
		p = st.place()
	}
	return p
}

// withdraw ends a ticket whose caller was told nothing and never will be. One that was refused
// meanwhile has ended.
func (st *state) withdraw(p *line.Place, f *line.Flow, why error) {
	if p.State != line.Idle {
		st.giveUp(p, f, why, true)
	}
}

// cancel ends the ticket with the number in any state. If its grant is still there to take back, its
// caller cannot have acted on it.
func (st *state) cancel(p *line.Place, n uint64, f *line.Flow) {
	if p.Number == n {
		st.giveUp(p, f, errGivenUp, p.State == line.Holding && p.TakeBack())
	}
}

// giveUp ends a ticket. If unaware, its caller knows of no grant and never will.
func (st *state) giveUp(p *line.Place, f *line.Flow, why error, unaware bool) {
	switch {
	case p.State == line.Queued:
		st.dismiss(p, f, why)
	case unaware:
		st.note(EventUndone, p, f, why)
		p.TakeBack()
		st.core.undo(p)
		p.Tell(why)
	default:
		st.release(p, p.Number, f)
	}
}

// dismiss sends away a ticket in line.
func (st *state) dismiss(p *line.Place, f *line.Flow, why error) {
	st.note(EventGivenUp, p, f, why)
	st.contexts.leave(p)
	st.core.leave(p, f)
	p.Tell(why)
}

// release gives back what the ticket with the number holds at p, if it is still that ticket's.
func (st *state) release(p *line.Place, n uint64, f *line.Flow) {
	if p.Number != n || p.State != line.Holding {
		return
	}
	if st.watched {
		st.note(EventReleased, p, f, nil)
	}
	st.core.release(p)
	if p.Reused && !st.idle.Keep(p) {
		st.places.Put(p)
	}
}

// configure replaces the limits. It returns the chore of sending away the tickets that can never fit any
// more, or nil if there are none.
func (st *state) configure(l *Limits) (*chore, error) {
	if err := st.core.notShared("SetLimits"); err != nil {
		return nil, err
	}
	if err := st.core.tooManyUnits(*l); err != nil {
		return nil, err
	}
	if l.countReset() {
		st.core.setEpoch(st.epochToday())
	}
	st.core.configure(*l)
	st.limits.Store(l)
	if st.watched {
		st.emit(Event{Kind: EventLimits, Limits: *l})
	}
	return st.begin(&chore{why: func(p *line.Place) error { return st.core.oversize(st.core.demandOf(p)) }}), nil
}

// settle says what the work of the ticket with the number, which is at p, really cost.
func (st *state) settle(p *line.Place, n uint64, f *line.Flow, costs *line.CostList) error {
	switch {
	case st.core.closed:
		return nil
	case p.Number != n || p.State == line.Idle:
		return notHeld("one that has ended")
	case p.State == line.Queued:
		return notHeld("one that waits")
	}
	err := st.core.settle(p, costs)
	if err == nil && st.watched {
		st.note(EventSettled, p, f, nil)
	}
	return err
}

func notHeld(got string) error {
	return &InvalidError{"the ticket of Settle", got, "granted and not yet released"}
}

// setPause stops grants until the clock shows an instant, or if that is never, until resume.
func (st *state) setPause(until moment) {
	if until != never {
		until = min(st.core.standing(until), horizon)
	}
	if st.core.setPause(until) && st.watched {
		e := Event{Kind: EventPaused}
		if !st.core.pause.halted {
			e.Until = st.eventTime(st.core.pause.until)
		}
		st.emit(e)
	}
}

func (st *state) resume() {
	st.core.resume()
	st.emit(Event{Kind: EventResumed})
}

// spend notes that permits of a window were used elsewhere.
func (st *state) spend(w Window, n int) error {
	err := st.core.spend(w, n)
	if err == nil {
		st.emit(Event{Kind: EventCharged, Weight: n, Window: w})
	}
	return err
}

// observe notes what the server said is left of a window until the clock shows an instant. If the answer
// belongs to the ticket with the number, that is at p.
func (st *state) observe(w Window, left int, until moment, p *line.Place, n uint64) error {
	if p != nil && (p.Number != n || p.State != line.Holding) {
		p = nil
	}
	until = min(st.core.standing(until), horizon)
	err := st.core.observe(w, left, until, p)
	if err == nil && until > st.core.now {
		st.emit(Event{Kind: EventObserved, Weight: left, Window: w, Until: st.eventTime(until)})
	}
	return err
}

// close tells all who wait that there is nothing to wait for. From then on every ticket is refused.
func (st *state) close() {
	c := st.core
	c.draining, c.closed, c.unserved = true, true, c.unserved || c.line.Len() > 0
	st.begin(&chore{why: func(*line.Place) error { return ErrClosed }})
}

// stats returns what Stats says.
func (st *state) stats() Stats {
	c := st.core
	s := Stats{
		Waiting: c.line.Len(),
		Flows:   c.line.Flows(),
		InUse:   c.burst.held.Saturated(),
		Granted: c.granted,
		Paused:  c.pause.paused(c.now),
		Windows: st.windows(),
		Totals:  c.totals.public(c.enqueued(), c.granted, &st.refused),
	}
	if s.Paused && !c.pause.halted {
		s.Resumes = st.timeOf(c.pause.until)
	}
	if c.quota != nil {
		s.Quota = st.quotaStats()
	}
	if wake := c.wake(); wake != never {
		s.NextWake = st.timeOf(wake)
	}
	return s
}

// windows returns what Stats.Windows says.
func (st *state) windows() []WindowStats {
	c := st.core
	all := make([]WindowStats, len(c.windows))
	for i := range c.windows {
		w := &c.windows[i]
		all[i] = WindowStats{Window: w.Window, Used: w.used(), Remaining: w.remaining(c.now)}
		if free := w.nextFree(c.now); free != never {
			all[i].NextFree = st.timeOf(free)
		}
	}
	return all
}

// wakeIsSooner reports whether the head of the line now fits before the alarm rings, and notes that the
// alarm is to be set.
func (st *state) wakeIsSooner() bool {
	wake := st.core.wake()
	if wake >= st.armed {
		return false
	}
	st.armed = wake
	return true
}

// end is called when all is over.
func (st *state) end() {
	st.core.draining, st.core.closed = true, true
	st.contexts.end()
	for _, f := range st.feeds {
		f.end()
	}
}
