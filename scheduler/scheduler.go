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
// Make one with [New]; the zero Scheduler panics. All methods may be called from any goroutine. End it with
// [Scheduler.Close] or [Scheduler.Drain]. If a program drops a scheduler and all its tickets without Close, the
// garbage collector ends it some time later. Tests in a synctest bubble must close theirs.
//
// Warning: in a [testing/synctest] bubble, use only schedulers that were made in it. One that was made
// outside runs on real time. A goroutine of the bubble that waits for it is not durably blocked, so the
// bubble's time does not move. Its channels must not be used from inside.
type Scheduler struct {
	handle  Handle
	cleanup runtime.Cleanup
	quota   *exchanger // nil: none is shared
}

// New starts a scheduler with the given limits. It returns an [*InvalidError] if [Limits.Validate] does, or if
// an option is invalid. The limits are copied.
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
	// Nothing that the owner holds leads to s, so s becomes unreachable when a program drops it. (If the owner has
	// ended, send touches no channel, because it may belong to a bubble that is gone.)
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

// Handle returns a [Handle], which takes permits as s does and can do nothing else. It makes s a [Source].
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
// The costs are what the ticket uses of other units, such as tokens.Of(900); see [Unit]. They may be estimates,
// which [ticket.Ticket.Settle] corrects. The ticket is granted when the limits of all units have room. A ticket
// that waits for one unit also holds up tickets behind it that do not name that unit. If a unit is named twice,
// its amounts are summed.
//
// It refuses the ticket at once, and charges nothing, with these errors:
//   - one that wraps ctx.Err(): ctx is already done;
//   - a [*DeadlineError]: the deadline of ctx comes before the earliest possible grant, as
//     [Scheduler.WaitTimeN] computes it;
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

// TryAcquireN takes permits of the given weight if they are free now and no ticket waits in line. So a try
// never jumps the line. The costs are as in [Scheduler.AcquireN]. Otherwise it returns false. It also returns
// false if the ticket can never be granted, because of a weight or a cost above a limit, an unknown unit, a
// flow with a bad share, or a closed scheduler. [Scheduler.AcquireNow] says why. It allocates nothing. If the
// permits would be released at once, use [Scheduler.AllowN].
func (s *Scheduler) TryAcquireN(weight int, costs ...ticket.Cost) (ticket.Ticket, bool) {
	return s.handle.TryAcquireN(weight, costs...)
}

// AcquireNow is [Scheduler.TryAcquireN] with an error that says why there is no permit and when to come back.
// The error is a [*NoPermitError], [*TooLargeError], [*InvalidError] or [ErrClosed]. It never waits. It is for
// code that must give its own caller an answer, such as a server. Computing when to come back costs as much as
// [Scheduler.WaitTimeN], so use TryAcquireN if the reason does not matter.
func (s *Scheduler) AcquireNow(weight int, costs ...ticket.Cost) (ticket.Ticket, error) {
	return s.handle.AcquireNow(weight, costs...)
}

// Enqueue takes a place in line for a ticket of the given weight and costs, and returns at once. Receive from
// the ticket's Ready to learn when it is granted, or call its Cancel. Keep the ticket while you wait. If a
// program drops the scheduler and all its tickets, the scheduler ends.
//
// It refuses what [Scheduler.AcquireN] refuses, except that it has no deadline and ignores [NonBlocking]. If
// the scheduler closes before the grant, Ready delivers [ErrClosed].
func (s *Scheduler) Enqueue(weight int, costs ...ticket.Cost) (ticket.Ticket, error) {
	return s.handle.Enqueue(weight, costs...)
}

// WaitTime returns how long a ticket of weight 1 taken now would wait. See [Scheduler.WaitTimeN].
func (s *Scheduler) WaitTime() time.Duration { return s.handle.WaitTimeN(1) }

// WaitTimeN returns how long a ticket of the given weight and costs would wait if it were taken now. It returns
// 0 if the ticket would be granted at once. It returns [Forever] if the ticket would never be granted. Reasons
// are its weight, a cost, a flow's bad share, and a scheduler that is closed or draining. For a
// [Scheduler.Flow] it assumes that no other ticket comes.
//
// The answer is exact when windows that count from grant decide and no more than 256 tickets wait in
// line. Otherwise it is a lower bound:
//   - If a permit must be released first, for the burst or for a window that counts from release, it assumes
//     that the permits in use are released now, and later ones as soon as they are granted. It may then be 0
//     although nothing is free. It takes estimated costs as they are.
//   - Behind more than 256 tickets it counts the permits ahead as if they were granted one by one.
//     That is exact for tickets of weight 1 under one window. Costs in other units are counted only if
//     no other flow waits.
//   - A window of more than 65,536 permits may free a permit up to Per/65,536 later.
//   - While many tickets are being dismissed, after SetLimits or the end of a context, it ignores the line,
//     because it does not know which tickets stay.
//
// It costs some microseconds of the owner's time, and with several flows in a long line some
// nanoseconds more for each flow. It allocates nothing.
func (s *Scheduler) WaitTimeN(weight int, costs ...ticket.Cost) time.Duration {
	return s.handle.WaitTimeN(weight, costs...)
}

// Limits returns a copy of the limits as they are now.
func (s *Scheduler) Limits() Limits { return s.handle.Limits() }

// Clock returns the clock that the scheduler reads. Code built on the scheduler can use it to measure the same
// time.
func (s *Scheduler) Clock() Clock { return s.handle.Clock() }

// Stats returns a consistent view of the scheduler. Tests use it as a barrier. When it returns, every earlier
// call has taken effect, every grant that was due has been made, and the timer is set. After Close it returns
// the final state, with no ticket waiting.
func (s *Scheduler) Stats() Stats {
	a, ok := s.handle.ask(&message{verb: verbStats})
	if !ok {
		return s.handle.box.Remains().stats()
	}
	return *a.stats
}

// Windows returns how full each window is now, as Stats.Windows does. Unlike [Scheduler.Stats] it is not a
// barrier. It usually takes a tenth of the time of Stats, because it need not wait for the owner.
func (s *Scheduler) Windows() []WindowStats { return s.handle.Windows() }

// Close ends the scheduler now. Every waiting ticket is told [ErrClosed], and nothing is granted any more.
// Permits in use stay with their holders; releasing them does nothing. When Close returns, the owner's
// goroutine and timer are gone. With [WithQuota] it waits for up to two seconds until the source has been told
// what was used. Closing again does nothing. The error is always nil.
func (s *Scheduler) Close() error {
	box := s.handle.box
	box.Send(&message{verb: verbClose})
	<-box.Ended()
	s.handle.root.cleanup.Stop()
	s.handle.root.quota.wait()
	return nil
}

// Drain ends the scheduler gracefully. It accepts no new tickets, serves the line, waits for all permits to be
// released, and then closes. It returns nil when that is done. If Close is called while a ticket still waits or
// holds a permit, Drain returns [ErrClosed]. If ctx ends first, Drain returns an error that wraps ctx.Err(),
// and the draining goes on. Wait for it with another Drain, or cut it short with Close.
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
