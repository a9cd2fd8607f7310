package scheduler_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// AcquireNow says why not, whether the owner answers or the caller for itself, also behind a long line.
func TestAcquireNow(t *testing.T) {
	unwatched(t, "10/s burst 20", func(t *testing.T, s *scheduler.Scheduler) {
		if got, err := s.AcquireNow(3); err != nil || got.Weight() != 3 {
			t.Fatal(got, err)
		}
		var large *scheduler.TooLargeError
		if _, err := s.AcquireNow(21); !errors.As(err, &large) {
			t.Error(err)
		}
		var invalid *scheduler.InvalidError
		if _, err := s.AcquireNow(0); !errors.As(err, &invalid) {
			t.Error(err)
		}
		if _, err := s.Flow("f", -1).AcquireNow(1); !errors.As(err, &invalid) {
			t.Error(err)
		}
		refused := func(want time.Duration) {
			t.Helper()
			var no *scheduler.NoPermitError
			if _, err := s.AcquireNow(1); !errors.As(err, &no) || no.Wait != want {
				t.Errorf("%v, want a wait of %v", err, want)
			}
		}
		s.TryAcquireN(7)
		refused(time.Second)
		if err := s.SetLimits(scheduler.MustParseLimits("10/s")); err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			s.Enqueue(1)
		}
		refused(101 * time.Second)
		if got := s.Stats(); got.Waiting != 1000 || got.Totals.Refused.NoPermit != 2 {
			t.Errorf("%+v", got)
		}
		s.Close()
		if _, err := s.AcquireNow(1); err != scheduler.ErrClosed {
			t.Error(err)
		}
		if got := s.Windows(); len(got) != 1 || got[0].Used != 10 {
			t.Errorf("after Close: %v", got)
		}
	})
}

// Windows says what Stats says.
func TestWindows(t *testing.T) {
	unwatched(t, "10/s 9 tokens/min evenly", func(t *testing.T, s *scheduler.Scheduler) {
		for range 20 {
			s.Enqueue(1, scheduler.Unit("tokens").Of(1))
			time.Sleep(700 * time.Millisecond)
			synctest.Wait()
			got, want := s.Windows(), s.Stats().Windows
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("%v, want %v", got[i], want[i])
				}
			}
		}
		s.SetLimits(scheduler.MustParseLimits("burst 3"))
		if got := s.Windows(); len(got) != 0 {
			t.Error(got)
		}
	})
}
