package scheduler

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
)

// These tests play tricks with the clock to see what the owner makes of them. It lends nothing here, so
// that it is the one who reads the clock.

func newScheduler(t *testing.T, l Limits, c Clock) *Scheduler {
	t.Helper()
	s, err := New(l, WithClock(c), KeepCore())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func enqueueTwo(t *testing.T, s *Scheduler) {
	t.Helper()
	for range 2 {
		if _, err := s.Enqueue(1); err != nil {
			t.Fatal(err)
		}
	}
}

// deafClock never calls anybody.
type deafClock struct{ *clock.Mock }

func (c deafClock) AfterFunc(d time.Duration, _ func()) *clock.Timer {
	return c.Mock.AfterFunc(d, func() {})
}

// A Stats makes the grants that are due though no timer has told the owner so.
func TestStatsMakesTheGrantsThatAreDue(t *testing.T) {
	mock := clock.NewMock()
	s := newScheduler(t, Limits{Windows: []Window{PerSecond(1)}}, deafClock{mock})
	enqueueTwo(t, s)
	mock.Add(time.Second)
	if got := s.Stats().Granted; got != 2 {
		t.Errorf("%d granted", got)
	}
}

// What comes after a Close in the same turn is refused as what comes later.
func TestAfterCloseInTheSameTurn(t *testing.T) {
	limits := Limits{Windows: []Window{PerSecond(1)}}
	for _, v := range []verb{verbConfigure, verbPause, verbResume, verbCharge, verbObserve, verbRestore, verbWatch} {
		p := newParts(limits, clock.NewMock())
		answers := make(chan answer, 1)
		p.handle.box.Send(&message{verb: verbClose})
		p.handle.box.Send(&message{
			verb: v, request: request{weight: 1, deadline: never}, answer: answers,
			change: &change{limits: &limits, snapshot: new(Snapshot), feed: &feed{events: make(chan Event, 1)}},
		})
		p.run()
		if a := <-answers; a.err != ErrClosed {
			t.Errorf("verb %d was answered with %v", v, a.err)
		}
	}
}

// hookedClock does something when it is first read.
type hookedClock struct {
	*clock.Mock
	hook func()
}

func (c *hookedClock) Since(t time.Time) time.Duration {
	if hook := c.hook; hook != nil {
		c.hook = nil
		hook()
	}
	return c.Mock.Since(t)
}

// What comes in the turn in which a drain ends comes too late.
func TestAfterTheEndOfADrain(t *testing.T) {
	limits := Limits{MaxBurst: 1}
	hooked := &hookedClock{Mock: clock.NewMock()}
	p := newParts(limits, hooked)
	answers, drained := make(chan answer, 1), make(chan answer, 1)
	hooked.hook = func() {
		p.handle.box.Send(&message{verb: verbConfigure, change: &change{limits: &Limits{MaxBurst: 2}}, answer: answers})
	}
	p.handle.box.Send(&message{verb: verbDrain, answer: drained})
	p.run()
	if a := <-answers; a.err != ErrClosed || !p.handle.box.Remains().core.served() {
		t.Errorf("answered with %v", a.err)
	}
}

// slowClock takes its time to be read.
type slowClock struct {
	*clock.Mock
	readings atomic.Int64
	each     time.Duration
}

func (c *slowClock) Since(t time.Time) time.Duration {
	c.readings.Add(1)
	d := c.Mock.Since(t)
	c.Mock.Set(c.Mock.Now().Add(c.each))
	return d
}

// Setting the timer ends also with a clock that moves on by more than a little with each reading.
func TestSlowClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowClock{Mock: clock.NewMock(), each: 50 * time.Microsecond}
		s := newScheduler(t, Limits{Windows: []Window{PerHour(1)}}, slow)
		enqueueTwo(t, s)
		s.Stats()
		if n := slow.readings.Load(); n > 30 {
			t.Errorf("the clock was read %d times for two tickets", n)
		}
		s.Close()
	})
}

type readingClock struct {
	*clock.Mock
	readings atomic.Int64
}

func (c *readingClock) Since(t time.Time) time.Duration {
	c.readings.Add(1)
	return c.Mock.Since(t)
}

// After a step back the timer is set once, to when the clock has caught up.
func TestWaitingWhileTheClockStepsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clk := &readingClock{Mock: clock.NewMock()}
		s := newScheduler(t, Limits{Windows: []Window{PerSecond(1)}}, clk)
		epoch := clk.Now()
		s.TryAcquire()
		clk.Add(time.Second - 10*time.Microsecond)
		s.Stats()
		clk.Set(epoch)
		waiting, err := s.Enqueue(1)
		if err != nil {
			t.Fatal(err)
		}
		before := clk.readings.Load()
		clk.Add(time.Second - 1)
		if got := s.Stats().Granted; got != 1 {
			t.Errorf("%d granted before the clock had caught up", got)
		}
		clk.Add(1)
		synctest.Wait()
		if err := <-waiting.Ready(); err != nil {
			t.Error(err)
		}
		if n := clk.readings.Load() - before; n > 10 {
			t.Errorf("the clock was read %d times", n)
		}
		s.Close()
	})
}

// A timer that fires early, here because the clock stepped back just before it was set, is set again.
func TestEarlyTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clk := &movingClock{Mock: clock.NewMock()}
		s := newScheduler(t, Limits{Windows: []Window{PerSecond(1)}}, clk)
		s.TryAcquire()
		clk.Add(900 * time.Millisecond)
		s.Stats()
		clk.moves = []time.Duration{-900 * time.Millisecond}
		if _, err := s.Enqueue(1); err != nil {
			t.Fatal(err)
		}
		clk.Add(time.Second) // the timer fires after 100 ms
		synctest.Wait()
		if got := s.Stats().Granted; got != 2 {
			t.Errorf("%d granted", got)
		}
		s.Close()
	})
}

// What Close leaves behind must not reach into the bubble when it is collected outside.
func TestClosedInABubbleAndCollectedOutside(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			s, err := New(Limits{MaxBurst: 1})
			if err != nil {
				t.Fatal(err)
			}
			s.Acquire(t.Context())
			s.Close()
		})
		runtime.GC()
	}
}
