package scheduler

import (
	"flag"
	"testing"
)

// scopeOps are operations small enough to try all sequences of them: on tickets 0 and 1, and on time
// by a step, to just before and to exactly the next instant that matters.
var scopeOps = []op{
	{kind: opAcquire, a: 2, b: 3}, // weight 1
	{kind: opEnqueue, a: 3, b: 0}, // weight 2, or the most there is
	{kind: opTry, a: 2, b: 0},
	{kind: opReceive, a: 0},
	{kind: opRelease, a: 0},
	{kind: opCancel, a: 0},
	{kind: opCancel, a: 1},
	{kind: opTime, a: 0, b: 5}, // just before the edge
	{kind: opTime, a: 0, b: 6}, // at the edge
}

var scopeLimits = []Limits{
	{Windows: []Window{Per(2, 10)}},
	{Windows: []Window{Per(2, 10)}, MaxBurst: 2},
	{Windows: []Window{{2, 10, FromRelease}}},
	{Windows: []Window{{2, 10, FromRelease}, Per(3, 25)}, MaxBurst: 3},
}

var scope = flag.Int("scope", 5, "the length of the sequences of operations that are all tried")

// TestSmallScope tries every sequence of the operations above up to a length, for each of the
// limits. What goes wrong at all most often goes wrong in a short sequence.
func TestSmallScope(t *testing.T) {
	length := *scope
	if raceEnabled || testing.Short() {
		length = min(length, 4)
	}
	sequences := 0
	for _, l := range scopeLimits {
		counter := make([]int, length) // which operation each is; the last digit counts first
		ops := make([]op, length)
		for changed := 0; changed >= 0; {
			w := newTwin(l, unlimited, false, twinFlows)
			for i, digit := range counter {
				ops[i] = scopeOps[digit]
				err := w.apply(ops[i])
				if err == nil && i >= changed { // what came before has been compared
					err = w.compare(1)
				}
				if err != nil {
					play(t, func() *twin { return newTwin(l, unlimited, false, twinFlows) }, ops[:i+1])
					t.Fatal(err)
				}
			}
			sequences++
			for changed = length - 1; changed >= 0; changed-- {
				if counter[changed]++; counter[changed] < len(scopeOps) {
					break
				}
				counter[changed] = 0
			}
		}
	}
	t.Logf("%d sequences of %d operations", sequences, length)
}
