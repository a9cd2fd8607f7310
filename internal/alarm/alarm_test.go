package alarm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sleeper has an alarm, and a clock that can be moved while it is read.
type sleeper struct {
	*clock.Mock
	alarm    *Alarm
	epoch    time.Time
	rings    chan struct{}
	readings int
	jump     func() time.Duration // called at each reading for how far the clock moves after it
}

func newSleeper() *sleeper {
	s := &sleeper{Mock: clock.NewMock(), rings: make(chan struct{}, 1)}
	s.epoch = s.Mock.Now()
	s.alarm = New(s.AfterFunc, s.now, func() {
		select {
		case s.rings <- struct{}{}:
		default:
		}
	})
	return s
}

// now reads the clock.
func (s *sleeper) now() time.Duration {
	now := s.Since(s.epoch)
	s.readings++
	if s.jump != nil {
		s.move(s.jump())
	}
	return now
}

// move moves the clock, also back.
func (s *sleeper) move(d time.Duration) {
	if d != 0 {
		s.Mock.Set(s.Mock.Now().Add(d))
	}
}

// rang reports whether the alarm has rung since it was last asked.
func (s *sleeper) rang() bool {
	synctest.Wait()
	select {
	case <-s.rings:
		return true
	default:
		return false
	}
}

// armed reports whether the timer is armed, and disarms it.
func (s *sleeper) armed() bool { return s.alarm.timer.Stop() }

// asleep runs a story in a bubble.
func asleep(t *testing.T, story func(s *sleeper, expect func(when string, rang bool))) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newSleeper()
		story(s, func(when string, rang bool) {
			t.Helper()
			if got := s.rang(); got != rang {
				t.Errorf("%s: rang is %v", when, got)
			}
		})
		s.alarm.Off()
		if s.armed() {
			t.Error("Off left the timer armed")
		}
	})
}

func TestRingsInTime(t *testing.T) {
	asleep(t, func(s *sleeper, expect func(string, bool)) {
		if s.armed() {
			t.Error("New left the timer armed")
		}
		s.Add(time.Hour)
		expect("before it was set", false)
		s.alarm.Set(s.now(), time.Hour+10)
		s.Add(9)
		expect("early", false)
		s.Add(1)
		expect("in time", true)
		s.Add(time.Hour)
		expect("later", false)
	})
}

func TestSetToAnotherTime(t *testing.T) {
	asleep(t, func(s *sleeper, expect func(string, bool)) {
		s.alarm.Set(0, 100)
		s.alarm.Set(0, 10)
		s.Add(10)
		expect("at the sooner time", true)
		s.alarm.Set(10, 50)
		s.alarm.Set(10, 100)
		s.Add(89)
		expect("before the later time", false)
		s.Add(1)
		expect("at the later time", true)
	})
}

// A time that has passed rings at once, each time, and leaves no timer that waits for the clock to move.
func TestRingsAtOnce(t *testing.T) {
	asleep(t, func(s *sleeper, expect func(string, bool)) {
		for _, at := range []time.Duration{5, 5, 4, math.MinInt64, 5} {
			s.alarm.Set(5, at)
			expect(fmt.Sprint("set to ", at, " at 5"), true)
			if s.armed() {
				t.Errorf("the timer is armed for %d at 5", at)
			}
		}
		s.alarm.Set(5, 10)
		s.alarm.Set(10, 10) // the timer is late
		expect("set to a time that passed while it was armed", true)

		now := s.now()
		s.Add(1)
		s.alarm.Set(now, now+1)
		expect("set to a time that passed while it was being set", true)
	})
}

// The clock moves between the reading and the setting of the timer.
func TestClockMovesMeanwhile(t *testing.T) {
	asleep(t, func(s *sleeper, expect func(string, bool)) {
		jumps := []time.Duration{4 * time.Second, 3 * time.Second}
		s.jump = func() (d time.Duration) {
			if len(jumps) > 0 {
				d, jumps = jumps[0], jumps[1:]
			}
			return d
		}
		s.alarm.Set(s.now(), 10*time.Second)
		s.Add(3*time.Second - 1)
		expect("after two jumps, early", false)
		s.Add(1)
		expect("after two jumps, in time", true)

		jumps = []time.Duration{11 * time.Second}
		now := s.now()
		s.alarm.Set(now, now+10*time.Second)
		expect("after a jump too far", true)
		if s.armed() {
			t.Error("the timer is armed for a time that has passed")
		}
	})
}

// A timer that is armed is left alone, and one that fired early is set again.
func TestSetAgain(t *testing.T) {
	asleep(t, func(s *sleeper, expect func(string, bool)) {
		s.alarm.Set(s.now(), 10*time.Second)
		before := s.readings
		for range 10 {
			s.alarm.Set(0, 10*time.Second)
		}
		if s.readings != before {
			t.Errorf("the clock was read %d times to set the alarm as it was", s.readings-before)
		}
		s.Add(10 * time.Second)
		s.move(-5 * time.Second)
		expect("on a clock that was set back", true)
		s.alarm.Set(s.now(), 10*time.Second)
		s.Add(5*time.Second - 1)
		expect("set again, early", false)
		s.Add(1)
		expect("set again, in time", true)

		s.alarm.Set(s.now(), 20*time.Second)
		before = s.readings
		s.alarm.Set(10*time.Second, 20*time.Second)
		if s.readings != before {
			t.Error("an alarm that has rung before was set once more, though it was armed")
		}
	})
}

// A user who sets the alarm in the very moment of an early ring is not told that it is still armed.
func TestSetWithinTheRing(t *testing.T) {
	asleep(t, func(s *sleeper, expect func(string, bool)) {
		ring := s.alarm.ring
		s.alarm.ring = func() {
			if now := s.now(); now < 10 {
				s.alarm.Set(now, 10)
				return
			}
			ring()
		}
		s.alarm.Set(5, 10) // on a clock that has stepped back to 0 since
		s.Add(5)
		expect("early", false)
		s.Add(5)
		expect("in time", true)
	})
}

func TestOff(t *testing.T) {
	asleep(t, func(s *sleeper, expect func(string, bool)) {
		for name, off := range map[string]func(){
			"Off":   s.alarm.Off,
			"Never": func() { s.alarm.Set(s.now(), Never) },
		} {
			now := s.now()
			s.alarm.Set(now, now+10)
			off()
			off()
			if s.armed() {
				t.Errorf("%s left the timer armed", name)
			}
			s.Add(time.Hour)
			expect(name, false)
			now = s.now()
			s.alarm.Set(now, now+10)
			s.Add(10)
			expect("set to the same time after "+name, true)
		}
	})
}

// A clock that is slow to read is read a few times, and the alarm is late by no more than a reading takes.
func TestSlowClock(t *testing.T) {
	for _, each := range []time.Duration{1, time.Microsecond, 2 * time.Microsecond, 50 * time.Microsecond, time.Millisecond, time.Second} {
		asleep(t, func(s *sleeper, expect func(string, bool)) {
			s.jump = func() time.Duration { return each }
			now := s.now()
			at := now + 20*time.Millisecond
			s.alarm.Set(now, at)
			if s.readings >= 40 {
				t.Errorf("a clock that takes %v a reading was read %d times", each, s.readings)
			}
			s.jump = nil
			now = s.now()
			if now < at {
				s.Add(at - now - 1)
				expect(fmt.Sprint("early, with ", each), false)
				s.Add(1 + each)
			}
			expect(fmt.Sprint("in time, with ", each), true)
		})
	}
}

// Set does not go on for as long as the clock steps back.
func TestClockThatStepsBack(t *testing.T) {
	asleep(t, func(s *sleeper, expect func(string, bool)) {
		s.jump = func() time.Duration { return -time.Millisecond }
		s.alarm.Set(s.now(), time.Second)
		if s.readings >= 40 {
			t.Errorf("the clock was read %d times", s.readings)
		}
	})
}

// Set ends with a clock that moves more from reading to reading.
func TestHastyClock(t *testing.T) {
	asleep(t, func(s *sleeper, expect func(string, bool)) {
		step := time.Microsecond
		s.jump = func() time.Duration {
			step = min(step*3, math.MaxInt64/8)
			return step
		}
		s.alarm.Set(s.now(), math.MaxInt64/2)
		if s.readings >= 64 {
			t.Errorf("the clock was read %d times", s.readings)
		}
		expect("when all of time has passed", true)
	})
}

// Differences of times that a Duration cannot hold.
func TestFarTimes(t *testing.T) {
	const far = math.MaxInt64 / 2
	asleep(t, func(s *sleeper, expect func(string, bool)) {
		s.move(-far)
		for _, at := range []time.Duration{far, far + 10, Never - 1} {
			s.alarm.Set(-far-1, at)
			s.Add(time.Second)
			expect(fmt.Sprint("set to ", at, " at the beginning of time"), false)
			if !s.armed() {
				t.Errorf("the timer is not armed for %d", at)
			}
			s.alarm.Off()
		}
		jumped := false
		s.jump = func() (d time.Duration) {
			if !jumped {
				jumped = true
				return far
			}
			return 0
		}
		// From the first reading to the last is more than a Duration holds.
		s.alarm.Set(math.MinInt64, 1<<61)
		if now := s.now(); now < 1<<60 {
			s.Add(1<<61 - now - 1)
		}
		expect("early, after a leap through half of time", false)
		s.Add(1)
		expect("in time, after that leap", true)
	})
}

// Whatever happens, its user knows that the time has come at the instant when it has come.
func TestLikeItsModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	some := func() time.Duration { return time.Duration(rnd.IntN(12)) * time.Millisecond }
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			s := newSleeper()
			jumpy := rnd.IntN(2) == 0
			s.jump = func() (d time.Duration) {
				if jumpy && rnd.IntN(3) == 0 {
					d = some() - 3*time.Millisecond
				}
				return d
			}
			at, on := time.Duration(0), false // what the model is set to
			var story []string
			for range 200 {
				switch rnd.IntN(6) {
				case 0:
					now := s.now()
					at, on = now+some()-time.Millisecond, true
					s.alarm.Set(now, at)
					story = append(story, fmt.Sprint("set to ", at, " at ", now))
				case 1:
					s.alarm.Off()
					on = false
					story = append(story, "off")
				case 2:
					s.alarm.Set(s.now(), Never)
					on = false
					story = append(story, "never")
				case 3:
					if on {
						s.alarm.Set(s.now(), at) // perhaps between the timer and the ring
						story = append(story, "set again")
					}
				case 4:
					d := some()
					s.Add(d)
					story = append(story, fmt.Sprint("+", d))
				case 5:
					d := some()
					s.move(-d)
					story = append(story, fmt.Sprint("-", d))
				}
				rings := 0
				for s.rang() {
					if rings++; rings > 30 {
						t.Fatalf("it rings without end\n%v", story)
					}
					if !on {
						continue
					}
					now := s.now()
					if now >= at {
						on = false
						s.alarm.Off()
						continue
					}
					s.alarm.Set(now, at)
				}
				if now := s.Since(s.epoch); on && now >= at {
					t.Fatalf("it is %v and the alarm has not rung for %v\n%v", now, at, story)
				}
			}
			s.alarm.Off()
			if s.armed() {
				t.Error("the timer was left armed")
			}
		})
	}
}

// On the computer's clock. The bubble's time is exact.
func TestRealClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		epoch := c.Now()
		rings := make(chan struct{}, 1)
		a := New(c.AfterFunc, func() time.Duration { return c.Since(epoch) }, func() { rings <- struct{}{} })
		for i := range time.Duration(5) {
			at := (i + 1) * time.Second
			a.Set(c.Since(epoch), at)
			<-rings
			if now := c.Since(epoch); now != at {
				t.Errorf("rang at %v, not at %v", now, at)
			}
		}
		a.Set(c.Since(epoch), time.Hour)
		a.Off()
		time.Sleep(2 * time.Hour)
		if len(rings) > 0 {
			t.Error("rang after Off")
		}
	})
}
