package scheduler

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
)

// A year of traffic through windows of a second, a minute, an hour and a day together. Demand is
// always there, so that each day grants exactly what the day allows, as early as the smaller windows
// let it.
func TestYear(t *testing.T) {
	days := 365
	if raceEnabled || testing.Short() {
		days = 20
	}
	var c core
	c.init(Limits{Windows: []Window{PerSecond(3), PerMinute(30), PerHour(600), PerDay(5_000)}}, unlimited, false)
	r := rand.New(rand.NewPCG(365, 24))
	places := make([]*line.Place, 10)
	for i := range places {
		places[i] = line.NewPlace()
		c.join(places[i], &request{weight: 1})
	}
	perDay := make([]int, days)
	for {
		for p, _, _ := c.next(); p != nil; p, _, _ = c.next() {
			perDay[c.now/moment(day)]++
			c.release(p)
			c.join(p, &request{weight: 1})
		}
		wake := c.wake()
		if wake <= c.now {
			t.Fatalf("at %d the next wake is %d", c.now, wake)
		}
		if wake >= moment(days)*moment(day) {
			break
		}
		c.advance(wake - moment(r.IntN(2))) // a tick may come early
		if wake != c.now {
			if p, _, _ := c.next(); p != nil {
				t.Fatalf("granted before %d", wake)
			}
		}
		c.advance(wake)
	}
	for d, n := range perDay {
		if n != 5_000 {
			t.Errorf("day %d: %d granted", d, n)
		}
	}
	if got, want := c.granted, uint64(days)*5_000; got != want {
		t.Errorf("%d granted in %v, want %d", got, time.Duration(days)*day, want)
	}
}
