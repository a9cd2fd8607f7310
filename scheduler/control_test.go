package scheduler_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// These stories break limits on purpose as far as their first limits go, so they are not checked
// against them.
func control(t *testing.T, text string, tell func(s *story), opts ...scheduler.Option) {
	t.Helper()
	for _, opts := range [][]scheduler.Option{opts, append(slices.Clip(opts), scheduler.KeepCount()), append(slices.Clip(opts), scheduler.KeepCore())} {
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

// keptWindow is a window as TestEachWindowInherits knows it.
type keptWindow struct {
	scheduler.Window
	spent []keptCharge
}

type keptCharge struct {
	at time.Duration
	n  int
}

func (w *keptWindow) used(now time.Duration) (sum int) {
	for _, c := range w.spent {
		if c.at > now-w.Per {
			sum += c.n
		}
	}
	return sum
}

// heirs returns what a new window may be: with the history of the same window; else of the fullest with
// its Per and From; else of the fullest of the longest with its From; else with what counts in the fullest,
// as of now. Where there are equals there are several.
func heirs(w scheduler.Window, old []keptWindow, now time.Duration) (all []keptWindow) {
	for _, alike := range []func(o *keptWindow) (bool, time.Duration){
		func(o *keptWindow) (bool, time.Duration) { return o.Window == w, 0 },
		func(o *keptWindow) (bool, time.Duration) { return o.Per == w.Per && o.From == w.From, 0 },
		func(o *keptWindow) (bool, time.Duration) { return o.From == w.From, o.Per },
	} {
		longest, fullest := time.Duration(-1), 0
		for i := range old {
			o := &old[i]
			fits, long := alike(o)
			if !fits || long < longest || long == longest && o.used(now) < fullest {
				continue
			}
			if long > longest || o.used(now) > fullest {
				all = nil
			}
			longest, fullest = long, o.used(now)
			heir := keptWindow{Window: w}
			for _, c := range o.spent {
				if c.at > now-o.Per {
					heir.spent = append(heir.spent, c)
				}
			}
			all = append(all, heir)
		}
		if len(all) > 0 {
			return all
		}
	}
	heir := keptWindow{w, []keptCharge{{now, 0}}}
	for i := range old {
		heir.spent[0].n = max(heir.spent[0].n, old[i].used(now))
	}
	return []keptWindow{heir}
}

// Each new window goes on from the right one before it, however many there are.
func TestEachWindowInherits(t *testing.T) {
	runs := 60
	if testing.Short() {
		runs = 10
	}
	for seed := range uint64(runs) {
		count := 12
		if seed == 0 && runs > 10 {
			count = 1000
		}
		control(t, "burst 9", func(s *story) {
			r := rand.New(rand.NewPCG(seed, 23))
			some := func(n int) (l scheduler.Limits) {
				from := r.IntN(4) // 0 and 1: of one kind
				for range n {
					w := scheduler.Window{Permits: 1000 + r.IntN(3), Per: time.Duration(1+r.IntN(n)) * time.Second}
					if from == 1 || from > 1 && r.IntN(2) == 0 {
						w.From = scheduler.FromRelease
					}
					l.Windows = append(l.Windows, w)
				}
				return l
			}
			old := some(1 + r.IntN(count))
			if seed == 0 {
				old = some(count)
			}
			if err := s.SetLimits(old); err != nil {
				s.Fatal(err)
			}
			kept := make([]keptWindow, len(old.Windows))
			for i, w := range old.Windows {
				kept[i].Window = w
			}
			for range 3 {
				time.Sleep(time.Duration(r.IntN(3*count)) * time.Second / 4)
				for _, w := range old.Windows {
					n := 1 + r.IntN(300)
					if err := s.Charge(w, n); err != nil {
						s.Fatal(err)
					}
					for i := range kept {
						if kept[i].Window == w {
							kept[i].spent = append(kept[i].spent, keptCharge{time.Since(s.began), n})
						}
					}
				}
			}
			time.Sleep(time.Duration(r.IntN(count)) * time.Second / 2)
			next := some(1 + r.IntN(count))
			if seed == 0 {
				next = some(count)
			}
			for i := range next.Windows {
				if r.IntN(3) == 0 { // often one stays
					next.Windows[i] = old.Windows[r.IntN(len(old.Windows))]
				}
			}
			if err := s.SetLimits(next); err != nil {
				s.Fatal(err)
			}
			set := time.Since(s.began)
			those := make([][]keptWindow, len(next.Windows))
			for i, w := range next.Windows {
				those[i] = heirs(w, kept, set)
			}
			for range 8 { // now, and as it expires
				now := time.Since(s.began)
				for i, got := range s.Stats().Windows {
					wanted := those[i][0].used(now)
					those[i] = slices.DeleteFunc(those[i], func(w keptWindow) bool { return w.used(now) != got.Used })
					if len(those[i]) == 0 {
						s.Fatalf("seed %d: %v after SetLimits %v counts %d, want %d", seed, now-set, got.Window, got.Used, wanted)
					}
				}
				time.Sleep(time.Duration(r.IntN(count)) * time.Second / 4)
			}
		})
	}
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

// A pause that is over as it begins is what the server means by "retry after 0 seconds": no pause, and
// nothing to complain of.
func TestPauseThatIsOver(t *testing.T) {
	over := map[string]func(s *story) error{
		"for 0":             func(s *story) error { return s.PauseFor(0) },
		"for less than 0":   func(s *story) error { return s.PauseFor(-time.Second) },
		"for the least":     func(s *story) error { return s.PauseFor(math.MinInt64) },
		"until now":         func(s *story) error { return s.PauseUntil(time.Now()) },
		"until an hour ago": func(s *story) error { return s.PauseUntil(time.Now().Add(-time.Hour)) },
		"until year 1":      func(s *story) error { return s.PauseUntil(time.Time{}) },
		"of a flow":         func(s *story) error { return s.Flow("key", 1).PauseFor(0) },
	}
	for name, pause := range over {
		t.Run(name, func(t *testing.T) {
			control(t, "9/s", func(s *story) {
				w := s.watch(10)
				if err := pause(s); err != nil || s.Stats().Paused {
					s.Errorf("%v, stats %+v", err, s.Stats())
				}
				if got := heard(w); len(got) != 0 {
					s.Errorf("heard %q", got)
				}
				s.acquire()
				// One that lasts stays as it is.
				s.PauseFor(time.Minute)
				waiting := s.enqueue(1)
				heard(w)
				if err := pause(s); err != nil || s.WaitTime() != time.Minute {
					s.Errorf("%v, wait %v", err, s.WaitTime())
				}
				s.Pause()
				heard(w)
				if err := pause(s); err != nil || s.granted(waiting) {
					s.Errorf("%v, stats %+v", err, s.Stats())
				}
				if got := heard(w); len(got) != 0 {
					s.Errorf("heard %q", got)
				}
			})
		})
	}
}

// While it is paused a scheduler that does not wait says what ends the pause: somebody who resumes, or the
// passing of time. That somebody releases a permit does not.
func TestNonBlockingWhilePaused(t *testing.T) {
	for _, text := range []string{"9/s", "1/h", "burst 9", "burst 1", "1/h burst 1", "1/h from release"} {
		for _, c := range []struct {
			name  string
			pause func(s *story)
			want  string
			wait  time.Duration
		}{
			{"until resumed", func(s *story) { s.Pause() }, "resume", 0},
			{"for an hour and a half", func(s *story) { s.PauseFor(90 * time.Minute) }, "1h30m0s", 90 * time.Minute},
			{"both", func(s *story) { s.PauseFor(90 * time.Minute); s.Pause() }, "resume", 0},
		} {
			t.Run(text+" "+c.name, func(t *testing.T) {
				control(t, text, func(s *story) {
					s.acquire() // after which most have no permit to give
					c.pause(s)
					for name, err := range map[string]error{
						"Acquire": func() error { _, err := s.Acquire(background); return err }(),
						"Do":      s.Do(background, func(context.Context) error { return nil }),
						"a flow":  func() error { _, err := s.Flow("key", 2).Acquire(background); return err }(),
					} {
						var none *scheduler.NoPermitError
						if !errors.Is(err, scheduler.ErrNoPermit) || !errors.As(err, &none) {
							s.Errorf("%s: %v", name, err)
							continue
						}
						if c.wait != 0 && none.Wait != c.wait {
							s.Errorf("%s: %+v", name, none)
						}
						said := strings.ToLower(strings.ReplaceAll(err.Error(), "from release", ""))
						if !strings.Contains(said, c.want) || strings.Contains(said, "release") {
							s.Errorf("%s: %q does not say %q alone", name, err, c.want)
						}
					}
				}, scheduler.NonBlocking())
			})
		}
	}
	// Otherwise it is as ever.
	control(t, "burst 1", func(s *story) {
		s.acquire()
		if _, err := s.Acquire(background); err == nil || !strings.Contains(err.Error(), "released") {
			s.Error(err)
		}
		s.Pause()
		s.Resume()
		if _, err := s.Acquire(background); err == nil || !strings.Contains(err.Error(), "released") {
			s.Error(err)
		}
	}, scheduler.NonBlocking())
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
		// More than the window holds counts too, or the server would see too much later on.
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
