package line

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/flowguard-go/flowguard/internal/oracle"
)

// ahead collects the weights that Ahead calls each with.
func ahead(l *Lines, weight int, f *Flow) (weights []int) {
	l.Ahead(TurnOf(weight), f, func(p *Place) { weights = append(weights, p.Weight) })
	return weights
}

// aheadWithTurn collects the numbers of the tickets that Ahead calls each with.
func aheadWithTurn(l *Lines, t Turn, f *Flow) (numbers []int) {
	l.Ahead(t, f, func(p *Place) { numbers = append(numbers, int(p.Number)) })
	return numbers
}

// parts returns a turn as the oracle writes it.
func parts(t Turn) *big.Int {
	parts := new(big.Int).Lsh(new(big.Int).SetUint64(t.Whole), 64)
	return parts.Add(parts, new(big.Int).SetUint64(t.Part))
}

func saturatedSum(weights []int) int {
	sum := new(big.Int)
	for _, weight := range weights {
		sum.Add(sum, big.NewInt(int64(weight)))
	}
	if most := big.NewInt(math.MaxInt); sum.Cmp(most) > 0 {
		sum = most
	}
	return int(sum.Int64())
}

// TestLinesAgainstOracle does the same at random to both.
func TestLinesAgainstOracle(t *testing.T) {
	runs := 3_000
	if testing.Short() {
		runs = 300
	}
	for seed := range uint64(runs) {
		r := rand.New(rand.NewPCG(seed, 0))
		keys, shares, heaviest := r.IntN(6)+1, r.IntN(3)*r.IntN(9)+1, r.IntN(2)*r.IntN(30)+1
		huge := r.IntN(3) == 0
		anyWeight := func() int {
			if huge && r.IntN(5) > 0 {
				return math.MaxInt - r.IntN(heaviest)
			}
			return r.IntN(heaviest) + 1
		}
		// In some runs turns are as the weights; in others they are more, often by the same.
		named := r.IntN(2) == 0
		anyTurn := func(weight int) Turn {
			turn := TurnOf(weight)
			if named && r.IntN(3) > 0 {
				turn.Part = []uint64{1 << 63, 1 << 40, r.Uint64()}[r.IntN(3)]
				if turn.Whole < math.MaxInt/2 {
					turn.Whole += uint64(r.IntN(3))
				}
			}
			return turn.Rounded()
		}
		anyFlow := func() Flow {
			k := r.IntN(keys)
			share := k%shares + 1
			if r.IntN(20) == 0 { // a flow's tickets may disagree about its share
				share = r.IntN(MaxShare) + 1
			}
			if k == 0 {
				return Flow{"", share}
			}
			return Flow{fmt.Sprint(k), share}
		}
		var lines Lines
		var slow oracle.Lines
		flowOf, waiting := map[*Place]*Flow{}, []*Place{}
		for step := range 150 {
			switch k := r.IntN(10); {
			case k < 5:
				f, p := anyFlow(), NewPlace()
				arg := &f
				if f == (Flow{"", 1}) && r.IntN(2) == 0 {
					arg = nil
				}
				weight := anyWeight()
				turn := anyTurn(weight)
				if turn != TurnOf(weight) {
					lines.Costs.ClearScratch()
					lines.Costs.Keep(p, turn)
				}
				lines.Push(p, weight, arg)
				slow.Push(oracle.Ticket{ID: int(p.Number), Weight: p.Weight, Turn: parts(turn)}, f.Key, f.Share)
				flowOf[p], waiting = arg, append(waiting, p)
			case k < 9:
				if p, _ := lines.First(); p != nil {
					lines.Serve()
					slow.Serve()
					waiting = slices.DeleteFunc(waiting, func(o *Place) bool { return o == p })
					if p.State != Idle {
						t.Fatalf("seed %d: served and in state %d", seed, p.State)
					}
				}
			default:
				if len(waiting) > 0 {
					i := r.IntN(len(waiting))
					lines.Remove(waiting[i], flowOf[waiting[i]])
					slow.Remove(int(waiting[i].Number))
					waiting = slices.Delete(waiting, i, i+1)
				}
			}
			p, f := lines.First()
			if len(waiting) == 0 {
				if p != nil {
					t.Fatalf("seed %d, step %d: somebody is first in no line", seed, step)
				}
			} else if want, key, share := slow.First(); int(p.Number) != want.ID || *f != (Flow{key, share}) {
				t.Fatalf("seed %d, step %d: first is %d of %v, want %d of %q %d", seed, step, p.Number, *f, want.ID, key, share)
			}
			if f := anyFlow(); lines.LenOf(&f) != slow.LenOf(f.Key) {
				t.Fatalf("seed %d: %d in the line of %q, want %d", seed, lines.LenOf(&f), f.Key, slow.LenOf(f.Key))
			}
			count := 0
			for p, f := range lines.All() {
				if f.Name() != flowOf[p].Name() {
					t.Fatalf("seed %d: ticket %d is in flow %q", seed, p.Number, f.Key)
				}
				count++
			}
			if lines.Len() != len(waiting) || lines.Flows() != slow.Flows() || count != lines.Len() {
				t.Fatalf("seed %d: %d in %d flows, %d in all, want %d in %d", seed,
					lines.Len(), lines.Flows(), count, len(waiting), slow.Flows())
			}
			if r.IntN(4) == 0 {
				f := anyFlow()
				turn := anyTurn(anyWeight())
				var want, weights []int
				for _, t := range slow.Ahead(oracle.Ticket{Turn: parts(turn)}, f.Key, f.Share) {
					want, weights = append(want, t.ID), append(weights, t.Weight)
				}
				if got := aheadWithTurn(&lines, turn, &f); !slices.Equal(got, want) {
					t.Fatalf("seed %d: ahead of %v in %v are %v, want %v", seed, turn, f, got, want)
				}
				if got, want := lines.WeightAhead(turn, &f), saturatedSum(weights); got != want {
					t.Fatalf("seed %d: ahead of %v in %v is a weight of %d, want %d", seed, turn, f, got, want)
				}
				alone := !slices.ContainsFunc(waiting, func(p *Place) bool { return flowOf[p].Name() != f.Key })
				if lines.Alone(&f) != alone {
					t.Fatalf("seed %d: alone %v, want %v", seed, !alone, alone)
				}
			}
		}
	}
}

// TestFairness measures the bound that Lines promises: for random shares, weights and arrivals, any two
// flows, and any stretch in which both waited throughout. Tickets give up too, but none heavier than
// the largest that L counts. Some tickets take a turn that is larger than their weight.
func TestFairness(t *testing.T) {
	runs := 400
	if testing.Short() {
		runs = 40
	}
	closest := 0.0 // how much of the bound was ever used
	for seed := range uint64(runs) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := r.IntN(6) + 2
		type client struct {
			flow     Flow
			heaviest int
			named    bool  // tickets name units
			largest  int64 // turn, in units of 2^-20 permits
			eager    int   // how often it comes, of 100
			places   []*Place
			served   int64
			since    int // the step from which on it has been waiting
			history  []int64
		}
		clients := make([]*client, n)
		for i := range clients {
			clients[i] = &client{
				flow:     Flow{fmt.Sprint(i), []int{1, 1, 2, 3, 7, 100, 999_983}[r.IntN(7)]},
				heaviest: []int{1, 1, 4, 50}[r.IntN(4)],
				named:    r.IntN(2) == 0,
				eager:    r.IntN(80) + 1,
			}
			c := clients[i]
			if c.largest = int64(c.heaviest) << 20; c.named {
				c.largest += r.Int64N(1 << 24)
			}
		}
		turns := map[*Place]int64{}
		var lines Lines
		for step := range 400 {
			for _, c := range clients {
				for r.IntN(100) < c.eager {
					p, weight := NewPlace(), r.IntN(c.heaviest)+1
					if turns[p] = int64(weight) << 20; c.named {
						turns[p] += r.Int64N(c.largest - turns[p] + 1)
						lines.Costs.ClearScratch()
						lines.Costs.Keep(p, Turn{uint64(turns[p] >> 20), uint64(turns[p]) << 44})
					}
					lines.Push(p, weight, &c.flow)
					c.places = append(c.places, p)
				}
				if len(c.places) > 0 && r.IntN(10) == 0 {
					i := r.IntN(len(c.places))
					lines.Remove(c.places[i], &c.flow)
					c.places = slices.Delete(c.places, i, i+1)
				}
			}
			if p, f := lines.First(); p != nil {
				i := slices.IndexFunc(clients, func(c *client) bool { return c.flow.Key == f.Key })
				clients[i].served += turns[p]
				clients[i].places = clients[i].places[1:]
				lines.Serve()
			}
			for _, c := range clients {
				c.history = append(c.history, c.served)
				if len(c.places) == 0 {
					c.since = step + 1
				}
			}
			for i, a := range clients {
				for _, b := range clients[:i] {
					for from := max(a.since, b.since); from < step; from += 1 + (step-from)/8 {
						wa, wb := a.served-a.history[from], b.served-b.history[from]
						sa, sb := int64(a.flow.Share), int64(b.flow.Share)
						apart := max(wa*sb-wb*sa, wb*sa-wa*sb)
						bound := a.largest*sb + b.largest*sa
						if apart > bound {
							t.Fatalf("seed %d, steps %d to %d: shares %d and %d were served %d and %d; apart by %d, more than %d",
								seed, from, step, sa, sb, wa, wb, apart, bound)
						}
						closest = max(closest, float64(apart)/float64(bound))
					}
				}
			}
		}
	}
	t.Logf("at most %.0f%% of the bound", 100*closest)
	if closest < 0.5 {
		t.Error("never near the bound: the test asks for too little")
	}
}

// TestIdleFlowsHaveNoCredit: a flow that comes late gets its share from then on.
func TestIdleFlowsHaveNoCredit(t *testing.T) {
	var lines Lines
	for range 1_000 {
		lines.Push(NewPlace(), 1, &Flow{"busy", 1})
		lines.Push(NewPlace(), 1, &Flow{"other", 1})
	}
	for range 1_000 {
		lines.Serve()
	}
	for range 100 {
		lines.Push(NewPlace(), 1, &Flow{"late", 1})
	}
	served := map[string]int{}
	for range 99 {
		_, f := lines.First()
		served[f.Key]++
		lines.Serve()
	}
	for key, n := range served {
		if n != 33 {
			t.Errorf("%s was served %d times of 99", key, n)
		}
	}
}

// TestNewFlowsDoNotStarveAHeavyTicket: keys that nobody has seen before get no credit either.
func TestNewFlowsDoNotStarveAHeavyTicket(t *testing.T) {
	var lines Lines
	heavy := NewPlace()
	lines.Push(heavy, 10, &Flow{"heavy", 1})
	for i := range 100 {
		lines.Push(NewPlace(), 1, &Flow{fmt.Sprint(i), 1})
		p, _ := lines.First()
		lines.Serve()
		if p == heavy {
			if i != 9 {
				t.Errorf("served after %d others", i)
			}
			return
		}
	}
	t.Error("starved")
}

// TestManyFlowsAreOneDecision: what serving costs depends on how many ranks there are, and flows of
// equal shares make one of them.
func TestManyFlowsAreOneDecision(t *testing.T) {
	var lines Lines
	flow := func(i int) *Flow { return &Flow{fmt.Sprint(i), 1 + i%2} }
	var light, heavy []*Place // the first two of each flow
	for round := range 5 {
		for i := range 1_000 {
			p := NewPlace()
			lines.Push(p, 1+round%2, flow(i))
			switch round {
			case 0:
				light = append(light, p)
			case 1:
				heavy = append(heavy, p)
			}
		}
	}
	for i := range 1_000 {
		lines.Remove(heavy[i], flow(i))
		lines.Push(heavy[i], 1, flow(i))
		lines.Remove(light[i], flow(i)) // and the next in line is as light
		if n := lines.ranks.length; n > 2 {
			t.Fatalf("%d ranks when the heads of %d flows have gone", n, i+1)
		}
	}
	for range 1_000 {
		lines.Serve() // brings a heavier one to the head
	}
	for i := range 500 { // those go, and for some time their flows are each their own
		p := lines.keyed[fmt.Sprint(i)].first
		lines.Remove(p, flow(i))
	}
	for range 2_000 {
		lines.Serve()
	}
	for lines.Flows() > 4 {
		if n := lines.ranks.length; n > 2 {
			t.Fatalf("%d ranks", n)
		}
		lines.Serve()
	}
	for lines.Len() > 0 {
		lines.Serve()
	}
	if lines.keyed != nil || lines.shared != nil { // maps do not shrink
		t.Error("the memory of many flows is kept")
	}
	if lines.ranks.length > 0 || len(lines.shared) > 0 || len(lines.keyed) > 0 || lines.alone != nil {
		t.Error("something is left")
	}
}

// TestHugeWeightsAreFair: virtual time does not wrap around, whatever weights add up to.
func TestHugeWeightsAreFair(t *testing.T) {
	var lines Lines
	for _, key := range []string{"a", "b", "c"} {
		for range 100 {
			lines.Push(NewPlace(), math.MaxInt, &Flow{key, 1})
		}
	}
	served := map[string]int{}
	for i := range 240 {
		_, f := lines.First()
		served[f.Key]++
		lines.Serve()
		least, most := min(served["a"], served["b"], served["c"]), max(served["a"], served["b"], served["c"])
		if most-least > 2 {
			t.Fatalf("apart by %d tickets after %d", most-least, i+1)
		}
	}
}

// TestManyFlowsAgainstOracle lets so many flows come and go that those left move to other maps, more
// than once, and does the same to the oracle.
func TestManyFlowsAgainstOracle(t *testing.T) {
	runs := 6
	if testing.Short() {
		runs = 2
	}
	for seed := range uint64(runs) {
		r := rand.New(rand.NewPCG(seed, 2))
		const most = 8 * mapsKept
		ratios := []int{1, 40, most}[seed%3] // how many ranks there are, about
		var lines Lines
		var slow oracle.Lines
		var waiting []*Place
		keyOf := map[*Place]int{}
		flow := func(key int) *Flow {
			if key == 0 {
				return nil
			}
			return &Flow{fmt.Sprint(key), 1}
		}
		moves := 0
		for step := range 12_000 {
			growing := step/2_000%2 == 0
			moving := lines.old.keyed != nil
			unmoved := lines.unmoved
			switch {
			case len(waiting) == 0 || growing == (r.IntN(10) > 2):
				key, p := r.IntN(most), NewPlace()
				lines.Push(p, r.IntN(ratios)+1, flow(key))
				slow.Push(oracle.Ticket{ID: int(p.Number), Weight: p.Weight}, flow(key).Name(), 1)
				waiting, keyOf[p] = append(waiting, p), key
			case step%50 == 0:
				p, _ := lines.First()
				if want := slow.Serve(); int(p.Number) != want.ID {
					t.Fatalf("seed %d, step %d: first is %d, want %d", seed, step, p.Number, want.ID)
				}
				lines.Serve()
				waiting = slices.DeleteFunc(waiting, func(o *Place) bool { return o == p })
			default:
				i := r.IntN(len(waiting))
				lines.Remove(waiting[i], flow(keyOf[waiting[i]]))
				slow.Remove(int(waiting[i].Number))
				waiting = slices.Delete(waiting, i, i+1)
			}
			if !moving && lines.old.keyed != nil {
				moves++
			}
			// All that are in no map yet have an index below unmoved, so one flow may leave and some move.
			if moving && lines.unmoved < unmoved-movesPerStep-1 {
				t.Fatalf("seed %d, step %d: %d moved in one step", seed, step, unmoved-lines.unmoved)
			}
			for range 3 {
				if f := flow(r.IntN(most)); lines.LenOf(f) != slow.LenOf(f.Name()) {
					t.Fatalf("seed %d, step %d: %d in the line of %q, want %d", seed, step, lines.LenOf(f), f.Name(), slow.LenOf(f.Name()))
				}
			}
			if lines.Flows() != slow.Flows() {
				t.Fatalf("seed %d, step %d: %d flows, want %d", seed, step, lines.Flows(), slow.Flows())
			}
			inRanks := 0
			for i := range lines.ranks.length {
				r := lines.ranks.at(i)
				if r.shared && lines.shared[r.takes] != r && lines.old.shared[r.takes] != r {
					t.Fatalf("seed %d, step %d: other flows do not find a rank", seed, step)
				}
				for q := r.first; q != nil; q = q.next {
					inRanks++
				}
			}
			if n := lines.Flows(); inRanks != n && n > 1 {
				t.Fatalf("seed %d, step %d: %d of %d flows in ranks", seed, step, inRanks, n)
			}
		}
		if moves == 0 {
			t.Errorf("seed %d: no flow has moved to another map", seed)
		}
	}
}

// TestRankMovesWhenAFlowJoins: a rank that gets a new flow while flows move to other maps stays where
// later flows find it, even if all that were in it before leave first.
func TestRankMovesWhenAFlowJoins(t *testing.T) {
	var lines Lines
	const many = 5 * mapsKept
	places := map[string]*Place{}
	push := func(key string, weight int) {
		places[key] = NewPlace()
		lines.Push(places[key], weight, &Flow{key, 1})
	}
	remove := func(key string) { lines.Remove(places[key], &Flow{key, 1}) }
	for i := range many {
		push(fmt.Sprint(i), i+1)
	}
	for i := many - 1; lines.old.keyed == nil; i-- {
		remove(fmt.Sprint(i))
	}
	first := lines.order.at(0)
	push("second", first.first.Weight)
	push("tail", many) // gets the index of the first when that leaves
	remove(first.Key)
	for lines.old.keyed != nil {
		push("other", many)
		remove("other")
	}
	ranks := lines.ranks.length
	push("third", places["second"].Weight)
	if lines.ranks.length != ranks {
		t.Error("a flow has not found the rank of another that is its equal")
	}
}
