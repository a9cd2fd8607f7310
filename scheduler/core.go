package scheduler

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/flowguard-go/flowguard/ticket"
)

// core decides. It is plain data that is told the time: no goroutine, channel, clock or lock is in
// it. Its owner calls advance with the time, then any of the operations, and after each of them
// grant until it returns nil, so that between operations the ticket whose turn it is never fits.
type core struct {
	limits      Limits
	most        int  // the largest weight that every limit can hold
	timed       bool // the instant of a release matters
	maxQueue    int
	nonBlocking bool

	now      instant
	windows  []window
	inUse    int // weight granted and not released
	line     ticket.Lines
	granted  uint64
	draining bool // takes no newcomers
	shut     bool // closed; draining too
	unserved bool // closed while somebody waited
	forecast forecast

	crowds

	idle []*ticket.Place // a few places that can serve again

	feeds []*feed // to those who watch
	noted bool    // somebody watches, or a journal is kept

	armed instant // what the owner's timer is set to; never if it is not set
	unset bool    // a borrower changed armed, and the timer is still to be set to it

	pausedUntil instant
	halted      bool // paused until told otherwise
}

func newCore(l Limits, maxQueue int, nonBlocking bool) *core {
	c := &core{maxQueue: maxQueue, nonBlocking: nonBlocking, armed: never, idle: make([]*ticket.Place, 0, 16)}
	c.setLimits(l)
	return c
}

// setLimits starts with limits and windows that remember nothing.
func (c *core) setLimits(l Limits) {
	c.limits, c.windows, c.timed = l, nil, false
	c.most, _ = l.tightest()
	for _, w := range l.Windows {
		c.windows = append(c.windows, newWindow(w))
		c.timed = c.timed || w.From == FromRelease
	}
}

// advance moves time on. A clock that steps back stands still.
func (c *core) advance(now instant) {
	if now <= c.now {
		return
	}
	c.now = now
	for i := range c.windows {
		c.windows[i].past.expire(now)
	}
}

// timeless reports whether it makes no difference what time it is.
func (c *core) timeless() bool { return len(c.windows) == 0 && c.pausedUntil <= c.now && !c.noted }

// grant grants the ticket whose turn it is if it fits, and returns its place and flow and since when
// it has waited; else nil.
func (c *core) grant() (p *ticket.Place, f *ticket.Flow, since instant) {
	p, f = c.line.First()
	if p == nil || !c.fits(p.Weight) {
		return nil, nil, 0
	}
	since = instant(p.At)
	c.line.Serve()
	c.depart(p)
	c.spend(p)
	return p, f, since
}

// spend charges every limit for the ticket at p, which is granted now.
func (c *core) spend(p *ticket.Place) {
	p.State, p.At = ticket.Holding, int64(c.now)
	for i := range c.windows {
		c.windows[i].grant(c.now, p.Weight)
	}
	c.inUse += p.Weight
	c.granted++
	c.forecast.forget()
}

// fits reports whether n permits fit into every limit at once and there is no pause.
func (c *core) fits(n int) bool {
	if c.paused() || !c.burstFits(n) {
		return false
	}
	for i := range c.windows {
		if !c.windows[i].fits(n) {
			return false
		}
	}
	return true
}

func (c *core) burstFits(n int) bool {
	return c.limits.MaxBurst == 0 || n <= c.limits.MaxBurst-c.inUse
}

// request is what a caller asks for.
type request struct {
	weight   int
	deadline instant      // never: none
	flow     *ticket.Flow // nil: the plain line
}

// enqueue puts a place in line for a ticket that can wait until its deadline, or returns why not.
func (c *core) enqueue(p *ticket.Place, r request) error {
	if err := c.admits(r.weight); err != nil {
		return err
	}
	if c.full(r.flow) && !c.atOnce(r.weight) {
		return &QueueFullError{Max: c.maxQueue}
	}
	if r.deadline != never {
		if at, limit := c.earliest(r); at > r.deadline {
			return &DeadlineError{Wait: c.now.until(at), Left: c.now.until(r.deadline), Limit: c.name(limit)}
		}
	}
	c.push(p, r)
	return nil
}

// try puts a place in line if the ticket is granted at once, else it refuses without a reason.
func (c *core) try(p *ticket.Place, r request) error {
	if !c.takes(r.weight) {
		return ErrNoPermit
	}
	c.push(p, r)
	return nil
}

// acquire is enqueue, or for a non-blocking scheduler try with a reason.
func (c *core) acquire(p *ticket.Place, r request) error {
	if !c.nonBlocking {
		return c.enqueue(p, r)
	}
	if err := c.admits(r.weight); err != nil {
		return err
	}
	if late := r.deadline < c.now; late || !c.atOnce(r.weight) {
		at, limit := c.earliest(r)
		if late {
			return &DeadlineError{Wait: c.now.until(at), Left: c.now.until(r.deadline), Limit: c.name(limit)}
		}
		return &NoPermitError{Wait: c.now.until(at), Limit: c.name(limit)}
	}
	c.push(p, r)
	return nil
}

// full reports whether the line is too long for one more of the flow. See WithMaxQueue.
func (c *core) full(f *ticket.Flow) bool {
	length := c.line.Len()
	if length < c.maxQueue {
		return false
	}
	own, flows := c.line.LenOf(f), c.line.Flows()
	if own == 0 {
		flows++
	}
	return own >= c.maxQueue/flows || length >= 2*c.maxQueue
}

// admits returns why a ticket of weight n can never be granted, or nil.
func (c *core) admits(n int) error {
	if n < 1 {
		return &InvalidError{"weight", n, "1 or more"}
	}
	if n > c.most {
		_, limit := c.limits.tightest()
		return &TooLargeError{Weight: n, Most: c.most, Limit: limit}
	}
	if c.draining {
		return ErrClosed
	}
	return nil
}

// atOnce reports whether a ticket of weight n taken now is granted now.
func (c *core) atOnce(n int) bool { return c.line.Len() == 0 && c.fits(n) }

// takes reports the same of a weight that may be one no limit can hold, and of a core that may be
// draining.
func (c *core) takes(n int) bool { return n >= 1 && n <= c.most && !c.draining && c.atOnce(n) }

func (c *core) push(p *ticket.Place, r request) {
	if c.line.Alone(r.flow) && c.forecast.current(c.now, c.windows) {
		c.forecast.join(r.weight)
	}
	p.At = int64(c.now)
	c.line.Push(p, r.weight, r.flow)
}

// release gives back what the ticket at p holds.
func (c *core) release(p *ticket.Place) {
	c.inUse -= p.Weight
	for i := range c.windows {
		c.windows[i].release(c.now, p.Weight)
	}
	c.end(p)
}

// undo makes the grant to p as if it had never been.
func (c *core) undo(p *ticket.Place) {
	c.inUse -= p.Weight
	for i := range c.windows {
		c.windows[i].undo(c.now, instant(p.At), p.Weight)
	}
	c.granted--
	c.end(p)
}

// leave takes a waiting place out of the line of its flow.
func (c *core) leave(p *ticket.Place, f *ticket.Flow) {
	c.line.Remove(p, f)
	c.depart(p)
	c.end(p)
}

// end makes the place idle: the ticket is over.
func (c *core) end(p *ticket.Place) {
	p.State = ticket.Idle
	c.forecast.forget()
}

// waiter is a ticket in line.
type waiter struct {
	place *ticket.Place
	flow  *ticket.Flow
}

// waiters returns the tickets in line that are meant, in the order of their numbers.
func (c *core) waiters(meant func(*ticket.Place) bool) (those []waiter) {
	for p, f := range c.line.All() {
		if meant(p) {
			those = append(those, waiter{p, f})
		}
	}
	slices.SortFunc(those, func(a, b waiter) int { return cmp.Compare(a.place.Number, b.place.Number) })
	return those
}

// wake returns the instant at which the head of the line fits by the passing of time alone, or
// never: with nobody in line, or when somebody must first release or resume.
func (c *core) wake() instant {
	p, _ := c.line.First()
	if p == nil || c.halted || !c.burstFits(p.Weight) {
		return never
	}
	at, _, release := roomAt(c.windows, c.now, p.Weight)
	if release {
		return never
	}
	return max(at, c.pausedUntil)
}

// earliest returns the earliest instant at which a ticket taken now could be granted, and the index of
// the window that decides it: -1 if none does.
func (c *core) earliest(r request) (at instant, limit int) {
	if c.line.Len() == 0 {
		if at, limit, _ = roomAt(c.windows, c.now, r.weight); at < c.pausedUntil {
			at, limit = c.pausedUntil, -1
		}
		return at, limit
	}
	last := c.line.Alone(r.flow) // else somebody may come between
	if !last || !c.forecast.current(c.now, c.windows) {
		c.forecast.run(c.now, max(c.now, c.pausedUntil), c.windows, c.line.Ahead(r.weight, r.flow))
		c.forecast.made = last
	}
	return c.forecast.next(r.weight)
}

// foresees reports whether it needs no pass over the line to tell when a ticket can be granted, or
// nobody wants to know.
func (c *core) foresees(r request) bool {
	return r.deadline == never && !c.nonBlocking || c.line.Len() == 0 ||
		c.line.Alone(r.flow) && c.forecast.current(c.now, c.windows)
}

// wait returns how long a ticket taken now would wait at least; for ever if it is never granted.
func (c *core) wait(r request) time.Duration {
	if c.admits(r.weight) != nil {
		return forEver
	}
	at, _ := c.earliest(r)
	return c.now.until(at)
}

// name returns the limit with the index that earliest gave. Where no window decides, only a pause or
// the burst can make a ticket wait.
func (c *core) name(limit int) string {
	switch {
	case limit >= 0:
		return c.windows[limit].String()
	case c.paused():
		return "pause"
	case c.limits.MaxBurst > 0:
		return c.limits.burst()
	}
	return ""
}

// finished reports whether all is over: after Close at once, else when a drain has nobody waiting
// and nothing held.
func (c *core) finished() bool {
	return c.shut || c.draining && c.served()
}

// served reports whether nobody waits, or was sent away waiting, and nothing is held.
func (c *core) served() bool { return c.line.Len() == 0 && !c.unserved && c.inUse == 0 }

// forEver is the wait of what never comes.
const forEver = time.Duration(math.MaxInt64)

// unlimited is the maxQueue of a scheduler without WithMaxQueue.
const unlimited = math.MaxInt
