package scheduler_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

func (s *story) watch(room int) *scheduler.Watcher {
	s.Helper()
	w, err := s.Watch(room)
	if err != nil {
		s.Fatal(err)
	}
	return w
}

// heard returns what can be received now, as text.
func heard(w *scheduler.Watcher) (events []string) {
	for {
		select {
		case e, ok := <-w.Events():
			if !ok {
				return append(events, "end")
			}
			events = append(events, e.String())
		default:
			return events
		}
	}
}

func TestWatchTellsWhatHappens(t *testing.T) {
	control(t, "2/s burst 2", func(s *story) {
		w := s.watch(100)
		first := s.acquire()
		if _, err := s.Flow("a tenant", 2).AcquireN(background, 3); err == nil {
			t.Error("3 permits of 2")
		}
		waiting := s.enqueue(2)
		last, _ := s.Flow("a tenant", 2).Enqueue(1)
		s.TryAcquire()
		s.until(time.Second)
		first.Release()
		last.Cancel()
		waiting.Cancel() // its grant was not received
		s.PauseFor(time.Minute)
		s.Pause()
		s.Resume()
		s.Charge(scheduler.PerSecond(2), 1)
		s.Restore(s.Snapshot())
		s.enqueue(2)
		s.setLimits("burst 1")
		s.enqueue(1)
		s.Close()
		want := []string{
			"ticket 1 enqueued",
			"ticket 1 granted after 0s",
			`ticket of weight 3 of "a tenant" refused: scheduler: weight too large: 3 permits asked for, limit burst 2 allows at most 2; ask for less or split the work`,
			"ticket 2 enqueued",
			`ticket 3 of "a tenant" enqueued`, // whose share brings it forward
			`ticket 3 of "a tenant" granted after 0s`,
			"ticket of weight 1 refused: scheduler: no permit free now",
			"ticket 1 released",
			`ticket 3 of "a tenant" undone: scheduler: the ticket was given up: context canceled`,
			"ticket 2 granted after 1s",
			"ticket 2 undone: scheduler: the ticket was given up: context canceled",
			"scheduler paused for 1m0s",
			"scheduler paused",
			"scheduler resumed",
			"scheduler charged 1 to 2/s",
			"scheduler restored",
			"ticket 4 enqueued",
			"scheduler limits: burst 1",
			"ticket 4 given up: scheduler: weight too large: 2 permits asked for, limit burst 1 allows at most 1; ask for less or split the work",
			"ticket 5 enqueued",
			"ticket 5 granted after 0s",
			"end",
		}
		got := heard(w)
		for i, line := range got {
			if i >= len(want) || line != want[i] {
				t.Fatalf("event %d is %q, want\n%s", i, line, strings.Join(want[min(i, len(want)):], "\n"))
			}
		}
		if len(got) < len(want) {
			t.Errorf("not heard: %q", want[len(got):])
		}
	})
}

// A slow reader costs the scheduler nothing, and learns how much it missed.
func TestSlowWatcherMissesEvents(t *testing.T) {
	control(t, "burst 1", func(s *story) {
		slow, quick := s.watch(2), s.watch(100)
		for range 3 {
			s.acquire().Release()
		}
		if got := heard(slow); len(got) != 2 || got[1] != "ticket 1 granted after 0s" {
			t.Errorf("heard %q", got)
		}
		if got := slow.Missed(); got != 7 {
			t.Errorf("missed %d", got)
		}
		s.acquire()
		if e := <-slow.Events(); e.Missed != 7 || e.Kind != scheduler.EventEnqueued || e.Number != 4 {
			t.Errorf("heard %+v", e)
		}
		if e := <-slow.Events(); e.Missed != 0 || e.Kind != scheduler.EventGranted {
			t.Errorf("heard %+v", e)
		}
		if got := len(heard(quick)); got != 11 || quick.Missed() != 0 {
			t.Errorf("heard %d", got)
		}
	})
}

func TestWatchEnds(t *testing.T) {
	control(t, "burst 1", func(s *story) {
		stopped, left := s.watch(10), s.watch(10)
		s.acquire()
		stopped.Stop()
		stopped.Stop()
		s.enqueue(1)
		s.Close()
		stopped.Stop()
		if got := heard(stopped); !slices.Equal(got, []string{"ticket 1 enqueued", "ticket 1 granted after 0s", "end"}) {
			t.Errorf("heard %q", got)
		}
		if got := heard(left); len(got) != 5 || got[3] != "ticket 2 given up: scheduler: closed" || got[4] != "end" {
			t.Errorf("heard %q", got)
		}
		if _, err := s.Watch(1); !errors.Is(err, scheduler.ErrClosed) {
			t.Error(err)
		}
	})
}

// Tickets that came before anybody watched have waited since they came, also where a burst alone, which
// does not depend on time, decides.
func TestWatchBegunWhileSomebodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, limits(t, "burst 1")) // without a recorder, which reads the clock
		defer s.Close()
		held, _ := s.TryAcquire()
		time.Sleep(100 * time.Second)
		go func() {
			if waited, err := s.Acquire(background); err == nil {
				waited.Release()
			}
		}()
		synctest.Wait()
		w, err := s.Watch(10)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		held.Release()
		synctest.Wait()
		if got := heard(w); len(got) != 3 || got[1] != "ticket 2 granted after 1s" {
			t.Errorf("heard %q", got)
		}
	})
}

// What one reader does with an event is nobody else's concern.
func TestWatchersShareNothing(t *testing.T) {
	control(t, "burst 1", func(s *story) {
		a, b := s.watch(1), s.watch(1)
		s.setLimits("5/s")
		e := <-a.Events()
		e.Limits.Windows[0].Permits = 99
		if got := (<-b.Events()).Limits.String(); got != "5/s" || s.Limits().String() != "5/s" {
			t.Errorf("limits %v and %v", got, s.Limits())
		}
	})
}

// A recorder goes on when the last watcher has stopped.
func TestRecorderBesideAWatcher(t *testing.T) {
	control(t, "burst 1", func(s *story) {
		s.watch(1).Stop()
		s.acquire()
		s.wantGrants("[1@0s]")
	})
}

func TestWatchOfADrainEnds(t *testing.T) {
	control(t, "burst 1", func(s *story) {
		w := s.watch(10)
		held := s.acquire()
		go held.Release()
		if err := s.Drain(background); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got := heard(w); len(got) != 4 || got[3] != "end" {
			t.Errorf("heard %q", got)
		}
	})
}

func TestWatchNeedsRoom(t *testing.T) {
	control(t, "burst 1", func(s *story) {
		var invalid *scheduler.InvalidError
		if _, err := s.Watch(0); !errors.As(err, &invalid) {
			t.Error(err)
		}
	})
}

// What never came to the scheduler is no event, and what did is one though it waited for nothing.
func TestWatchLeavesOutWhatNeverCame(t *testing.T) {
	control(t, "burst 1", func(s *story) {
		w := s.watch(10)
		done, cancel := context.WithCancel(background)
		cancel()
		s.Acquire(done)
		s.Flow("", 0).TryAcquire()
		if got := heard(w); len(got) != 0 {
			t.Errorf("heard %q", got)
		}
	})
}

func TestEventKinds(t *testing.T) {
	for kind, want := range map[scheduler.EventKind]string{
		scheduler.EventEnqueued: "enqueued", scheduler.EventGranted: "granted", scheduler.EventReleased: "released",
		scheduler.EventGivenUp: "given up", scheduler.EventUndone: "undone", scheduler.EventRefused: "refused",
		scheduler.EventPaused: "paused", scheduler.EventResumed: "resumed", scheduler.EventLimits: "limits",
		scheduler.EventCharged: "charged", scheduler.EventRestored: "restored", 99: "EventKind(99)",
	} {
		if got := kind.String(); got != want {
			t.Errorf("%d is %q, want %q", kind, got, want)
		}
	}
}
