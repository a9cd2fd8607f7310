package ticket_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/flowguard-go/flowguard/ticket"
)

// A line beside a slice of the same places: order is that of arrival, and leaving from anywhere keeps it.
func TestLineAgainstSlice(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		var line ticket.Line
		var want, idle []*ticket.Place
		for range 200 {
			switch r.IntN(4) {
			case 0, 1:
				p := ticket.NewPlace()
				if len(idle) > 0 && r.IntN(2) == 0 { // a place serves again
					p, idle = idle[0], idle[1:]
				}
				line.Push(p)
				want = append(want, p)
				if p.State != ticket.Queued {
					t.Fatalf("seed %d: in line and in state %d", seed, p.State)
				}
			default:
				if len(want) == 0 {
					continue
				}
				i := []int{0, len(want) - 1, r.IntN(len(want))}[r.IntN(3)]
				line.Remove(want[i])
				if want[i].State != ticket.Idle {
					t.Fatalf("seed %d: removed and in state %d", seed, want[i].State)
				}
				idle = append(idle, want[i])
				want = slices.Delete(want, i, i+1)
			}
			if got := slices.Collect(line.All()); !slices.Equal(got, want) || line.Len() != len(want) {
				t.Fatalf("seed %d: line of %d, want %d", seed, line.Len(), len(want))
			}
			if len(want) > 0 && line.First() != want[0] || len(want) == 0 && line.First() != nil {
				t.Fatalf("seed %d: another is first", seed)
			}
		}
	}
}

func TestAllStopsWhenTold(t *testing.T) {
	var line ticket.Line
	for range 3 {
		line.Push(ticket.NewPlace())
	}
	seen := 0
	for range line.All() {
		if seen++; seen == 2 {
			break
		}
	}
	if seen != 2 {
		t.Errorf("saw %d", seen)
	}
}

func TestTakeBack(t *testing.T) {
	p := ticket.NewPlace()
	if p.TakeBack() {
		t.Error("took back what was not told")
	}
	p.Tell(nil)
	if !p.TakeBack() || p.TakeBack() {
		t.Error("what was told is there to take back once")
	}
	p.Tell(nil)
	<-p.Ready()
	if p.TakeBack() {
		t.Error("took back what was received")
	}
}

// The zero Ticket is what failed calls return.
func TestZeroTicket(t *testing.T) {
	var zero ticket.Ticket
	zero.Release()
	zero.Cancel()
	if err := <-zero.Ready(); err == nil {
		t.Error("the zero Ticket says it was granted")
	}
	if zero.Number() != 0 || zero.Weight() != 0 {
		t.Errorf("%+v", zero)
	}
}
