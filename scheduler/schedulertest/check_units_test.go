package schedulertest_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/scheduler/schedulertest"
	"github.com/flowguard-go/flowguard/ticket"
)

const tokens scheduler.Unit = "tokens"

// unitLimits are limits that a random program soon reaches.
var unitLimits = []string{
	"3/20s 10 tokens/50s burst 3",
	"5/10s 6 tokens/30s from release",
	"9/10s 7 tokens/30s evenly",
	"3/min evenly 8 tokens/40s",
	"9/10s 6 tokens/min from reset 9 tokens/h burst 2",
}

// recordOf runs a random program with costs and settlements on a mock clock and returns its record.
func recordOf(t *testing.T, r *rand.Rand, limits scheduler.Limits) schedulertest.Tickets {
	mock := clock.NewMock()
	var rec schedulertest.Recorder
	s, err := scheduler.New(limits, scheduler.WithClock(mock), &rec)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var held []ticket.Ticket
	for range 60 {
		switch k := r.IntN(10); {
		case k < 4:
			var costs []ticket.Cost
			if r.IntN(3) > 0 {
				costs = append(costs, tokens.Of(r.IntN(6)))
			}
			got, err := s.Enqueue(1+r.IntN(2), costs...)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, got)
		case k < 7 && len(held) > 0:
			i := r.IntN(len(held))
			if k == 6 {
				held[i].Settle(tokens.Of(r.IntN(8)))
				break
			}
			if k == 5 && r.IntN(3) == 0 {
				held[i].Cancel()
			} else {
				held[i].Release()
			}
		default:
			s.Stats()
			schedulertest.Advance(t, s, mock, time.Duration(r.IntN(9_000))*time.Millisecond)
		}
	}
	s.Stats()
	return rec.Tickets()
}

// The scheduler keeps what the checker checks, to the instant, and a record of the same grants breaks tighter
// limits.
func TestCheckKnowsUnits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settled, tooTight, runs := 0, 0, 600
		if testing.Short() {
			runs = 100
		}
		for run := range runs {
			limits := scheduler.MustParseLimits(unitLimits[run%len(unitLimits)])
			record := recordOf(t, rand.New(rand.NewPCG(7, uint64(run))), limits)
			if err := schedulertest.Check(limits, record, 0); err != nil {
				t.Fatalf("run %d, %v: %v\n%v", run, limits, err, record)
			}
			for _, one := range record {
				settled += len(one.Settled)
			}
			tight := limits
			tight.Windows = slices.Clone(limits.Windows)
			for i := range tight.Windows {
				tight.Windows[i].Permits = max(1, tight.Windows[i].Permits/2)
			}
			if schedulertest.Check(tight, record, scheduler.Forever) != nil {
				tooTight++
			}
		}
		t.Logf("%d settlements, %d records break tighter limits", settled, tooTight)
		if settled < runs/2 || tooTight < runs*2/3 {
			t.Error("the test shows too little")
		}
	})
}

// Records made by hand, each of which breaks one rule or none.
func TestCheckOfCostsByHand(t *testing.T) {
	begin := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return begin.Add(time.Duration(seconds * float64(time.Second))) }
	granted := func(n int, seconds float64, cost int) schedulertest.Ticket {
		return schedulertest.Ticket{Number: ticket.Number(n), Turn: n, Weight: 1, Costs: []ticket.Cost{tokens.Of(cost)}, Enqueued: at(seconds), Granted: at(seconds)}
	}
	settled := func(t schedulertest.Ticket, seconds float64, cost int) schedulertest.Ticket {
		t.Settled = append(t.Settled, schedulertest.Settlement{At: at(seconds), Costs: []ticket.Cost{tokens.Of(cost)}})
		return t
	}
	waited := func(t schedulertest.Ticket, since float64) schedulertest.Ticket {
		t.Enqueued = at(since)
		return t
	}
	unnamed := granted(2, 1, 0)
	unnamed.Costs = nil
	for name, c := range map[string]struct {
		limits string
		record schedulertest.Tickets
		broken bool
	}{
		"full":                    {"10 tokens/min", schedulertest.Tickets{granted(1, 0, 6), granted(2, 1, 4)}, false},
		"too many":                {"10 tokens/min", schedulertest.Tickets{granted(1, 0, 6), granted(2, 1, 5)}, true},
		"names no unit":           {"10 tokens/min", schedulertest.Tickets{granted(1, 0, 10), unnamed}, false},
		"settled down":            {"10 tokens/min", schedulertest.Tickets{settled(granted(1, 0, 9), 1, 2), granted(2, 2, 8)}, false},
		"settled down too late":   {"10 tokens/min", schedulertest.Tickets{settled(granted(1, 0, 9), 3, 2), granted(2, 2, 8)}, true},
		"settled up":              {"10 tokens/min", schedulertest.Tickets{settled(granted(1, 0, 1), 1, 9), granted(2, 2, 2)}, true},
		"waits for a settlement":  {"10 tokens/min", schedulertest.Tickets{settled(granted(1, 0, 9), 3, 2), waited(granted(2, 3, 8), 1)}, false},
		"granted long after that": {"10 tokens/min", schedulertest.Tickets{settled(granted(1, 0, 9), 3, 2), waited(granted(2, 4, 8), 1)}, true},
		"evenly":                  {"10 tokens/min evenly", schedulertest.Tickets{granted(1, 0, 2), granted(2, 12, 1), granted(3, 18, 1)}, false},
		"not evenly":              {"10 tokens/min evenly", schedulertest.Tickets{granted(1, 0, 2), granted(2, 11, 1)}, true},
		"evenly, settled down":    {"10 tokens/min evenly", schedulertest.Tickets{settled(granted(1, 0, 5), 2, 1), waited(granted(2, 6, 1), 1)}, false},
		"evenly, late":            {"10 tokens/min evenly", schedulertest.Tickets{granted(1, 0, 2), waited(granted(2, 13, 1), 1)}, true},
		"after a reset":           {"10 tokens/min from reset", schedulertest.Tickets{granted(1, 59, 10), granted(2, 60, 10)}, false},
		"before a reset":          {"10 tokens/min from reset", schedulertest.Tickets{granted(1, 1, 10), granted(2, 59, 1)}, true},
		"sliding, at the same":    {"10 tokens/min", schedulertest.Tickets{granted(1, 59, 10), granted(2, 60, 10)}, true},
	} {
		if err := schedulertest.Check(scheduler.MustParseLimits(c.limits), c.record, 0); (err != nil) != c.broken {
			t.Errorf("%s: %v", name, err)
		}
	}
}
