package scheduler_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/scheduler/schedulertest"
	"github.com/flowguard-go/flowguard/ticket"
)

// act is something that a scenario does at an instant: it enqueues a ticket of a weight, or
// releases, cancels or settles the ticket with a number.
type act struct {
	at   time.Duration
	what string
	n    int
}

// paid is an act with costs: it buys a ticket of weight 1, or settles the ticket with a number.
func paid(at time.Duration, what string, n, cost int) act { return act{at, what, n*costBase + cost} }

const costBase = 1_000

const ms = time.Millisecond

var scenarios = []struct {
	limits string
	acts   []act
	want   string // the grants; "" where the clocks need only agree
}{
	{"1/s", []act{{0, "enqueue", 1}, {0, "enqueue", 1}, {0, "enqueue", 1}}, "1@0s 2@1s 3@2s"},
	{"3/2s burst 2", []act{
		{0, "enqueue", 1}, {0, "enqueue", 1}, {0, "enqueue", 1}, {0, "enqueue", 1},
		{500 * ms, "release", 1}, {700 * ms, "release", 2}, {3000 * ms, "release", 3},
	}, "1@0s 2@0s 3@500ms 4@2s"},
	{"2/s from release", []act{
		{0, "enqueue", 1}, {0, "enqueue", 1}, {0, "enqueue", 2},
		{100 * ms, "release", 2}, {900 * ms, "release", 1}, {5000 * ms, "release", 3},
	}, "1@0s 2@0s 3@1.9s"},
	{"3/s 5/4s", []act{
		{0, "enqueue", 2}, {0, "enqueue", 2}, {0, "enqueue", 3}, {300 * ms, "cancel", 2}, {1200 * ms, "enqueue", 1},
	}, "1@0s 3@1s 4@4s"},
	{"9/s 5 coins/2s", []act{
		paid(0, "buy", 1, 4), paid(0, "buy", 1, 3), paid(0, "buy", 1, 0), {0, "enqueue", 1}, paid(700*ms, "settle", 1, 2),
		paid(800*ms, "settle", 2, 5), paid(900*ms, "buy", 1, 1),
	}, "1@0s 2@700ms 3@700ms 4@700ms 5@2.7s"},
	{"6 coins/min evenly", []act{
		paid(0, "buy", 1, 2), paid(0, "buy", 1, 1), paid(5_000*ms, "settle", 1, 1), paid(5_000*ms, "buy", 1, 1),
	}, "1@0s 2@10s 3@20s"},
	{"2/min from reset", []act{{59_000 * ms, "enqueue", 1}, {59_000 * ms, "enqueue", 1}, {59_000 * ms, "enqueue", 2}}, "1@0s 2@0s 3@1s"},
	{"1/min", []act{{0, "enqueue", 1}, {0, "enqueue", 1}, {0, "enqueue", 1}, {30_000 * ms, "cancel", 1}}, "2@30s 3@1m30s"},
}

func init() {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := scenarios[0]
		s.limits = []string{"3/s 7/5s burst 4", "4/s from release burst 9", "5/1700ms 3/s", "9/s 5 coins/2s 30 coins/min from release burst 9", "3/s 9 coins/5s evenly"}[r.IntN(5)]
		s.want, s.acts = "", nil
		now := time.Duration(0)
		for i := range 40 {
			now += []time.Duration{0, 0, 1, 37 * ms, 400 * ms, time.Second}[r.IntN(6)]
			a := act{now, "enqueue", r.IntN(3) + 1}
			if i > 3 && r.IntN(2) == 0 {
				a = act{now, []string{"release", "release", "cancel"}[r.IntN(3)], r.IntN(i/2) + 1}
			}
			if n := r.IntN(4) + 1; i > 3 && r.IntN(2) == 0 && strings.Contains(s.limits, "coins") {
				a = []act{paid(now, "buy", 1, n), paid(now, "settle", r.IntN(i/2)+1, n)}[r.IntN(2)]
			}
			s.acts = append(s.acts, a)
		}
		scenarios = append(scenarios, s)
	}
}

// perform plays a scenario, letting time pass with the given function, and returns its record.
func perform(t *testing.T, limits string, acts []act, s *scheduler.Scheduler, rec *schedulertest.Recorder, pass func(time.Duration)) string {
	const coins scheduler.Unit = "coins"
	var tickets []ticket.Ticket
	now := time.Duration(0)
	for _, a := range acts {
		pass(a.at - now)
		now = a.at
		if a.what == "enqueue" || a.what == "buy" {
			var costs []ticket.Cost
			if a.what == "buy" {
				costs, a.n = []ticket.Cost{coins.Of(a.n % costBase)}, a.n/costBase
			}
			ticket, err := s.Enqueue(a.n, costs...)
			if err != nil {
				t.Fatal(err)
			}
			tickets = append(tickets, ticket)
		} else if a.what == "settle" {
			if n := a.n / costBase; n <= len(tickets) {
				tickets[n-1].Settle(coins.Of(a.n % costBase)) // an error where it waits or has ended
			}
		} else if a.n <= len(tickets) {
			switch a.what {
			case "release":
				tickets[a.n-1].Release()
			case "cancel":
				tickets[a.n-1].Cancel()
			}
		}
		s.Stats()
	}
	pass(time.Hour)
	s.Close()
	record := rec.Tickets()
	parsed, err := scheduler.ParseLimits(limits)
	if err != nil {
		t.Fatal(err)
	}
	if err := schedulertest.Check(parsed, record, 0); err != nil {
		t.Errorf("%v\n%v", err, record)
	}
	return record.String()
}

// The same scenarios on the mock clock, on the mock clock in a bubble and on the plain clock in a
// bubble give the same records to the nanosecond, with lending and without.
func TestThreeClocksOneAnswer(t *testing.T) {
	for i, c := range scenarios {
		t.Run(fmt.Sprint(i, " ", c.limits), func(t *testing.T) {
			onMock := func(t *testing.T, opts ...scheduler.Option) string {
				mock := clock.NewMock()
				var rec schedulertest.Recorder
				s := start(t, limits(t, c.limits), append(opts, scheduler.WithClock(mock), &rec)...)
				return perform(t, c.limits, c.acts, s, &rec, func(d time.Duration) {
					if d > 0 {
						schedulertest.Advance(t, s, mock, d)
					}
				})
			}
			first := onMock(t)
			var second, third string
			synctest.Test(t, func(t *testing.T) { second = onMock(t, scheduler.KeepCore()) })
			synctest.Test(t, func(t *testing.T) {
				var rec schedulertest.Recorder
				s := start(t, limits(t, c.limits), &rec)
				third = perform(t, c.limits, c.acts, s, &rec, func(d time.Duration) {
					time.Sleep(d)
					synctest.Wait()
				})
			})
			if first != second || first != third {
				t.Errorf("mock:\n%s\nmock in a bubble:\n%s\nplain clock in a bubble:\n%s", first, second, third)
			}
			if c.want != "" {
				synctest.Test(t, func(t *testing.T) {
					var rec schedulertest.Recorder
					s := start(t, limits(t, c.limits), &rec)
					perform(t, c.limits, c.acts, s, &rec, time.Sleep)
					got := ""
					for i, ticket := range rec.Tickets().Granted() {
						if i > 0 {
							got += " "
						}
						got += fmt.Sprintf("%d@%v", ticket.Number, ticket.Granted.Sub(rec.Tickets()[0].Enqueued))
					}
					if got != c.want {
						t.Errorf("grants %s, want %s", got, c.want)
					}
				})
			}
		})
	}
}
