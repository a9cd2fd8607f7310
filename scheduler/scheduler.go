package scheduler

import (
	"context"
	"runtime"
	"time"

	"github.com/flowguard-go/flowguard/ticket"
)

// Scheduler grants permits within its limits, in the order in which they were asked for. [Scheduler.Flow]
// makes several lines that take turns. Most callers want [Scheduler.Acquire] and then defer t.Release(), or
// [Scheduler.Do], which is both.
//
// Make one with [New]; the zero Scheduler panics. All methods may be called from any goroutine. End
// it with [Scheduler.Close] or [Scheduler.Drain]. A scheduler that was forgotten ends as by Close, some time
// after neither it nor any of its tickets can be reached. Tests in a synctest bubble must close theirs.
//
// Warning: in a [testing/synctest] bubble, use only schedulers that were made in it. One that was made
// outside runs on real time. A goroutine of the bubble that waits for it is not durably blocked, so the
// bubble's time does not move. Its channels must not be used from inside.
type Scheduler struct {
	handle  Handle
	cleanup runtime.Cleanup
	quota   *exchanger // nil: none is shared
}

// New starts a scheduler with the given limits. It returns an [*InvalidError] for limits that
// [Limits.Validate] refuses and for options that cannot work. The limits are copied.
func New(limits Limits, opts ...Option) (*Scheduler, error) {
	if err := limits.Validate(); err != nil {
		return nil, err
	}
	limits = limits.clone()
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	source, err := cfg.openQuota(limits)
	if err != nil {
		return nil, err
	}
	sh, box := newShared(cfg.clock, &limits), newMailbox(!cfg.keepsState, !cfg.keepsCount)
	s := new(Scheduler)
	s.handle.init(sh, box)
	s.handle.root = s
	// Nothing that the owner holds leads to s, so s becomes unreachable when it is forgotten. (Where an
	// owner has ended, send touches no channel: it may belong to a bubble that is gone.)
	s.cleanup = runtime.AddCleanup(s, func(box *mailbox) {
		box.Send(&message{verb: verbClose})
	}, box)
	st := newState(sh, limits, cfg.maxQueue, cfg.nonBlocking)
	st.core.totals.holds = cfg.countsHeld
	for _, sub := range cfg.subscribers {
		st.subscribe(sub)
	}
	if source != nil {
		s.quota = st.shareQuota(source, cfg.away, box)
		go s.quota.run()
	}
	go newOwner(sh, box).run(st)
	return s, nil
}

// Handle returns a handle that takes permits as s does and can do nothing else. It is a [Source].
func (s *Scheduler) Handle() *Handle {
	if s == nil {
		return nil
	}
	return &s.handle
}

// Acquire waits for one permit. See [Scheduler.AcquireN].
func (s *Scheduler) Acquire(ctx context.Context) (ticket.Ticket, error) {
	return s.handle.acquire(ctx, 1, nil)
}

// AcquireN waits until a ticket of the given weight is granted, and returns it. Do the work, then call its
// Release. The permits of one ticket are granted together. A waiting ticket has not been charged to any
// limit.
//
// The costs are what the ticket uses of other units, such as tokens.Of(900); see [Unit]. They may be estimates:
// [ticket.Ticket.Settle] corrects them. All limits of all units are decided together. A ticket that waits for
// one unit also holds up tickets behind it that do not name that unit. If a unit is named twice, its amounts
// are summed.
//
// It refuses the ticket at once, and charges nothing, with these errors:
//   - one that wraps ctx.Err(): ctx is already done;
//   - a [*DeadlineError]: the deadline of ctx comes before the earliest instant at which the ticket could be
//     granted, which [Scheduler.WaitTimeN] tells;
//   - a [*TooLargeError]: a limit can never hold the weight or a cost;
//   - an [*InvalidError]: the weight is below 1, a cost is below 0, or the scheduler's limits have never
//     named a unit;
//   - a [*NoPermitError]: the ticket would have to wait and the scheduler is [NonBlocking];
//   - a [*QueueFullError]: the ticket would have to wait and the line is full;
//   - [ErrClosed]: the scheduler is closed or draining.
//
// If ctx ends while the ticket waits, AcquireN withdraws it and returns an error that wraps ctx.Err() and the
// cause of ctx. If the grant and the end of ctx coincide, the grant is undone. If the scheduler is closed
// while the ticket waits, AcquireN returns ErrClosed.
//
// A waiting call adds no timer and no goroutine. Acquire and Release together allocate nothing, with and
// without costs.
func (s *Scheduler) AcquireN(ctx context.Context, weight int, costs ...ticket.Cost) (ticket.Ticket, error) {
	return s.handle.AcquireN(ctx, weight, costs...)
}

// TryAcquire takes one permit if it is free now. See [Scheduler.TryAcquireN].
func (s *Scheduler) TryAcquire() (ticket.Ticket, bool) { return s.handle.try(1, nil) }

// TryAcquireN takes permits of the given weight if they are free now and no ticket waits in line:
// trying never jumps the line. The costs are as in [Scheduler.AcquireN]. Otherwise it returns false. It also
// returns false for what can never be granted: a weight or a cost above a limit, an unknown unit, a flow with
// a bad share, a closed scheduler. [Scheduler.AcquireNow] says why. It allocates nothing.
func (s *Scheduler) TryAcquireN(weight int, costs ...ticket.Cost) (ticket.Ticket, bool) {
	return s.handle.TryAcquireN(weight, costs...)
}

// AcquireNow takes permits of the given weight if they are free now and no ticket waits in line, as
// [Scheduler.TryAcquireN] does, and otherwise says why not and when to come back: with a [*NoPermitError],
// [*TooLargeError], [*InvalidError] or [ErrClosed]. It is for those who answer a caller of their own, such as a server,
// and never waits. Finding out when to come back costs what [Scheduler.WaitTimeN] does, so take TryAcquireN
// where the reason does not matter.
func (s *Scheduler) AcquireNow(weight int, costs ...ticket.Cost) (ticket.Ticket, error) {
	return s.handle.AcquireNow(weight, costs...)
}

// Enqueue takes a place in line for a ticket of the given weight and costs, and returns at once. Receive from
// the ticket's Ready to learn when it is granted, or call its Cancel. Keep the ticket for as long as
// you wait: if neither it nor the scheduler can be reached any more, the scheduler ends.
//
// It refuses what [Scheduler.AcquireN] refuses, except that it has no deadline and ignores
// [NonBlocking]. After Close, or when the scheduler closes before the grant, Ready delivers
// [ErrClosed].
func (s *Scheduler) Enqueue(weight int, costs ...ticket.Cost) (ticket.Ticket, error) {
	return s.handle.Enqueue(weight, costs...)
}

// WaitTime returns how long a ticket of weight 1 taken now would wait. See [Scheduler.WaitTimeN].
func (s *Scheduler) WaitTime() time.Duration { return s.handle.WaitTimeN(1) }

// WaitTimeN returns how long a ticket of the given weight and costs would wait if it were taken now. It returns
// 0 if the ticket would be granted at once. It returns [Forever] if the ticket never would be: because of its
// weight or a cost, because of a flow's bad share, or because the scheduler is closed or draining. For a
// [Scheduler.Flow] it assumes that no other ticket comes.
//
// The answer is exact when windows that count from grant decide and no more than 256 tickets wait in
// line. Otherwise it is a lower bound:
//   - If a permit must first be released, for the burst or for a window that counts from release, it assumes
//     that the permits in use are released now, and those granted later at once. It may then be 0 although
//     nothing is free. It assumes that costs are as they were said to be.
//   - Behind more than 256 tickets it counts the permits ahead as if they were granted one by one.
//     That is exact for tickets of weight 1 under one window. Costs in other units are counted only if
//     no other flow waits.
//   - A window of more than 65,536 permits may free a permit up to Per/65,536 later.
//   - While many tickets are being dismissed, after SetLimits or the end of a context, it does not count
//     the line, because it is not known which of them stay.
//
// It costs some microseconds of the owner's time, and with several flows in a long line some
// nanoseconds more for each flow. It allocates nothing.
func (s *Scheduler) WaitTimeN(weight int, costs ...ticket.Cost) time.Duration {
	return s.handle.WaitTimeN(weight, costs...)
}

// Limits returns a copy of the limits as they are now.
func (s *Scheduler) Limits() Limits { return s.handle.Limits() }

// Clock returns the clock that the scheduler reads, so that what is built around it can count time
// as it does.
func (s *Scheduler) Clock() Clock { return s.handle.Clock() }

// Stats returns one consistent view of the scheduler. When it returns, everything that was sent
// before it has been applied, every grant that was due has been made, and the timer is set: tests
// use it as a barrier. After Close it returns the state at the end, with no ticket waiting.
func (s *Scheduler) Stats() Stats {
	a, ok := s.handle.ask(&message{verb: verbStats})
	if !ok {
		return s.handle.box.Remains().stats()
	}
	return *a.stats
}

// Windows returns how full each window is now, as Stats.Windows does. It is no barrier as [Scheduler.Stats] is, and
// mostly takes a tenth of the time, because it need not wait for the owner.
func (s *Scheduler) Windows() []WindowStats { return s.handle.Windows() }

// Close ends the scheduler now: every waiting ticket is told [ErrClosed], and nothing is granted any
// more. Permits in use stay with those who hold them; releasing them does nothing. When Close returns
// the owner's goroutine and timer are gone. With [WithQuota] it waits for up to two seconds until the source has
// been told what was used. Closing again does nothing. The error is always nil.
func (s *Scheduler) Close() error {
	box := s.handle.box
	box.Send(&message{verb: verbClose})
	<-box.Ended()
	s.handle.root.cleanup.Stop()
	s.handle.root.quota.wait()
	return nil
}

// Drain ends the scheduler in good order: it takes no newcomers, serves the line, waits for all
// permits to be released, and then closes. It returns nil when that is done. It returns [ErrClosed] if
// Close came first while a ticket still waited or held a permit. If ctx ends first, it returns an error
// that wraps ctx.Err(), and the draining goes on. Wait for it with another Drain, or cut it short with
// Close.
func (s *Scheduler) Drain(ctx context.Context) error {
	// Wait until it is applied, or the caller of Drain could still be granted a permit.
	s.handle.ask(&message{verb: verbDrain})
	select {
	case <-s.handle.box.Ended():
		s.handle.root.cleanup.Stop()
		s.handle.root.quota.wait()
		if !s.handle.box.Remains().core.served() {
			return ErrClosed
		}
		return nil
	case <-ctx.Done():
		return drainCut(ctx)
	}
}
