package keyed

import (
	"math/rand/v2"
	"testing"
)

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
