package line

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSweepsAgainstModel lets several sweeps go on while tickets come, are served and give up. The model
// of a sweep is the set of tickets that stood in line when it began, less those that have left or that
// it has returned.
func TestSweepsAgainstModel(t *testing.T) {
	runs := 3_000
	if testing.Short() {
		runs = 300
	}
	type model struct {
		sweep *Sweep
		owed  map[*Place]uint64 // with their numbers, because a place may come back
	}
	finished := 0
	for seed := range uint64(runs) {
		r := rand.New(rand.NewPCG(seed, 4))
		keys, most := []int{1, 2, 3, 8, 30}[r.IntN(5)], r.IntN(4)
		var lines Lines
		var waiting, idle []*Place
		flowOf := map[*Place]*Flow{}
		var sweeps []*model
		left := func(p *Place) {
			for _, m := range sweeps {
				delete(m.owed, p)
			}
			waiting = slices.DeleteFunc(waiting, func(o *Place) bool { return o == p })
			idle = append(idle, p)
		}
		remove := func(p *Place) {
			lines.Remove(p, flowOf[p])
			left(p)
		}
		next := func(i int) {
			m := sweeps[i]
			p, f := m.sweep.Next()
			if p == nil {
				if len(m.owed) > 0 {
					t.Fatalf("seed %d: a sweep has ended, and %d tickets were not returned", seed, len(m.owed))
				}
				if p, f := m.sweep.Next(); p != nil || f != nil {
					t.Fatalf("seed %d: a ticket after the end", seed)
				}
				sweeps = slices.Delete(sweeps, i, i+1)
				finished++
				return
			}
			if number, ok := m.owed[p]; !ok || number != p.Number || p.State != Queued || f.Name() != flowOf[p].Name() {
				t.Fatalf("seed %d: ticket %d of %q returned in state %d, owed %v", seed, p.Number, f.Name(), p.State, ok)
			}
			delete(m.owed, p)
			if r.IntN(3) == 0 {
				remove(p)
			}
		}
		for range 400 {
			switch k := r.IntN(12); {
			case k < 4:
				p := &Place{}
				if len(idle) > 0 && r.IntN(2) == 0 {
					p, idle = idle[0], idle[1:]
				}
				flow := &Flow{fmt.Sprint(r.IntN(keys)), 1}
				if flow.Key == "0" {
					flow = nil
				}
				lines.Push(p, r.IntN(3)+1, flow)
				flowOf[p], waiting = flow, append(waiting, p)
			case k < 6:
				if p, _ := lines.First(); p != nil {
					lines.Serve()
					left(p)
				}
			case k < 7:
				if len(waiting) > 0 {
					remove(waiting[r.IntN(len(waiting))])
				}
			case k < 8:
				if len(sweeps) < most {
					m := &model{lines.Sweep(), map[*Place]uint64{}}
					for _, p := range waiting {
						m.owed[p] = p.Number
					}
					sweeps = append(sweeps, m)
				}
			case k < 11:
				if len(sweeps) > 0 {
					next(r.IntN(len(sweeps)))
				}
			default:
				if len(sweeps) > 0 && r.IntN(20) == 0 {
					i := r.IntN(len(sweeps))
					sweeps[i].sweep.Stop()
					sweeps[i].sweep.Stop() // harmless
					if p, _ := sweeps[i].sweep.Next(); p != nil {
						t.Fatalf("seed %d: a ticket after Stop", seed)
					}
					sweeps = slices.Delete(sweeps, i, i+1)
				}
			}
			if !slices.IsSortedFunc(lines.sweeps, func(a, b *Sweep) int { return a.todo - b.todo }) || len(lines.sweeps) != len(sweeps) {
				t.Fatalf("seed %d: %d sweeps, want %d in order", seed, len(lines.sweeps), len(sweeps))
			}
		}
		for steps := 0; len(sweeps) > 0; steps++ {
			if steps > 10_000 {
				t.Fatalf("seed %d: a sweep does not end", seed)
			}
			next(0)
		}
		if len(lines.sweeps) > 0 {
			t.Fatalf("seed %d: a sweep that has ended is registered", seed)
		}
	}
	t.Logf("%d sweeps came to their end", finished)
}

// A sweep ends even if tickets come as fast as it goes on.
func TestSweepEndsWhileTicketsCome(t *testing.T) {
	lines := flowsOf(3, 3)
	s := lines.Sweep()
	seen := 0
	for p, f := s.Next(); p != nil; p, f = s.Next() {
		seen++
		lines.Push(&Place{}, 1, &Flow{f.Key, 1})
		lines.Push(&Place{}, 1, &Flow{fmt.Sprint("new ", seen), 1})
		if seen > 9 {
			t.Fatal("it goes on")
		}
	}
	if seen != 9 {
		t.Errorf("%d returned, want 9", seen)
	}
}
