// Package scheduler grants permits to run work within limits. Limits are any number of sliding windows, and a
// cap on the permits held at once. Tickets get their permits in the order in which they were asked for. Flows
// take turns.
//
//	limits, err := scheduler.ParseLimits("3/2s 15/min burst 2")
//	…
//	s, err := scheduler.New(limits)
//	…
//	defer s.Close()
//
//	t, err := s.Acquire(ctx) // waits for its turn
//	if err != nil {
//		return err
//	}
//	defer t.Release() // the work is done
//
// Most callers want [Scheduler.Acquire]. [Scheduler.Do] acquires, runs a function and releases. [Wrap] does the
// same for a function that is called from many places.
//
//   - [Scheduler.TryAcquire] and [Scheduler.AcquireNow] never wait. AcquireNow says why there is no permit.
//   - [Scheduler.Wait] and [Scheduler.Allow] are for work that is limited only by rate, so that there is nothing to
//     release. Wait waits, and Allow does not.
//   - [Scheduler.Enqueue] returns a ticket to select on. A [Group] runs any number of jobs that wait as tickets.
//   - [Scheduler.Flow] gives each tenant a line.
//   - A [Unit] names what limits count other than calls, such as tokens. [ticket.Ticket.Settle] corrects costs
//     that are known only afterwards.
//   - [Scheduler.WaitTime] and [Scheduler.Stats] describe the present state, and [Scheduler.Watch] reports
//     events. [RetryAfter] says when to come back after a refusal.
//   - [Scheduler.SetLimits] changes the limits, [Scheduler.PauseFor] pauses, and [Scheduler.Observe] takes in
//     what the server says is left. They also act on tickets that already wait.
//   - [Scheduler.Snapshot] and [Scheduler.Restore] carry the windows over a restart.
//   - [Scheduler.Drain] and [Scheduler.Close] end the scheduler.
//   - [Scheduler.Handle] is for code that may take permits and nothing else.
//
// # What you can rely on
//
//  1. Windows. No interval of length Per has more than Permits granted, wherever the interval begins. A permit
//     that was granted at t is free again at exactly t+Per. Release does not change that. With [FromRelease] a
//     permit counts while it is held and for Per after its release. The server then sees at most Permits in any
//     Per, whichever instant of the call it counts. With FromGrant it can see more if one call arrives late and
//     the next one quickly. With [FromReset] no more than Permits are granted between two resets. A window with
//     Evenly also keeps grants apart.
//  2. Burst. No more than MaxBurst permits are held at once.
//  3. One decision. A ticket is granted when all limits have room for its whole weight and for its costs in
//     every unit. A waiting ticket has not been charged to any limit. When a ticket is granted, the costs that
//     count in each window of its units, with its own, are at most the window's limit. A cost counts as
//     settled, or as estimated if it is not settled yet. So if estimates are upper bounds, no interval sees
//     more than the limit. Otherwise an interval can exceed it, but by no more than the underestimates that
//     were not yet settled at the last grant in the interval.
//  4. Order. Grants follow ticket numbers. If there are flows, this holds within each flow, and flows take
//     turns as [Scheduler.Flow] promises. If the next ticket does not fit yet, it holds up the others, so heavy
//     tickets do not starve. It also holds up tickets that ask for different units. A try never jumps the line.
//     Goroutines may wake in another order than that of the grants, so compare ticket numbers and not times of
//     waking.
//  5. No needless waiting. A ticket is granted as soon as it is next and fits. Nothing polls, and one timer
//     serves all waiting tickets.
//  6. Giving up. If a caller gives up, its ticket leaves no trace, and the tickets behind it move up at once.
//     If the grant and the end of the context coincide, the grant is undone in every limit. A context that is
//     already done never acquires.
//  7. Early refusal. A call that cannot succeed fails at once. Reasons are a weight above a limit, a deadline
//     before the earliest possible grant, a full line, and a closed scheduler. The error says what to change or
//     when to come back, and works with errors.Is and errors.As.
//  8. Closing. After Close nothing is granted. All waiting callers are told, and no goroutine or timer is left.
//     Close may be called twice, and from any goroutine.
//  9. Harmless misuse. Releasing twice, releasing after Close and cancelling an ended ticket do nothing. If the
//     work of Do or Wrap panics, the permit is released, and the panic is not recovered.
//  10. Slow callers. They delay only themselves. None of your code runs in the owner, and the owner never waits
//     for a caller to take an answer. It only waits for a call that has borrowed the state, which gives it
//     back before it returns.
//  11. Time. All decisions of a turn are made at one reading of the clock. If the clock steps back, the
//     scheduler treats it as standing still.
//  12. Bounded memory. A window of up to 65,536 permits is exact. A larger one may give permits back
//     up to Per/65,536 late, never early. Memory grows with use, not with the limit: 16 bytes for
//     each grant remembered, which is at most about 1 MiB a window (1.4 MiB if many grants are
//     undone).
//
// All of this holds within one process; [WithQuota] extends the limits to several. A new scheduler has empty
// windows. It does not know of calls that were made before, or by others, unless [Scheduler.Restore],
// [Scheduler.Charge] or [Scheduler.Observe] tell it.
//
// # Tests
//
// Code that takes a *Scheduler can be tested without waiting in two ways.
//
// In a [testing/synctest] bubble the code needs no change. A scheduler that is made inside runs on the bubble's
// time, and so do the deadlines of contexts. Close it before the test function returns. Do not use a scheduler
// that was made outside of the bubble, such as a global one: see [Scheduler].
//
// With a *clock.Mock of github.com/benbjohnson/clock, given to [WithClock], the test moves time. When Stats
// returns after mock.Add, every grant that was due has been made. If several grants fall into one Add, use
// Advance of package schedulertest, which stops at each. A mock begins in 1970, while deadlines of contexts are
// in the present. If they matter, call mock.Set(time.Now()) first.
//
// # Costs
//
// A scheduler is one goroutine, the owner, and one timer. Between its turns the owner lends its state to
// callers, to one call at a time. On a 2-core cloud VM, Acquire and Release together take 0.1 to 0.2 µs while
// permits are free, and 1 µs if 128 goroutines take turns with 4 permits. They allocate nothing. A waiting
// Acquire adds no timer and no goroutine. If many calls in a row wait with one context, the scheduler registers
// once with [context.AfterFunc] for all of them.
//
// The time of a decision does not depend on how many permits a window has or how many flows wait. It grows with
// the number of windows. WaitTime, and an Acquire with a deadline that must wait, look at up to 256 tickets one
// by one. In a longer line they look only at the flows. Long work, such as dismissing many tickets after
// SetLimits, is done in slices, and other callers are served in between. A waiting job of a [Group] takes about
// 100 bytes, and a waiting ticket of Enqueue 80. A goroutine that waits in Acquire takes about 2,500, most of
// it for its stack.
package scheduler
