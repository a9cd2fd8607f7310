package scheduler_test

// These tests are about clocks that are set, step back or leap, and about instants that have only a time
// of day. The clocks are mocks and stand in bubbles.

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// setClock is a clock as a computer has it: its time of day can be set, and Since goes on as if it had
// not been. The zone of a time that it shows is named after how far the clock was set. That is what the
// monotonic part is to a time of the time package: Add keeps it, and UTC takes it away. (But Sub goes by the
// time of day alone.)
type setClock struct {
	*clock.Mock
	by atomic.Int64 // how far the time of day was set
}

func newSetClock() *setClock {
	c := &setClock{Mock: clock.NewMock()}
	c.Mock.Set(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	return c
}

func (c *setClock) Now() time.Time {
	by := time.Duration(c.by.Load())
	return c.Mock.Now().Add(by).In(time.FixedZone(by.String(), 0))
}

func (c *setClock) Since(t time.Time) time.Duration {
	by, err := time.ParseDuration(t.Location().String())
	if err != nil { // t has only a time of day
		by = time.Duration(c.by.Load())
	}
	return c.Mock.Now().Add(by).Sub(t)
}

// set makes the time of day differ by d from what it would be.
func (c *setClock) set(d time.Duration) { c.by.Store(int64(d)) }

// onDay returns an instant by its time of day alone.
func onDay(t time.Time) time.Time { return t.UTC() }

// timed is a scheduler with a clock that the test sets.
type timed struct {
	*testing.T
	*scheduler.Scheduler
	clock *setClock
}

// onClock runs a test with lending and without.
func onClock(t *testing.T, text string, do func(s *timed), opts ...scheduler.Option) {
	t.Helper()
	for _, opts := range [][]scheduler.Option{opts, append(slices.Clip(opts), scheduler.KeepCount()), append(slices.Clip(opts), scheduler.KeepCore())} {
		synctest.Test(t, func(t *testing.T) {
			s := &timed{T: t, clock: newSetClock()}
			s.Scheduler = start(t, limits(t, text), append(opts, scheduler.WithClock(s.clock))...)
			do(s)
			s.Close()
		})
	}
}

// pass lets time pass.
func (s *timed) pass(d time.Duration) {
	s.Stats() // what was asked before is done before
	s.clock.Mock.Add(d)
	s.Stats()
}

// stepBack moves the whole clock back. Time has been read before.
func (s *timed) stepBack(d time.Duration) {
	s.Stats()
	s.clock.Mock.Set(s.clock.Mock.Now().Add(-d))
	s.Stats()
}

// dueContext has a deadline that only the scheduler knows of, so that its clock alone decides.
type dueContext struct {
	context.Context
	due time.Time
}

func (c dueContext) Deadline() (time.Time, bool) { return c.due, true }

// acquireBy asks for a permit with a deadline. A call that waits is made to give up.
func acquireBy(s *scheduler.Scheduler, due time.Time) (waits bool, err error) {
	return callBy(due, func(ctx context.Context) error {
		held, err := s.Acquire(ctx)
		held.Release()
		return err
	})
}

func callBy(due time.Time, call func(context.Context) error) (waits bool, err error) {
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- call(dueContext{ctx, due}) }()
	synctest.Wait()
	select {
	case err := <-done:
		return false, err
	default:
		cancel()
		return true, <-done
	}
}

func (s *timed) wantGranted(due time.Time) {
	s.Helper()
	if waits, err := acquireBy(s.Scheduler, due); waits || err != nil {
		s.Errorf("permits are free and the deadline is ahead: waits %v, %v", waits, err)
	}
}

func (s *timed) wantRefused(due time.Time, wait, left time.Duration) {
	s.Helper()
	waits, err := acquireBy(s.Scheduler, due)
	var late *scheduler.DeadlineError
	if waits || !errors.As(err, &late) || late.Wait != wait || late.Left != left {
		s.Errorf("waits %v, %v; want a refusal with a wait of %v and %v left", waits, err, wait, left)
	}
}

func (s *timed) wantWait(want time.Duration) {
	s.Helper()
	if got := s.WaitTime(); got != want {
		s.Errorf("wait %v, want %v", got, want)
	}
}

// wantSoon takes a ticket and wants it to be granted after exactly d.
func (s *timed) wantSoon(d time.Duration) {
	s.Helper()
	next, err := s.Enqueue(1)
	if err != nil {
		s.Fatal(err)
	}
	defer next.Cancel()
	s.pass(d - 1)
	if toldNow(next) {
		s.Errorf("granted earlier than after %v", d)
		return
	}
	s.pass(1)
	if !toldNow(next) {
		s.Errorf("not granted after %v, to wait another %v", d, s.WaitTime())
	}
}

// toldNow reports whether the ticket has been told anything by now, and receives it.
func toldNow(t ticket.Ticket) bool {
	synctest.Wait()
	select {
	case <-t.Ready():
		return true
	default:
		return false
	}
}

// dayShifts are how far a time of day is set: by a careless hand, or by a computer that began in another
// year because it has no battery.
var dayShifts = []time.Duration{0, time.Hour, -time.Hour, 56 * 365 * 24 * time.Hour, -300 * 24 * time.Hour}

// A pause until a time of day ends at that time, whatever the time of day was when the scheduler was made.
func TestPauseUntilATimeOfDay(t *testing.T) {
	for _, by := range dayShifts {
		for name, only := range map[string]func(time.Time) time.Time{
			"only a time of day": onDay,
			"monotonic too":      func(t time.Time) time.Time { return t },
		} {
			t.Run(fmt.Sprint("set by ", by, " ", name), func(t *testing.T) {
				onClock(t, "100/s", func(s *timed) {
					w, err := s.Watch(10)
					if err != nil {
						s.Fatal(err)
					}
					s.pass(time.Minute)
					s.clock.set(by)
					now := s.clock.Now()
					until := now.Add(30 * time.Second)
					if err := s.PauseUntil(only(until)); err != nil {
						s.Fatal(err)
					}
					s.wantWait(30 * time.Second)
					if got := s.Stats().Resumes; !got.Equal(until) {
						s.Errorf("resumes %v after now, want 30s", got.Sub(now))
					}
					if got := s.Snapshot().PausedUntil; !got.Equal(until) {
						s.Errorf("in a snapshot it resumes %v after now, want 30s", got.Sub(now))
					}
					if e := <-w.Events(); !e.At.Equal(now) || !e.Until.Equal(until) {
						s.Errorf("the event is of %v after now, until %v after now", e.At.Sub(now), e.Until.Sub(now))
					}
					s.wantSoon(30 * time.Second)
					s.pass(time.Minute)
					if err := s.PauseFor(30 * time.Second); err != nil {
						s.Fatal(err)
					}
					s.wantSoon(30 * time.Second)
				})
			})
		}
	}
}

// So do deadlines: however the clock was set, what is left is from the present time of day.
func TestDeadlineOfATimeOfDay(t *testing.T) {
	for _, by := range dayShifts {
		for _, opts := range [][]scheduler.Option{nil, {scheduler.NonBlocking()}} {
			t.Run(fmt.Sprint("set by ", by, " non-blocking ", opts != nil), func(t *testing.T) {
				onClock(t, "2/2min", func(s *timed) {
					s.pass(time.Hour)
					s.clock.set(by)
					in := func(d time.Duration) time.Time { return onDay(s.clock.Now().Add(d)) }
					s.wantGranted(in(time.Minute))
					s.wantRefused(in(-time.Minute), 0, -time.Minute)
					s.wantGranted(s.clock.Now().Add(time.Minute))
					s.wantRefused(in(-time.Minute), 2*time.Minute, -time.Minute)
					if opts != nil {
						var none *scheduler.NoPermitError
						if _, err := acquireBy(s.Scheduler, in(time.Minute)); !errors.As(err, &none) || none.Wait != 2*time.Minute {
							s.Error(err)
						}
						return
					}
					s.wantRefused(in(time.Minute), 2*time.Minute, time.Minute)
					s.wantRefused(in(2*time.Minute-1), 2*time.Minute, 2*time.Minute-1)
					if waits, err := acquireBy(s.Scheduler, in(2*time.Minute)); !waits {
						s.Errorf("refused though the deadline is far enough: %v", err)
					}
					// What is made of Acquire compares as it does.
					nothing := func(context.Context) error { return nil }
					for name, call := range map[string]func(context.Context) error{
						"Do": func(ctx context.Context) error { return s.Do(ctx, nothing) },
						"a wrapped function": func(ctx context.Context) error {
							_, err := scheduler.Wrap(s.Scheduler, func(context.Context, int) (int, error) { return 0, nil })(ctx, 0)
							return err
						},
						"a flow": func(ctx context.Context) error { _, err := s.Flow("key", 2).AcquireN(ctx, 2); return err },
					} {
						waits, err := callBy(in(time.Minute), call)
						var late *scheduler.DeadlineError
						if waits || !errors.As(err, &late) || late.Wait != 2*time.Minute || late.Left != time.Minute {
							s.Errorf("%s: waits %v, %v", name, waits, err)
						}
					}
				}, opts...)
			})
		}
	}
}

// What the scheduler tells of instants is by the present time of day too, of what was before as well.
func TestTimesToldAreOfThePresentDay(t *testing.T) {
	for _, by := range dayShifts {
		t.Run(fmt.Sprint("set by ", by), func(t *testing.T) {
			onClock(t, "2/min", func(s *timed) {
				s.pass(time.Hour)
				w, err := s.Watch(100)
				if err != nil {
					s.Fatal(err)
				}
				events := 0
				wantEvents := func() {
					s.Helper()
					s.Stats()
					for now := s.clock.Now(); len(w.Events()) > 0; events++ {
						if e := <-w.Events(); !e.At.Equal(now) {
							s.Errorf("%q is told %v after now", e, e.At.Sub(now))
						}
					}
				}
				s.TryAcquire()
				wantEvents()
				s.pass(10 * time.Second)
				s.clock.set(by)
				held, _ := s.TryAcquire()
				held.Release()
				s.TryAcquire()
				waiting, err := s.Enqueue(1)
				if err != nil {
					s.Fatal(err)
				}
				if got, want := s.Stats().NextWake, s.clock.Now().Add(50*time.Second); !got.Equal(want) {
					s.Errorf("the next wake is told %v late", got.Sub(want))
				}
				s.clock.set(by / 2) // while it waits
				if got, want := s.Stats().NextWake, s.clock.Now().Add(50*time.Second); !got.Equal(want) {
					s.Errorf("set again, the next wake is told %v late", got.Sub(want))
				}
				s.clock.set(by)
				wantEvents()
				s.pass(50 * time.Second)
				if !toldNow(waiting) {
					s.Error("setting the time of day changed when a ticket is granted")
				}
				waiting.Release()
				wantEvents()
				next, _ := s.Enqueue(2)
				next.Cancel()
				s.PauseFor(time.Minute)
				s.clock.set(-by) // during the pause
				if got, want := s.Stats().Resumes, s.clock.Now().Add(time.Minute); !got.Equal(want) {
					s.Errorf("the end of the pause is told %v late", got.Sub(want))
				}
				s.wantWait(time.Minute)
				s.clock.set(by)
				s.Charge(scheduler.PerMinute(2), 1)
				s.Restore(s.Snapshot())
				s.SetLimits(limits(t, "1/min"))
				s.Close()
				if got, want := s.Stats().Resumes, s.clock.Now().Add(time.Minute); !got.Equal(want) {
					s.Errorf("after Close the end of the pause is told %v late", got.Sub(want))
				}
				for e := range w.Events() {
					if events++; !e.At.Equal(s.clock.Now()) {
						s.Errorf("%q is told %v after now", e, e.At.Sub(s.clock.Now()))
					}
				}
				if events != 15 {
					s.Errorf("heard %d events", events)
				}
			})
		})
	}
}

// While the clock is behind, time stands at the latest reading, and pauses count from there.
func TestPauseWhileTheClockIsBehind(t *testing.T) {
	for name, pause := range map[string]func(s *timed) error{
		"for":                 func(s *timed) error { return s.PauseFor(30 * time.Second) },
		"until":               func(s *timed) error { return s.PauseUntil(s.clock.Now().Add(30 * time.Second)) },
		"until a time of day": func(s *timed) error { return s.PauseUntil(onDay(s.clock.Now().Add(30 * time.Second))) },
	} {
		t.Run(name, func(t *testing.T) {
			onClock(t, "100/s", func(s *timed) {
				w, err := s.Watch(10)
				if err != nil {
					s.Fatal(err)
				}
				s.pass(20 * time.Minute)
				s.TryAcquire()
				s.stepBack(10 * time.Minute)
				if err := pause(s); err != nil {
					s.Fatal(err)
				}
				s.wantWait(30 * time.Second)
				<-w.Events()
				granted, paused := <-w.Events(), <-w.Events()
				if paused.At.Before(granted.At) || paused.Until.Sub(paused.At) != 30*time.Second {
					s.Errorf("%q, %v after %q", paused, paused.At.Sub(granted.At), granted)
				}
				if got := s.Stats(); !got.Paused || !got.Resumes.Equal(paused.Until) {
					s.Errorf("stats %+v", got)
				}
				s.pass(5 * time.Minute)
				s.wantWait(30 * time.Second)
				if err := s.PauseFor(20 * time.Second); err != nil { // no shorter for that
					s.Error(err)
				}
				s.wantSoon(5*time.Minute + 30*time.Second)
			})
		})
	}
}

// And so does what is left to a deadline.
func TestDeadlineWhileTheClockIsBehind(t *testing.T) {
	for _, text := range []string{"1/2min", "1/2min burst 9", "1/2min from release"} {
		for _, opts := range [][]scheduler.Option{nil, {scheduler.NonBlocking()}} {
			t.Run(fmt.Sprint(text, " non-blocking ", opts != nil), func(t *testing.T) {
				onClock(t, text, func(s *timed) {
					s.pass(20 * time.Minute)
					s.stepBack(10 * time.Minute)
					in := func(d time.Duration) time.Time { return s.clock.Now().Add(d) }
					s.wantRefused(in(-time.Minute), 0, -time.Minute)
					s.wantGranted(in(time.Minute))
					if opts != nil {
						var none *scheduler.NoPermitError
						if _, err := acquireBy(s.Scheduler, in(time.Minute)); !errors.As(err, &none) || none.Wait != 2*time.Minute {
							s.Error(err)
						}
						return
					}
					s.wantRefused(in(time.Minute), 2*time.Minute, time.Minute)
					s.wantRefused(onDay(in(2*time.Minute-1)), 2*time.Minute, 2*time.Minute-1)
					if waits, err := acquireBy(s.Scheduler, onDay(in(2*time.Minute))); !waits {
						s.Errorf("refused though the deadline is far enough: %v", err)
					}
				}, opts...)
			})
		}
	}
	t.Run("burst alone", func(t *testing.T) {
		onClock(t, "burst 1", func(s *timed) {
			s.pass(20 * time.Minute)
			s.stepBack(10 * time.Minute)
			s.wantGranted(s.clock.Now().Add(time.Minute))
			s.TryAcquire()
			if waits, err := acquireBy(s.Scheduler, s.clock.Now().Add(time.Minute)); !waits {
				s.Error(err)
			}
		})
	})
}

// A snapshot names instants too. What it says was granted now counts from now, though the clock is behind.
func TestRestoreWhileTheClockIsBehind(t *testing.T) {
	onClock(t, "2/min", func(s *timed) {
		s.pass(20 * time.Minute)
		s.stepBack(10 * time.Minute)
		other := start(s.T, limits(t, "2/min"), scheduler.WithClock(s.clock))
		defer other.Close()
		other.TryAcquire()
		if err := other.PauseFor(30 * time.Second); err != nil {
			s.Fatal(err)
		}
		if err := s.Restore(other.Snapshot()); err != nil {
			s.Fatal(err)
		}
		if got := s.Stats().Windows[0].Used; got != 1 {
			s.Errorf("%d count, want the 1 that was granted now", got)
		}
		s.wantWait(30 * time.Second)
	})
}

// Random operations on a clock that goes on, steps back and is set, against the plainest of answers.
func TestPausesAndDeadlinesOnAnyClock(t *testing.T) {
	for seed := range uint64(60) {
		text := []string{"1000000/min", "burst 1000000"}[seed%2]
		var opts []scheduler.Option
		if seed%3 == 0 {
			opts = append(opts, scheduler.NonBlocking())
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			onClock(t, text, func(s *timed) { anyClock(s, rand.New(rand.NewPCG(seed, 11)), seed%3 == 0) }, opts...)
		})
	}
}

func anyClock(s *timed, r *rand.Rand, nonBlocking bool) {
	began := s.clock.Mock.Now()
	var now, until time.Duration // since then; now never goes back
	story := ""
	for range 40 {
		what := ""
		d := time.Duration(r.Int64N(int64(80*time.Second))) - 20*time.Second
		at := s.clock.Now().Add(d)
		if r.IntN(2) == 0 {
			at = onDay(at)
		}
		var err error
		switch k := r.IntN(8); k {
		case 0:
			what = fmt.Sprint("pass ", d.Abs())
			s.pass(d.Abs())
		case 1:
			what = fmt.Sprint("step back ", 10*d.Abs())
			s.stepBack(10 * d.Abs())
		case 2:
			what = fmt.Sprint("set by ", 100*d)
			s.clock.set(100 * d)
		case 3, 4:
			what = fmt.Sprint("pause for ", d)
			if k == 3 {
				err = s.PauseFor(d)
			} else {
				err = s.PauseUntil(at)
			}
			if d > 0 {
				until = max(until, now+d)
			}
		case 5:
			what = "resume"
			if r.IntN(3) == 0 {
				err, until = s.Resume(), 0
			}
		default:
			what = fmt.Sprint("acquire within ", d)
			wait := max(0, until-now)
			waits, told := acquireBy(s.Scheduler, at)
			var late *scheduler.DeadlineError
			var none *scheduler.NoPermitError
			switch {
			case d < 0 || !nonBlocking && wait > d:
				if waits || !errors.As(told, &late) || late.Left != d || late.Wait != wait {
					err = fmt.Errorf("waits %v, %v; want a refusal with a wait of %v", waits, told, wait)
				}
			case wait == 0:
				err = told
			case nonBlocking:
				if !errors.As(told, &none) || none.Wait != wait {
					err = fmt.Errorf("told %v; want no permit for %v", told, wait)
				}
			case !waits:
				err = fmt.Errorf("told %v; want it to wait", told)
			}
		}
		story += "\n" + what
		got := s.Stats()
		reading := s.clock.Mock.Now().Sub(began)
		now = max(now, reading)
		if wait := max(0, until-now); err == nil && (s.WaitTime() != wait || got.Paused != (wait > 0)) {
			err = fmt.Errorf("wait %v, want %v", s.WaitTime(), wait)
		}
		if want := s.clock.Now().Add(until - now); err == nil && until > now && now == reading && !got.Resumes.Equal(want) {
			err = fmt.Errorf("the end of the pause is told %v late", got.Resumes.Sub(want))
		}
		if err != nil {
			s.Fatalf("%v\nafter%s", err, story)
		}
	}
}

// Instants so far off that their differences do not fit a Duration.
func TestFarInstants(t *testing.T) {
	year := func(n int) time.Time { return time.Date(n, 1, 1, 0, 0, 0, 0, time.UTC) }
	const long = 100 * 365 * 24 * time.Hour
	for _, back := range []time.Duration{0, 10 * time.Minute} {
		onClock(t, "2/h", func(s *timed) {
			s.pass(20 * time.Minute)
			s.stepBack(back)
			for name, pause := range map[string]func() error{
				"the longest there is": func() error { return s.PauseFor(math.MaxInt64) },
				"year 9999":            func() error { return s.PauseUntil(year(9999)) },
			} {
				if err := pause(); err != nil || s.WaitTime() < long || !s.Stats().Paused {
					s.Errorf("%s: %v, wait %v", name, err, s.WaitTime())
				}
				s.Resume()
			}
			for name, pause := range map[string]func() error{
				"the most negative there is": func() error { return s.PauseFor(math.MinInt64) },
				"year 1":                     func() error { return s.PauseUntil(time.Time{}) },
			} {
				if err := pause(); err != nil || s.WaitTime() != 0 || s.Stats().Paused {
					s.Errorf("%s: %v, wait %v", name, err, s.WaitTime())
				}
				s.Resume()
			}
			s.wantGranted(year(9999))
			for _, past := range []time.Time{{}, year(1000), year(1900)} {
				var late *scheduler.DeadlineError
				if _, err := acquireBy(s.Scheduler, past); !errors.As(err, &late) || late.Left > -long || late.Wait != 0 {
					s.Errorf("a deadline in %d: %v", past.Year(), err)
				}
			}
			s.TryAcquire()
			if waits, err := acquireBy(s.Scheduler, year(9999)); !waits {
				s.Error(err)
			}
		})
	}
}

// leapClock counts how often it is read. After too many readings it calls nobody any more, so that an owner
// that spins comes to an end.
type leapClock struct {
	*clock.Mock
	readings atomic.Int64
}

const tooMany = 300

func (c *leapClock) Since(t time.Time) time.Duration {
	c.readings.Add(1)
	return c.Mock.Since(t)
}

func (c *leapClock) AfterFunc(d time.Duration, f func()) *clock.Timer {
	return c.Mock.AfterFunc(d, func() {
		if c.readings.Load() <= tooMany {
			f()
		}
	})
}

// A clock may leap by more than a Duration holds, as a mock that is set to the zero time does. The owner
// sets its timer a few times on the way, and does not spin.
func TestClockThatLeaps(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, leaps := range map[string][]time.Time{
		"back to the zero time":   {{}},
		"back by 292 years":       {began.AddDate(-292, 0, 0)},
		"back by 300 years":       {began.AddDate(-300, 0, 0)},
		"forward by 300 years":    {began.AddDate(300, 0, 0)},
		"forward by 5000 years":   {began.AddDate(5000, 0, 0)},
		"forward and back to one": {began.AddDate(300, 0, 0), {}},
		"back and forward":        {{}, began.AddDate(300, 0, 0)},
	} {
		for _, waiting := range []string{"nobody", "before", "after", "paused", "watched"} {
			for _, opts := range [][]scheduler.Option{nil, {scheduler.KeepCount()}, {scheduler.KeepCore()}} {
				t.Run(fmt.Sprint(name, " waiting ", waiting, " lending ", opts == nil), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						c := &leapClock{Mock: clock.NewMock()}
						c.Mock.Set(began)
						s := start(t, limits(t, "1/s"), append(opts, scheduler.WithClock(c))...)
						defer s.Close()
						var next []ticket.Ticket
						wait := func() {
							waiting, err := s.Enqueue(1)
							if err != nil {
								t.Fatal(err)
							}
							next = append(next, waiting)
						}
						var w *scheduler.Watcher
						s.TryAcquire()
						switch waiting {
						case "before":
							wait()
						case "watched":
							w, _ = s.Watch(100)
							wait()
						case "paused":
							s.PauseFor(time.Hour)
							wait()
						}
						s.Stats()
						back := false
						for _, to := range leaps {
							back = to.Before(began)
							c.readings.Store(0)
							c.Mock.Set(to)
							s.Stats()
							if waiting == "after" {
								wait()
							}
							c.Mock.Add(time.Second)
							s.Stats()
							c.Mock.Add(time.Second)
							s.Stats()
							if n := c.readings.Load(); n > tooMany {
								t.Fatalf("the clock was read more than %d times within two seconds of %v", tooMany, to)
							}
						}
						if !back || len(leaps) > 1 {
							return
						}
						// Time stands still meanwhile.
						for _, waiting := range next {
							if toldNow(waiting) {
								t.Fatal("granted by a clock that went back")
							}
						}
						if waiting == "nobody" {
							if _, ok := s.TryAcquire(); ok {
								t.Error("granted by a clock that went back")
							}
							if err := s.PauseFor(30 * time.Second); err != nil || s.WaitTime() != 30*time.Second {
								t.Errorf("%v, wait %v", err, s.WaitTime())
							}
							s.Resume()
							var late *scheduler.DeadlineError
							_, err := acquireBy(s, c.Mock.Now().Add(time.Second-1))
							if !errors.As(err, &late) || late.Wait != time.Second || late.Left != time.Second-1 {
								t.Error(err)
							}
						}
						if w != nil {
							wait()
							next[1].Cancel()
							if w.Missed() > 0 || len(w.Events()) == 0 {
								t.Error("not heard")
							}
						}
						// When the clock has caught up all goes on.
						c.readings.Store(0)
						end := began.Add(time.Second)
						if waiting == "paused" {
							end = began.Add(time.Hour)
						}
						c.Mock.Set(end.Add(-1))
						s.Stats()
						if got := s.Stats().Granted; got != 1 {
							t.Errorf("%d granted before the clock had caught up", got)
						}
						c.Mock.Set(end)
						s.Stats()
						if n := c.readings.Load(); n > tooMany {
							t.Errorf("the clock was read more than %d times on its way back", tooMany)
						}
						if len(next) > 0 && !toldNow(next[0]) {
							t.Error("not granted when the clock had caught up")
						}
					})
				})
			}
		}
	}
}
