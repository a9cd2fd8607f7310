package scheduler

import (
	"flag"
	"testing"
)

// scopes are operations few enough to try all sequences of them, and the limits to try them with.
var scopes = []struct {
	ops     []operation
	limits  []Limits
	shorter int // by so many operations than the others
}{
	{ // what callers do
		[]operation{
			opAcquire{weight: 1, deadline: never},
			opEnqueue{weight: 2},
			opTry{weight: 1},
			opReceive{ticket: 0},
			opRelease{ticket: 0},
			opCancel{ticket: 0},
			opCancel{ticket: 1},
			opEdge{by: -1},
			opEdge{},
		},
		[]Limits{
			{Windows: []Window{Per(2, 10)}},
			{Windows: []Window{Per(2, 10)}, MaxBurst: 2},
			{Windows: []Window{{Permits: 2, Per: 10, From: FromRelease}}},
			{Windows: []Window{{Permits: 2, Per: 10, From: FromRelease}, Per(3, 25)}, MaxBurst: 3},
		},
		0,
	},
	{ // limits that change
		[]operation{
			opEnqueue{weight: 1},
			opPause{until: 7},
			opPause{until: never},
			opResume{},
			opConfigure{change: changePermits, window: 0, permits: 1},
			opConfigure{change: changeAdd, window: 0, permits: 1},
			opCharge{window: 0, permits: 2},
			opEdge{},
		},
		[]Limits{
			{Windows: []Window{Per(2, 10)}},
			{Windows: []Window{{Permits: 2, Per: 10, From: FromRelease}, Per(2, 25)}, MaxBurst: 2},
		},
		0,
	},
	{ // costs in another unit, settled
		[]operation{
			opEnqueue{weight: 1, costs: []costChoice{{unit: 0, amount: 2}}},
			opEnqueue{weight: 1, costs: []costChoice{{unit: 0, amount: 0}}},
			opTry{weight: 1},
			opSettle{ticket: 0, costs: []costChoice{{unit: 0, amount: 0}}},
			opSettle{ticket: 0, costs: []costChoice{{unit: 0, amount: 3}}},
			opRelease{ticket: 0},
			opCancel{ticket: 1},
			opEdge{},
		},
		[]Limits{
			{Windows: []Window{tokens.Per(2, 10)}, MaxBurst: 2},
			{Windows: []Window{Per(2, 10), {Permits: 3, Per: 25, Unit: tokens, From: FromRelease}}},
			{Windows: []Window{Per(2, 10), {Permits: 3, Per: 25, Unit: tokens, Evenly: true}}},
			{Windows: []Window{Per(2, 7), {Permits: 3, Per: 20, Unit: tokens, From: FromReset}}},
		},
		1,
	},
	{ // flows
		[]operation{
			opEnqueue{weight: 1},
			opEnqueue{weight: 1, flow: 1},
			opEnqueue{weight: 2, flow: 2}, // with twice the share
			opTry{weight: 1, flow: 1},
			opRelease{ticket: 0},
			opCancel{ticket: 1},
			opCancel{ticket: 2},
			opEdge{},
		},
		[]Limits{
			{Windows: []Window{Per(2, 10)}},
			{MaxBurst: 2},
		},
		0,
	},
}

var scope = flag.Int("scope", 5, "the length of the sequences of operations that are all tried")

// TestSmallScope tries every sequence of the operations above of a length, for each of the limits. Most
// faults show in a short sequence.
func TestSmallScope(t *testing.T) {
	length := *scope
	if raceEnabled || testing.Short() {
		length = min(length, 4)
	}
	for _, s := range scopes {
		for _, l := range s.limits {
			t.Run(l.String(), func(t *testing.T) {
				t.Parallel()
				tryAll(t, length-s.shorter, s.ops, func() *twin { return newTwin(l, unlimited, false, false, twinFlows) })
			})
		}
	}
}

func tryAll(t *testing.T, length int, choice []operation, start func() *twin) {
	counter := make([]int, length) // which operation each is; the last digit counts first
	steps := make([]step, length)
	sequences := 0
	for changed := 0; changed >= 0; {
		w := start()
		for i, digit := range counter {
			steps[i] = step{choice[digit], 1}
			err := steps[i].op.do(w)
			if err == nil && i >= changed { // what came before has been compared
				err = w.compare(steps[i].look)
			}
			if err != nil {
				play(t, start, steps[:i+1])
				t.Fatal(err)
			}
		}
		sequences++
		for changed = length - 1; changed >= 0; changed-- {
			if counter[changed]++; counter[changed] < len(choice) {
				break
			}
			counter[changed] = 0
		}
	}
	t.Logf("%d sequences of %d operations", sequences, length)
}
