package schedulertest

import (
	"runtime"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
)

// Advance moves the mock clock on by d. It stops at every instant at which s has something to do, in order.
// When it returns, every grant that was due has been made, and the owner's timer is set for the next. The mock
// must be the one that s was made with. No other goroutine may move it meanwhile.
//
// mock.Add alone does not do that, because it may run before the owner has set its timer or has seen the last
// tick. Advance calls s.Stats() before and after each step. The owner answers that when it has done all there
// was to do.
//
// Advance waits for the scheduler, not for your goroutines. If one is granted a permit on the way, the clock
// may be further on when it asks for the next. If that matters, run the test in a synctest bubble. There
// mock.Add, which Advance calls, returns only when every goroutine of the bubble has nothing left to do.
//
// A negative d fails the test. Like mock.Add, Advance takes about a millisecond between two firings, and
// nothing in a bubble.
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

// patience is how often AwaitWaiting looks. A look is a round trip to the owner, of at least about a
// microsecond, during which other goroutines run. It is a number of looks and not a time, because a bubble's
// time would not pass here.
const patience = 3_000_000

// AwaitWaiting returns as soon as at least n tickets wait in line. It fails the test, and prints the
// scheduler's stats, if the scheduler accepts no tickets any more, or after some millions of looks. Call it
// after starting goroutines that acquire, and before moving the clock. In a bubble, [testing/synctest.Wait] and
// one look at Stats do the same and fail sooner.
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
