package schedulertest_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/scheduler/schedulertest"
)

// start makes a scheduler that is closed with the test.
func start(tb testing.TB, limits string, opts ...scheduler.Option) *scheduler.Scheduler {
	tb.Helper()
	l, err := scheduler.ParseLimits(limits)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := scheduler.New(l, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

func enqueue(tb testing.TB, s *scheduler.Scheduler, n int) {
	tb.Helper()
	for range n {
		if _, err := s.Enqueue(1); err != nil {
			tb.Fatal(err)
		}
	}
}

// busy keeps every processor busy until the test ends.
func busy(t *testing.T) {
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for !stop.Load() {
				runtime.Gosched()
			}
		})
	}
	t.Cleanup(func() { stop.Store(true); wg.Wait() })
}

// One call over many firings makes every grant, each at its own instant.
func advanceThrough(t *testing.T, firings int) {
	mock := clock.NewMock()
	var rec schedulertest.Recorder
	s := start(t, "1/s", scheduler.WithClock(mock), &rec)
	defer s.Close()
	enqueue(t, s, firings+1)
	schedulertest.Advance(t, s, mock, time.Duration(firings)*time.Second)

	record := rec.Tickets()
	for i, ticket := range record {
		if want := time.Unix(int64(i), 0); !ticket.Granted.Equal(want) {
			t.Fatalf("ticket %d was granted at %v, want %v", ticket.Number, ticket.Granted, want)
		}
	}
	if err := schedulertest.Check(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(1)}}, record, 0); err != nil {
		t.Error(err)
	}
}

func TestAdvanceWithMock(t *testing.T) { advanceThrough(t, 200) }
func TestAdvanceWithMockInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { advanceThrough(t, 10_000) })
}

func TestAdvanceOnBusyMachine(t *testing.T) {
	busy(t)
	advanceThrough(t, 20)
}

func TestAdvanceOnOneCore(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	advanceThrough(t, 100)
}

// Other timers on the same mock fire in their order.
func TestAdvanceKeepsOtherTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mock := clock.NewMock()
		s := start(t, "1/2s", scheduler.WithClock(mock))
		enqueue(t, s, 3)
		var mu sync.Mutex
		var seen []string
		for _, d := range []time.Duration{1, 3, 5} {
			mock.AfterFunc(d*time.Second, func() {
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, fmt.Sprint(mock.Now().Unix(), " ", s.Stats().Granted))
			})
		}
		schedulertest.Advance(t, s, mock, 5*time.Second)
		synctest.Wait()
		if got := strings.Join(seen, ", "); got != "1 1, 3 2, 5 3" {
			t.Errorf("timers saw %s", got)
		}
	})
}

func TestAdvanceByNothingIsABarrier(t *testing.T) {
	mock := clock.NewMock()
	s := start(t, "1/s", scheduler.WithClock(mock))
	enqueue(t, s, 2)
	mock.Set(mock.Now().Add(time.Second))
	schedulertest.Advance(t, s, mock, 0)
	if got := s.Stats(); got.Granted != 2 {
		t.Errorf("stats %+v", got)
	}
}

func TestAwaitWaiting(t *testing.T) {
	mock := clock.NewMock()
	s := start(t, "1/s", scheduler.WithClock(mock))
	enqueue(t, s, 1)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { s.Acquire(ctx) })
	}
	schedulertest.AwaitWaiting(t, s, 50)
	if got := s.Stats().Waiting; got != 50 {
		t.Errorf("%d wait", got)
	}
	cancel()
	wg.Wait()
}

// failing is a TB that notes a failure instead of failing.
type failing struct {
	testing.TB
	message string
}

func (f *failing) Helper()                           {}
func (f *failing) Fatalf(format string, args ...any) { f.message = fmt.Sprintf(format, args...) }

func TestAwaitWaitingFailsWithStats(t *testing.T) {
	s := start(t, "1/h")
	enqueue(t, s, 3)
	s.Close()
	tb := &failing{TB: t}
	schedulertest.AwaitWaiting(tb, s, 3)
	if !strings.Contains(tb.message, "closed") || !strings.Contains(tb.message, "Granted:1") {
		t.Errorf("said %q", tb.message)
	}
}

func TestAdvanceRefusesToGoBack(t *testing.T) {
	mock := clock.NewMock()
	s := start(t, "1/h", scheduler.WithClock(mock))
	tb := &failing{TB: t}
	schedulertest.Advance(tb, s, mock, -1)
	if !strings.Contains(tb.message, "-1ns") {
		t.Errorf("said %q", tb.message)
	}
}
