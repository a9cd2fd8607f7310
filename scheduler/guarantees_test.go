package scheduler_test

// One test, or a few, for each guarantee of the package comment, from the outside. What the core
// decides is compared with a slow twin over random operations in twin_test.go; these tests are about
// the whole: goroutines, contexts, channels and time. Time is that of a bubble.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/scheduler/schedulertest"
	"github.com/flowguard-go/flowguard/ticket"
)

var background = context.Background()

// limits reads limits that are known to be good.
func limits(tb testing.TB, text string) scheduler.Limits {
	tb.Helper()
	l, err := scheduler.ParseLimits(text)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// story is a scheduler in a bubble, and what happens to it.
type story struct {
	*testing.T
	*scheduler.Scheduler
	rec   schedulertest.Recorder
	began time.Time
}

// bubble runs a story with the plain clock in a bubble, with lending and without, and checks the
// record at the end.
func bubble(t *testing.T, text string, tell func(s *story), opts ...scheduler.Option) {
	t.Helper()
	for _, opts := range [][]scheduler.Option{opts, append(slices.Clip(opts), scheduler.KeepCount()), append(slices.Clip(opts), scheduler.KeepCore())} {
		synctest.Test(t, func(t *testing.T) {
			s := &story{T: t, began: time.Now()}
			s.Scheduler = start(t, limits(t, text), append(opts, &s.rec)...)
			tell(s)
			s.Close()
			if err := schedulertest.Check(limits(t, text), s.rec.Tickets(), 0); err != nil {
				t.Errorf("%v\n%v", err, s.rec.Tickets())
			}
		})
	}
}

func (s *story) enqueue(weight int) ticket.Ticket {
	s.Helper()
	t, err := s.Enqueue(weight)
	if err != nil {
		s.Fatal(err)
	}
	return t
}

func (s *story) acquire() ticket.Ticket {
	s.Helper()
	t, err := s.Acquire(background)
	if err != nil {
		s.Fatal(err)
	}
	return t
}

// granted says whether the ticket has been granted by now, and receives the grant.
func (s *story) granted(t ticket.Ticket) bool {
	s.Helper()
	synctest.Wait()
	select {
	case err := <-t.Ready():
		if err != nil {
			s.Fatalf("ticket %d at %v: %v", t.Number(), time.Since(s.began), err)
		}
		return true
	default:
		return false
	}
}

// until lets time pass until so long after the beginning.
func (s *story) until(d time.Duration) {
	time.Sleep(time.Until(s.began.Add(d)))
	synctest.Wait()
}

func (s *story) grants() string {
	s.Stats()
	var at []string
	for _, t := range s.rec.Tickets().Granted() {
		at = append(at, fmt.Sprintf("%d@%v", t.Number, t.Granted.Sub(s.began)))
	}
	return fmt.Sprint(at)
}

func (s *story) wantGrants(want string) {
	s.Helper()
	if got := s.grants(); got != want {
		s.Errorf("grants %s, want %s", got, want)
	}
}

// 1. Windows.

func TestWindowSlides(t *testing.T) {
	bubble(t, "2/s", func(s *story) {
		s.enqueue(1)
		s.until(600 * time.Millisecond)
		for range 4 {
			s.enqueue(1)
		}
		s.until(5 * time.Second)
		s.wantGrants("[1@0s 2@600ms 3@1s 4@1.6s 5@2s]")
	})
}

func TestWindowFreesAtExactlyPer(t *testing.T) {
	bubble(t, "1/s", func(s *story) {
		s.acquire()
		s.until(time.Second - 1)
		if _, ok := s.TryAcquire(); ok {
			t.Error("granted a nanosecond early")
		}
		s.until(time.Second)
		if _, ok := s.TryAcquire(); !ok {
			t.Error("not granted at exactly Per")
		}
	})
}

func TestReleaseGivesNoWindowBudgetBack(t *testing.T) {
	bubble(t, "1/s", func(s *story) {
		s.acquire().Release()
		if _, ok := s.TryAcquire(); ok {
			t.Error("granted twice in a second")
		}
	})
}

func TestSeveralWindowsHoldTogether(t *testing.T) {
	bubble(t, "2/s 3/10s", func(s *story) {
		for range 5 {
			s.enqueue(1)
		}
		s.until(time.Minute)
		s.wantGrants("[1@0s 2@0s 3@1s 4@10s 5@10s]")
	})
}

func TestWindowFromRelease(t *testing.T) {
	bubble(t, "1/s from release", func(s *story) {
		first := s.acquire()
		second := s.enqueue(1)
		s.until(5 * time.Second)
		if s.granted(second) {
			t.Error("granted while the permit was held")
		}
		first.Release()
		s.until(6*time.Second - 1)
		if s.granted(second) {
			t.Error("granted before Per had passed since the release")
		}
		s.until(6 * time.Second)
		if !s.granted(second) {
			t.Error("not granted at release + Per")
		}
	})
}

// 2. Burst.

func TestBurst(t *testing.T) {
	bubble(t, "burst 2", func(s *story) {
		a, _, c := s.enqueue(1), s.enqueue(1), s.enqueue(1)
		if s.granted(c) {
			t.Error("three held at once")
		}
		if !s.granted(a) {
			t.Error("first not granted")
		}
		a.Release()
		if !s.granted(c) {
			t.Error("not granted when one was released")
		}
	})
}

// 3. One decision.

func TestWaitingTicketHasChargedNothing(t *testing.T) {
	bubble(t, "3/s 10/min burst 2", func(s *story) {
		s.enqueue(2)
		s.enqueue(2) // fits the minute, not the second nor the burst
		got := s.Stats()
		if got.InUse != 2 || got.Waiting != 1 || got.Windows[0].Used != 2 || got.Windows[1].Used != 2 {
			t.Errorf("stats %+v", got)
		}
	})
}

func TestWeightIsGrantedAsAWhole(t *testing.T) {
	bubble(t, "3/s", func(s *story) {
		s.enqueue(1)
		s.until(300 * time.Millisecond)
		s.enqueue(1)
		s.enqueue(3)
		s.until(10 * time.Second)
		s.wantGrants("[1@0s 2@300ms 3@1.3s]")
	})
}

// 4. Order.

func TestHeadBlocksThoseBehind(t *testing.T) {
	bubble(t, "3/s", func(s *story) {
		s.enqueue(2)
		s.enqueue(2) // does not fit
		s.enqueue(1) // would
		if _, ok := s.TryAcquire(); ok {
			t.Error("a try jumped the line")
		}
		s.until(10 * time.Second)
		s.wantGrants("[1@0s 2@1s 3@1s]")
	})
}

func TestNumbersFollowArrival(t *testing.T) {
	bubble(t, "1/s", func(s *story) {
		var wg sync.WaitGroup
		numbers := make([]ticket.Number, 20)
		for i := range numbers {
			wg.Go(func() {
				t, err := s.Acquire(background)
				if err != nil {
					s.Error(err)
				}
				numbers[i] = t.Number()
			})
			synctest.Wait() // this one stands in line before the next comes
		}
		wg.Wait()
		for i, n := range numbers {
			if int(n) != i+1 {
				t.Fatalf("numbers %v", numbers)
			}
		}
	})
}

// 5. Work conservation: every story's record is checked for grants that came late. Here nothing but
// the timer wakes the owner, and it wakes once a grant.

func TestTimerAloneMakesGrants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &countingClock{Clock: clock.New()}
		s := start(t, limits(t, "1/s"), scheduler.WithClock(c))
		for range 11 {
			if _, err := s.Enqueue(1); err != nil {
				t.Fatal(err)
			}
		}
		before := c.readings.Load()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := c.readings.Load() - before; n < 10 || n > 30 { // a turn, and the timer set
			t.Errorf("the clock was read %d times for 10 grants", n)
		}
		if got := s.Stats().Granted; got != 11 {
			t.Errorf("%d granted", got)
		}
		s.Close()
	})
}

// countingClock counts how often it is read and how many timers it made.
type countingClock struct {
	scheduler.Clock
	readings, timers atomic.Int64
}

func (c *countingClock) Since(t time.Time) time.Duration {
	c.readings.Add(1)
	return c.Clock.Since(t)
}

func (c *countingClock) AfterFunc(d time.Duration, f func()) *clock.Timer {
	c.timers.Add(1)
	return c.Clock.AfterFunc(d, f)
}

func TestOneTimerHoweverManyWait(t *testing.T) {
	c := &countingClock{Clock: clock.NewMock()}
	s := start(t, limits(t, "1/h"), scheduler.WithClock(c))
	for range 1000 {
		if _, err := s.Enqueue(1); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	if n := c.timers.Load(); n != 1 {
		t.Errorf("%d timers for 1000 waiting", n)
	}
}

// 6. Giving up.

func TestDoneContextNeverAcquires(t *testing.T) {
	bubble(t, "1/s", func(s *story) {
		ctx, cancel := context.WithCancelCause(background)
		why := errors.New("why")
		cancel(why)
		for range 100 {
			if _, err := s.Acquire(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
				t.Fatal(err)
			}
		}
		if got := s.Stats(); got.Granted != 0 || got.Windows[0].Used != 0 {
			t.Errorf("stats %+v", got)
		}
	})
}

func TestWhoGivesUpMakesRoomForThoseBehind(t *testing.T) {
	bubble(t, "3/s", func(s *story) {
		s.enqueue(2)
		ctx, cancel := context.WithCancel(background)
		gone := make(chan error, 1)
		go func() {
			_, err := s.AcquireN(ctx, 2)
			gone <- err
		}()
		synctest.Wait()
		behind := s.enqueue(1)
		if s.granted(behind) {
			t.Fatal("granted before the head")
		}
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if !s.granted(behind) {
			t.Error("did not move up")
		}
	})
}

func TestDeadlineWhileWaiting(t *testing.T) {
	bubble(t, "burst 1", func(s *story) {
		s.acquire()
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		if _, err := s.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if got := time.Since(s.began); got != time.Second {
			t.Errorf("returned after %v", got)
		}
		if got := s.Stats(); got.Waiting != 0 {
			t.Errorf("stats %+v", got)
		}
	})
}

// The context ends at the instant of the grant. Whichever comes first, the ticket was acquired or
// there is no trace of it.
func TestGivingUpInTheInstantOfTheGrant(t *testing.T) {
	outcomes := map[bool]int{}
	for range 200 {
		bubble(t, "2/s burst 5", func(s *story) {
			s.enqueue(2)
			ctx, cancel := context.WithTimeout(background, time.Second)
			defer cancel()
			_, err := s.Acquire(ctx)
			synctest.Wait()
			got := s.Stats()
			used := got.Windows[0].Used
			if err == nil && (used != 1 || got.InUse != 3) || err != nil && (used != 0 || got.InUse != 2) {
				t.Fatalf("error %v, stats %+v", err, got)
			}
			outcomes[err == nil]++
		})
	}
	t.Logf("acquired %d, gave up %d", outcomes[true], outcomes[false])
	if len(outcomes) != 2 {
		t.Error("one outcome never came, so the test shows half of what it should")
	}
}

func TestCancelBeforeTheGrantIsSeen(t *testing.T) {
	bubble(t, "1/s burst 1", func(s *story) {
		first := s.enqueue(1)
		second := s.enqueue(1)
		synctest.Wait()
		first.Cancel() // granted, but nobody looked
		if err := <-first.Ready(); !errors.Is(err, context.Canceled) {
			t.Errorf("told %v", err)
		}
		if !s.granted(second) {
			t.Error("slot and window budget did not come back")
		}
	})
}

func TestCancelAfterTheGrantIsSeen(t *testing.T) {
	bubble(t, "1/s burst 1", func(s *story) {
		first := s.enqueue(1)
		second := s.enqueue(1)
		if !s.granted(first) {
			t.Fatal("not granted")
		}
		first.Cancel()
		if got := s.Stats(); got.InUse != 0 || got.Windows[0].Used != 1 {
			t.Errorf("stats %+v", got)
		}
		s.until(time.Second)
		if !s.granted(second) {
			t.Error("not granted after the window")
		}
	})
}

// Thousands share a context that ends, and others with a context of their own stand among them and behind.
// Each of the thousands is told why, and the others are granted in their order as if nobody else had come.
func TestThousandsGiveUpTogether(t *testing.T) {
	crowd, others := 10_000, 200
	if scheduler.RaceEnabled { // which allows of 8,128 goroutines
		crowd = 5_000
	}
	for name, held := range map[string]bool{"while a permit is held": true, "as one is released": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, "1/s burst 1", func(s *story) {
				first := s.acquire()
				why := errors.New("why")
				shared, end := context.WithCancelCause(background)
				defer end(nil)
				own, cancel := context.WithCancel(background)
				defer cancel()
				var told, granted sync.WaitGroup
				var wrong, acquired atomic.Int64
				var order []ticket.Number
				share := func(n int) {
					for range n {
						told.Go(func() {
							switch got, err := s.Acquire(shared); {
							case err == nil:
								acquired.Add(1)
								got.Release()
							case !errors.Is(err, context.Canceled) || !errors.Is(err, why):
								wrong.Add(1)
							}
						})
					}
					synctest.Wait()
				}
				other := func(n int) {
					for range n {
						granted.Go(func() {
							got, err := s.Acquire(own)
							if err != nil {
								s.Error(err)
								return
							}
							order = append(order, got.Number()) // one at a time
							got.Release()
						})
						synctest.Wait() // this one stands in line before the next comes
					}
				}
				share(crowd / 2)
				other(others / 2)
				share(crowd - crowd/2)
				other(others - others/2)
				if got := s.Stats(); got.Waiting != crowd+others {
					s.Fatalf("stats %+v", got)
				}
				s.until(10 * time.Second)
				if held {
					end(why)
					told.Wait()
					if got := s.Stats(); got.Waiting != others || got.Granted != 1 || got.InUse != 1 || got.Windows[0].Used != 0 {
						s.Errorf("stats %+v", got)
					}
					first.Release()
				} else {
					first.Release()
					end(why)
				}
				told.Wait()
				granted.Wait()
				if wrong.Load() != 0 || acquired.Load() > 1 || held && acquired.Load() > 0 {
					s.Errorf("of those who share a context %d were granted, and %d told something else", acquired.Load(), wrong.Load())
				}
				if !slices.IsSorted(order) || len(order) != others {
					s.Errorf("%d of %d others were granted, in this order: %v", len(order), others, order)
				}
				if got := s.Stats(); got.Waiting != 0 || got.InUse != 0 || got.Granted != uint64(1+others)+uint64(acquired.Load()) {
					s.Errorf("stats %+v", got)
				}
				// One a second, from the release on, and none of them late for those who gave up.
				if got, most := time.Since(s.began), time.Duration(10+others)*time.Second; got > most {
					s.Errorf("the last was granted after %v, want %v at most", got, most)
				}
			})
		})
	}
}

// 7. Early refusal.

func TestDeadlineTooNearIsRefusedNow(t *testing.T) {
	bubble(t, "1/2s", func(s *story) {
		s.acquire()
		s.enqueue(1)
		for _, c := range []struct {
			timeout time.Duration
			refused bool
		}{{4*time.Second - 1, true}, {4 * time.Second, false}} {
			ctx, cancel := context.WithTimeout(background, c.timeout)
			done := make(chan error, 1)
			go func() {
				_, err := s.Acquire(ctx)
				done <- err
			}()
			synctest.Wait()
			select {
			case err := <-done:
				var deadline *scheduler.DeadlineError
				if !c.refused || !errors.As(err, &deadline) || !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("timeout %v: %v", c.timeout, err)
				}
				if deadline.Wait != 4*time.Second || deadline.Left != c.timeout || deadline.Limit != "1/2s" {
					t.Errorf("refusal %+v", deadline)
				}
			default:
				if c.refused {
					t.Errorf("timeout %v was not refused", c.timeout)
				}
				cancel()
				<-done
			}
			cancel()
		}
		if got := s.Stats(); got.Waiting != 1 || got.Granted != 1 {
			t.Errorf("the refused left traces: %+v", got)
		}
	})
}

func TestRefusals(t *testing.T) {
	bubble(t, "2/s burst 3", func(s *story) {
		var invalid *scheduler.InvalidError
		for _, weight := range []int{0, -1} {
			if _, err := s.AcquireN(background, weight); !errors.As(err, &invalid) || invalid.Got != weight {
				t.Errorf("weight %d: %v", weight, err)
			}
		}
		var large *scheduler.TooLargeError
		_, err := s.Enqueue(3)
		if !errors.Is(err, scheduler.ErrTooLarge) || !errors.As(err, &large) {
			t.Fatal(err)
		}
		if *large != (scheduler.TooLargeError{Weight: 3, Most: 2, Limit: "2/s"}) {
			t.Errorf("refusal %+v", large)
		}
		if _, ok := s.TryAcquireN(3); ok {
			t.Error("a weight above the limit was granted")
		}
		if got := s.Stats(); got.Granted != 0 || got.Waiting != 0 {
			t.Errorf("stats %+v", got)
		}
	})
}

func TestFullLine(t *testing.T) {
	bubble(t, "burst 1", func(s *story) {
		first := s.enqueue(1)
		s.enqueue(1)
		_, err := s.Enqueue(1)
		var full *scheduler.QueueFullError
		if !errors.Is(err, scheduler.ErrQueueFull) || !errors.As(err, &full) || full.Max != 1 {
			t.Error(err)
		}
		if !s.granted(first) {
			t.Fatal("first not granted")
		}
		first.Release()
		s.enqueue(1)
	}, scheduler.WithMaxQueue(1))
}

func TestNonBlocking(t *testing.T) {
	bubble(t, "1/2s burst 1", func(s *story) {
		first := s.acquire()
		s.until(500 * time.Millisecond)
		_, err := s.Acquire(background)
		var none *scheduler.NoPermitError
		if !errors.Is(err, scheduler.ErrNoPermit) || !errors.As(err, &none) {
			t.Fatal(err)
		}
		if *none != (scheduler.NoPermitError{Wait: 1500 * time.Millisecond, Limit: "1/2s"}) {
			t.Errorf("refusal %+v", none)
		}
		s.until(3 * time.Second)
		_, err = s.Acquire(background)
		if !errors.As(err, &none) || none.Wait != scheduler.Forever || none.Limit != "burst 1" {
			t.Errorf("refusal %v", err)
		}
		first.Release()
		s.acquire()
		waiting := s.enqueue(1) // Enqueue waits as ever
		if s.granted(waiting) {
			t.Error("granted beyond the limits")
		}
	}, scheduler.NonBlocking())
}

// 8. Closing.

func TestCloseTellsAllWhoWait(t *testing.T) {
	bubble(t, "1/h", func(s *story) {
		held := s.acquire()
		queued := s.enqueue(1)
		errs := make(chan error, 10)
		for range 10 {
			go func() {
				_, err := s.Acquire(background)
				errs <- err
			}()
		}
		synctest.Wait()
		s.Close()
		s.Close()
		for range 10 {
			if err := <-errs; !errors.Is(err, scheduler.ErrClosed) {
				t.Error(err)
			}
		}
		if err := <-queued.Ready(); !errors.Is(err, scheduler.ErrClosed) {
			t.Error(err)
		}
		held.Release()
		held.Cancel()
		if _, err := s.Acquire(background); !errors.Is(err, scheduler.ErrClosed) {
			t.Error(err)
		}
		if _, err := s.Enqueue(1); !errors.Is(err, scheduler.ErrClosed) {
			t.Error(err)
		}
		if _, ok := s.TryAcquire(); ok {
			t.Error("granted after Close")
		}
		if got := s.WaitTime(); got != 1<<63-1 {
			t.Errorf("wait time %v after Close", got)
		}
		if got := s.Stats(); got.Granted != 1 || got.Waiting != 0 || !got.NextWake.IsZero() {
			t.Errorf("stats %+v", got)
		}
		if err := s.Drain(background); !errors.Is(err, scheduler.ErrClosed) {
			t.Errorf("Drain after a Close that sent somebody away: %v", err)
		}
	})
}

func TestCloseCutsADrainShort(t *testing.T) {
	bubble(t, "burst 1", func(s *story) {
		s.acquire()
		drained := make(chan error, 1)
		go func() { drained <- s.Drain(background) }()
		synctest.Wait()
		s.Close()
		if err := <-drained; !errors.Is(err, scheduler.ErrClosed) {
			t.Error(err)
		}
	})
	bubble(t, "burst 1", func(s *story) {
		s.acquire().Release()
		s.Close()
		if err := s.Drain(background); err != nil {
			t.Errorf("nothing was left to do: %v", err)
		}
	})
}

func TestCloseFromManyGoroutines(t *testing.T) {
	for range 50 {
		s := start(t, limits(t, "burst 4"))
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				for j := 0; ; j++ {
					if i == 3 && j == 10 {
						s.Close()
					}
					held, err := s.Acquire(background)
					if err != nil {
						return
					}
					held.Release()
				}
			})
		}
		wg.Wait()
	}
}

func TestNothingIsArmedAfterClose(t *testing.T) {
	mock := clock.NewMock()
	s := start(t, limits(t, "1/h"), scheduler.WithClock(mock))
	for range 3 {
		if _, err := s.Enqueue(1); err != nil {
			t.Fatal(err)
		}
	}
	if s.Stats().NextWake.IsZero() {
		t.Fatal("nothing is armed before Close, so the test shows nothing")
	}
	s.Close()
	// With no timer left the mock has nowhere to go.
	before := mock.Now()
	if after := mock.WaitForAllTimers(); !after.Equal(before) {
		t.Errorf("a timer was left for %v", after)
	}
}

func TestDrain(t *testing.T) {
	bubble(t, "1/s burst 2", func(s *story) {
		first := s.acquire()
		second := s.enqueue(1)
		drained := make(chan error, 1)
		go func() { drained <- s.Drain(background) }()
		synctest.Wait()
		if _, err := s.Acquire(background); !errors.Is(err, scheduler.ErrClosed) {
			t.Errorf("a newcomer was told %v", err)
		}
		s.until(time.Second)
		if !s.granted(second) {
			t.Error("the line was not served")
		}
		first.Release()
		synctest.Wait()
		select {
		case <-drained:
			t.Error("drained with a permit in use")
		default:
		}
		second.Release()
		if err := <-drained; err != nil {
			t.Error(err)
		}
		if got := s.Stats(); got.InUse != 0 || got.Granted != 2 {
			t.Errorf("stats %+v", got)
		}
	})
}

func TestDrainCutShort(t *testing.T) {
	bubble(t, "burst 1", func(s *story) {
		held := s.acquire()
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		if err := s.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := s.Enqueue(1); !errors.Is(err, scheduler.ErrClosed) {
			t.Errorf("the drain did not go on: %v", err)
		}
		held.Release()
		if err := s.Drain(background); err != nil {
			t.Error(err)
		}
	})
}

// 9. No harm from misuse.

func TestReleasingTwiceIsHarmless(t *testing.T) {
	bubble(t, "burst 2", func(s *story) {
		a, b := s.acquire(), s.acquire()
		for range 3 {
			a.Release()
			a.Cancel()
		}
		if got := s.Stats().InUse; got != 1 {
			t.Fatalf("%d in use", got)
		}
		// The place of a serves another ticket now; the old handle must not touch it.
		c := s.acquire()
		a.Release()
		a.Cancel()
		if got := s.Stats().InUse; got != 2 {
			t.Errorf("%d in use: an old handle released another's permit", got)
		}
		b.Release()
		c.Release()
		if got := s.Stats().InUse; got != 0 {
			t.Errorf("%d in use", got)
		}
	})
}

func TestReleasingAWaitingTicketDoesNothing(t *testing.T) {
	bubble(t, "burst 1", func(s *story) {
		first, second := s.acquire(), s.enqueue(1)
		second.Release()
		first.Release()
		if !s.granted(second) {
			t.Error("not granted")
		}
	})
}

func TestPanicReleases(t *testing.T) {
	bubble(t, "burst 1", func(s *story) {
		wrapped := scheduler.Wrap(s.Scheduler, func(context.Context, int) (int, error) { panic("oh") })
		for _, call := range []func(){
			func() { s.Do(background, func(context.Context) error { panic("oh") }) },
			func() { wrapped(background, 1) },
		} {
			func() {
				defer func() {
					if r := recover(); r != "oh" {
						t.Errorf("recovered %v", r)
					}
				}()
				call()
			}()
			if got := s.Stats().InUse; got != 0 {
				t.Errorf("%d in use after a panic", got)
			}
		}
	})
}

// 10. The owner never blocks on a caller.

func TestOwnerDoesNotWaitForCallers(t *testing.T) {
	bubble(t, "burst 1", func(s *story) {
		// Grants and refusals that nobody receives, far more than the mailbox holds.
		for range 500 {
			held := s.enqueue(1)
			waiting := s.enqueue(1)
			waiting.Cancel()
			held.Release()
		}
		if got := s.Stats(); got.InUse != 0 || got.Waiting != 0 || got.Granted != 500 {
			t.Errorf("stats %+v", got)
		}
	})
}

// 11. Time.

func TestClockThatStepsBackStandsStill(t *testing.T) {
	mock := clock.NewMock()
	mock.Set(time.Unix(1000, 0))
	s := start(t, limits(t, "1/s"), scheduler.WithClock(mock))
	try := func() bool { _, ok := s.TryAcquire(); return ok }
	if !try() {
		t.Fatal("first")
	}
	mock.Set(time.Unix(500, 0))
	if try() {
		t.Error("granted after a step back")
	}
	mock.Set(time.Unix(1001, 0).Add(-1))
	if try() {
		t.Error("granted early")
	}
	mock.Set(time.Unix(1001, 0))
	if !try() {
		t.Error("not granted when the clock had caught up")
	}
}

// A burst alone does not depend on time, but what is told of it does, and so do deadlines.
func TestBurstAloneTellsTheTime(t *testing.T) {
	bubble(t, "burst 1", func(s *story) {
		held := s.acquire()
		s.until(time.Second)
		held.Release()
		s.until(2 * time.Second)
		s.acquire().Release()
		s.wantGrants("[1@0s 2@2s]")
		if got := s.rec.Tickets()[0].Released; !got.Equal(s.began.Add(time.Second)) {
			t.Errorf("released at %v", got)
		}
	})
	mock := clock.NewMock()
	s := start(t, limits(t, "burst 2"), scheduler.WithClock(mock))
	ctx, cancel := context.WithTimeout(background, time.Hour)
	defer cancel()
	mock.Set(time.Now().Add(2 * time.Hour))
	var late *scheduler.DeadlineError
	if _, err := s.Acquire(ctx); !errors.As(err, &late) || late.Left >= 0 {
		t.Errorf("got %v", err)
	}
}

func TestClockFarAhead(t *testing.T) {
	mock := clock.NewMock()
	s := start(t, limits(t, "1/876000h"), scheduler.WithClock(mock))
	for range 3 {
		s.TryAcquire()
		mock.Set(mock.Now().AddDate(200, 0, 0)) // beyond what a Duration can hold
		if got := s.Stats().Windows[0]; got.Used < 0 || got.Remaining < 0 {
			t.Errorf("window %+v", got)
		}
	}
	s.Enqueue(1)
	s.Enqueue(1)
	if got := s.WaitTime(); got <= 0 {
		t.Errorf("wait time %v", got)
	}
}

// 12. Bounded memory: see history_test.go.

// Forgetting Close.

func TestForgottenSchedulerEnds(t *testing.T) {
	for name, forget := range map[string]func(*scheduler.Scheduler){
		"idle":    func(*scheduler.Scheduler) {},
		"waiting": func(s *scheduler.Scheduler) { s.Enqueue(1); s.Enqueue(1) },
		"granted": func(s *scheduler.Scheduler) { s.Acquire(background) },
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan struct{})
			func() {
				c := &endingClock{Clock: clock.New()}
				runtime.AddCleanup(c, func(ended chan struct{}) { close(ended) }, ended)
				s, err := scheduler.New(limits(t, "1/h"), scheduler.WithClock(c))
				if err != nil {
					t.Fatal(err)
				}
				forget(s)
			}()
			// The clock is held by the owner alone, so it goes when the owner has ended.
			for {
				runtime.GC()
				select {
				case <-ended:
					return
				default:
					runtime.Gosched()
				}
			}
		})
	}
}

type endingClock struct {
	scheduler.Clock
	_ [64]byte // not a tiny object, which might share its block with others
}

func TestHeldTicketKeepsSchedulerAlive(t *testing.T) {
	s, err := scheduler.New(limits(t, "burst 1"))
	if err != nil {
		t.Fatal(err)
	}
	held, _ := s.Acquire(background)
	waiting, _ := s.Enqueue(1)
	s = nil
	for range 5 {
		runtime.GC()
	}
	held.Release()
	if err := <-waiting.Ready(); err != nil {
		t.Error(err)
	}
	waiting.Release()
	// Now nothing refers to it, and goleak sees that the owner ends.
	for range 5 {
		runtime.GC()
	}
}

// WaitTime.

func TestWaitTime(t *testing.T) {
	bubble(t, "2/s 3/10s", func(s *story) {
		want := []time.Duration{0, 0, time.Second, 10 * time.Second, 10 * time.Second, 11 * time.Second, 20 * time.Second}
		for i, want := range want {
			if got := s.WaitTime(); got != want {
				t.Errorf("with %d tickets: wait %v, want %v", i, got, want)
			}
			s.enqueue(1)
		}
		s.until(time.Minute)
		s.wantGrants("[1@0s 2@0s 3@1s 4@10s 5@10s 6@11s 7@20s]")
	})
}

// A try says only that there was no permit. Whether there ever will be is what WaitTime says: the longest
// duration where there is nothing to wait for, and less where others are only in the way.
func TestWaitTimeTellsBusyFromNever(t *testing.T) {
	const never = time.Duration(1<<63 - 1)
	for name, c := range map[string]struct {
		make func(s *story) (*scheduler.Scheduler, int) // and the weight to try
		busy bool
	}{
		"window full": {func(s *story) (*scheduler.Scheduler, int) { s.acquire().Release(); return s.Scheduler, 2 }, true},
		"burst full":  {func(s *story) (*scheduler.Scheduler, int) { s.acquire(); s.until(time.Hour); return s.Scheduler, 2 }, true},
		"somebody waits": {func(s *story) (*scheduler.Scheduler, int) {
			s.acquire()
			s.enqueue(2)
			return s.Scheduler, 1
		}, true},
		"a flow waits": {func(s *story) (*scheduler.Scheduler, int) {
			s.acquire()
			s.enqueue(2)
			return s.Flow("key", 3), 1
		}, true},
		"paused":              {func(s *story) (*scheduler.Scheduler, int) { s.Pause(); return s.Scheduler, 1 }, true},
		"paused for a minute": {func(s *story) (*scheduler.Scheduler, int) { s.PauseFor(time.Minute); return s.Scheduler, 1 }, true},
		"paused for ever": {func(s *story) (*scheduler.Scheduler, int) {
			s.until(time.Minute)
			s.PauseFor(never)
			return s.Scheduler, 1
		}, true},
		"a bad share":     {func(s *story) (*scheduler.Scheduler, int) { return s.Flow("key", 0), 1 }, false},
		"a worse share":   {func(s *story) (*scheduler.Scheduler, int) { return s.Flow("key", line.MaxShare+1), 1 }, false},
		"too large":       {func(s *story) (*scheduler.Scheduler, int) { return s.Scheduler, 3 }, false},
		"no weight":       {func(s *story) (*scheduler.Scheduler, int) { return s.Scheduler, 0 }, false},
		"negative weight": {func(s *story) (*scheduler.Scheduler, int) { return s.Scheduler, -1 }, false},
		"closed":          {func(s *story) (*scheduler.Scheduler, int) { s.Close(); return s.Scheduler, 1 }, false},
		"closed, a flow":  {func(s *story) (*scheduler.Scheduler, int) { s.Close(); return s.Flow("key", 1), 1 }, false},
		"draining": {func(s *story) (*scheduler.Scheduler, int) {
			s.acquire()
			ctx, cancel := context.WithCancel(background)
			cancel()
			s.Drain(ctx)
			return s.Scheduler, 1
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, "2/min burst 2", func(s *story) {
				tried, n := c.make(s)
				if _, ok := tried.TryAcquireN(n); ok {
					s.Fatal("granted, so the test shows nothing")
				}
				if got := tried.WaitTimeN(n); (got < never) != c.busy || got < 0 {
					s.Errorf("wait %v, busy %v", got, c.busy)
				}
			})
		})
	}
}

// A Stats is a barrier also for what other goroutines sent before.
func TestStatsIsABarrier(t *testing.T) {
	s := start(t, limits(t, "burst 8"))
	for range 200 {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				held, err := s.Acquire(background)
				if err != nil {
					t.Error(err)
				}
				held.Release()
			})
		}
		wg.Wait()
		if got := s.Stats().InUse; got != 0 {
			t.Fatalf("%d in use after all were released", got)
		}
	}
}
