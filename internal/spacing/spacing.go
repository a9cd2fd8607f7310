// Package spacing says how far apart grants are in a window that spaces them evenly.
package spacing

import (
	"math/bits"
	"time"
)

// Of returns how long the next grant must wait after a grant of n permits, in a window of permits in per:
// n·per/permits, rounded up, and per at most.
func Of(n, permits int64, per time.Duration) time.Duration {
	if n >= permits {
		return per
	}
	high, low := bits.Mul64(uint64(n), uint64(per))
	space, rest := bits.Div64(high, low, uint64(permits))
	if rest > 0 {
		space++
	}
	return time.Duration(space)
}
