package scheduler_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
)

// What is reset follows the time of day, also when that is set.
func TestResetsFollowTheTimeOfDay(t *testing.T) {
	mock := clock.NewMock()
	mock.Set(time.Date(2026, 3, 1, 23, 0, 0, 0, time.UTC))
	clk := &steppedClock{Mock: mock}
	s := start(t, limits(t, "2/day from reset"), scheduler.WithClock(clk))
	var got []bool
	try := func(times int) {
		for range times {
			_, ok := s.TryAcquire()
			got = append(got, ok)
		}
	}
	try(3)
	mock.Set(mock.Now().Add(time.Hour - 1))
	try(1)
	mock.Set(mock.Now().Add(1)) // midnight
	try(3)
	clk.by = 23 * time.Hour // set by its user
	try(1)
	mock.Set(mock.Now().Add(time.Hour)) // midnight again
	try(3)
	clk.by = -time.Hour // set back to the day before: the permits count for an hour more
	mock.Set(mock.Now().Add(23 * time.Hour))
	try(1)
	mock.Set(mock.Now().Add(time.Hour))
	try(1)
	want := []bool{true, true, false, false, true, true, false, false, true, true, false, false, true}
	if !slices.Equal(got, want) {
		t.Errorf("granted\n%v, want\n%v", got, want)
	}
}

// A ticket that waits for a reset is granted at that instant, on a day of 23 hours too, and the wait
// is known beforehand.
func TestWaitForReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		berlin, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		mock := clock.NewMock()
		mock.Set(time.Date(2026, 3, 28, 12, 0, 0, 0, berlin)) // clocks go forward in the next night
		s, err := scheduler.New(limits(t, "1/day from reset 09:00 Europe/Berlin"), scheduler.WithClock(mock))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.Acquire(context.Background())
		if got, want := s.WaitTime(), 20*time.Hour; got != want {
			t.Errorf("the wait is %v, want %v", got, want)
		}
		first, _ := s.Enqueue(1)
		second, _ := s.Enqueue(1)
		if got, want := s.WaitTime(), (20+24+24)*time.Hour; got != want {
			t.Errorf("the wait behind two is %v, want %v", got, want)
		}
		for i, ready := range []<-chan error{first.Ready(), second.Ready()} {
			wake := time.Date(2026, 3, 29+i, 9, 0, 0, 0, berlin)
			if got := s.Stats().NextWake; !got.Equal(wake) {
				t.Errorf("wakes at %v, want %v", got, wake)
			}
			mock.Set(wake.Add(-1))
			s.Stats()
			select {
			case <-ready:
				t.Errorf("granted before %v", wake)
			default:
			}
			mock.Set(wake)
			s.Stats()
			select {
			case <-ready:
			default:
				t.Fatalf("not granted at %v", wake)
			}
		}
	})
}

// A restart in the middle of a period loses nothing and forgets nothing at the wrong time.
func TestResetSurvivesARestart(t *testing.T) {
	mock := clock.NewMock()
	mock.Set(time.Date(2026, 5, 5, 10, 0, 0, 0, time.UTC))
	l := limits(t, "5/day from reset 09:00 Europe/Berlin 3 tokens/month from reset")
	const tokens scheduler.Unit = "tokens"
	s := start(t, l, scheduler.WithClock(mock))
	for range 3 {
		s.TryAcquireN(1, tokens.Of(1))
	}
	snap := s.Snapshot()
	mock.Set(mock.Now().Add(2 * time.Hour))
	again := start(t, l, scheduler.WithClock(mock))
	if err := again.Restore(snap); err != nil {
		t.Fatal(err)
	}
	if _, ok := again.TryAcquireN(1, tokens.Of(1)); ok {
		t.Error("a fourth token in the month")
	}
	used := func() (used []int) {
		for _, w := range again.Stats().Windows {
			used = append(used, w.Used)
		}
		return used
	}
	for _, step := range []struct {
		at   time.Time
		want []int
	}{
		{time.Date(2026, 5, 6, 7, 0, 0, -1, time.UTC), []int{3, 3}}, // 09:00 in Berlin
		{time.Date(2026, 5, 6, 7, 0, 0, 0, time.UTC), []int{0, 3}},
		{time.Date(2026, 6, 1, 0, 0, 0, -1, time.UTC), []int{0, 3}},
		{time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), []int{0, 0}},
	} {
		mock.Set(step.at)
		if got := used(); !slices.Equal(got, step.want) {
			t.Errorf("at %v: %v used, want %v", step.at, got, step.want)
		}
	}
}
