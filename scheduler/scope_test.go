package scheduler

import (
	"flag"
	"testing"
)

// scopes are operations small enough to try all sequences of them, and the limits to try them with.
// Tickets are 0 and 1; time goes on to just before, and to exactly, the next instant that matters.
var scopes = []struct {
	ops    []op
	limits []Limits
}{
	{ // what callers do
		[]op{
			{kind: opAcquire, a: 2, b: 3}, // weight 1
			{kind: opEnqueue, a: 3},       // weight 2, or the most there is
			{kind: opTry, a: 2},
			{kind: opReceive, a: 0},
			{kind: opRelease, a: 0},
			{kind: opCancel, a: 0},
			{kind: opCancel, a: 1},
			{kind: opTime, b: 5}, // just before the edge
			{kind: opTime, b: 6}, // at the edge
		},
		[]Limits{
			{Windows: []Window{Per(2, 10)}},
			{Windows: []Window{Per(2, 10)}, MaxBurst: 2},
			{Windows: []Window{{2, 10, FromRelease}}},
			{Windows: []Window{{2, 10, FromRelease}, Per(3, 25)}, MaxBurst: 3},
		},
	},
	{ // limits that change
		[]op{
			{kind: opEnqueue, a: 2},     // weight 1
			{kind: opPause, a: 9, b: 1}, // for 7
			{kind: opPause, b: 4},       // without end
			{kind: opResume},
			{kind: opConfigure, a: 0, b: 1}, // the first window has 1 permit
			{kind: opConfigure, a: 0, b: 3}, // one window more
			{kind: opCharge, b: 1},
			{kind: opTime, b: 6},
		},
		[]Limits{
			{Windows: []Window{Per(2, 10)}},
			{Windows: []Window{{2, 10, FromRelease}, Per(2, 25)}, MaxBurst: 2},
		},
	},
	{ // flows
		[]op{
			{kind: opEnqueue, a: 2},        // weight 1
			{kind: opEnqueue, a: 2, b: 15}, // in one flow
			{kind: opEnqueue, a: 3, b: 30}, // weight 2 in one with twice the share
			{kind: opTry, a: 2, b: 15},
			{kind: opRelease, a: 0},
			{kind: opCancel, a: 1},
			{kind: opCancel, a: 2},
			{kind: opTime, b: 6},
		},
		[]Limits{
			{Windows: []Window{Per(2, 10)}},
			{MaxBurst: 2},
		},
	},
}

var scope = flag.Int("scope", 5, "the length of the sequences of operations that are all tried")

// TestSmallScope tries every sequence of the operations above of a length, for each of the limits. What
// goes wrong at all most often goes wrong in a short sequence.
func TestSmallScope(t *testing.T) {
	length := *scope
	if raceEnabled || testing.Short() {
		length = min(length, 4)
	}
	for _, s := range scopes {
		for _, l := range s.limits {
			tryAll(t, length, s.ops, func() *twin { return newTwin(l, unlimited, false, false, twinFlows) })
		}
	}
}

func tryAll(t *testing.T, length int, choice []op, start func() *twin) {
	counter := make([]int, length) // which operation each is; the last digit counts first
	ops := make([]op, length)
	sequences := 0
	for changed := 0; changed >= 0; {
		w := start()
		for i, digit := range counter {
			ops[i] = choice[digit]
			err := w.apply(ops[i])
			if err == nil && i >= changed { // what came before has been compared
				err = w.compare(1)
			}
			if err != nil {
				play(t, start, ops[:i+1])
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
