package scheduler

import (
	"testing"
	"time"

	"github.com/benbjohnson/clock"
)

// walkingClock moves on a little with each reading, now more and now less, as the computer's clock does.
// Its time of day may be set.
type walkingClock struct {
	*clock.Mock
	since, set time.Duration
	readings   int
}

func (c *walkingClock) Since(time.Time) time.Duration {
	c.readings++
	c.since += time.Duration(c.readings*c.readings%101 + 1)
	return c.since
}

func (c *walkingClock) Now() time.Time { return time.Unix(0, int64(c.Since(time.Time{})+c.set)) }

// However the time of day was set, the events of one moment tell one time, and no event tells an earlier
// time than the one before it.
func TestEventsOfAMomentTellOneTime(t *testing.T) {
	for _, set := range []time.Duration{0, time.Hour, -time.Hour} {
		c := &walkingClock{Mock: clock.NewMock()}
		p := newParts(Limits{MaxBurst: 1}, c)
		log := new(EventLog)
		p.state.subscribe(log)
		c.set = set
		p.lend(func(h *Handle) {
			for range 100 {
				held, ok := h.TryAcquire()
				if !ok {
					t.Fatal("not granted")
				}
				held.Release()
			}
		})
		var last Event
		for _, e := range log.Events() {
			switch {
			case e.At.Before(last.At):
				t.Fatalf("set by %v: %q is told %v before %q", set, e, last.At.Sub(e.At), last)
			case e.Kind == EventGranted && !e.At.Equal(last.At):
				t.Fatalf("set by %v: %q is told %v after %q", set, e, e.At.Sub(last.At), last)
			}
			last = e
		}
	}
}

// tiredClock panics at a reading.
type tiredClock struct {
	*clock.Mock
	left int
}

func (c *tiredClock) read() {
	if c.left--; c.left == 0 {
		panic("clock")
	}
}

func (c *tiredClock) Since(t time.Time) time.Duration { c.read(); return c.Mock.Since(t) }
func (c *tiredClock) Now() time.Time                  { c.read(); return c.Mock.Now() }

// A clock that panics, at whatever reading, takes no permit with it and leaves no ticket in line, also where
// somebody watches.
func TestClockPanicsAtAnyReading(t *testing.T) {
	for name, weight := range map[string]int{"granted": 1, "waits": 2} {
		for reading := range 10 {
			c := &tiredClock{Mock: clock.NewMock()}
			p := newParts(Limits{MaxBurst: 2}, c)
			p.state.subscribe(new(EventLog))
			p.lend(func(h *Handle) {
				h.acquireNow(&request{weight: 1, deadline: never}, nil)
				c.left = reading + 1
				defer func() {
					c.left = 0
					core := p.state.core
					if recover() != nil && (core.burst.held.Saturated() != 1 || core.line.Len() > 0) {
						t.Errorf("%s, reading %d: %d in use, %d in line", name, reading, core.burst.held.Saturated(), core.line.Len())
					}
				}()
				h.acquireNow(&request{weight: weight, deadline: never}, nil)
			})
		}
	}
}
