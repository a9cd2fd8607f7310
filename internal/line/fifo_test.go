package line

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A queue beside a slice of the same places: order is that of arrival, and leaving from anywhere keeps it.
func TestFIFOAgainstSlice(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		var line fifo
		var want, idle []*Place
		for range 200 {
			switch r.IntN(4) {
			case 0, 1:
				p := NewPlace()
				if len(idle) > 0 && r.IntN(2) == 0 { // a place serves again
					p, idle = idle[0], idle[1:]
				}
				line.push(p, TurnOf(p.Weight))
				want = append(want, p)
				if p.State != Queued {
					t.Fatalf("seed %d: in line and in state %d", seed, p.State)
				}
			default:
				if len(want) == 0 {
					continue
				}
				i := []int{0, len(want) - 1, r.IntN(len(want))}[r.IntN(3)]
				line.remove(want[i], TurnOf(want[i].Weight))
				if want[i].State != Idle {
					t.Fatalf("seed %d: removed and in state %d", seed, want[i].State)
				}
				idle = append(idle, want[i])
				want = slices.Delete(want, i, i+1)
			}
			if got := slices.Collect(line.all()); !slices.Equal(got, want) || line.length != len(want) {
				t.Fatalf("seed %d: line of %d, want %d", seed, line.length, len(want))
			}
			if len(want) > 0 && line.first != want[0] || len(want) == 0 && line.first != nil {
				t.Fatalf("seed %d: another is first", seed)
			}
		}
	}
}

func TestAllStopsWhenTold(t *testing.T) {
	var line fifo
	for range 3 {
		line.push(NewPlace(), Turn{})
	}
	seen := 0
	for range line.all() {
		if seen++; seen == 2 {
			break
		}
	}
	if seen != 2 {
		t.Errorf("saw %d", seen)
	}
}
