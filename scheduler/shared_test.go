package scheduler

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
)

// handClock shows what a test sets it to. What it counts and the time of day are apart, as in a computer
// whose time of day is set while it runs.
type handClock struct {
	epoch   time.Time     // Now at the beginning; that of a computer has a monotonic part
	elapsed time.Duration // since then
	step    time.Duration // by which the time of day was set since

	afterSince, afterNow time.Duration // pass when the clock has been read in this way
}

// Now returns the time. When the time of day was set it has no monotonic part, because a test cannot make
// a time whose two parts disagree.
func (c *handClock) Now() time.Time {
	now := c.epoch.Add(c.elapsed)
	if c.step != 0 {
		now = now.Round(0).Add(c.step)
	}
	c.elapsed += c.afterNow
	return now
}

func (c *handClock) Since(t time.Time) time.Duration {
	d := c.epoch.Add(c.elapsed).Sub(t)
	c.elapsed += c.afterSince
	return d
}

func (c *handClock) AfterFunc(time.Duration, func()) *clock.Timer { panic("not used") }

// kinds of clocks, by what their Now returns.
var handClocks = map[string]func() *handClock{
	"monotonic": func() *handClock { return &handClock{epoch: time.Now()} },
	"wall only": func() *handClock { return &handClock{epoch: time.Unix(1_000_000, 0)} },
}

func withHandClocks(t *testing.T, test func(t *testing.T, c *handClock, s *shared)) {
	for name, newClock := range handClocks {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			if isMonotonic(c.epoch) != (name == "monotonic") {
				t.Fatal("not the clock it should be")
			}
			test(t, c, newShared(c, &Limits{MaxBurst: 1}))
		})
	}
}

func TestMomentOf(t *testing.T) {
	withHandClocks(t, func(t *testing.T, c *handClock, s *shared) {
		c.elapsed = 10 * time.Second
		for _, d := range []time.Duration{-time.Hour, 0, 3 * time.Second, 10 * time.Second, 11 * time.Second, 1000 * time.Hour} {
			for _, step := range []time.Duration{0, 5 * time.Millisecond, time.Hour, -time.Hour} {
				c.step = step
				// An instant with a monotonic part is the same whatever the time of day says.
				if isMonotonic(c.epoch) {
					if got := s.momentOf(c.epoch.Add(d)); got != moment(d) {
						t.Errorf("monotonic, %v after the epoch, time of day set by %v: moment %v", d, step, time.Duration(got))
					}
				}
				// One that has only a time of day means the time of day as it is set now.
				if got := s.momentOf(c.epoch.Round(0).Add(d)); got != moment(d-step) {
					t.Errorf("wall only, %v after the epoch, time of day set by %v: moment %v, want %v", d, step, time.Duration(got), d-step)
				}
			}
		}
	})
}

// An instant in another zone is the same instant.
func TestMomentOfAnotherZone(t *testing.T) {
	withHandClocks(t, func(t *testing.T, c *handClock, s *shared) {
		at := c.epoch.Add(time.Minute).In(time.FixedZone("east", 5*3600))
		for _, at := range []time.Time{at, at.Round(0)} {
			if got := s.momentOf(at); got != moment(time.Minute) {
				t.Errorf("%v is moment %v", at, time.Duration(got))
			}
		}
	})
}

// Instants that are too far away for a moment are as far as a clock can show.
func TestMomentsEndAtTheHorizon(t *testing.T) {
	withHandClocks(t, func(t *testing.T, c *handClock, s *shared) {
		for _, elapsed := range []time.Duration{0, time.Hour, -time.Hour, time.Duration(horizon) - 1, time.Duration(never), -time.Duration(never)} {
			c.elapsed = elapsed
			if got, want := s.now(), min(max(moment(elapsed), -horizon), horizon); got != want {
				t.Errorf("a clock at %v shows %d, want %d", elapsed, got, want)
			}
		}
		for _, c.elapsed = range []time.Duration{0, time.Hour, -time.Hour, time.Duration(horizon) - 1, -time.Duration(horizon) + 1} {
			if got := s.momentIn(Forever); got != horizon {
				t.Errorf("forever after %v is %d", c.elapsed, got)
			}
			if got := s.momentIn(-Forever); got != -horizon {
				t.Errorf("forever before %v is %d", c.elapsed, got)
			}
			for _, at := range []time.Time{c.epoch.Add(Forever), c.epoch.Round(0).Add(Forever), time.Unix(1<<61, 0)} {
				if got := s.momentOf(at); got < horizon-moment(time.Second) || got > horizon {
					t.Errorf("at %v, %v is %d", c.elapsed, at, got)
				}
			}
			for _, at := range []time.Time{{}, c.epoch.Round(0).Add(-Forever), time.Unix(-1<<61, 0)} {
				if got := s.momentOf(at); got < -horizon || got > -horizon+moment(time.Second) {
					t.Errorf("at %v, %v is %d", c.elapsed, at, got)
				}
			}
		}
		c.elapsed = time.Minute
		for _, d := range []time.Duration{0, 1, -1, time.Hour, -time.Hour} {
			if got, want := s.momentIn(d), moment(time.Minute+d); got != want {
				t.Errorf("in %v is %d, want %d", d, got, want)
			}
		}
	})
}

// The time of day that was set is noticed from minStep on, in both directions.
func TestStep(t *testing.T) {
	withHandClocks(t, func(t *testing.T, c *handClock, s *shared) {
		c.elapsed = time.Hour
		for _, step := range []time.Duration{0, 1, minStep - 1, minStep, minStep + 1, time.Hour, 1000 * time.Hour} {
			for _, step := range []time.Duration{step, -step} {
				c.step = step
				want := step
				if step.Abs() < minStep {
					want = 0
				}
				if got := s.step(); got != want {
					t.Errorf("set by %v it is noticed as %v", step, got)
				}
				at := moment(2 * time.Hour)
				got := s.timeOf(at)
				if !got.Equal(c.epoch.Round(0).Add(2 * time.Hour).Add(want)) {
					t.Errorf("set by %v, two hours after %v is %v", step, c.epoch, got)
				}
				if want == 0 && isMonotonic(got) != isMonotonic(c.epoch) {
					t.Errorf("not set, the time has lost its monotonic part: %v", got)
				}
				// What timeOf returns leads back to the same moment.
				if back := s.momentOf(got); (back - at).abs() >= moment(minStep) {
					t.Errorf("set by %v, %v leads back to %d, want %d", step, got, back, at)
				}
			}
		}
	})
}

func (t moment) abs() moment { return max(t, -t) }

// Once a step was noticed, readings that differ a little do not change it.
func TestStepIsKept(t *testing.T) {
	withHandClocks(t, func(t *testing.T, c *handClock, s *shared) {
		for _, set := range []time.Duration{time.Hour, -time.Hour, 0} {
			c.step = set
			if got := s.step(); got != set {
				t.Fatalf("set by %v: %v", set, got)
			}
			for _, c.step = range []time.Duration{set + 1, set - minStep + 1, set + minStep - 1} {
				if got := s.step(); got != set {
					t.Errorf("set by %v, then by %v: %v", set, c.step, got)
				}
			}
		}
	})
}

// A goroutine that is kept from running between two readings sees no step.
func TestNoStepBetweenReadings(t *testing.T) {
	withHandClocks(t, func(t *testing.T, c *handClock, s *shared) {
		delays := []time.Duration{0, 1, minStep - 1, minStep, time.Second, 1000 * time.Hour}
		for _, c.afterSince = range delays {
			for _, c.afterNow = range delays {
				if got := s.step(); got != 0 {
					t.Errorf("kept for %v and %v: a step of %v", c.afterSince, c.afterNow, got)
				}
				c.elapsed = time.Hour
				if got := s.timeOf(moment(time.Minute)); !got.Equal(c.epoch.Add(time.Minute)) {
					t.Errorf("kept for %v and %v: %v", c.afterSince, c.afterNow, got)
				}
			}
		}
	})
}

// A step that is there is off by no more than the time for which the goroutine is kept from running, and
// never goes the other way.
func TestStepBetweenReadings(t *testing.T) {
	r := rand.New(rand.NewPCG(seed(t), 0))
	withHandClocks(t, func(t *testing.T, c *handClock, s *shared) {
		for range 10_000 {
			random := func() time.Duration { return time.Duration(r.Int64N(int64(time.Second))) >> r.IntN(30) }
			c.elapsed, c.step = random(), random()
			if r.IntN(2) == 0 {
				c.step = -c.step
			}
			c.afterSince, c.afterNow = random(), random()
			s.stepped.Store(0)
			got := s.step()
			tolerance := c.afterSince + c.afterNow
			if got == 0 {
				tolerance += minStep
			}
			if (got-c.step).Abs() > tolerance || got != 0 && (got > 0) != (c.step > 0) {
				t.Fatalf("set by %v, kept for %v and %v: %v", c.step, c.afterSince, c.afterNow, got)
			}
		}
	})
}
