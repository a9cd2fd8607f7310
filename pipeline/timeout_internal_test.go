package pipeline

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
)

// jumpy is a clock that moves right after it was read.
type jumpy struct {
	*clock.Mock
	jumps []time.Duration
}

func (c *jumpy) Since(t time.Time) time.Duration {
	now := c.Mock.Since(t)
	if len(c.jumps) > 0 {
		jump := c.jumps[0]
		c.jumps = c.jumps[1:]
		c.Mock.Add(jump)
	}
	return now
}

func rang(a *timeout) bool {
	synctest.Wait()
	select {
	case <-a.rings:
		return a.passed()
	default:
		return false
	}
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &jumpy{Mock: clock.NewMock()}
		a := newTimeout(c)
		expect := func(when string, want bool) {
			t.Helper()
			if got := rang(a); got != want {
				t.Errorf("%s: rang is %v", when, got)
			}
		}

		a.set(10 * time.Second)
		c.Add(10*time.Second - 1)
		expect("1 ns early", false)
		c.Add(1)
		expect("in time", true)

		// The clock moves between the reading and the setting of the timer.
		c.jumps = []time.Duration{4 * time.Second, 3 * time.Second}
		a.set(10 * time.Second)
		c.Add(3*time.Second - 1)
		expect("after two jumps, 1 ns early", false)
		c.Add(1)
		expect("after two jumps, in time", true)

		c.jumps = []time.Duration{11 * time.Second}
		a.set(10 * time.Second)
		expect("after a jump too far", true)

		// A hint that came for nothing.
		a.set(10 * time.Second)
		a.hint()
		expect("after a false hint", false)
		c.Add(10 * time.Second)
		expect("in time after a false hint", true)

		// The timer fired and the clock was set back.
		a.set(10 * time.Second)
		c.Add(10 * time.Second)
		c.Set(c.Now().Add(-5 * time.Second))
		expect("on a clock that was set back", false)
		c.Add(5 * time.Second)
		expect("when that clock is there again", true)

		// A hint that was on its way when the alarm was turned off.
		a.set(10 * time.Second)
		c.Add(10 * time.Second)
		a.off()
		expect("after it was turned off", false)
		a.set(10 * time.Second)
		a.off()
		c.Add(time.Hour)
		expect("long after it was turned off", false)

		// A hint after the last time that a clock can show.
		for range 3 {
			c.Add(100 * 365 * 24 * time.Hour)
		}
		a.hint()
		expect("turned off at the end of time", false)
	})
}

// A batch that is due by size stays due when a hint comes that was meant for the one before.
func TestBatchIgnoresALateHint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTimeout(clock.NewMock())
		in, out := make(chan int, 1), make(chan []int)
		in <- 1
		close(in)
		go collect(t.Context(), a, in, 1, 0, out)
		synctest.Wait()
		a.hint()
		synctest.Wait()
		select {
		case <-out:
		default:
			t.Error("the batch is due no more")
		}
	})
}
