package spacing_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/internal/spacing"
)

func TestOfBesideBigIntegers(t *testing.T) {
	for range 100_000 {
		permits := 1 + rand.Int64N(math.MaxInt64>>rand.IntN(63))
		n := rand.Int64N(math.MaxInt64 >> rand.IntN(63))
		per := time.Duration(rand.Int64N(math.MaxInt64 >> rand.IntN(63)))
		want := new(big.Int).Mul(big.NewInt(min(n, permits)), big.NewInt(int64(per)))
		want.Add(want, big.NewInt(permits-1)).Div(want, big.NewInt(permits))
		if got := spacing.Of(n, permits, per); int64(got) != want.Int64() {
			t.Fatalf("%d of %d in %v keep the next ones away for %v, want %d ns", n, permits, per, got, want)
		}
	}
}
