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
	for _, c := range []struct {
		bits uint64 // of good hashes
		most int
	}{
		{1<<64 - 1, 20_000},
		{3<<32 | 0xffff<<40, 3_000}, // all keys are in four parts
		{7<<32 | 31<<40, 400},       // few hashes
		{7 << 32, 400},              // one for all keys of a part
	} {
		bits, most := c.bits, c.most
		hash := func(k int) uint64 { return uint64(k) * 0x9e3779b97f4a7c15 & bits }
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
	if table.length != 0 || table.parts != nil {
		t.Errorf("%d are left, in %d parts", table.length, len(table.parts))
	}
}

// Who asks for the keys part by part gets each that stays once, while others come and go and the table becomes a large
// one or a small one.
func TestKeysFrom(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 5))
		var table table[int]
		there := map[int]*entry[int]{}
		set := func(k int) {
			if e := there[k]; e != nil {
				table.remove(e)
				delete(there, k)
				return
			}
			there[k] = &entry[int]{key: k, hash: r.Uint64()}
			table.insert(there[k])
		}
		change := func(upTo int) {
			if upTo < len(there) {
				for k := range there {
					if k >= 100 {
						set(k)
					}
				}
			}
			for len(there) < upTo {
				set(100 + r.IntN(1_000_000))
			}
		}
		for k := range 100 * int(seed%2) {
			set(k)
		}
		stay := len(there)
		change(r.IntN(2 * onePart))
		seen := map[int]int{}
		for number := uint64(0); number < tableParts; {
			before := number
			var keys []int
			keys, number = table.keysFrom(number)
			if number <= before {
				t.Fatalf("seed %d: from %d on to %d", seed, before, number)
			}
			for _, k := range keys {
				seen[k]++
			}
			if r.IntN(8) == 0 {
				change(r.IntN(2 * onePart))
			}
		}
		for k := range stay {
			if seen[k] != 1 {
				t.Fatalf("seed %d: key %d was named %d times", seed, k, seen[k])
			}
		}
	}
}
