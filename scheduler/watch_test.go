package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
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
			`ticket of weight 3 of "a tenant" refused: scheduler: weight 3 exceeds limit burst 2; ask for at most 2`,
			"ticket 2 enqueued",
			`ticket 3 of "a tenant" enqueued`, // whose share brings it forward
			`ticket 3 of "a tenant" granted after 0s`,
			"ticket of weight 1 refused: scheduler: no permit is free now",
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
			"ticket 4 given up: scheduler: weight 2 exceeds limit burst 1; ask for at most 1",
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

// More room than there can be is refused, and not tried.
func TestWatchHasAMostRoom(t *testing.T) {
	control(t, "burst 1", func(s *story) {
		for _, room := range []int{131_073, 1 << 20, math.MaxInt/128 + 1, math.MaxInt, 0, -1, math.MinInt} {
			func() {
				defer func() {
					if r := recover(); r != nil {
						s.Errorf("room %d: panic: %v", room, r)
					}
				}()
				w, err := s.Watch(room)
				var invalid *scheduler.InvalidError
				if !errors.As(err, &invalid) || w != nil || invalid.Got != room {
					s.Errorf("room %d: %v", room, err)
					return
				}
				if said := err.Error(); !strings.Contains(said, "room") || room > 0 && !strings.Contains(said, "131,072") {
					s.Errorf("room %d: %q does not name both the room and the most", room, said)
				}
			}()
		}
		if w := s.watch(131_072); cap(w.Events()) != 131_072 {
			s.Errorf("room for %d events, want 131,072", cap(w.Events()))
		}
	})
}

// leavers returns what can be received now of tickets that left without a permit.
func leavers(w *scheduler.Watcher) (events []scheduler.Event) {
	for len(w.Events()) > 0 {
		e := <-w.Events()
		if e.Kind == scheduler.EventGivenUp || e.Kind == scheduler.EventUndone {
			events = append(events, e)
		}
	}
	return events
}

// wantLeft wants n tickets to have left, for a reason that is all of those given.
func (s *story) wantLeft(w *scheduler.Watcher, n int, reasons ...error) {
	s.Helper()
	s.Stats()
	events := leavers(w)
	if len(events) != n {
		s.Errorf("%d left, want %d", len(events), n)
	}
	for _, e := range events {
		for _, reason := range reasons {
			if !errors.Is(e.Err, reason) {
				s.Errorf("%q, want %q", e, reason)
				return
			}
		}
		for _, other := range []error{context.Canceled, context.DeadlineExceeded, scheduler.ErrClosed, scheduler.ErrTooLarge} {
			if errors.Is(e.Err, other) != errors.Is(errors.Join(reasons...), other) {
				s.Errorf("%q is also %q", e, other)
				return
			}
		}
	}
}

var errReason = errors.New("the context's cause")

// endings are contexts that end by themselves or by a call, and what their callers are told.
var endings = map[string]struct {
	make func() (context.Context, func())
	told []error
}{
	"deadline": {func() (context.Context, func()) {
		ctx, cancel := context.WithTimeout(background, time.Second)
		return ctx, cancel
	}, []error{context.DeadlineExceeded}},
	"deadline with a cause": {func() (context.Context, func()) {
		ctx, cancel := context.WithTimeoutCause(background, time.Second, errReason)
		return ctx, cancel
	}, []error{context.DeadlineExceeded, errReason}},
	"canceled": {func() (context.Context, func()) {
		ctx, cancel := context.WithCancel(background)
		time.AfterFunc(time.Second, cancel)
		return ctx, cancel
	}, []error{context.Canceled}},
	"canceled with a cause": {func() (context.Context, func()) {
		ctx, cancel := context.WithCancelCause(background)
		time.AfterFunc(time.Second, func() { cancel(errReason) })
		return ctx, func() { cancel(nil) }
	}, []error{context.Canceled, errReason}},
}

// What is told of a ticket that left the line is what its caller was told: the end of its context and the
// cause. The context may be that of one caller or of many, who are told together.
func TestWatchTellsWhyACallerGaveUp(t *testing.T) {
	for name, ending := range endings {
		for _, callers := range []int{1, 3, 40} {
			t.Run(fmt.Sprint(name, " of ", callers), func(t *testing.T) {
				control(t, "burst 1", func(s *story) {
					w := s.watch(1000)
					s.acquire()
					live, cancelLive := context.WithCancel(background)
					defer cancelLive()
					ctx, cancel := ending.make()
					defer cancel()
					errs, others := make(chan error, callers), make(chan error, callers)
					for i := range callers {
						go func() {
							flow := s.Scheduler
							if i%2 == 1 {
								flow = s.Flow("key", 1)
							}
							_, err := flow.Acquire(ctx)
							errs <- err
						}()
						synctest.Wait()
					}
					for range callers { // who wait on
						go func() {
							_, err := s.Acquire(live)
							others <- err
						}()
						synctest.Wait()
					}
					s.until(2 * time.Second)
					if len(errs) != callers {
						s.Fatalf("%d of %d gave up", len(errs), callers)
					}
					said := (<-errs).Error()
					events := leavers(w)
					if len(events) != callers {
						s.Errorf("%d left, want %d", len(events), callers)
					}
					for _, e := range events {
						for _, reason := range ending.told {
							if !errors.Is(e.Err, reason) {
								s.Fatalf("%q, want %q", e, reason)
							}
						}
						if e.Err.Error() != said {
							s.Fatalf("%q, but its caller was told %q", e, said)
						}
					}
					cancelLive()
					for range callers {
						<-others
					}
					s.wantLeft(w, callers, context.Canceled)
				})
			})
		}
	}
}

// A grant and the end of the context may coincide. Then the ticket left the line or the grant was undone,
// for the same reason.
func TestWatchTellsWhyAGrantWasUndone(t *testing.T) {
	kinds := map[scheduler.EventKind]int{}
	for range 200 {
		control(t, "2/s burst 5", func(s *story) {
			w := s.watch(100)
			s.enqueue(2)
			ctx, cancel := context.WithTimeoutCause(background, time.Second, errReason)
			defer cancel()
			_, err := s.Acquire(ctx)
			synctest.Wait()
			s.Stats()
			for _, e := range leavers(w) {
				kinds[e.Kind]++
				if err == nil {
					s.Fatalf("%q, but its caller has the permit", e)
				}
				if !errors.Is(e.Err, context.DeadlineExceeded) || !errors.Is(e.Err, errReason) {
					s.Fatalf("%q, but its caller was told %q", e, err)
				}
			}
		})
	}
	t.Logf("events: %v", kinds)
}

// Jobs that are withdrawn leave for the reason for which their group ended.
func TestWatchTellsWhyAJobWasWithdrawn(t *testing.T) {
	for name, ending := range endings {
		t.Run(name, func(t *testing.T) {
			control(t, "burst 1", func(s *story) {
				w := s.watch(1000)
				held := s.acquire()
				ctx, cancel := ending.make()
				defer cancel()
				g, _ := s.Group(ctx)
				for range 20 {
					g.Go(func() error { return nil })
				}
				s.until(2 * time.Second)
				s.wantLeft(w, 20, ending.told...)
				err := g.Wait()
				for _, reason := range ending.told {
					if !errors.Is(err, reason) {
						s.Errorf("Wait returned %q, want %q", err, reason)
					}
				}
				held.Release()
			})
		})
	}
	t.Run("a job failed", func(t *testing.T) {
		control(t, "burst 1", func(s *story) {
			w := s.watch(1000)
			g, _ := s.Group(background)
			for range 20 {
				g.Go(func() error { time.Sleep(time.Second); return errReason })
			}
			if err := g.Wait(); err != errReason {
				s.Error(err)
			}
			s.Stats()
			events := leavers(w)
			if len(events) != 19 {
				s.Errorf("%d left", len(events))
			}
			for _, e := range events {
				if !errors.Is(e.Err, errReason) {
					s.Fatalf("%q, but Wait returned %q", e, errReason)
				}
			}
		})
	})
}

// Others leave for what they were told at Ready.
func TestWatchTellsWhatATicketWasTold(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(s *story, t ticket.Ticket)
		reason error
	}{
		"Cancel":    {func(_ *story, t ticket.Ticket) { t.Cancel() }, context.Canceled},
		"Close":     {func(s *story, _ ticket.Ticket) { s.Close() }, scheduler.ErrClosed},
		"SetLimits": {func(s *story, _ ticket.Ticket) { s.setLimits("burst 1") }, scheduler.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			control(t, "burst 2", func(s *story) {
				w := s.watch(100)
				s.acquire()
				waiting := s.enqueue(2)
				errs := make(chan error, 1)
				g, _ := s.Group(background)
				if name != "Cancel" { // others wait too
					go func() {
						_, err := s.AcquireN(background, 2)
						errs <- err
					}()
					synctest.Wait()
					g.GoN(2, func() error { return nil })
				}
				c.end(s, waiting)
				told := <-waiting.Ready()
				if !errors.Is(told, c.reason) {
					s.Error(told)
				}
				synctest.Wait()
				for _, e := range leavers(w) {
					if !errors.Is(e.Err, c.reason) || e.Err.Error() != told.Error() {
						s.Errorf("%q, but it was told %q", e, told)
					}
					switch e.Number {
					case waiting.Number():
					case waiting.Number() + 1:
						if err := <-errs; err.Error() != e.Err.Error() {
							s.Errorf("%q, but its caller was told %q", e, err)
						}
					default:
						if err := g.Wait(); err == nil || err.Error() != e.Err.Error() {
							s.Errorf("%q, but Wait returned %q", e, err)
						}
					}
				}
				g.Wait()
			})
		})
	}
	t.Run("a grant that was not received", func(t *testing.T) {
		control(t, "burst 2", func(s *story) {
			w := s.watch(100)
			s.enqueue(1).Cancel()
			s.wantLeft(w, 1, context.Canceled)
		})
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
