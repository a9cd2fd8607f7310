package scheduler_test

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// unwatched runs a story that no watcher hears of, with lending and without.
func unwatched(t *testing.T, text string, tell func(t *testing.T, s *scheduler.Scheduler), opts ...scheduler.Option) {
	t.Helper()
	for _, opts := range [][]scheduler.Option{opts, append(slices.Clip(opts), scheduler.KeepCount()), append(slices.Clip(opts), scheduler.KeepCore())} {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, limits(t, text), opts...)
			defer s.Close()
			tell(t, s)
		})
	}
}

func grab(t *testing.T, s *scheduler.Scheduler) ticket.Ticket {
	t.Helper()
	got, ok := s.TryAcquire()
	if !ok {
		t.Fatal("no permit")
	}
	return got
}

// A burst alone reads the clock where somebody waits, so that waits are counted in full.
func TestWaitsAreCounted(t *testing.T) {
	for _, text := range []string{"burst 1", "burst 1 100/s", "burst 1 9/h from release"} {
		unwatched(t, text, func(t *testing.T, s *scheduler.Scheduler) {
			held := grab(t, s)
			done := make(chan struct{})
			for range 2 {
				go func() {
					defer func() { done <- struct{}{} }()
					got, err := s.Acquire(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					got.Release()
				}()
			}
			synctest.Wait()
			time.Sleep(700 * time.Millisecond)
			held.Release()
			<-done
			<-done
			time.Sleep(time.Second)
			got := s.Stats().Totals
			want := scheduler.Totals{Enqueued: 3, Released: 3, Waited: 1.4, Waits: make([]uint64, 31)}
			want.Waits[0], want.Waits[30] = 1, 2
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s:\n got %+v\nwant %+v", text, got, want)
			}
		})
	}
}

func TestHeldTime(t *testing.T) {
	for _, text := range []string{"burst 2", "5/s", "9/h from release burst 2"} {
		tell := func(want float64) func(t *testing.T, s *scheduler.Scheduler) {
			return func(t *testing.T, s *scheduler.Scheduler) {
				for range 2 {
					time.Sleep(time.Minute)
					held := grab(t, s)
					time.Sleep(2 * time.Second)
					held.Release()
				}
				grab(t, s)
				time.Sleep(time.Second) // what is held still is not counted
				if got := s.Stats().Totals; got.Held != want || got.Released != 2 {
					t.Errorf("%s: held for %v, %d released, want %v, 2", text, got.Held, got.Released, want)
				}
			}
		}
		unwatched(t, text, tell(4), scheduler.WithHeldTime())
		unwatched(t, text, tell(0))
	}
}

// Every refusal is counted once, by its reason, also those that the owner never hears of.
func TestRefusalsAreCounted(t *testing.T) {
	unwatched(t, "burst 1", func(t *testing.T, s *scheduler.Scheduler) {
		want := scheduler.Refusals{}
		check := func(what string) {
			t.Helper()
			if got := s.Stats().Totals.Refused; got != want {
				t.Errorf("after %s:\n got %+v\nwant %+v", what, got, want)
			}
		}
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		past, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()

		s.Acquire(canceled)
		want.Canceled++
		check("a canceled context")
		s.Acquire(past)
		want.Deadline++
		check("a context whose deadline has passed")
		s.AcquireN(t.Context(), 0)
		s.Enqueue(-1)
		s.AcquireN(t.Context(), 1, ticket.Cost{Unit: "none", Amount: 1})
		want.Invalid += 3
		check("bad weights and costs")
		bad := s.Flow("bad", 0)
		bad.TryAcquire()
		bad.Acquire(t.Context())
		bad.Enqueue(1)
		g, _ := bad.Group(t.Context())
		g.Go(func() error { return nil })
		g.Wait()
		want.Invalid += 4
		check("a bad share")
		s.AcquireN(t.Context(), 2)
		s.Enqueue(2)
		want.TooLarge += 2
		check("too large a weight")

		held := grab(t, s)
		s.TryAcquire()
		s.TryAcquireN(7) // a try says nothing else
		want.NoPermit += 2
		check("tries")
		s.PauseFor(time.Hour)
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.Acquire(soon)
		want.Deadline++
		check("a deadline that cannot be met")
		held.Release()

		s.Close()
		s.TryAcquire()
		s.Acquire(t.Context())
		s.Enqueue(1)
		g, _ = s.Group(t.Context())
		g.Go(func() error { return nil })
		g.Wait()
		want.Closed += 4
		check("Close")
		if n := want.Sum(); n != 18 || s.Stats().Totals.Refused.Sum() != n {
			t.Errorf("%d refusals in all", n)
		}
	})
	unwatched(t, "burst 1", func(t *testing.T, s *scheduler.Scheduler) {
		grab(t, s)
		s.Enqueue(1)
		s.Enqueue(1)
		if got, want := s.Stats().Totals.Refused, (scheduler.Refusals{QueueFull: 1}); got != want {
			t.Errorf("a full line: %+v", got)
		}
	}, scheduler.WithMaxQueue(1))
	unwatched(t, "burst 1", func(t *testing.T, s *scheduler.Scheduler) {
		grab(t, s)
		s.Acquire(t.Context())
		if got, want := s.Stats().Totals.Refused, (scheduler.Refusals{NoPermit: 1}); got != want {
			t.Errorf("non-blocking: %+v", got)
		}
	}, scheduler.NonBlocking())
}

// Tickets that are sent away are counted, and the sum holds at the end.
func TestTotalsAddUp(t *testing.T) {
	unwatched(t, "3/h burst 2", func(t *testing.T, s *scheduler.Scheduler) {
		var all []ticket.Ticket
		for range 9 {
			one, err := s.Enqueue(1)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, one)
		}
		all[0].Cancel() // before it was received
		all[4].Cancel()
		check := func(givenUp uint64, waiting int) {
			t.Helper()
			got := s.Stats()
			if n := got.Totals; n.Undone != 1 || n.GivenUp != givenUp || got.Waiting != waiting || n.Enqueued != 9 ||
				n.Enqueued != got.Granted+n.Undone+n.GivenUp+uint64(got.Waiting) {
				t.Errorf("%+v", got)
			}
		}
		check(1, 5)
		s.Close()
		check(6, 0)
	})
}

func TestTotalsInJSON(t *testing.T) {
	want := scheduler.Totals{Enqueued: 9, Released: 1, GivenUp: 2, Undone: 3, Waited: 1.5, Held: 0.25, Waits: []uint64{1, 0, 2}}
	want.Refused = scheduler.Refusals{1, 2, 3, 4, 5, 6, 7}
	text, err := json.Marshal(scheduler.Stats{Totals: want})
	if err != nil {
		t.Fatal(err)
	}
	var got scheduler.Stats
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got.Totals, want) {
		t.Errorf("%s reads as %+v, %v", text, got.Totals, err)
	}
	var refused map[string]uint64
	text, _ = json.Marshal(want.Refused)
	if err := json.Unmarshal(text, &refused); err != nil {
		t.Fatal(err)
	}
	if all := maps.Collect(want.Refused.All()); !maps.Equal(all, refused) {
		t.Errorf("All has %v, JSON %v", all, refused)
	}
	for reason := range want.Refused.All() {
		if !strings.HasPrefix(reason, "cancel") {
			t.Errorf("the first is %s", reason)
		}
		break
	}
}
