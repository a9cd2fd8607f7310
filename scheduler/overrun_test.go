package scheduler_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// The server counts what calls really cost, each at some instant between its grant and its release. If estimates
// are upper bounds, it never counts more than the limit in any interval. If they are guesses, it counts at most
// the limit and the sum of the underestimates that are not settled, which is MaxBurst times the largest.
func TestSettledCostsKeepTheirLimit(t *testing.T) {
	const tokens scheduler.Unit = "tokens"
	const limit, burst = 100, 3
	for _, w := range []scheduler.Window{tokens.PerSecond(limit), {Permits: limit, Per: time.Second, Unit: tokens, From: scheduler.FromRelease}} {
		for _, under := range []int{0, 20} {
			most := 0
			for seed := range uint64(60) {
				rnd := rand.New(rand.NewPCG(seed, 9))
				synctest.Test(t, func(t *testing.T) {
					s := start(t, scheduler.Limits{Windows: []scheduler.Window{w}, MaxBurst: burst})
					most = max(most, mostCounted(rnd, makeSettledCalls(t, rnd, s, tokens, under), w))
				})
			}
			if bound := limit + burst*under; most > bound {
				t.Errorf("%v, underestimated by up to %d: the server counts %d in a second, want at most %d", w, under, most, bound)
			}
			// Else the calls would say nothing about the bound.
			if least := limit * 9 / 10; most < least || under > 0 && most <= limit {
				t.Errorf("%v, underestimated by up to %d: the server never counts more than %d", w, under, most)
			}
		}
	}
}

// settledCall is a call from its grant to its release.
type settledCall struct {
	t         ticket.Ticket
	from, to  time.Time
	cost      int
	estimated int
}

// makeSettledCalls makes some calls at random instants, whose costs are up to under more than estimated.
func makeSettledCalls(t *testing.T, rnd *rand.Rand, s *scheduler.Scheduler, unit scheduler.Unit, under int) (calls []*settledCall) {
	t.Helper()
	var open []*settledCall
	end := func(i int) {
		c := open[i]
		open = append(open[:i], open[i+1:]...)
		if err := c.t.Settle(unit.Of(c.cost)); err != nil {
			t.Fatal(err)
		}
		c.to = time.Now()
		c.t.Release()
	}
	for range 120 {
		switch rnd.IntN(4) {
		case 0, 1:
			c := &settledCall{from: time.Now(), estimated: rnd.IntN(50)}
			c.cost = rnd.IntN(c.estimated + under + 1)
			var ok bool
			if c.t, ok = s.TryAcquireN(1, unit.Of(c.estimated)); ok {
				calls, open = append(calls, c), append(open, c)
			}
		case 2:
			if len(open) > 0 {
				end(rnd.IntN(len(open)))
			}
		case 3:
			time.Sleep(time.Duration(rnd.IntN(300)) * time.Millisecond)
		}
	}
	for len(open) > 0 {
		end(0)
	}
	return calls
}

// mostCounted returns the most that the server counts in any second, if it counts each call at a random instant
// that the window allows for.
func mostCounted(rnd *rand.Rand, calls []*settledCall, w scheduler.Window) (most int) {
	for range 10 {
		at := make([]time.Time, len(calls))
		for i, c := range calls {
			at[i] = c.from
			if w.From == scheduler.FromRelease {
				at[i] = c.from.Add(time.Duration(rnd.Int64N(int64(c.to.Sub(c.from)) + 1)))
			}
		}
		for _, now := range at {
			sum := 0
			for i, c := range calls {
				if ago := now.Sub(at[i]); ago >= 0 && ago < w.Per {
					sum += c.cost
				}
			}
			most = max(most, sum)
		}
	}
	return most
}
