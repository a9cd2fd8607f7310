package scheduler

import (
	"strconv"

	"github.com/flowguard-go/flowguard/internal/weight"
)

// burst caps the permits held at once. It also counts them if there is no cap.
type burst struct {
	max  int        // 0: no cap
	held weight.Sum // weight granted and not released
}

func (b *burst) fits(_ moment, n int) bool { return b.max == 0 || n <= b.max-b.held.Saturated() }

// roomAt assumes that permits are released as soon as they are needed.
func (b *burst) roomAt(now moment, ahead *foreseen, d demand) (at moment, sure bool) {
	return now, b.max == 0 || ahead.empty() && b.fits(now, d.weight)
}

func (b *burst) grant(_ moment, n int)   { b.held.Add(n) }
func (b *burst) release(_ moment, n int) { b.held.Subtract(n) }
func (b *burst) undo(_, _ moment, n int) { b.held.Subtract(n) }

// String returns the cap as [ParseLimits] reads it.
func (b *burst) String() string {
	if b.max == 0 {
		return ""
	}
	return "burst " + strconv.Itoa(b.max)
}
