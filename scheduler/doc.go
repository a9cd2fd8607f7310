// Package scheduler grants permits to run work within limits: any number of sliding windows, and a cap
// on the permits held at once. Tickets get their permits in the order in which they were asked for. Flows
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
// Most callers want [Scheduler.Acquire], or one of the two forms made of it: [Scheduler.Do] for one
// piece of work, [Wrap] for a function that is called from many places.
//
//   - [Scheduler.TryAcquire] and [Scheduler.AcquireNow] never wait. The latter says why there is no permit.
//   - [Scheduler.Enqueue] returns a ticket to select on. A [Group] runs any number of jobs that wait as tickets.
//   - [Scheduler.Flow] gives each tenant a line.
//   - A [Unit] is for limits of something other than calls, such as tokens. [ticket.Ticket.Settle] corrects
//     costs that are known only afterwards.
//   - [Scheduler.WaitTime] and [Scheduler.Stats] tell how things stand, [Scheduler.Watch] tells what happens,
//     and [RetryAfter] tells what a refusal advises.
//   - [Scheduler.SetLimits], [Scheduler.PauseFor] and [Scheduler.Observe] act on all waiting tickets: they change
//     the limits, pause, and note what the far side says is left.
//   - [Scheduler.Snapshot] and [Scheduler.Restore] carry the windows over a restart.
//   - [Scheduler.Drain] and [Scheduler.Close] end the scheduler.
//   - [Scheduler.Handle] is for code that may take permits and nothing else.
//
// # What you can rely on
//
//  1. Windows. No interval of length Per has more than Permits granted, wherever the interval
//     begins. A permit that was granted at t can be spent again at exactly t+Per. Release does not change
//     that. With [FromRelease] a permit counts while it is held and for Per after its release. The
//     far side then sees at most Permits in any Per, whichever instant of the call it counts. With
//     FromGrant it can see more if one call arrives late and the next one quickly. With [FromReset] no
//     more than Permits are granted between two resets. A window with Evenly also keeps grants apart.
//  2. Burst. No more than MaxBurst permits are held at once.
//  3. One decision. A ticket is granted when all limits have room for its whole weight and for its
//     costs in every unit. A waiting ticket has not been charged to any limit. At each grant, and for each
//     window of its units, the costs that count add up to at most the limit: settled costs as they were
//     settled, the others as estimated. So if estimates are upper bounds, no interval sees more than the
//     limit. Otherwise an interval can exceed it by the underestimates that were not settled at the last
//     grant, and by no more.
//  4. Order. Grants follow ticket numbers. With flows, they do within each flow, and flows take turns as
//     [Scheduler.Flow] promises. If the next ticket does not fit yet, it holds up the others, so heavy tickets
//     do not starve. That is so also if the others ask for different units. A try never jumps the line.
//     Goroutines may wake in another order than they were granted in: compare ticket numbers, not times of
//     waking.
//  5. No needless waiting. A ticket is granted as soon as it is next and fits. Nothing polls, and one
//     timer serves all who wait.
//  6. Giving up. A ticket whose caller gave up leaves no trace: those behind it move up at once. If
//     the grant and the end of the context coincide, the grant is undone in every limit. A context that is already done
//     never acquires.
//  7. Honest refusal. What cannot succeed fails at once: a weight above a limit, a deadline before
//     the earliest possible grant, a full line, a closed scheduler. The error says what to change
//     or when to come back, and works with errors.Is and errors.As.
//  8. Fail closed. After Close nothing is granted. All waiting callers are told, and no goroutine or timer
//     is left. Close may be called twice and from anywhere.
//  9. Harmless misuse. Releasing twice, releasing after Close and cancelling what has ended do
//     nothing. A panic in the work of Do or Wrap gives the permit back and goes on up.
//  10. Slow callers harm only themselves. None of your code runs in the owner. It never waits for a
//     caller to take an answer. It waits for a borrower to give the state back, which happens before the
//     borrower's call returns.
//  11. Time. All decisions of a turn are made at one reading of the clock. A clock that steps back is
//     taken to stand still.
//  12. Bounded memory. A window of up to 65,536 permits is exact. A larger one may give permits back
//     up to Per/65,536 late, never early. Memory grows with use, not with the limit: 16 bytes for
//     each grant remembered, which is at most about 1 MiB a window (1.4 MiB if many grants are
//     undone).
//
// All of this holds within one process; [WithQuota] extends the limits to several. A new scheduler has empty
// windows. It knows of calls that were made before, or by others, what [Scheduler.Restore],
// [Scheduler.Charge] and [Scheduler.Observe] tell it.
//
// # Tests
//
// Code that takes a *Scheduler can be tested without waiting in two ways.
//
// In a [testing/synctest] bubble the code needs no change: a scheduler that is made inside runs on the
// bubble's time, and so do the deadlines of contexts. Close it before the test function returns. Do not
// use a scheduler that was made outside of the bubble, such as a global one: see [Scheduler].
//
// With a *clock.Mock of github.com/benbjohnson/clock, given to [WithClock], the test moves time.
// Stats is the barrier: when it returns after mock.Add, every grant that was due has been made. If
// several grants fall into one Add, use Advance of package schedulertest, which stops at each. A
// mock begins in 1970 while contexts live in the present, so no deadline will ever be near unless
// the test first calls mock.Set(time.Now()).
//
// # Costs
//
// A scheduler is one goroutine, the owner, and one timer. Between its turns the owner lends its state
// to callers, one at a time, for the moment that a call takes. On a 2-core cloud VM, Acquire and
// Release together cost about 0.1 µs while permits are free, and 0.6 µs where 128 goroutines share 4
// permits. They allocate nothing. A waiting Acquire adds no timer and no goroutine. If many calls in a
// row wait with one context, the scheduler registers once with [context.AfterFunc] for all of them.
//
// A decision takes the same steps however many permits a window holds and however many flows wait. It grows
// with the number of windows. WaitTime, and an Acquire with a deadline that must wait, look at up to 256
// tickets one by one, and in a longer line at the flows. Long work, such as the dismissal of many tickets
// after SetLimits, is done in slices, and other callers are served in between. A waiting job of a [Group]
// takes about 100 bytes, a ticket of Enqueue 80, and a goroutine in Acquire the 2,500 of its stack.
package scheduler
