package scheduler_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// These stories break limits on purpose as far as their first limits go, so they are not checked
// against them.
func control(t *testing.T, text string, tell func(s *story), opts ...scheduler.Option) {
	t.Helper()
	for _, opts := range [][]scheduler.Option{opts, append(opts, scheduler.KeepCore())} {
		synctest.Test(t, func(t *testing.T) {
			s := &story{T: t, began: time.Now()}
			s.Scheduler = start(t, limits(t, text), append(opts, &s.rec)...)
			tell(s)
			s.Close()
		})
	}
}

func (s *story) setLimits(text string) {
	s.Helper()
	if err := s.SetLimits(limits(s.T, text)); err != nil {
		s.Fatal(err)
	}
}

func TestSetLimitsServesThoseWhoWait(t *testing.T) {
	control(t, "1/h", func(s *story) {
		for range 5 {
			s.enqueue(1)
		}
		s.until(time.Second)
		s.setLimits("3/h")
		s.wantGrants("[1@0s 2@1s 3@1s]")
		s.setLimits("3/h burst 9")
		s.wantGrants("[1@0s 2@1s 3@1s]")
		s.setLimits("burst 9")
		s.wantGrants("[1@0s 2@1s 3@1s 4@1s 5@1s]")
		if got := s.Limits().String(); got != "burst 9" {
			t.Errorf("limits %s", got)
		}
	})
}

func TestSetLimitsKeepsHistory(t *testing.T) {
	control(t, "5/min", func(s *story) {
		for range 5 {
			s.acquire().Release()
		}
		s.until(10 * time.Second)
		s.setLimits("6/min 4/20s") // the minute stays, the 20 seconds start from it
		for range 2 {
			s.enqueue(1)
		}
		s.until(19 * time.Second)
		if got := s.Stats().Granted; got != 5 {
			t.Errorf("%d granted", got)
		}
		s.until(2 * time.Minute)
		s.wantGrants("[1@0s 2@0s 3@0s 4@0s 5@0s 6@20s 7@1m0s]")
	})
}

// Of several windows of one length each keeps its own history, and a new one takes the fullest.
func TestSetLimitsOfEqualLength(t *testing.T) {
	control(t, "5/min 3/min 9/min", func(s *story) {
		s.Charge(scheduler.PerMinute(5), 4)
		s.Charge(scheduler.PerMinute(9), 1)
		s.setLimits("9/min 3/min 5/min burst 9")
		s.wantUsed(1, 0, 4)
		s.setLimits("8/min 1/min")
		s.wantUsed(4, 4)
	})
}

// Where a window has no predecessor that counts alike, it starts late and never early.
func TestSetLimitsAcrossKinds(t *testing.T) {
	control(t, "2/min", func(s *story) {
		held := s.acquire()
		s.acquire().Release()
		s.until(30 * time.Second)
		s.setLimits("2/min from release")
		if got := s.Stats().Windows[0]; got.Used != 2 {
			t.Errorf("window %v", got)
		}
		s.until(90 * time.Second) // what was released is taken to have been released at 30 s
		if got := s.Stats().Windows[0]; got.Used != 1 {
			t.Errorf("window %v", got)
		}
		held.Release()
		s.setLimits("2/min")
		if got := s.Stats().Windows[0]; got.Used != 1 {
			t.Errorf("window %v", got)
		}
		s.until(150 * time.Second)
		if got := s.Stats().Windows[0]; got.Used != 0 {
			t.Errorf("window %v", got)
		}
	})
}

func TestLoweringTheBurstRevokesNothing(t *testing.T) {
	control(t, "burst 3", func(s *story) {
		a, b, c := s.acquire(), s.acquire(), s.acquire()
		s.setLimits("burst 1")
		next := s.enqueue(1)
		a.Release()
		b.Release()
		if s.granted(next) {
			t.Error("granted above the burst")
		}
		c.Release()
		if !s.granted(next) {
			t.Error("not granted when the burst had room")
		}
	})
}

func TestSetLimitsRefusesWhatCanNoLongerFit(t *testing.T) {
	control(t, "4/s", func(s *story) {
		s.enqueue(4)
		small, large, last := s.enqueue(2), s.enqueue(3), s.enqueue(1)
		s.setLimits("2/s")
		var refused *scheduler.TooLargeError
		if err := <-large.Ready(); !errors.As(err, &refused) || refused.Most != 2 || refused.Limit != "2/s" {
			t.Errorf("told %v", err)
		}
		s.until(2 * time.Second)
		if !s.granted(small) || !s.granted(last) {
			t.Error("the others were not granted")
		}
	})
}

func TestSetLimitsRefusesBadLimits(t *testing.T) {
	control(t, "1/s", func(s *story) {
		var invalid *scheduler.InvalidError
		if err := s.SetLimits(scheduler.Limits{}); !errors.As(err, &invalid) {
			t.Error(err)
		}
		if got := s.Limits().String(); got != "1/s" {
			t.Errorf("limits %s", got)
		}
		s.Close()
		if err := s.SetLimits(limits(t, "2/s")); !errors.Is(err, scheduler.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestPauseUntil(t *testing.T) {
	control(t, "100/s", func(s *story) {
		if err := s.PauseFor(30 * time.Second); err != nil {
			t.Fatal(err)
		}
		if err := s.PauseFor(10 * time.Second); err != nil { // no shorter for that
			t.Fatal(err)
		}
		if _, ok := s.TryAcquire(); ok {
			t.Error("granted during the pause")
		}
		waiting := s.enqueue(1)
		got := s.Stats()
		if end := s.began.Add(30 * time.Second); !got.Paused || !got.Resumes.Equal(end) || !got.NextWake.Equal(end) {
			t.Errorf("stats %+v", got)
		}
		if got := s.WaitTime(); got != 30*time.Second {
			t.Errorf("wait %v", got)
		}
		ctx, cancel := context.WithTimeout(background, 29*time.Second)
		defer cancel()
		var refused *scheduler.DeadlineError
		if _, err := s.Acquire(ctx); !errors.As(err, &refused) || refused.Limit != "pause" {
			t.Error(err)
		}
		s.until(30*time.Second - 1)
		if s.granted(waiting) {
			t.Error("granted before the end of the pause")
		}
		s.until(30 * time.Second)
		if !s.granted(waiting) {
			t.Error("not granted at the end of the pause")
		}
	})
}

func TestPauseAndResume(t *testing.T) {
	control(t, "100/s", func(s *story) {
		if err := s.Pause(); err != nil {
			t.Fatal(err)
		}
		waiting := s.enqueue(1)
		s.until(time.Hour)
		if got := s.Stats(); got.Waiting != 1 || !got.Paused || !got.Resumes.IsZero() || !got.NextWake.IsZero() {
			t.Errorf("stats %+v", got)
		}
		if err := s.Resume(); err != nil {
			t.Fatal(err)
		}
		if !s.granted(waiting) {
			t.Error("not granted on Resume")
		}
	})
}

func TestPauseIntoThePast(t *testing.T) {
	control(t, "1/s", func(s *story) {
		var invalid *scheduler.InvalidError
		for _, err := range []error{s.PauseUntil(s.began), s.PauseUntil(s.began.Add(-time.Hour)), s.PauseFor(0), s.PauseFor(-1)} {
			if !errors.As(err, &invalid) {
				t.Error(err)
			}
		}
		s.acquire()
	})
}

func TestCharge(t *testing.T) {
	control(t, "5/min 100/h", func(s *story) {
		s.acquire()
		s.until(10 * time.Second)
		if err := s.Charge(scheduler.PerMinute(5), 4); err != nil {
			t.Fatal(err)
		}
		got := s.Stats()
		if got.Windows[0].Remaining != 0 || got.Windows[1].Used != 1 || got.InUse != 1 {
			t.Errorf("stats %+v", got)
		}
		// More than the window holds counts too, or the far side would see too much later on.
		if err := s.Charge(scheduler.PerMinute(5), 5); err != nil {
			t.Fatal(err)
		}
		next := s.enqueue(1)
		s.until(70*time.Second - 1)
		if s.granted(next) {
			t.Error("granted early")
		}
		s.until(70 * time.Second)
		if !s.granted(next) {
			t.Error("not granted when the charge had expired")
		}
	})
}

// Charges without end add up to no more than can be counted.
func TestHugeCharges(t *testing.T) {
	for _, w := range []scheduler.Window{
		scheduler.Per(math.MaxInt, time.Hour),
		{Permits: math.MaxInt, Per: time.Hour, From: scheduler.FromRelease},
	} {
		s := start(t, scheduler.Limits{Windows: []scheduler.Window{w}})
		s.Acquire(background)
		for range 3 {
			if err := s.Charge(w, math.MaxInt); err != nil {
				t.Fatal(err)
			}
			if got := s.Stats().Windows[0]; got.Used != math.MaxInt || got.Remaining != 0 {
				t.Errorf("window %+v", got)
			}
			if _, ok := s.TryAcquire(); ok {
				t.Error("granted by a full window")
			}
		}
	}
}

func TestBadCharges(t *testing.T) {
	control(t, "5/min", func(s *story) {
		var invalid *scheduler.InvalidError
		for _, err := range []error{
			s.Charge(scheduler.PerMinute(6), 1),
			s.Charge(scheduler.PerHour(5), 1),
			s.Charge(scheduler.PerMinute(5), 0),
			s.Charge(scheduler.PerMinute(5), 6),
		} {
			if !errors.As(err, &invalid) {
				t.Error(err)
			}
		}
		if got := s.Stats().Windows[0].Used; got != 0 {
			t.Errorf("%d used", got)
		}
	})
}
