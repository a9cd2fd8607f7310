package scheduler

import (
	"context"
	"runtime"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/internal/settings"
	"github.com/flowguard-go/flowguard/ticket"
)

// Scheduler grants permits within its limits, strictly in the order in which they were asked for; see
// [Scheduler.Flow] for several lines that take turns.
// Most callers want [Scheduler.Acquire] and then defer t.Release(), or [Scheduler.Do], which is
// both.
//
// Make one with [New]; the zero Scheduler panics. All methods may be called from any goroutine. End
// it with [Scheduler.Close] or [Scheduler.Drain]. A scheduler that was forgotten ends, as by Close,
// some time after neither it nor any of its tickets can be reached; tests in a synctest bubble must
// close theirs.
type Scheduler struct {
	box     *mailbox
	cleanup runtime.Cleanup

	// Of a view; see Flow.
	root    *Scheduler   // is kept from being forgotten
	flow    *ticket.Flow // nil: the plain line
	invalid error        // why the flow cannot be used
}

// New starts a scheduler with the given limits. It returns an [*InvalidError] for limits that
// [Limits.Validate] refuses and for options that cannot work. The limits are copied.
func New(limits Limits, opts ...Option) (*Scheduler, error) {
	if err := limits.Validate(); err != nil {
		return nil, err
	}
	limits = limits.clone()
	set := settings.Settings{Clock: clock.New(), MaxQueue: unlimited}
	for _, opt := range opts {
		if opt == nil {
			return nil, &InvalidError{"an Option of New", nil, "made by one of the With functions or NonBlocking"}
		}
		if err := opt.Apply(&set); err != nil {
			return nil, err
		}
	}
	box := newMailbox(set)
	box.limits.Store(&limits)
	s := &Scheduler{box: box}
	s.root = s
	// Nothing that the owner holds leads to s, so s becomes unreachable when it is forgotten. (Where an
	// owner has ended, send touches no channel: it may belong to a bubble that is gone.)
	s.cleanup = runtime.AddCleanup(s, func(box *mailbox) {
		box.send(message{verb: shut})
	}, box)
	c := newCore(limits, set.MaxQueue, set.NonBlocking)
	c.noted = set.Journal != nil
	go newOwner(box).run(c)
	return s, nil
}

// Acquire waits for one permit. See [Scheduler.AcquireN].
func (s *Scheduler) Acquire(ctx context.Context) (ticket.Ticket, error) { return s.AcquireN(ctx, 1) }

// AcquireN waits until a ticket of the given weight is granted, and returns it: do the work, then
// call its Release. The permits of one ticket are granted together; until they all fit the ticket
// has charged nothing.
//
// It returns at once, and has charged nothing,
//   - with an error that wraps ctx.Err() if ctx is already done;
//   - with a [*DeadlineError] if the deadline of ctx comes before the earliest instant at which the
//     ticket could be granted; see [Scheduler.WaitTime] for what that is;
//   - with a [*TooLargeError] if a limit can never hold the weight, and with an [*InvalidError] if
//     it is below 1;
//   - with a [*NoPermitError] if it would have to wait and the scheduler is [NonBlocking];
//   - with a [*QueueFullError] if it would have to wait and the line is full;
//   - with [ErrClosed] if the scheduler is closed or draining.
//
// While it waits, the end of ctx withdraws the ticket and gives an error that wraps ctx.Err() and
// the cause of ctx. A grant that was made in the very instant is undone. Close gives ErrClosed.
//
// A waiting call costs no timer and no goroutine. Acquire and Release together allocate nothing.
func (s *Scheduler) AcquireN(ctx context.Context, weight int) (ticket.Ticket, error) {
	if ctx.Err() != nil {
		return ticket.Ticket{}, gaveUp(ctx)
	}
	if s.invalid != nil {
		return ticket.Ticket{}, s.invalid
	}
	r := request{weight: weight, deadline: never, flow: s.flow}
	if d, ok := ctx.Deadline(); ok {
		r.deadline = s.box.instant(d)
	}
	p, how, err := s.box.acquireNow(r, ctx.Done())
	switch how {
	case refused:
		return ticket.Ticket{}, err
	case granted:
		return ticket.Granted((*desk)(s), p), nil
	case attended:
		if err = <-p.Ready(); err == errGivenUp {
			err = gaveUp(ctx)
		}
		return s.issue(p, err)
	case gathering:
		s.box.gather(ctx)
	case unanswered:
		if p = s.box.acquireByMessage(r); p == nil {
			return ticket.Ticket{}, ErrClosed
		}
	}
	select {
	case err := <-p.Ready():
		return s.issue(p, err)
	case <-ctx.Done():
		s.withdraw(p, how == unanswered)
		return ticket.Ticket{}, gaveUp(ctx)
	}
}

// issue makes what the owner told a caller into what the caller gets.
func (s *Scheduler) issue(p *ticket.Place, err error) (ticket.Ticket, error) {
	if err != nil {
		s.box.places.Put(p)
		return ticket.Ticket{}, err
	}
	return ticket.Granted((*desk)(s), p), nil
}

// withdraw takes back a ticket whose caller has gone; sent says that it came to the owner as a message,
// which may still be under way, so that the owner must do it. The place serves again only when it has
// answered, or it would take back the place's next ticket.
func (s *Scheduler) withdraw(p *ticket.Place, sent bool) {
	if sent || !s.box.whileLent(func(c *core) { s.box.withdraw(c, p, s.flow) }) {
		s.ask(message{verb: withdraw, place: p})
	}
	p.TakeBack() // whatever the ticket was told, nobody listens
	s.box.places.Put(p)
}

// TryAcquire takes one permit if it is free now. See [Scheduler.TryAcquireN].
func (s *Scheduler) TryAcquire() (ticket.Ticket, bool) { return s.TryAcquireN(1) }

// TryAcquireN takes permits of the given weight if they are free now and nobody waits in line:
// trying never jumps the line. It returns false otherwise, for a weight that can never be granted,
// and after Close. It allocates nothing.
func (s *Scheduler) TryAcquireN(weight int) (ticket.Ticket, bool) {
	if s.invalid != nil {
		return ticket.Ticket{}, false
	}
	r := request{weight: weight, deadline: never, flow: s.flow}
	if p, answered := s.box.tryNow(r); answered {
		if p == nil {
			return ticket.Ticket{}, false
		}
		return ticket.Granted((*desk)(s), p), true
	}
	p := s.box.place()
	if !s.box.send(message{verb: try, place: p, request: r}) {
		return ticket.Ticket{}, false
	}
	t, err := s.issue(p, <-p.Ready())
	return t, err == nil
}

// Enqueue takes a place in line for a ticket of the given weight and returns at once. Receive from
// the ticket's Ready to learn when it is granted, or call its Cancel. Keep the ticket for as long as
// you wait: if neither it nor the scheduler can be reached any more, the scheduler ends.
//
// It refuses what [Scheduler.AcquireN] refuses, except that it knows no deadline and heeds
// [NonBlocking] not at all. After Close, or when the scheduler closes before the grant, Ready
// delivers [ErrClosed].
func (s *Scheduler) Enqueue(weight int) (ticket.Ticket, error) {
	if s.invalid != nil {
		return ticket.Ticket{}, s.invalid
	}
	p, r := ticket.NewPlace(), request{weight: weight, deadline: never, flow: s.flow}
	var a answer
	if !s.box.whileLent(func(c *core) { a = s.box.enqueue(c, p, r) }) {
		var ok bool
		if a, ok = s.ask(message{verb: enqueue, place: p, request: r}); !ok {
			return ticket.Ticket{}, ErrClosed
		}
	}
	if a.err != nil {
		return ticket.Ticket{}, a.err
	}
	return ticket.Waiting((*desk)(s), p, a.number, weight), nil
}

// ask sends a message and waits for its answer. It returns false if the owner has ended.
func (s *Scheduler) ask(m message) (answer, bool) {
	defer runtime.KeepAlive(s.root) // or a scheduler whose last use this is could end meanwhile
	to, ok := s.box.answers.Get().(chan answer)
	if !ok {
		to = make(chan answer, 1)
	}
	m.flow, m.answer = s.flow, to
	if !s.box.send(m) {
		return answer{}, false
	}
	a := <-to
	s.box.answers.Put(to)
	return a, true
}

// WaitTime returns how long a ticket of weight 1 taken now would wait. See [Scheduler.WaitTimeN].
func (s *Scheduler) WaitTime() time.Duration { return s.WaitTimeN(1) }

// WaitTimeN returns how long a ticket of the given weight taken now would wait: 0 when it would be
// granted at once, and the longest duration there is when it never would, because of its weight or
// because the scheduler is closed or draining.
//
// The answer is exact when windows that count from grant alone decide. Where somebody must first
// release, for the burst or for a window that counts from release, it is a lower bound: it takes
// the permits in use to be released now, and those granted later to be released at once. It may then
// be 0 though nothing is free.
//
// It runs through the line as it stands, so it costs a pass over the line where the line has changed
// other than by growing. Of a [Scheduler.Flow] it is what a ticket would wait if nobody else came, and a
// pass each time others wait too.
func (s *Scheduler) WaitTimeN(weight int) time.Duration {
	if s.invalid != nil {
		return forEver
	}
	a, ok := s.ask(message{verb: wait, request: request{weight: weight}})
	if !ok {
		return forEver
	}
	return a.wait
}

// Stats returns one consistent view of the scheduler. When it returns, everything that was sent
// before it has been applied, every grant that was due has been made, and the timer is set: tests
// use it as a barrier. After Close it returns the state at the end, with nobody waiting.
func (s *Scheduler) Stats() Stats {
	a, ok := s.ask(message{verb: stats})
	if !ok {
		<-s.box.ended
		return s.box.remains.stats(s.box.epoch)
	}
	return a.stats
}

// Close ends the scheduler now: whoever waits is told [ErrClosed], and nothing is granted any more.
// Permits in use stay with those who hold them; releasing them does nothing. When Close returns the
// owner's goroutine and timer are gone. Closing again does nothing. The error is always nil.
func (s *Scheduler) Close() error {
	s.box.send(message{verb: shut})
	<-s.box.ended
	s.root.cleanup.Stop()
	return nil
}

// Drain ends the scheduler in good order: it takes no newcomers, serves the line, waits for all
// permits to be released, and then closes. It returns nil when all that is done, and [ErrClosed] if
// Close came first and somebody still waited or held a permit. If ctx ends first it returns an error
// that wraps ctx.Err(), and the draining goes on: wait for it with another Drain, or cut it short with
// Close.
func (s *Scheduler) Drain(ctx context.Context) error {
	s.ask(message{verb: drain}) // and wait until it is applied, or who drains could still be granted
	select {
	case <-s.box.ended:
		s.root.cleanup.Stop()
		if !s.box.remains.served() {
			return ErrClosed
		}
		return nil
	case <-ctx.Done():
		return drainCut(ctx)
	}
}

// desk is the side of a Scheduler that tickets speak to.
type desk Scheduler

// Release implements [ticket.Desk].
func (d *desk) Release(p *ticket.Place, n ticket.Number) {
	if !d.box.releaseNow(p, n, d.flow) {
		(*Scheduler)(d).ask(message{verb: release, place: p, number: n})
	}
}

// Cancel implements [ticket.Desk]. It waits until it is done, or its caller could still receive a
// grant that is about to be undone.
func (d *desk) Cancel(p *ticket.Place, n ticket.Number) {
	if !d.box.whileLent(func(c *core) { d.box.cancel(c, p, n, d.flow) }) {
		(*Scheduler)(d).ask(message{verb: cancel, place: p, number: n})
	}
}
