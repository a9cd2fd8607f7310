package weight

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// Sums of weights of any size are those of big integers.
func TestSumBesideBigInt(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var s, other Sum
	want, otherWant := new(big.Int), new(big.Int)
	var added []int
	value := func(s Sum) *big.Int {
		v := new(big.Int).SetUint64(s.High)
		return v.Lsh(v, 64).Add(v, new(big.Int).SetUint64(s.Low))
	}
	for range 100_000 {
		n := math.MaxInt >> r.IntN(63)
		switch r.IntN(5) {
		case 0, 1:
			s.Add(n)
			want.Add(want, big.NewInt(int64(n)))
			added = append(added, n)
		case 2:
			if last := len(added) - 1; last >= 0 {
				s.Subtract(added[last])
				want.Sub(want, big.NewInt(int64(added[last])))
				added = added[:last]
			}
		case 3:
			other.Add(n)
			otherWant.Add(otherWant, big.NewInt(int64(n)))
			both := s
			both.AddSum(other)
			if value(both).Cmp(new(big.Int).Add(want, otherWant)) != 0 {
				t.Fatalf("%v plus %v is %v", s, other, both)
			}
			if both.SubtractSum(other); both != s {
				t.Fatalf("%v taken away again leaves %v, want %v", other, both, s)
			}
		case 4:
			other, otherWant = s, new(big.Int).Set(want)
		}
		saturated := math.MaxInt
		if want.Cmp(big.NewInt(math.MaxInt)) < 0 {
			saturated = int(want.Int64())
		}
		if value(s).Cmp(want) != 0 || s.Saturated() != saturated || s.IsZero() != (want.Sign() == 0) || s.Less(other) != (want.Cmp(otherWant) < 0) {
			t.Fatalf("%v is %v, want %v; beside %v", s, value(s), want, other)
		}
	}
}
