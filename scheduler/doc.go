// Package scheduler grants permits to run work within limits: any number of rate windows, and a cap
// on the permits held at once. Permits go to tickets strictly in the order in which they were asked
// for, unless there are flows, which take turns.
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
// piece of work, [Wrap] for a function that is called from many places. Beside them
// [Scheduler.TryAcquire] never waits, [Scheduler.Enqueue] gives a ticket to select on, and a [Group]
// runs any number of jobs that wait as tickets. [Scheduler.Flow] gives each tenant a line. A [Unit] is for
// limits of something else than calls, such as tokens, and [ticket.Ticket.Settle] for costs that are known
// only afterwards.
// [Scheduler.WaitTime] and [Scheduler.Stats] tell how things stand, and [Scheduler.Watch] what
// happens; [RetryAfter] tells what a refusal advises. [Scheduler.SetLimits], [Scheduler.PauseFor] and
// [Scheduler.Observe] change what holds for all waiting tickets: limits, pauses, and what the far side
// says is left. [Scheduler.Snapshot] and [Scheduler.Restore] carry the windows over a restart;
// [Scheduler.Drain] and [Scheduler.Close] end the scheduler. [Scheduler.Handle] returns a handle for code
// that is to take permits and nothing else.
//
// # What you can rely on
//
//  1. Windows. In no interval of length Per are more than Permits granted, wherever the interval
//     begins. What was granted at t can be spent again at exactly t+Per; Release does not change
//     that. With [FromRelease] a permit counts while it is held and for Per after its release. Then
//     the far side sees at most Permits in any Per, at whatever instant of the call it counts. With
//     FromGrant a call that arrives late and a next one that arrives quickly can meet there. With
//     [FromReset] no more than Permits are granted between two resets. A window with Evenly keeps
//     grants apart besides.
//  2. Burst. No more than MaxBurst permits are held at once.
//  3. One decision. A ticket is granted when all limits have room for its whole weight and for its
//     costs in every unit; until then it has not been charged to any limit. When a ticket is granted, the
//     actual costs of the tickets that count in each window of its units, with estimates where they are
//     not settled yet, add up to at most the limit. So if estimates are upper bounds, no interval sees
//     more than the limit. Otherwise it is exceeded by no more than the underestimates that were not
//     settled at the last grant.
//  4. Order. Grants follow ticket numbers; where there are flows, within each of them, and flows take
//     turns as [Scheduler.Flow] promises. A ticket that is next and does not fit yet holds up the others, so
//     that heavy tickets do not starve, also if they wait for different units, and trying never jumps the line. Goroutines may wake in
//     another order than they were granted in: compare ticket numbers, not times of waking.
//  5. No needless waiting. A ticket is granted as soon as it is next and fits. There is no polling,
//     and one timer however many wait.
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
//  10. Slow callers harm only themselves. None of your code runs in the owner, and it never waits
//     for a caller to take an answer. (It waits for a caller to give back what it lent, which is
//     before the call returns.)
//  11. Time. All decisions of a turn are made at one reading of the clock. A clock that steps back is
//     taken to stand still.
//  12. Bounded memory. A window of up to 65,536 permits is exact. A larger one may give permits back
//     up to Per/65,536 late, never early. Memory grows with use, not with the limit: 16 bytes for
//     each grant remembered, which is at most about 1 MiB a window (1.4 MiB if many grants are
//     undone).
//
// All of it holds within one process. Limits are counted from when the scheduler was made: of calls
// made before or by others it knows what [Scheduler.Restore], [Scheduler.Charge] and
// [Scheduler.Observe] tell it.
//
// # Tests
//
// Code that takes a *Scheduler can be tested without waiting in two ways.
//
// In a [testing/synctest] bubble nothing need be changed: a scheduler made inside runs on the
// bubble's time, and so do the deadlines of contexts. Close it before the test function returns. Never
// use a scheduler in a bubble that was made outside, a global one for instance: see [Scheduler].
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
// permits. They allocate nothing. A waiting Acquire costs no timer and no goroutine of the scheduler's;
// where many in a row wait with one context, the scheduler asks that context once, with
// [context.AfterFunc], to be told of its end.
//
// A decision takes the same steps however many permits a window holds or flows wait, and grows with the
// number of windows. WaitTime, and an Acquire with a deadline that must wait, look at no more than 256
// tickets one by one, and in a longer line at the flows. Long work, such as to dismiss many tickets after
// SetLimits, is done in slices, so that other callers are served meanwhile. A job of a [Group] that waits takes about 100 bytes, a ticket of Enqueue 200, and a goroutine in Acquire the
// 2,500 of its stack.
package scheduler
