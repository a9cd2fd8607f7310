// Package schedulertest helps to test code that uses a scheduler. Hours of window behaviour take milliseconds,
// with the same result every time.
//
// [Advance] moves a mock clock so that no grant is missed. [AwaitWaiting] waits until goroutines are in line. A
// [Recorder] records every grant at its exact instant, and [Check] says whether the tickets broke any limit.
//
// There are three ways to test. In all of them, close the scheduler at the end of the test.
//
// # A mock clock
//
// Make the scheduler with scheduler.WithClock(mock), where mock is a *clock.Mock of
// github.com/benbjohnson/clock, and move time with Advance. Choose it when the code under test takes
// a clock already, or when the test needs real input and output, which a bubble does not allow.
//
// Pitfalls: mock.Add alone races with the owner, which may not have set its timer yet or not have seen the last
// tick. Under load most due grants are then still missing when Add returns. Goroutines that the test started
// may not have asked for their permit yet, so call AwaitWaiting before moving the clock. Deadlines of contexts
// are in real time. For a mock, whose time begins in 1970, all of them are decades away. Each firing of a mock
// timer sleeps for a real millisecond.
//
// # A mock clock in a bubble
//
// This is the same inside testing/synctest. The mock's sleeps become waits until every goroutine of the bubble
// is blocked. So goroutines react to a grant at the instant of the grant, and a firing costs some microseconds.
// Choose it for many firings, and for code that asks for the next permit after each grant.
//
// Pitfalls: make the mock and the scheduler inside the bubble, and close the scheduler before the bubble's
// function returns, with defer or with t.Cleanup inside the bubble. If an owner is still there at the end, the
// test panics ("deadlock: main bubble goroutine has exited"). The same happens if a goroutine of yours is still
// asleep, because time stands still once the function has returned. So wait for yours. Channels made in a
// bubble, such as a ticket's Ready, must not be used outside it. A scheduler that was made outside, such as a
// global one, must not be used inside. It may seem to work, and block the program later.
//
// # The plain clock in a bubble
//
// Inside testing/synctest the computer's clock is fake already. Make the scheduler without a clock, and let
// time pass with time.Sleep. When Sleep returns, everything that was due by then has happened. Choose it for
// new code. Nothing needs to be injected, and deadlines of contexts, time.After and the scheduler agree on the
// time.
//
// Pitfalls: the same as above. Also, goroutines that arrive at one instant have no order, unless you call
// synctest.Wait between them. Two timers of one instant have no order either. So let a test look a moment after
// the instant in question, or call synctest.Wait.
package schedulertest
