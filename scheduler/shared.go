package scheduler

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/internal/loop"
)

// shared is what all goroutines may use: the clock, the limits as they are now, and pools.
type shared struct {
	clock Clock
	epoch time.Time // moment 0

	stepped atomic.Int64 // by how much the time of day had been set when that was last noticed

	limits atomic.Pointer[Limits] // what they point to is never changed

	refused earlyRefusals

	answers       loop.Answers[answer]
	places        sync.Pool // of idle *line.Place with Reused set
	countedPlaces sync.Pool // of *countedPlace whose tickets have ended
}

func newShared(c Clock, l *Limits) *shared {
	s := &shared{clock: c, epoch: c.Now()}
	s.limits.Store(l)
	return s
}

// now reads the clock. Since is cheaper than Now, which reads the time of day too.
func (s *shared) now() moment {
	return min(max(moment(s.clock.Since(s.epoch)), -horizon), horizon)
}

// momentOf returns when the clock will show t.
//
// If t or the clock has only a time of day, the distance is measured now: the computer's time of day
// may have been set since the scheduler was made.
func (s *shared) momentOf(t time.Time) moment {
	if isMonotonic(t) && isMonotonic(s.epoch) {
		return min(max(moment(t.Sub(s.epoch)), -horizon), horizon)
	}
	reading := s.now()
	return min(max(reading.after(t.Sub(s.clock.Now())), -horizon), horizon)
}

// momentIn returns what the clock will show in d.
func (s *shared) momentIn(d time.Duration) moment {
	return min(max(s.now().after(d), -horizon), horizon)
}

func isMonotonic(t time.Time) bool { return t != t.Round(0) }

// timeOf returns the time of the moment, by the time of day as it is set now.
func (s *shared) timeOf(m moment) time.Time { return s.timeAfter(m, s.step()) }

// epochToday returns when moment 0 was, by the time of day as it is set now.
func (s *shared) epochToday() time.Time { return s.timeOf(0).Round(0) }

// timeAfter returns the time of the moment if the time of day was set by the step.
func (s *shared) timeAfter(m moment, step time.Duration) time.Time {
	t := s.epoch.Add(time.Duration(m))
	if step != 0 {
		t = t.Round(0).Add(step)
	}
	return t
}

// minStep is how far the time of day must have been set to be noticed. Readings of a clock differ by
// less, so that moments keep their distance as times of day.
const minStep = 10 * time.Millisecond

// step returns by how much the time of day was set since the scheduler was made.
func (s *shared) step() time.Duration {
	known := time.Duration(s.stepped.Load())
	before := s.now()
	today := s.clock.Now()
	more := s.stepAt(before, today) - known
	if more.Abs() < minStep {
		return known
	}
	// The goroutine may have been kept from running between the two readings.
	step := s.stepAt(s.now(), today)
	if again := step - known; again.Abs() < minStep || (again > 0) != (more > 0) {
		return known
	}
	s.stepped.Store(int64(step))
	return step
}

// stepAt returns the step if the clock showed the two together.
func (s *shared) stepAt(reading moment, today time.Time) time.Duration {
	return today.Round(0).Sub(s.epoch.Round(0).Add(time.Duration(reading)))
}

// place returns an idle place that serves again.
func (s *shared) place() *line.Place {
	if p, ok := s.places.Get().(*line.Place); ok {
		return p
	}
	p := line.NewPlace()
	p.Reused = true
	return p
}
