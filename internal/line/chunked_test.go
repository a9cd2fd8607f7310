package line

import (
	"math/rand/v2"
	"testing"
)

// A chunked list beside a slice, around the ends of chunks.
func TestChunkedAgainstSlice(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	var got chunked[*int]
	var want []*int
	for target := range 40 {
		for target := target % 4 * chunkSize; len(want) != target+r.IntN(5); {
			if len(want) > target {
				got.pop()
				want = want[:len(want)-1]
				k, i := len(want)/chunkSize, len(want)%chunkSize
				if got.chunks[k][:i+1][i] != nil {
					t.Fatal("a removed element is kept from being collected")
				}
			} else {
				v := new(int)
				got.push(v)
				want = append(want, v)
			}
			if n := len(got.chunks); n > len(want)/chunkSize+2 {
				t.Fatalf("%d chunks for %d elements", n, len(want))
			}
		}
		if len(want) > 0 {
			i := r.IntN(len(want))
			want[i] = new(int)
			got.set(i, want[i])
		}
		if got.length != len(want) {
			t.Fatalf("length %d, want %d", got.length, len(want))
		}
		for i := range want {
			if got.at(i) != want[i] {
				t.Fatalf("another element at %d of %d", i, len(want))
			}
		}
	}
}

func TestChunkedAllocatesNothingAroundAChunk(t *testing.T) {
	var c chunked[*int]
	for range chunkSize {
		c.push(nil)
	}
	if n := testing.AllocsPerRun(100, func() {
		c.push(nil)
		c.pop()
	}); n != 0 {
		t.Errorf("allocates %v times", n)
	}
}
