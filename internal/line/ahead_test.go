package line

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// flowsOf lets n flows wait, each with so many tickets of weight 1.
func flowsOf(n, tickets int) *Lines {
	lines := new(Lines)
	for range tickets {
		for i := range n {
			lines.Push(&Place{}, 1, &Flow{fmt.Sprint(i), 1})
		}
	}
	return lines
}

func TestAheadAllocatesNothing(t *testing.T) {
	lines := flowsOf(10_000, 1)
	f := &Flow{"7", 3}
	sum := 0
	ahead := func() {
		sum = 0
		lines.Ahead(TurnOf(1), f, func(p *Place) { sum += p.Weight })
	}
	ahead()
	if n := testing.AllocsPerRun(5, ahead); n != 0 {
		t.Errorf("Ahead allocates %v times", n)
	}
	if n := testing.AllocsPerRun(5, func() { lines.WeightAhead(TurnOf(1), f) }); n != 0 {
		t.Errorf("WeightAhead allocates %v times", n)
	}
	if got := lines.WeightAhead(TurnOf(1), f); sum == 0 || got != sum {
		t.Errorf("a weight of %d ahead, want %d", got, sum)
	}
}

// Nothing that Ahead worked with keeps a place from being collected.
func TestAheadKeepsNoPlace(t *testing.T) {
	lines := flowsOf(20, 2)
	lines.Ahead(TurnOf(10), nil, func(*Place) {})
	for i, h := range lines.scratch[:cap(lines.scratch)] {
		if h != (head{}) {
			t.Fatalf("%+v is kept at %d", h, i)
		}
	}
}

// A ticket of a modest flow is served before most of those that came first, because they are all of one
// flow.
func TestAheadOfAModestFlow(t *testing.T) {
	var lines Lines
	for range 5 {
		lines.Push(NewPlace(), 1, &Flow{"greedy", 1})
	}
	if got := ahead(&lines, 2, &Flow{"modest", 1}); len(got) != 1 {
		t.Errorf("%d ahead, want 1", len(got))
	}
}

// Beyond so many flows and tickets WeightAhead is a lower bound, and not a useless one.
func TestWeightAheadIsBounded(t *testing.T) {
	const many = 30_000
	check := func(name string, lines *Lines, weight int, f *Flow, least, most int) {
		t.Helper()
		got, want := lines.WeightAhead(TurnOf(weight), f), saturatedSum(ahead(lines, weight, f))
		if got < least || got > most || got > want {
			t.Errorf("%s: a weight of %d ahead, want %d to %d; %d is exact", name, got, least, most, want)
		}
	}
	newcomer := &Flow{"newcomer", 1}
	check("many flows", flowsOf(many, 1), 1, newcomer, aheadFlows, aheadFlows)
	check("part of a long flow", flowsOf(1, many), many-1, newcomer, aheadTickets, aheadTickets+1)
	check("all of a long flow", flowsOf(1, many), many+1, newcomer, many, many)

	// The last ticket of each of 100 flows ends at the same time as the newcomer, and so on back to the
	// first.
	ties := flowsOf(100, 300)
	ties.Remove(ties.find(&Flow{"0", 1}).last, &Flow{"0", 1})
	check("ties", ties, 1, &Flow{"0", 1}, aheadTickets/2, 299+aheadTickets/2+300)

	// With a share of 3, 10,000 parts less than 10,000 units when the newcomer ends, and 10 less when the
	// last ticket of the other flow does.
	long, third := flowsOf(0, 0), &Flow{"third", 3}
	for range many - 1 {
		long.Push(&Place{}, 1, third)
	}
	for range 29 {
		long.Push(&Place{}, 1, &Flow{"other", 3})
	}
	long.Push(&Place{}, many-29, &Flow{"other", 3})
	check("after a long flow of its own", long, 1, third, many-1+29, many-1+29)
	long.Push(&Place{}, 1, &Flow{"other", 3})
	check("well after a long flow of its own", long, 30, third, many-1+many+1, many-1+many+1)

	// Its own tickets and those of others count together.
	both := flowsOf(0, 0)
	for range aheadTickets - 1_000 {
		both.Push(&Place{}, 1, third)
	}
	for range many {
		both.Push(&Place{}, 1, &Flow{"other", 3})
	}
	check("part of a long flow after its own", both, 3_000, third, aheadTickets, aheadTickets+1)
}

// What each ticket takes is rounded, so a flow's tickets may end a little earlier than their weights in
// all would. The bound stays a lower bound, and is exact up to the numbers of flows and tickets.
func TestWeightAheadAtTheEdge(t *testing.T) {
	for seed := range uint64(2_000) {
		r := rand.New(rand.NewPCG(seed, 3))
		var lines Lines
		for i := range r.IntN(4) + 1 {
			f := Flow{fmt.Sprint(i), []int{3, 7, 999_983, 2, MaxShare}[r.IntN(5)]}
			for range r.IntN(20) + 1 {
				lines.Push(&Place{}, r.IntN(3)*f.Share/2+1, &f)
			}
		}
		f := Flow{fmt.Sprint(r.IntN(6)), []int{3, 7, 999_983, 2, MaxShare}[r.IntN(5)]}
		weight := r.IntN(30)*f.Share/2 + 1
		if got, want := lines.WeightAhead(TurnOf(weight), &f), saturatedSum(ahead(&lines, weight, &f)); got != want {
			t.Fatalf("seed %d: a weight of %d ahead, want %d", seed, got, want)
		}
	}
}

// The weight of all tickets in line is right again when huge ones have left.
func TestWeightAheadAfterHugeTickets(t *testing.T) {
	var lines Lines
	var places [4]Place
	f := &Flow{"a", 1}
	for i := range places {
		lines.Push(&places[i], []int{math.MaxInt, 5}[i%2], f)
	}
	if got := lines.WeightAhead(TurnOf(1), f); got != math.MaxInt {
		t.Errorf("a weight of %d ahead", got)
	}
	lines.Remove(&places[2], f)
	lines.Serve()
	if got := lines.WeightAhead(TurnOf(1), f); got != 10 {
		t.Errorf("a weight of %d ahead, want 10", got)
	}
}
