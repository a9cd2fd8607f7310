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

// A table finds what is in it, and gives its memory back.
func TestTable(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var table table[int]
	want := map[int]*entry[int]{}
	for _, bits := range []uint64{1<<64 - 1, 7<<32 | 31<<40, 7 << 32} { // good hashes, few of them, one for all keys in few parts
		hash := func(k int) uint64 { return uint64(k) * 0x9e3779b97f4a7c15 & bits }
		most := 20_000
		if bits != 1<<64-1 {
			most = 400
		}
		for step := range 8 * most {
			k := r.IntN(2 * most)
			if grows := step < 4*most; want[k] == nil && (grows || r.IntN(3) == 0) && len(want) < most {
				want[k] = &entry[int]{key: k, hash: hash(k)}
				table.insert(want[k])
			} else if e := want[k]; e != nil && (!grows || r.IntN(4) == 0) {
				table.remove(e)
				delete(want, k)
			}
			if other := r.IntN(2 * most); table.find(hash(other), other) != want[other] {
				t.Fatalf("hashes %x, step %d: key %d is not found, or is though it is not there", bits, step, other)
			}
			if step%most == 0 {
				found := 0
				for e := range table.all() {
					if want[e.key] != e {
						t.Fatalf("hashes %x, step %d: key %d is in the table", bits, step, e.key)
					}
					found++
				}
				if found != len(want) || table.length != found {
					t.Fatalf("hashes %x, step %d: %d entries, length %d, want %d", bits, step, found, table.length, len(want))
				}
			}
		}
		for k, e := range want {
			table.remove(e)
			if delete(want, k); table.find(hash(k), k) != nil {
				t.Fatalf("hashes %x: key %d is still there", bits, k)
			}
		}
	}
	if table.length != 0 {
		t.Errorf("%d are left", table.length)
	}
	for i := range table.parts {
		if n := len(table.parts[i].slots); n > leastSlots {
			t.Fatalf("a part has %d slots", n)
		}
	}
}
