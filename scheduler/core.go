package scheduler

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/internal/weight"
)

// core decides. It is plain data that is told the time: it has no goroutine, channel, clock or lock. The holder
// of the state calls advance with the time, and then any of the operations. After each operation it calls next
// until that returns nil. So between operations the ticket whose turn it is never fits.
type core struct {
	// What almost every call reads or writes comes first. Callers on two processors take these lines of memory from
	// each other, so they are few.
	now       moment
	expiry    moment // nothing that a window remembers expires before
	ends      moment // when a pause or an observation ends; never if there is none
	maxWeight int    // the largest weight that every limit can hold
	pause     pause
	draining  bool // takes no newcomers
	closed    bool // grants nothing; draining too

	timeless       bool // no limit in force depends on the time
	countsReleases bool // the instant of a release matters
	resets         bool // a window counts from reset, so the time of day matters
	thinning       bool // some tickets in line will be sent away

	// plain says that there are permits and nothing else to count: no other unit was ever named, no window
	// is spaced evenly, and nothing was observed.
	plain bool

	windows []window
	quota   *quota // nil: the limits are not shared
	burst   burst
	line    line.Lines

	maxQueue    int
	granted     uint64
	totals      totals
	limits      Limits
	columns     []column
	nonBlocking bool
	unserved    bool // closed while a ticket waited

	behind time.Duration // how far the clock is behind now because it stepped back
	epoch  time.Time     // when moment 0 was, by the time of day as it was set when that last mattered

	inForce []limit // the pause while it lasts, the burst if there is a cap, the quota if there is one, the windows

	underway underway
	foreseen foreseen
}

// limit is one thing that must have room before a ticket is granted. All limits are plain data that is
// told the time.
type limit interface {
	// fits reports whether there is room for n permits.
	fits(now moment, n int) bool
	// roomAt returns the earliest instant at which what is asked for fits behind those foreseen. It
	// takes permits in use to be released now, and then is a lower bound: sure says that it is exact.
	roomAt(now moment, ahead *foreseen, d demand) (at moment, sure bool)
	// grant charges n permits that are granted now.
	grant(now moment, n int)
	// release notes that n permits are given back now.
	release(now moment, n int)
	// undo takes back a grant that was made at the instant at and not released.
	undo(now, at moment, n int)
	// String names the limit in errors.
	String() string
}

func (c *core) init(l Limits, maxQueue int, nonBlocking bool) {
	c.maxQueue, c.nonBlocking = maxQueue, nonBlocking
	c.setLimits(l)
}

// setLimits starts with windows that remember nothing.
func (c *core) setLimits(l Limits) {
	c.limits, c.burst.max = l, l.MaxBurst
	c.setColumns(l)
	c.maxWeight = c.columns[0].most
	c.expiry = c.now
	c.windows, c.countsReleases, c.resets = make([]window, len(l.Windows)), false, l.countReset()
	for i, w := range l.Windows {
		c.windows[i] = newWindow(w, c.columnOf(w.Unit))
		c.windows[i].setEpoch(c.epoch)
		c.countsReleases = c.countsReleases || w.From == FromRelease
	}
	c.plain = len(c.columns) == 1 && !c.underway.counting && !slices.ContainsFunc(l.Windows, func(w Window) bool { return w.Evenly })
	c.enforce()
}

// setEpoch says when moment 0 was, by the time of day as it is set now. It is called before advance where
// resets is true.
func (c *core) setEpoch(epoch time.Time) {
	c.epoch = epoch
	for i := range c.windows {
		if w := &c.windows[i]; w.setEpoch(epoch) {
			w.past.retime(c.now)
		}
	}
}

// enforce lists the limits that are in force, and notes when one of them ends.
func (c *core) enforce() {
	clear(c.inForce) // or it would keep windows that are no longer in force
	c.inForce, c.ends = c.inForce[:0], never
	paused := c.pause.paused(c.now)
	if paused {
		c.inForce = append(c.inForce, &c.pause)
		if !c.pause.halted {
			c.ends = c.pause.until
		}
	}
	if c.burst.max > 0 {
		c.inForce = append(c.inForce, &c.burst)
	}
	if c.quota != nil {
		c.inForce = append(c.inForce, c.quota)
	}
	for i := range c.windows {
		w := &c.windows[i]
		c.inForce = append(c.inForce, w)
		if w.observed.holds() {
			c.ends = min(c.ends, w.observed.latest.until)
		}
	}
	c.timeless = !paused && len(c.windows) == 0 && c.quota == nil
}

// advance moves time on to what the clock shows. Time stands still while the clock is behind. It returns false if
// that cannot have made room for a ticket.
func (c *core) advance(reading moment) (room bool) {
	room = !c.plain || c.quota != nil
	if reading <= c.now {
		c.behind = reading.until(c.now)
		return room
	}
	c.now, c.behind = reading, 0
	if c.expiry <= reading {
		c.forget()
		room = true
	}
	if c.ends <= reading {
		c.expire()
		room = true
	}
	return room
}

// forget makes windows forget what no longer counts, and notes when there is more to forget. What is charged from
// now on counts for longer than a Per, so it needs no look until then. What is charged for the past makes expiry now.
func (c *core) forget() {
	c.expiry = never
	for i := range c.windows {
		c.expiry = min(c.expiry, c.windows[i].advance(c.now))
	}
}

// expire ends the pause and the observations whose time has come.
func (c *core) expire() {
	if !c.pause.paused(c.now) {
		c.pause = pause{}
	}
	for i := range c.windows {
		c.windows[i].observed.expire(c.now)
	}
	c.enforce()
}

// standing converts what the clock will show to the core's time, which is ahead of the clock if that
// has stepped back.
func (c *core) standing(reading moment) moment { return reading.after(c.behind) }

// next grants the ticket whose turn it is if it fits, and returns its place and flow and since when
// it waited; else nil.
func (c *core) next() (p *line.Place, f *line.Flow, since moment) {
	p, f = c.line.First()
	if p == nil || c.closed || !c.fitsAt(p) {
		return nil, nil, 0
	}
	since = moment(p.At)
	c.line.Serve()
	if p.Row != 0 {
		c.stopWaiting(p)
	}
	c.totals.grant(since.until(c.now))
	if c.quota != nil {
		c.quota.leave(p.Weight)
	}
	c.charge(p)
	return p, f, since
}

// charge charges every limit for the ticket at p, which is granted now. A burst counts also where it has
// no cap, and a pause never does.
func (c *core) charge(p *line.Place) {
	p.State, p.At = line.Holding, int64(c.now)
	c.burst.grant(c.now, p.Weight)
	c.granted++
	if c.quota != nil {
		c.quota.grant(c.now, p.Weight)
	}
	if !c.plain {
		c.chargeAll(p)
		return
	}
	for i := range c.windows {
		c.windows[i].grant(c.now, p.Weight)
	}
}

// chargeAll is the rest of charge where the core is not plain.
func (c *core) chargeAll(p *line.Place) {
	d := c.demandOf(p)
	for i := range c.windows {
		w := &c.windows[i]
		if n := d.in(w.column); n > 0 {
			w.grant(c.now, n)
		}
	}
	for i := range d.costs {
		c.columns[i+1].inUse.Add(d.in(i + 1))
	}
	if c.underway.counting {
		c.useUp(p, d)
	}
}

// useUp counts a grant in what the far side said is left.
func (c *core) useUp(p *line.Place, d demand) {
	c.underway.grant(p, d)
	for i := range c.windows {
		c.windows[i].observed.grant(d.in(c.windows[i].column))
	}
}

// fits reports whether what d asks for fits into every limit at once. A ticket that asks for nothing of a
// window's unit is not subject to that window.
func (c *core) fits(d demand) bool {
	return c.windowsFit(d) && c.burst.fits(c.now, d.weight) && !c.pause.paused(c.now) && (c.quota == nil || c.quota.fits(c.now, d.weight))
}

// fitsAt reports the same of the ticket at p.
func (c *core) fitsAt(p *line.Place) bool {
	if c.plain {
		return c.plainFit(p.Weight)
	}
	return c.fits(c.demandOf(p))
}

func (c *core) windowsFit(d demand) bool {
	for i := range c.windows {
		w := &c.windows[i]
		if n := d.in(w.column); n > 0 && !w.fits(c.now, n) {
			return false
		}
	}
	return true
}

// plainFit is fits for n permits where the core is plain. Every call asks it, so it does not go through the
// list of limits: a call through an interface takes as long as the answer.
func (c *core) plainFit(n int) bool {
	for i := range c.windows {
		if !c.windows[i].hasRoom(n) {
			return false
		}
	}
	return c.burst.fits(c.now, n) && !c.pause.paused(c.now) && (c.quota == nil || c.quota.fits(c.now, n))
}

// request is what a caller asks for.
type request struct {
	weight   int
	deadline moment         // what the clock then shows; never: none
	flow     *line.Flow     // nil: the plain line
	costs    *line.CostList // nil: none
}

// call says what a caller wants if the ticket cannot be granted at once.
type call uint8

const (
	callAcquire call = iota // to wait until the deadline, or as NonBlocking says
	callEnqueue             // to wait
	callTry                 // to be refused, without a reason
	callNow                 // to be refused, with the reason
)

// verdict is what the core decides about a new ticket.
type verdict uint8

const (
	verdictRefused verdict = iota
	verdictGranted         // at once
	verdictQueued
)

// decide decides about a new ticket and charges nothing: the caller goes on with grantAtOnce or join.
func (c *core) decide(k call, r *request) (verdict, error) {
	if c.takes(r) {
		return verdictGranted, nil
	}
	return c.decideToWait(k, r)
}

// takes reports whether a ticket taken now is granted now.
func (c *core) takes(r *request) bool {
	n := r.weight
	if n < 1 || n > c.maxWeight || c.draining || c.line.Len() > 0 || c.late(r.deadline) {
		return false
	}
	if c.plain && r.costs == nil {
		return c.plainFit(n)
	}
	return (r.costs == nil || c.price(r) == nil) && c.fits(c.asked(r))
}

// late reports whether the deadline has passed.
func (c *core) late(deadline moment) bool {
	return deadline != never && c.standing(deadline) < c.now
}

// decideToWait decides about a ticket that is not granted at once.
func (c *core) decideToWait(k call, r *request) (verdict, error) {
	if c.quota != nil && (k == callTry || k == callNow || k == callAcquire && c.nonBlocking) {
		c.quota.miss(r.weight)
	}
	if k == callTry {
		if c.draining {
			return verdictRefused, ErrClosed
		}
		return verdictRefused, ErrNoPermit
	}
	if err := c.admits(r); err != nil {
		return verdictRefused, err
	}
	if c.quota != nil {
		if err := c.quota.refuses(r.weight); err != nil {
			return verdictRefused, err
		}
	}
	if k == callNow || k == callAcquire && c.nonBlocking {
		return verdictRefused, c.refuseToWait(r)
	}
	if c.full(r.flow) && !c.atOnce(r) {
		return verdictRefused, &QueueFullError{Max: c.maxQueue, Wait: c.waitForHead(r)}
	}
	if r.deadline != never {
		if at, l := c.earliest(r); at > c.standing(r.deadline) {
			return verdictRefused, c.deadlineError(r, at, l)
		}
	}
	return verdictQueued, nil
}

// refuseToWait returns why a ticket that would have to wait, or comes late, is refused by a
// non-blocking scheduler.
func (c *core) refuseToWait(r *request) error {
	at, by := c.earliest(r)
	if c.late(r.deadline) {
		return c.deadlineError(r, at, by)
	}
	wait, limit := c.advice(r, at, by)
	return &NoPermitError{Wait: wait, Limit: limit}
}

func (c *core) deadlineError(r *request, at moment, by limit) error {
	wait, limit := c.advice(r, at, by)
	return &DeadlineError{Wait: wait, Left: c.now.until(c.standing(r.deadline)), Limit: limit}
}

// advice returns when to come back for a ticket that the limit keeps until the given instant at least,
// and the name of the limit.
func (c *core) advice(r *request, at moment, by limit) (wait time.Duration, limit string) {
	switch {
	case c.atOnce(r):
		return 0, name(by)
	case c.pause.halted:
		return Forever, c.pause.String()
	case at <= c.now: // a permit must first be released
		return Forever, name(by)
	}
	return c.now.until(at), name(by)
}

// name returns the name of the limit that makes a ticket wait, if one does.
func name(l limit) string {
	if l == nil {
		return ""
	}
	return l.String()
}

// full reports whether the line is too long for one more ticket of the flow. See WithMaxQueue.
func (c *core) full(f *line.Flow) bool {
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

// admits returns why a ticket can never be granted, or nil. It also finds out what the ticket costs.
func (c *core) admits(r *request) error {
	if r.weight < 1 {
		return &InvalidError{"weight", r.weight, "1 or more"}
	}
	if r.costs != nil {
		if err := c.price(r); err != nil {
			return err
		}
	}
	if err := c.oversize(c.asked(r)); err != nil {
		return err
	}
	if c.draining {
		return ErrClosed
	}
	return nil
}

// atOnce reports the same of a ticket that the limits admit, whatever the deadline.
func (c *core) atOnce(r *request) bool { return c.line.Len() == 0 && c.fits(c.asked(r)) }

// grantAtOnce grants a ticket for which decide said so. If it has costs, keepCosts was called.
func (c *core) grantAtOnce(p *line.Place, r *request) {
	c.line.Issue(p, r.weight)
	c.charge(p)
}

// join puts a ticket in line.
func (c *core) join(p *line.Place, r *request) {
	if r.costs != nil {
		c.joinWithCosts(p, r)
	}
	if c.quota != nil {
		c.quota.join(r.weight)
	}
	p.At = int64(c.now)
	c.line.Push(p, r.weight, r.flow)
}

// leave takes a waiting ticket out of the line of its flow.
func (c *core) leave(p *line.Place, f *line.Flow) {
	c.totals.givenUp++
	if c.quota != nil {
		c.quota.leave(p.Weight)
	}
	c.line.Remove(p, f)
	if p.Row != 0 {
		c.stopWaiting(p)
		c.line.Costs.Drop(p)
	}
}

// release gives back what the ticket at p holds.
func (c *core) release(p *line.Place) {
	c.totals.released++
	if c.totals.holds {
		c.totals.held.add(moment(p.At).until(c.now))
	}
	c.burst.release(c.now, p.Weight)
	if c.quota != nil {
		c.quota.release(c.now, p.Weight)
	}
	if c.countsReleases {
		d := c.demandOf(p)
		for i := range c.windows {
			if n := d.in(c.windows[i].column); n > 0 {
				c.windows[i].release(c.now, n)
			}
		}
	}
	c.finish(p)
}

// pass does what grantAtOnce and then release do with a ticket of n permits, without a place for it. It returns
// false, and has done nothing, where more is to be noted than permits in windows.
func (c *core) pass(n int) bool {
	if !c.plain || c.quota != nil {
		return false
	}
	c.line.Skip(1)
	c.granted++
	c.totals.released++
	for i := range c.windows {
		c.windows[i].past.add(c.now, n)
	}
	return true
}

// undo makes the grant to p as if it had never been.
func (c *core) undo(p *line.Place) {
	c.burst.undo(c.now, moment(p.At), p.Weight)
	if c.quota != nil {
		c.quota.undo(c.now, moment(p.At), p.Weight)
	}
	d := c.demandOf(p)
	for i := range c.windows {
		if n := d.in(c.windows[i].column); n > 0 {
			c.windows[i].undo(c.now, moment(p.At), n)
		}
	}
	c.granted--
	c.totals.undone++
	c.finish(p)
}

// finish makes the place idle: the ticket has ended.
func (c *core) finish(p *line.Place) {
	if !c.plain {
		c.finishRest(p)
	}
	p.State = line.Idle
}

// wake returns the instant at which the head of the line will fit if only time passes. It returns never if no
// ticket waits, or if first a permit must be released or the pause ended.
func (c *core) wake() moment {
	p, _ := c.line.First()
	if p == nil {
		return never
	}
	return c.roomAt(c.demandOf(p))
}

// roomAt returns the instant at which what d asks for fits by the passing of time alone, or never.
func (c *core) roomAt(d demand) moment {
	at := c.now
	for _, l := range c.inForce {
		room, sure := l.roomAt(c.now, nil, d)
		if !sure {
			return never
		}
		at = max(at, room)
	}
	return at
}

// waitForHead returns how long it takes until the line is shorter by the passing of time alone; if it is
// empty, until a ticket fits.
func (c *core) waitForHead(r *request) time.Duration {
	d := c.asked(r)
	if p, _ := c.line.First(); p != nil {
		d = c.demandOf(p)
	}
	return c.now.until(c.roomAt(d))
}

// setPause stops grants until an instant, or if that is never, until resume. It reports whether there
// is anything to wait for.
func (c *core) setPause(until moment) bool {
	if until <= c.now {
		return false
	}
	c.pause.extend(until)
	c.enforce()
	return true
}

func (c *core) resume() {
	c.pause = pause{}
	c.enforce()
}

// spend notes that n permits of the window were used elsewhere.
func (c *core) spend(w Window, n int) error {
	if n < 1 || n > w.Permits {
		return &InvalidError{"the permits of Charge", n, fmt.Sprintf("from 1 to %d, the Permits of the window", w.Permits)}
	}
	return c.eachWindow("Charge", w, func(w *window) { w.spend(c.now, n) })
}

// observe notes that the far side grants at most left more permits of the window until an instant.
// If the answer belongs to the ticket at p, that is held; else p is nil.
func (c *core) observe(w Window, left int, until moment, p *line.Place) error {
	if left < 0 {
		return &InvalidError{"the permits left of Observe", left, "0 or more"}
	}
	c.countUnderway()
	answered := demand{weight: 1} // a ticket holds at least that
	if p != nil {
		answered = c.demandOf(p)
	}
	err := c.eachWindow("Observe", w, func(w *window) {
		sure := c.underway.deductFrom(left, w.column, answered.in(w.column), p)
		w.observe(c.now, sure, left, until)
	})
	c.enforce()
	return err
}

// countUnderway begins to count what an observation needs, if that has not begun.
func (c *core) countUnderway() {
	if !c.underway.counting {
		c.underway.start(c.inUse())
		c.plain = false
	}
}

// eachWindow calls do for each window that is as w says.
func (c *core) eachWindow(of string, w Window, do func(*window)) error {
	found := false
	for i := range c.windows {
		if c.windows[i].Window == w {
			do(&c.windows[i])
			found = true
		}
	}
	if !found {
		return &InvalidError{"the window of " + of, w, fmt.Sprintf("one of the scheduler's (%v)", c.limits)}
	}
	return nil
}

// inUse returns what is held, by column.
func (c *core) inUse() []weight.Sum {
	held := make([]weight.Sum, len(c.columns))
	held[0] = c.burst.held
	for i := range held[1:] {
		held[i+1] = c.columns[i+1].inUse
	}
	return held
}

// finished reports whether all is over: after Close when every ticket has left the line, else when a
// drain has no ticket waiting and nothing held.
func (c *core) finished() bool {
	return c.draining && c.line.Len() == 0 && (c.closed || c.served())
}

// served reports whether no ticket waits, or was sent away waiting, and nothing is held.
func (c *core) served() bool { return c.line.Len() == 0 && !c.unserved && c.burst.held.IsZero() }

// unlimited is the maxQueue of a scheduler without WithMaxQueue.
const unlimited = math.MaxInt
