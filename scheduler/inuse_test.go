package scheduler_test

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/ticket"
)

// Without a burst more permits can be in use than an int holds: each grant fits its window, and the window
// soon forgets it. What is in use must then be neither negative nor nothing.

var (
	huge            = strconv.Itoa(math.MaxInt) + "/ns"
	hugeFromRelease = huge + " from release"
)

// hold takes permits of the given weights, each in a nanosecond of its own.
func (s *story) hold(weights ...int) (held []ticket.Ticket) {
	s.Helper()
	for _, n := range weights {
		time.Sleep(time.Nanosecond)
		t, ok := s.TryAcquireN(n)
		if !ok {
			s.Fatalf("%d permits were not granted; stats %+v", n, s.Stats())
		}
		held = append(held, t)
	}
	time.Sleep(time.Nanosecond)
	return held
}

func (s *story) wantInUse(want int) {
	s.Helper()
	if got := s.Stats().InUse; got != want {
		s.Errorf("%d in use, want %d", got, want)
	}
}

func TestMorePermitsInUseThanAnIntHolds(t *testing.T) {
	control(t, huge, func(s *story) {
		held := s.hold(math.MaxInt, math.MaxInt)
		s.wantInUse(math.MaxInt)
		s.setLimits("burst 1")
		next := s.enqueue(1)
		if _, ok := s.TryAcquire(); ok {
			s.Error("granted above the burst")
		}
		for _, t := range held {
			if s.granted(next) {
				s.Error("granted above the burst")
			}
			s.wantInUse(math.MaxInt)
			t.Release()
		}
		if !s.granted(next) {
			s.Error("not granted though all was released")
		}
		s.wantInUse(1)
	})
}

// A grant that is undone is no longer in use, whatever the sum was.
func TestUndoneWhileMoreIsInUseThanAnIntHolds(t *testing.T) {
	control(t, huge, func(s *story) {
		held := s.hold(math.MaxInt)
		unseen := s.enqueue(math.MaxInt)
		s.wantInUse(math.MaxInt)
		unseen.Cancel()
		s.wantInUse(math.MaxInt)
		held[0].Release()
		s.wantInUse(0)
	})
}

// A drain waits for all, also where their sum comes to what an int shows as 0.
func TestDrainWhileMoreIsInUseThanAnIntHolds(t *testing.T) {
	for _, weights := range [][]int{
		{math.MaxInt/2 + 1, math.MaxInt/2 + 1, math.MaxInt/2 + 1, math.MaxInt/2 + 1},
		{math.MaxInt, math.MaxInt, 2},
		{math.MaxInt, math.MaxInt, 1, 1},
	} {
		t.Run(fmt.Sprint(weights), func(t *testing.T) {
			control(t, huge, func(s *story) {
				held := s.hold(weights...)
				s.wantInUse(math.MaxInt)
				drained := make(chan error, 1)
				go func() { drained <- s.Drain(background) }()
				for i, t := range held {
					synctest.Wait()
					if len(drained) > 0 {
						s.Fatalf("drained while %d tickets of %v were held", len(held)-i, weights)
					}
					t.Release()
				}
				if err := <-drained; err != nil {
					s.Error(err)
				}
				s.wantInUse(0)
			})
		})
	}
}

// A window that counts from release charges all that is held, and what is released one by one.
func TestFromReleaseWhileMoreIsInUseThanAnIntHolds(t *testing.T) {
	control(t, huge, func(s *story) {
		held := s.hold(math.MaxInt, math.MaxInt, math.MaxInt/2+1, 5)
		for _, text := range []string{hugeFromRelease, "9/h from release", "9/2h", "9/ns from release", hugeFromRelease} {
			s.setLimits(text)
			if got := s.Stats().Windows[0]; got.Used != math.MaxInt || got.Remaining != 0 {
				s.Errorf("%s: window %v", text, got)
			}
			if _, ok := s.TryAcquire(); ok {
				s.Errorf("%s: granted by a full window", text)
			}
			snap := s.Snapshot()
			restored := start(s.T, limits(s.T, text))
			if err := restored.Restore(snap); err != nil || restored.Stats().Windows[0].Used != math.MaxInt {
				s.Errorf("%s: restored %v, stats %+v", text, err, restored.Stats())
			}
			restored.Close()
		}
		time.Sleep(5 * time.Hour) // what was charged besides expires
		for i, want := range []int{math.MaxInt, math.MaxInt, math.MaxInt/2 + 6, 5} {
			s.wantInUse(want)
			s.wantUsed(want)
			held[i].Release()
			s.wantUsed(want) // what was released counts on
			time.Sleep(time.Nanosecond)
		}
		s.wantInUse(0)
		s.wantUsed(0)
		s.hold(math.MaxInt)
	})
}

// Random tickets and limits against a sum of any size.
func TestInUseOfAnySize(t *testing.T) {
	for seed := range uint64(60) {
		control(t, huge, func(s *story) {
			r := rand.New(rand.NewPCG(seed, 29))
			var held []ticket.Ticket
			sum := new(big.Int)
			text := huge
			fits := func(n int) bool {
				with := new(big.Int).Add(sum, big.NewInt(int64(n)))
				switch text {
				case "burst 3":
					return with.Cmp(big.NewInt(3)) <= 0
				case huge:
					return true
				default: // what is held must not be more than an int holds
					return with.Cmp(big.NewInt(math.MaxInt)) <= 0
				}
			}
			for step := range 60 {
				time.Sleep(2 * time.Nanosecond) // no window remembers what is no longer held
				n := []int{1, 2, 3, math.MaxInt/4 + 1, math.MaxInt/2 + 1, math.MaxInt - 1, math.MaxInt}[r.IntN(7)]
				switch k := r.IntN(10); {
				case k < 5:
					got, ok := s.TryAcquireN(n)
					if ok != fits(n) {
						s.Fatalf("seed %d, step %d, %s: with %v in use %d more granted: %v", seed, step, text, sum, n, ok)
					}
					if ok {
						held = append(held, got)
						sum.Add(sum, big.NewInt(int64(n)))
					}
				case k == 5 && fits(n):
					unseen := s.enqueue(n)
					s.Stats()
					unseen.Cancel()
				case k < 9 && len(held) > 0:
					i := r.IntN(len(held))
					sum.Sub(sum, big.NewInt(int64(held[i].Weight())))
					held[i].Release()
					held = append(held[:i], held[i+1:]...)
				case k == 9:
					text = []string{huge, "burst 3", hugeFromRelease, huge + " burst " + strconv.Itoa(math.MaxInt)}[r.IntN(4)]
					s.setLimits(text)
				}
				want := math.MaxInt
				if sum.Cmp(big.NewInt(math.MaxInt)) < 0 {
					want = int(sum.Int64())
				}
				if got := s.Stats().InUse; got != want {
					s.Fatalf("seed %d, step %d, %s: %d in use, want %d", seed, step, text, got, want)
				}
			}
		})
	}
}
