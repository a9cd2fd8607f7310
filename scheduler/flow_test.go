package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// join puts n tickets of weight 1 in the line of a flow.
func (s *story) join(key string, share, n int) (tickets []ticket.Ticket) {
	s.Helper()
	for range n {
		t, err := s.Flow(key, share).Enqueue(1)
		if err != nil {
			s.Fatal(err)
		}
		tickets = append(tickets, t)
	}
	return tickets
}

// turns tells the flows of the tickets granted so far, in the order of the grants.
func (s *story) turns() string {
	s.Stats()
	var flows []string
	for _, t := range s.rec.Tickets().Granted() {
		flows = append(flows, t.Flow)
	}
	return strings.Join(flows, " ")
}

func TestFlowsTakeTurns(t *testing.T) {
	bubble(t, "1/s", func(s *story) {
		s.join("greedy", 1, 6)
		s.join("a", 1, 2)
		s.join("b", 1, 1)
		s.until(8 * time.Second)
		if got, want := s.turns(), "greedy greedy a b greedy a greedy greedy greedy"; got != want {
			t.Errorf("turns: %s, want %s", got, want)
		}
		s.wantGrants("[1@0s 2@1s 7@2s 9@3s 3@4s 8@5s 4@6s 5@7s 6@8s]")
	})
}

func TestSharesDivideWhatIsGranted(t *testing.T) {
	bubble(t, "1/s", func(s *story) {
		s.acquire()
		s.join("one", 1, 100)
		s.join("three", 3, 100)
		s.join("", 2, 100) // the plain line is a flow too
		s.until(60 * time.Second)
		got := map[string]int{}
		for _, key := range strings.Split(s.turns(), " ")[1:] {
			got[key]++
		}
		if want := map[string]int{"one": 10, "three": 30, "": 20}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("granted %v, want %v", got, want)
		}
	})
}

// One flow by itself, whatever its key, is a plain line.
func TestOneFlowIsAPlainLine(t *testing.T) {
	records := map[string]bool{}
	for _, key := range []string{"", "key"} {
		bubble(t, "2/s burst 4", func(s *story) {
			flow := s.Flow(key, 7)
			var all []ticket.Ticket
			for i := range 9 {
				next, err := flow.Enqueue(i%2 + 1)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, next)
			}
			for i, next := range all {
				if i != 5 {
					s.until(time.Duration(i) * time.Second)
				}
				next.Cancel() // which is a release, of the sixth a give-up
			}
			s.until(20 * time.Second)
			records[strings.ReplaceAll(s.rec.Tickets().String(), ` of flow "key"`, "")] = true
		})
	}
	if len(records) != 1 {
		t.Errorf("records %v", records)
	}
}

func TestTryingFailsWhileAnyFlowWaits(t *testing.T) {
	bubble(t, "3/s", func(s *story) {
		s.acquire()
		heavy, err := s.Flow("heavy", 1).Enqueue(3)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := s.Flow("light", 1).TryAcquire(); ok {
			t.Error("jumped the line of another flow")
		}
		heavy.Cancel()
		if _, ok := s.Flow("light", 1).TryAcquire(); !ok {
			t.Error("nobody waits and there is no permit")
		}
	})
}

// Whose turn it is holds up the others, or heavy tickets would starve.
func TestWhoseTurnItIsHoldsUpTheOthers(t *testing.T) {
	bubble(t, "3/s", func(s *story) {
		s.acquire()
		if _, err := s.Flow("heavy", 3).Enqueue(3); err != nil { // as much for its share as the other
			t.Fatal(err)
		}
		s.join("light", 1, 3)
		s.wantGrants("[1@0s]")
		s.until(3 * time.Second)
		s.wantGrants("[1@0s 2@1s 3@2s 4@2s 5@2s]")
	})
}

// A deadline is refused for what is ahead of the ticket in its turn, not for all who wait.
func TestDeadlinesAndWaitTimesOfFlows(t *testing.T) {
	bubble(t, "1/s", func(s *story) {
		s.acquire()
		s.join("greedy", 1, 100)
		for _, c := range []struct {
			flow *scheduler.Scheduler
			want time.Duration
		}{
			{s.Flow("greedy", 1), 101 * time.Second},
			{s.Flow("modest", 1), 2 * time.Second},
			{s.Flow("paying", 2), time.Second},
			{s.Scheduler, 2 * time.Second},
		} {
			if got := c.flow.WaitTime(); got != c.want {
				t.Errorf("wait %v, want %v", got, c.want)
			}
		}
		ctx, cancel := context.WithTimeout(background, 2*time.Second+1)
		defer cancel()
		var late *scheduler.DeadlineError
		if _, err := s.Flow("greedy", 1).Acquire(ctx); !errors.As(err, &late) || late.Wait != 101*time.Second {
			t.Errorf("greedy: %v", err)
		}
		if _, err := s.Flow("modest", 1).Acquire(ctx); err != nil {
			t.Errorf("modest: %v", err)
		}
		if got := time.Since(s.began); got != 2*time.Second {
			t.Errorf("modest was granted after %v", got)
		}
	})
}

func TestFlowsLeaveNothingBehind(t *testing.T) {
	bubble(t, "burst 1", func(s *story) {
		held := s.acquire()
		for i := range 100 {
			for _, next := range s.join(fmt.Sprint(i), 1+i, 2) {
				defer next.Cancel()
			}
		}
		if got := s.Stats(); got.Flows != 100 || got.Waiting != 200 {
			t.Errorf("stats %+v", got)
		}
		held.Release()
		ctx, cancel := context.WithCancel(background)
		go cancel()
		if _, err := s.Flow("late", 1).Acquire(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		s.Close()
		if got := s.Stats(); got.Flows != 0 || got.Waiting != 0 {
			t.Errorf("stats %+v", got)
		}
	})
}

func TestBadShares(t *testing.T) {
	bubble(t, "burst 1", func(s *story) {
		s.Flow("full", 1).AcquireN(background, 1)
		s.join("waiting", 1, 1)
		for _, share := range []int{0, -1, line.MaxShare + 1} {
			flow := s.Flow("key", share)
			var invalid *scheduler.InvalidError
			if _, err := flow.Acquire(background); !errors.As(err, &invalid) || invalid.Got != share {
				t.Error(err)
			}
			if _, err := flow.Enqueue(1); !errors.As(err, &invalid) {
				t.Error(err)
			}
			if err := flow.Do(background, func(context.Context) error { return nil }); !errors.As(err, &invalid) {
				t.Error(err)
			}
			if _, ok := flow.TryAcquire(); ok || flow.WaitTime() < time.Hour {
				t.Error("a permit for a flow that cannot be")
			}
		}
		if got := s.Stats(); got.Granted != 1 || got.Waiting != 1 {
			t.Errorf("stats %+v", got)
		}
	})
}

// A flow with a long line fills it up for itself and not for others.
func TestFullLinesOfFlows(t *testing.T) {
	bubble(t, "1/h", func(s *story) {
		s.acquire()
		full := func(key string) (n int) {
			for {
				_, err := s.Flow(key, 1).Enqueue(1)
				if err != nil {
					if !errors.Is(err, scheduler.ErrQueueFull) {
						t.Error(err)
					}
					return n
				}
				n++
			}
		}
		for _, c := range []struct {
			key  string
			want int
		}{{"greedy", 12}, {"second", 6}, {"third", 4}, {"fourth", 2}, {"fifth", 0}, {"", 0}} {
			if got := full(c.key); got != c.want {
				t.Errorf("%d of %s came in, want %d", got, c.key, c.want)
			}
		}
	}, scheduler.WithMaxQueue(12))
}

// room asks for up to n places in the line of a flow, and returns how many there were.
func (s *story) room(key string, n int) (got int) {
	s.Helper()
	for range n {
		_, err := s.Flow(key, 1).Enqueue(1)
		var full *scheduler.QueueFullError
		if err != nil && !errors.As(err, &full) {
			s.Fatal(err)
		}
		if err != nil {
			return got
		}
		got++
	}
	return got
}

// A full line takes a ticket of a flow that has less than its part, n divided by the flows that would wait,
// until 2n wait in all. Keys cost nothing to make up, so that is no promise to a newcomer: somebody who
// makes up enough of them keeps all others out, of flows of their own too.
func TestFullLinesOfManyFlows(t *testing.T) {
	for _, c := range []struct {
		max, each int // the length of WithMaxQueue; so many places does each of 100 flows ask for
		waiting   int // so many they get
		newcomer  int // so many does a flow that comes then
	}{
		{max: 100, each: 1, waiting: 100, newcomer: 0}, // its part would be 100/101
		{max: 200, each: 2, waiting: 200, newcomer: 1},
		{max: 1000, each: 10, waiting: 1000, newcomer: 9},
		{max: 100, each: 100, waiting: 200, newcomer: 0}, // 100, 50, 33 and 17 of them
		{max: 1000, each: 1000, waiting: 2000, newcomer: 0},
	} {
		bubble(t, "1/h", func(s *story) {
			s.acquire()
			for i := range 100 {
				s.room(fmt.Sprint("made up ", i), c.each)
			}
			if got := s.Stats().Waiting; got != c.waiting {
				s.Errorf("%+v: %d wait", c, got)
			}
			if got := s.room("newcomer", 2*c.max+1); got != c.newcomer {
				s.Errorf("%+v: a newcomer got %d places", c, got)
			}
			if got := s.Stats().Waiting; got > 2*c.max {
				s.Errorf("%+v: %d wait", c, got)
			}
		}, scheduler.WithMaxQueue(c.max))
	}
}

// Random flows that come and go against the rule itself.
func TestLinesOfFlowsAreBounded(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 31))
		n := []int{0, 1, 2, 5, 12, 30}[r.IntN(6)]
		bubble(t, "1/h", func(s *story) {
			s.acquire()
			waiting := map[string][]ticket.Ticket{}
			all := 0
			for step := range 200 {
				key := fmt.Sprint(r.IntN(1 + n/2 + int(seed)%5))
				if own := waiting[key]; r.IntN(4) == 0 && len(own) > 0 {
					own[0].Cancel()
					if waiting[key] = own[1:]; len(own) == 1 {
						delete(waiting, key)
					}
					all--
					continue
				}
				flows := len(waiting)
				if len(waiting[key]) == 0 {
					flows++
				}
				want := all < n || all < 2*n && len(waiting[key]) < n/flows
				next, err := s.Flow(key, 1+r.IntN(3)).Enqueue(1)
				if (err == nil) != want || err != nil && !errors.Is(err, scheduler.ErrQueueFull) {
					s.Fatalf("seed %d, step %d: %d wait, %d of %d flows with it, n is %d: %v",
						seed, step, all, len(waiting[key]), flows, n, err)
				}
				if err == nil {
					waiting[key] = append(waiting[key], next)
					all++
				}
				if got := s.Stats(); got.Waiting != all || got.Flows != len(waiting) {
					s.Fatalf("seed %d, step %d: stats %+v, want %d waiting in %d flows", seed, step, got, all, len(waiting))
				}
			}
		}, scheduler.WithMaxQueue(n))
	}
}

// A view is the scheduler in all that is not a flow's.
func TestViews(t *testing.T) {
	s := start(t, limits(t, "burst 1"))
	view := s.Flow("a", 1).Flow("b", 2)
	if err := view.SetLimits(limits(t, "burst 2")); err != nil || s.Limits().MaxBurst != 2 || view.Clock() != s.Clock() {
		t.Error("another scheduler", err)
	}
	held, err := view.Acquire(background)
	if err != nil || s.Stats().InUse != 1 {
		t.Error("another burst", err)
	}
	if err := view.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Acquire(background); !errors.Is(err, scheduler.ErrClosed) {
		t.Error(err)
	}
	held.Release()
}

func TestViewKeepsSchedulerAlive(t *testing.T) {
	s, err := scheduler.New(limits(t, "burst 1"))
	if err != nil {
		t.Fatal(err)
	}
	view := s.Flow("a", 1)
	s = nil
	for range 5 {
		runtime.GC()
	}
	if _, err := view.Acquire(background); err != nil {
		t.Error(err)
	}
	view.Close()
}

// TestFairness measures what Flow promises, from outside: random shares, weights, arrivals and
// cancellations, on a clock that moves by itself, and for any two flows any stretch of grants through
// which both waited.
func TestFairness(t *testing.T) {
	runs := 60
	if scheduler.RaceEnabled || testing.Short() {
		runs = 6
	}
	closest := 0.0
	for seed := range uint64(runs) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 17))
			s := start(t, limits(t, []string{"8/s", "9/s 20/10s", "20/s from release burst 9"}[r.IntN(3)]))
			w, err := s.Watch(100_000)
			if err != nil {
				t.Fatal(err)
			}
			shares := map[string]int{}
			heaviest := map[string]int{}
			for i := range r.IntN(5) + 2 {
				key := fmt.Sprint(i)
				share, most := []int{1, 1, 2, 5, 100}[r.IntN(5)], r.IntN(8)+1
				shares[key], heaviest[key] = share, most
				arrivals := rand.New(rand.NewPCG(seed, uint64(i)))
				go func() {
					flow := s.Flow(key, share)
					for range 60 {
						next, err := flow.Enqueue(arrivals.IntN(most) + 1)
						if err != nil {
							t.Error(err)
							return
						}
						patience := time.Hour
						if arrivals.IntN(9) == 0 {
							patience = time.Second
						}
						go func() {
							defer next.Cancel()
							select {
							case <-next.Ready():
								time.Sleep(50 * time.Millisecond)
							case <-time.After(patience):
							}
						}()
						time.Sleep(time.Duration(arrivals.IntN(1_000)) * time.Millisecond)
					}
				}()
			}
			time.Sleep(5 * time.Minute)
			s.Close()
			time.Sleep(time.Second) // those who hold permits go
			closest = max(closest, fairness(t, w, shares, heaviest))
		})
	}
	t.Logf("at most %.0f%% of the bound", 100*closest)
	if closest < 0.5 {
		t.Error("never near the bound: the test asks for too little")
	}
}

// fairness looks at all stretches of the events in which two flows wait, and returns how much of the
// bound was used.
func fairness(t *testing.T, w *scheduler.Watcher, shares, heaviest map[string]int) (closest float64) {
	type pair struct{ a, b string }
	apart := map[pair][]int{} // of each stretch that goes on: what a was granted for b's share, less the reverse
	waiting := map[string]int{}
	for e := range w.Events() {
		switch e.Kind {
		case scheduler.EventEnqueued:
			waiting[e.Flow]++
		case scheduler.EventGivenUp:
			waiting[e.Flow]--
		case scheduler.EventGranted:
			waiting[e.Flow]--
		default:
			continue
		}
		for a := range shares {
			for b := range shares {
				p := pair{a, b}
				// Who was granted the last of theirs no longer waits thereafter.
				if a >= b || waiting[a] == 0 || waiting[b] == 0 {
					delete(apart, p)
					continue
				}
				if e.Kind != scheduler.EventGranted {
					if len(apart[p]) == 0 {
						apart[p] = []int{0}
					}
					continue
				}
				bound := heaviest[a]*shares[b] + heaviest[b]*shares[a]
				for i := range apart[p] {
					switch e.Flow {
					case a:
						apart[p][i] += e.Weight * shares[b]
					case b:
						apart[p][i] -= e.Weight * shares[a]
					}
					if d := max(apart[p][i], -apart[p][i]); d > bound {
						t.Fatalf("apart by %d, more than %d: flows %q and %q", d, bound, a, b)
					} else {
						closest = max(closest, float64(d)/float64(bound))
					}
				}
				apart[p] = append(apart[p], 0)
			}
		}
	}
	if w.Missed() > 0 {
		t.Fatal("events were missed")
	}
	return closest
}

// Flows that ask for different amounts of a unit get equal parts of the limit that each uses most: one of the
// permits, the others of the tokens.
func TestFlowsShareByWhatTheyUseMost(t *testing.T) {
	const tokens scheduler.Unit = "tokens"
	bubble(t, "60/min 12000 tokens/min", func(s *story) {
		costs := map[string]int{"chat": 10, "mail": 500, "book": 1_600}
		turns := map[string]int{"chat": 10, "mail": 25, "book": 80} // in tenths of a permit, 200 tokens each
		for flow := range costs {
			for range 400 {
				if _, err := s.Flow(flow, 1).Enqueue(1, tokens.Of(costs[flow])); err != nil {
					s.Fatal(err)
				}
			}
		}
		w := s.watch(2_000)
		s.until(10 * time.Minute)
		s.Close()
		served := map[string]int{}
		for e := range w.Events() {
			if e.Kind != scheduler.EventGranted {
				continue
			}
			served[e.Flow] += turns[e.Flow]
			for a := range served {
				for b := range served {
					if d := served[a] - served[b]; d > turns[a]+turns[b] {
						s.Fatalf("%q is ahead of %q by %d tenths of a permit", a, b, d)
					}
				}
			}
		}
		if least := min(served["chat"], served["mail"], served["book"]); least < 2_000 {
			s.Errorf("served %v tenths of a permit", served)
		}
	})
}
