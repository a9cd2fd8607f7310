package debug

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// plainTally remembers everything and counts when asked.
type plainTally struct {
	waiting map[ticket.Number]scheduler.Event
	granted []grant
	second  int
}

type grant struct {
	second, weight int
	flow           string
	wait           time.Duration
}

// A tally counts as one does that remembers everything.
func TestTallyAgainstPlainCounts(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine does all of it")
	}
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 0))
		now := time.Unix(1000, 0)
		tally, plain := newTally(now), plainTally{waiting: map[ticket.Number]scheduler.Event{}}
		refused, gaveUp := uint64(0), uint64(0)
		shares := map[string]int{}
		for n := ticket.Number(1); n < 600; {
			now = now.Add(time.Duration(random.IntN(50)) * time.Millisecond)
			e := scheduler.Event{At: now, Weight: 1 + random.IntN(3), Flow: fmt.Sprint("flow ", random.IntN(5))}
			var some scheduler.Event
			for _, some = range plain.waiting {
				break
			}
			switch k := random.IntN(10); {
			case k < 4:
				e.Kind, e.Number, e.Share = scheduler.EventEnqueued, n, 1+random.IntN(9)
				n++
				shares[e.Flow] = e.Share
				plain.waiting[e.Number] = e
			case k < 7 && len(plain.waiting) > 0:
				e, e.Kind, e.At, e.Wait = some, scheduler.EventGranted, now, now.Sub(some.At)
				delete(plain.waiting, e.Number)
				plain.granted = append(plain.granted, grant{plain.second, e.Weight, e.Flow, e.Wait})
			case k == 7 && len(plain.waiting) > 0:
				e, e.Kind, e.At = some, scheduler.EventGivenUp, now
				delete(plain.waiting, e.Number)
				gaveUp++
			case k == 8:
				e.Kind, e.Err = scheduler.EventRefused, scheduler.ErrQueueFull
				refused++
			default:
				tally.tick()
				plain.second++
				continue
			}
			tally.add(e)

			seen, _ := tally.report(now, len(plain.waiting))
			if seen.Granted != uint64(len(plain.granted)) || seen.Refused != refused || seen.GaveUp != gaveUp || seen.AtLeast {
				t.Fatalf("seed %d: %+v; granted %d, refused %d, gave up %d", seed, seen, len(plain.granted), refused, gaveUp)
			}
			var oldest, longest time.Duration
			waiting, weight, all := map[string]int{}, map[string]int{}, 0
			for _, w := range plain.waiting {
				oldest = max(oldest, now.Sub(w.At))
				waiting[w.Flow]++
			}
			for _, g := range plain.granted {
				if plain.second-g.second < minute {
					weight[g.flow] += g.weight
					all += g.weight
					longest = max(longest, g.wait)
				}
			}
			if seen.Oldest != oldest.Seconds() || seen.Longest != longest.Seconds() {
				t.Fatalf("seed %d: oldest %v, want %v; longest %v, want %v", seed, seen.Oldest, oldest, seen.Longest, longest)
			}
			for _, f := range seen.Flows {
				if f.Waiting != waiting[f.Key] || f.Share != float64(weight[f.Key])/float64(max(all, 1)) {
					t.Fatalf("seed %d: %+v, want %d waiting and %d of %d", seed, f, waiting[f.Key], weight[f.Key], all)
				}
				if f.Configured != shares[f.Key] && f.Configured != 0 || f.Waiting > 0 && f.Configured == 0 {
					t.Fatalf("seed %d: share %d of %s, want %d", seed, f.Configured, f.Key, shares[f.Key])
				}
				delete(waiting, f.Key)
			}
			if len(waiting) > 0 {
				t.Fatalf("seed %d: flows %v are missing", seed, waiting)
			}
		}
		for range minute {
			tally.tick()
		}
		for key, f := range tally.flows {
			if f.waiting == 0 {
				t.Fatalf("seed %d: flow %s is remembered after a minute of nothing", seed, key)
			}
		}
	}
}

// A tally that lost events does not claim to know who waits.
func TestTallyLosesEvents(t *testing.T) {
	now := time.Unix(1000, 0)
	tally := newTally(now)
	tally.add(scheduler.Event{Kind: scheduler.EventEnqueued, Number: 1, At: now})
	tally.add(scheduler.Event{Kind: scheduler.EventEnqueued, Number: 9, At: now.Add(time.Second), Missed: 7})
	seen, _ := tally.report(now.Add(3*time.Second), 5)
	if seen.Missed != 7 || !seen.AtLeast || seen.Oldest != 2 {
		t.Errorf("%+v", seen)
	}
	tally.add(scheduler.Event{Kind: scheduler.EventGranted, Number: 1, At: now}) // it is forgotten, which does no harm
	if seen, _ := tally.report(now.Add(3*time.Second), 1); seen.AtLeast || seen.Oldest != 2 || seen.Flows[0].Waiting != 1 {
		t.Errorf("%+v", seen)
	}
}

// However many flows and tickets there are, memory is bounded.
func TestTallyIsBounded(t *testing.T) {
	now := time.Unix(1000, 0)
	tally := newTally(now)
	const n = maxWaiting + 5000
	for i := range n {
		tally.add(scheduler.Event{Kind: scheduler.EventEnqueued, Number: ticket.Number(i + 1), Flow: fmt.Sprint("flow ", i%3000), At: now, Weight: 1})
	}
	if len(tally.flows) > maxFlows+1 || len(tally.waiting) > maxWaiting {
		t.Errorf("%d flows, %d tickets", len(tally.flows), len(tally.waiting))
	}
	seen, _ := tally.report(now.Add(time.Minute), n)
	if !seen.AtLeast || len(seen.Flows) != mostShown || seen.Flows[0].Key != otherFlows {
		t.Errorf("%+v", seen)
	}
}
