package keyed

import (
	"math/rand/v2"
	"testing"

	"github.com/flowguard-go/flowguard/internal/inside"
)

// Random operations on an agenda give what a list that is searched would give.
func TestAgenda(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var a agenda[int]
	want := map[*entry[int]]int64{}
	entries := make([]*entry[int], 3000)
	for i := range entries {
		entries[i] = &entry[int]{key: i, index: -1}
	}
	for step := range 20_000 {
		e := entries[r.IntN(len(entries))]
		at := r.Int64N(1000)
		if r.IntN(10) == 0 {
			at = inside.Never
		}
		planned, there := want[e]
		switch op := r.IntN(4); {
		case op < 2:
			a.plan(e, at)
			if !there && at != inside.Never || there && at < planned {
				want[e] = at
			}
		case op == 2 && there:
			a.postpone(e, at)
			if want[e] = at; at == inside.Never {
				delete(want, e)
			}
		case op == 3:
			a.remove(e)
			delete(want, e)
		}
		if a.length != len(want) {
			t.Fatalf("step %d: %d entries, want %d", step, a.length, len(want))
		}
		if step%100 > 0 {
			continue
		}
		first := inside.Never
		for e, at := range want {
			first = min(first, at)
			if e.planned != at || a.item(int(e.index)).entry != e || a.item(int(e.index)).at != at {
				t.Fatalf("step %d: an entry is not where it should be", step)
			}
		}
		if a.first() != first {
			t.Fatalf("step %d: the first is at %d, want %d", step, a.first(), first)
		}
	}
	for _, e := range entries {
		a.remove(e)
	}
	if len(a.chunks) > 1 {
		t.Errorf("%d chunks are left", len(a.chunks))
	}
}
