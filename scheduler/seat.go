package scheduler

import (
	"context"
	"time"

	"github.com/flowguard-go/flowguard/internal/cell"
	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/internal/line"
)

// seat is where the cores of many keys take turns to be worked on. Package keyed has one for each owner
// that it runs: it finds the key, calls Open with its cell, any of the operations, and then Leave. What a
// state does for the one core of a scheduler, a seat does for the core of the key that is open, with the
// same code.
//
// The exported methods are those that package keyed names. Only the holder of the seat may call them,
// like those of a state.
type seat struct {
	state
	maxQueue    int
	nonBlocking bool

	book           ruleBook
	*cell.Register // shared with package keyed. Tickets of all keys have different numbers, because they share places

	cell *cell.Cell // of the key that is open
	live *liveCore  // its core
	key  any        // its name in package keyed

	warm     [8]*cell.Cell // of keys that were open lately; they may sleep after others have been open
	warmNext int

	unfinished map[*cell.Cell][]*chore

	within *within    // nil: no limits hold for all keys together
	quota  *seatQuota // nil: the keys share no limits

	draining, closed bool
}

// seatShared is what any goroutine may use of a seat.
type seatShared struct{ *shared }

func init() {
	inside.NewSeats = func(c any, maxQueue int, nonBlocking bool) any {
		clock := c.(Clock)
		epoch := clock.Now()
		return func(r *cell.Register) (any, any) {
			sh := &shared{clock: clock, epoch: epoch}
			st := state{shared: sh, armed: never, looks: perTurn, idle: line.NewStock()}
			return &seat{state: st, Register: r, maxQueue: maxQueue, nonBlocking: nonBlocking}, seatShared{sh}
		}
	}
}

// Now reads the clock.
func (s seatShared) Now() int64 { return int64(s.now()) }

// MomentOf returns when the clock will show t.
func (s seatShared) MomentOf(t time.Time) int64 { return int64(s.momentOf(t)) }

// MomentIn returns what the clock will show in d.
func (s seatShared) MomentIn(d time.Duration) int64 { return int64(s.momentIn(d)) }

// Epoch returns when moment 0 was, by the time of day as it is set now.
func (s seatShared) Epoch() time.Time {
	age := s.clock.Since(s.epoch)
	return s.clock.Now().Add(-age) // Now is read last: what differs makes a permit come back later
}

// Damage returns what is wrong with a snapshot, or nil.
func (s seatShared) Damage(snap *Snapshot) error { return snap.damage() }

// Place returns an idle place.
func (s seatShared) Place() *line.Place { return s.place() }

// Recycle takes back a place that is no longer used.
func (s seatShared) Recycle(p *line.Place) { s.places.Put(p) }

// GaveUp returns the error for a caller whose context ended before a grant.
func (s seatShared) GaveUp(ctx context.Context) error { return gaveUp(ctx) }

// DrainCut returns the error for a Drain whose context ended before the drain did.
func (s seatShared) DrainCut(ctx context.Context) error { return drainCut(ctx) }

// InitCell makes the zero Cell that of a new key with valid limits.
func (s *seat) InitCell(c *cell.Cell, l Limits) {
	r := s.book.find(l)
	r.cells++
	c.Init(&r.Rules)
}

// Forget ends a key. Its cell must not be used any more.
func (s *seat) Forget(c *cell.Cell) {
	r := rulesOf(c)
	if l := live(c); l != nil {
		s.spare(r, l)
	}
	c.Live, c.Rules = nil, nil
	delete(s.unfinished, c)
	s.book.leave(r)
}

// spare keeps a core for another key with the rules.
func (s *seat) spare(r *rules, l *liveCore) {
	if l.foreign || l.underway.counting || len(r.spare) >= maxSpare {
		return
	}
	l.pause, l.thinning, l.own, l.warm = pause{}, false, false, false
	if l.quota != nil {
		l.quota.source = nil
	}
	for i := range l.windows {
		l.windows[i].past.ring = nil // or it would keep the memory of a key that is forgotten
	}
	r.spare = append(r.spare, l)
}

// Open makes a key the one that is worked on, brings it to the present and makes the grants that are due.
func (s *seat) Open(c *cell.Cell, key any) {
	s.key = key
	s.bring(c)
	s.catchUp()
}

// bring makes a key the one that is worked on.
func (s *seat) bring(c *cell.Cell) {
	if c.Live == nil {
		s.wake(c)
	}
	s.cell, s.live = c, live(c)
	s.core = &s.live.core
	s.core.line.Resume(s.Issued)
	s.core.draining, s.core.closed = s.draining, s.closed
	if len(s.unfinished) > 0 {
		s.chores, s.looks = s.unfinished[c], perTurn
	}
}

// catchUp brings the key to the present.
func (s *seat) catchUp() {
	s.state.advance(moment(s.Latest))
	if s.Read < s.Latest {
		s.state.advance(moment(s.Read)) // the core knows how far the clock is behind
	}
	s.grant()
}

func (s *seat) wake(c *cell.Cell) {
	r := rulesOf(c)
	var l *liveCore
	if last := len(r.spare) - 1; last >= 0 {
		l, r.spare = r.spare[last], r.spare[:last]
	} else {
		l = new(liveCore)
		l.epoch = s.epoch.Round(0)
		l.init(r.limits, s.maxQueue, s.nonBlocking)
	}
	l.load(c, moment(s.Latest))
	if s.quota != nil {
		s.quota.begin(&l.core)
	}
}

// Leave ends the work on the key that is open, and says how it is left.
func (s *seat) Leave() inside.Standing {
	c, l := s.cell, s.live
	if s.within != nil {
		s.checkRepresentative()
	}
	s.Issued = l.line.Issued()
	if len(s.chores) > 0 || len(s.unfinished) > 0 {
		s.keepChores(c)
	}
	left := inside.Standing{At: int64(never), Busy: true}
	switch {
	case l.idle():
		at := l.forgettable()
		left = inside.Standing{At: int64(at), Forget: at <= l.now}
	case l.line.Len() > 0 && l.stands == nil: // else the scheduler for all keys tells when it is time
		left.At = int64(l.wake())
	}
	s.layDown(c)
	return left
}

// layDown lets the key sleep, or if a dormant key could not decide by itself, may let another one sleep.
func (s *seat) layDown(c *cell.Cell) {
	l := s.live
	switch {
	case c.Rules.Simple && l.canSleep():
		s.sleep(c, l)
	case l.warm || l.line.Len() > 0:
	default:
		s.cool(c)
	}
}

// sleep lets a key sleep, whose core canSleep.
func (s *seat) sleep(c *cell.Cell, l *liveCore) {
	l.store(c)
	s.spare(rulesOf(c), l)
}

// keepChores notes what is left to do for the key.
func (s *seat) keepChores(c *cell.Cell) {
	if len(s.chores) == 0 {
		delete(s.unfinished, c)
		return
	}
	if s.unfinished == nil {
		s.unfinished = make(map[*cell.Cell][]*chore)
	}
	s.unfinished[c], s.chores = s.chores, nil
}

// cool lets the key that was open longest ago sleep, so that this one may stay awake.
func (s *seat) cool(c *cell.Cell) {
	before := s.warm[s.warmNext]
	s.warm[s.warmNext] = c
	s.warmNext = (s.warmNext + 1) % len(s.warm)
	s.live.warm = true
	if before == nil || before.Live == nil {
		return
	}
	l := live(before)
	if l.warm = false; l.canSleep() {
		s.sleep(before, l)
	}
}

func (s *seat) request(r inside.Request) request {
	return request{weight: r.Weight, deadline: moment(r.Deadline), costs: r.Costs}
}

// Try grants a ticket if it need not wait, and returns its place; else nil.
func (s *seat) Try(r inside.Request) *line.Place {
	p, _ := s.take(callTry, r)
	return p
}

// AcquireNow is Try with the reason why not. If finding that takes long, and long is false, it returns neither a
// place nor a reason.
func (s *seat) AcquireNow(r inside.Request, long bool) (*line.Place, error) {
	if !long && s.core.line.Len() > lookAhead {
		return nil, nil
	}
	return s.take(callNow, r)
}

// take grants a ticket if it need not wait, or returns why it is refused.
func (s *seat) take(k call, r inside.Request) (*line.Place, error) {
	q := s.request(r)
	v, d, err := s.decide(k, &q)
	if v != verdictGranted {
		s.admit(v, d, nil, &q, err)
		return nil, err
	}
	return s.grantTaken(d, &q), nil
}

// grantTaken grants a ticket for which decide said so, and returns its place.
func (s *seat) grantTaken(d deposit, q *request) *line.Place {
	p := s.grantNow(q)
	if s.within != nil {
		s.within.held[p] = d
	}
	return p
}

// Pass grants a ticket and takes its permits back, if it need not wait.
func (s *seat) Pass(r inside.Request) bool {
	q := s.request(r)
	if s.within != nil || !s.core.takes(&q) {
		return false // the scheduler for all keys must be asked too
	}
	p := s.grantNow(&q)
	s.release(p, p.Number, nil)
	return true
}

// Acquire grants a ticket, puts it in line, or returns why it is refused. It returns the place of the
// ticket, or nil if the decision takes long.
func (s *seat) Acquire(r inside.Request) (p *line.Place, granted bool, err error) {
	q := s.request(r)
	if s.core.takesLong(callAcquire, &q) {
		return nil, false, nil
	}
	v, d, err := s.decide(callAcquire, &q)
	switch v {
	case verdictGranted:
		return s.grantTaken(d, &q), true, nil
	case verdictQueued:
		p = s.place()
	}
	s.admit(v, d, p, &q, err)
	return p, false, err
}

// Arrive decides about a ticket whose caller waits at the place: it is told, unless it is refused.
func (s *seat) Arrive(p *line.Place, r inside.Request, enqueued bool) error {
	q := s.request(r)
	k := callAcquire
	if enqueued {
		k = callEnqueue
	}
	v, d, err := s.decide(k, &q)
	s.admit(v, d, p, &q, err)
	if v == verdictGranted {
		p.Tell(nil)
	}
	return err
}

// Withdraw ends a ticket whose caller was told nothing and never will be.
func (s *seat) Withdraw(p *line.Place, why error) {
	s.finish(p, func() { s.withdraw(p, nil, why) })
}

// Cancel ends the ticket with the number in any state.
func (s *seat) Cancel(p *line.Place, n uint64) {
	s.finish(p, func() { s.cancel(p, n, nil) })
}

// Release gives back what the ticket with the number holds.
func (s *seat) Release(p *line.Place, n uint64) {
	s.finish(p, func() { s.release(p, n, nil) })
}

// finish does what may end the ticket at p, also in the scheduler for all keys, and grants what then fits.
func (s *seat) finish(p *line.Place, do func()) {
	undone := s.core.totals.undone
	do()
	if s.within != nil {
		s.ended(p, s.core.totals.undone > undone)
	}
	s.grant()
}

// NeedsTime reports whether it makes a difference at what time a permit of the key is given back.
func (s *seat) NeedsTime(c *cell.Cell) bool {
	l := live(c)
	return l == nil || l.line.Len() > 0 || l.countsReleases || s.within != nil
}

// ReleaseUntimed is Open, Release and Leave where NeedsTime is false.
func (s *seat) ReleaseUntimed(c *cell.Cell, p *line.Place, n uint64) inside.Standing {
	s.bring(c)
	s.release(p, n, nil)
	return s.Leave()
}

// Settle says what the work of the ticket with the number really cost.
func (s *seat) Settle(p *line.Place, n uint64, costs *line.CostList) error {
	err := s.settle(p, n, nil, costs)
	if err == nil && s.within != nil {
		if d, ok := s.within.held[p]; ok {
			err = (*desk)(s.within.handle).Settle(d.place, d.number, costs)
		}
	}
	s.grant()
	return err
}

// Wait returns how long a ticket taken now would wait.
func (s *seat) Wait(r inside.Request) time.Duration {
	q := s.request(r)
	wait := s.core.wait(&q)
	if s.within != nil && wait != Forever {
		wait = max(wait, s.within.wait(&q))
	}
	return wait
}

// Stats returns the stats of the key.
func (s *seat) Stats() Stats {
	stats := s.stats()
	if s.live.stands != nil {
		stats.NextWake = time.Time{} // the scheduler for all keys decides
	}
	return stats
}

// Limits returns the limits of the key.
func (s *seat) Limits() Limits { return s.core.limits.clone() }

// Configure replaces the key's limits by others, which are valid. It reports whether that goes on in Work.
func (s *seat) Configure(l Limits) (later bool, err error) {
	l = l.clone() // the core may serve other keys, and the caller goes on with its own
	columns := len(s.core.columns)
	s.looks = perTurn
	begun, err := s.configure(&l)
	if err != nil {
		return false, err
	}
	live := s.live
	live.own = !l.equal(rulesOf(s.cell).limits)
	live.foreign = live.foreign || len(s.core.columns) != columns
	s.grant()
	return begun != nil, nil
}

// Work does a part of what Configure left to do for the key. It reports whether more is left.
func (s *seat) Work() (more bool) {
	s.workOn()
	s.grant()
	return len(s.chores) > 0
}

// Ended returns what Settle says of a ticket that has ended.
func (s *seat) Ended() error {
	if s.closed {
		return nil
	}
	return notHeld("one that has ended")
}

// Pause stops grants until the clock shows an instant, or if that is inside.Never, until Resume.
func (s *seat) Pause(until int64) { s.setPause(moment(until)) }

// Resume ends the key's pause.
func (s *seat) Resume() {
	s.resume()
	s.grant()
}

// Charge notes that n permits of a window were used elsewhere.
func (s *seat) Charge(w Window, n int) error { return s.spend(w, n) }

// Observe notes what the server said is left of a window until the clock shows an instant.
func (s *seat) Observe(w Window, left int, until int64, p *line.Place, n uint64) error {
	err := s.observe(w, left, moment(until), p, n)
	s.grant()
	return err
}

// Snapshot returns what the key remembers. Moment 0 was at the given time.
func (s *seat) Snapshot(epoch time.Time) Snapshot { return s.core.snapshot(epoch) }

// Restore charges what a snapshot remembers, in which nothing is damaged.
func (s *seat) Restore(snap *Snapshot, epoch time.Time) {
	s.core.restore(snap, epoch)
	s.grant()
}

// Drain makes all keys refuse newcomers.
func (s *seat) Drain() { s.draining = true }

// Close makes all keys grant nothing any more.
func (s *seat) Close() { s.draining, s.closed = true, true }

// Dismiss tells all who wait for the key that the set is closed. It takes as long as they are many.
func (s *seat) Dismiss() {
	s.state.close()
	for s.core.line.Len() > 0 {
		s.looks = perTurn
		s.workOn()
	}
}
