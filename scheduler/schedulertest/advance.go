package schedulertest

import (
	"runtime"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
)

// Advance moves the mock clock on by d, stopping at every instant at which s has something to do, in
// order. When it returns, every grant that was due has been made and the owner's timer is set for the
// next. The mock must be the one that s was made with, and nobody else may move it meanwhile.
//
// A bare mock.Add does not do that: it may run before the owner has set its timer or has seen the
// last tick. Advance asks for s.Stats() before and after each step instead, which the owner answers
// when it has done all there was to do.
//
// Advance waits for the scheduler, not for your goroutines: one that is granted a permit at some
// instant on the way may ask for its next when the clock is already further on. Where that matters
// run the test in a synctest bubble. There mock.Add, which Advance calls, returns only when every
// goroutine of the bubble has nothing left to do.
//
// A negative d fails the test. Between two firings Advance costs what mock.Add does: a sleep of about
// a millisecond, or nothing in a bubble.
func Advance(tb testing.TB, s *scheduler.Scheduler, mock *clock.Mock, d time.Duration) {
	tb.Helper()
	if d < 0 {
		tb.Fatalf("schedulertest.Advance: d must be 0 or more, got %v", d)
		return
	}
	for end := mock.Now().Add(d); ; {
		now, wake := mock.Now(), s.Stats().NextWake
		if wake.IsZero() || wake.After(end) {
			mock.Add(end.Sub(now))
			s.Stats()
			return
		}
		mock.Add(wake.Sub(now))
	}
}

// patience is how often AwaitWaiting looks. A look is a round trip to the owner, about a microsecond
// at least, during which other goroutines run. It is not measured in time because a bubble's time
// would never pass here.
const patience = 3_000_000

// AwaitWaiting returns as soon as at least n tickets wait in line. It fails the test, with the
// scheduler's stats, when that does not come about: the scheduler takes no tickets any more, or has
// been asked some millions of times. Use it between starting goroutines that acquire and moving the clock. In a
// bubble, [testing/synctest.Wait] followed by one look at Stats does the same and is quicker to fail.
func AwaitWaiting(tb testing.TB, s *scheduler.Scheduler, n int) {
	tb.Helper()
	var stats scheduler.Stats
	for range patience {
		if stats = s.Stats(); stats.Waiting >= n {
			return
		}
		if s.WaitTime() == closedWait {
			tb.Fatalf("schedulertest.AwaitWaiting: the scheduler is closed or draining, so %d tickets never wait; stats %+v", n, stats)
			return
		}
		runtime.Gosched()
	}
	tb.Fatalf("schedulertest.AwaitWaiting: %d tickets wait, want %d; stats %+v", stats.Waiting, n, stats)
}

// closedWait is what WaitTime returns after Close.
const closedWait = time.Duration(1<<63 - 1)
