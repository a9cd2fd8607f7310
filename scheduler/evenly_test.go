package scheduler_test

import (
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// What was used elsewhere soon after a grant does not bring the next grant forward.
func TestChargeKeepsTheSpaceOfTheLastGrant(t *testing.T) {
	const tokens scheduler.Unit = "tokens"
	control(t, "100 tokens/100s evenly", func(s *story) {
		wantNext := func(at time.Duration) {
			s.Helper()
			if got := time.Since(s.began) + s.WaitTimeN(1, tokens.Of(1)); got != at {
				s.Errorf("the next grant can be at %v, want %v", got, at)
			}
		}
		charge := func(n int) {
			s.Helper()
			if err := s.Charge(s.Limits().Windows[0], n); err != nil {
				s.Fatal(err)
			}
		}
		if _, err := s.AcquireN(s.Context(), 1, tokens.Of(50)); err != nil {
			s.Fatal(err)
		}
		wantNext(50 * time.Second)
		for range 2 {
			s.until(time.Since(s.began) + time.Second)
			charge(1)
		}
		wantNext(50 * time.Second)
		s.setLimits("100 tokens/100s evenly burst 9")
		wantNext(50 * time.Second)
		s.setLimits("100 tokens/100s")
		wantNext(2 * time.Second)
		s.setLimits("100 tokens/100s evenly")
		wantNext(50 * time.Second)
		s.restart("100 tokens/100s evenly", time.Second)
		wantNext(50 * time.Second)

		s.until(49 * time.Second)
		charge(5)
		wantNext(54 * time.Second)
	})
}

// A grant that is undone keeps no other away, even if limits were set since.
func TestUndoneGrantKeepsNoneAway(t *testing.T) {
	control(t, "4/4s evenly", func(s *story) {
		first := s.enqueue(4)
		s.setLimits("4/4s evenly burst 9")
		first.Cancel() // before its caller knew of the grant
		if wait := s.WaitTime(); wait != 0 {
			s.Errorf("the wait is %v after the only grant was undone", wait)
		}
	})
}

// In a window that rounds instants, because it is large, grants that share an entry keep others away each for its
// own space, and not all of them together.
func TestLargeWindowSpacesEvenly(t *testing.T) {
	control(t, "131072/131072us evenly", func(s *story) {
		s.enqueue(1)
		began := time.Now()
		for i := range 5 { // two microseconds share an entry
			s.enqueue(1)
			time.Sleep(time.Until(s.Stats().NextWake))
			if got, want := time.Since(began), time.Duration(i+1)*time.Microsecond; got != want {
				s.Fatalf("grant %d at %v, want %v", i+2, got, want)
			}
		}
		last := s.enqueue(1)
		if wait := s.WaitTime(); wait != 2*time.Microsecond {
			s.Errorf("a wait of %v behind one, want 2us", wait)
		}
		last.Cancel()
	})
}
