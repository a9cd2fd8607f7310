// Package schedulertest is for testing code that uses a scheduler: hours of window behaviour in
// milliseconds, with the same result every time.
//
// [Advance] moves a mock clock so that no grant is missed, [AwaitWaiting] waits until goroutines
// stand in line, a [Recorder] writes down every grant at its exact instant, and [Check] says whether
// a record broke any limit.
//
// There are three ways to test. All of them need the scheduler closed at the end of the test.
//
// # A mock clock
//
// Make the scheduler with scheduler.WithClock(mock), where mock is a *clock.Mock of
// github.com/benbjohnson/clock, and move time with Advance. Choose it when the code under test takes
// a clock already, or when the test needs real input and output, which a bubble does not allow.
//
// What goes wrong: a bare mock.Add races the owner, which may not have set its timer yet or not have
// seen the last tick; under load most due grants are then still unmade when it returns. Goroutines
// that the test started may not have asked for their permit yet: AwaitWaiting before moving the
// clock. A context with a deadline counts real time; against a mock that stands in 1970 no deadline
// is ever too near. Each firing of a mock timer sleeps for a real millisecond.
//
// # A mock clock in a bubble
//
// The same inside testing/synctest: the mock's sleeps become waits until every goroutine of the
// bubble is blocked, so that goroutines which react to a grant at some instant do so at that
// instant, and a firing costs some microseconds. Choose it for many firings, and for code that
// answers a grant by asking for the next.
//
// What goes wrong: make the mock and the scheduler inside the bubble, and close the scheduler before
// the bubble's function returns, for instance with defer: an owner that is still there when all
// others have ended panics the test ("deadlock: main bubble goroutine has exited"). t.Cleanup inside
// the bubble is early enough. So does any goroutine that is merely asleep, because time stands still
// when the function has returned: wait for yours. Channels made in a bubble, a ticket's Ready among
// them, must not be used outside it. A scheduler that was made outside, a global one for instance, must
// not be used inside: that may seem to work, and stop the program later on.
//
// # The plain clock in a bubble
//
// Inside testing/synctest the computer's clock is fake already. Make the scheduler without a clock,
// and let time pass with time.Sleep: it returns when all that was due by then has happened. Choose it
// for new code: nothing needs to be injected, and deadlines of contexts, time.After and the
// scheduler agree on the time.
//
// What goes wrong: the same as above. Besides, goroutines that arrive at one instant have no order
// unless synctest.Wait stands between them, and two timers of one instant have none either: let a
// test look a moment after the instant it is about, or call synctest.Wait.
package schedulertest
