package oracle

import (
	"fmt"
	"slices"
	"time"
)

// Grants are grants, and the ends of grants, of one scheduler or of several that share limits.
type Grants []Grant

// Grant is a grant or the end of one.
type Grant struct {
	At      time.Time
	Permits int // granted; 0 at the end
	InUse   int // by how much the permits in use change
}

// Sort brings the grants into the order of their instants. At one instant permits that are given back make room.
func (g Grants) Sort() {
	slices.SortStableFunc(g, func(a, b Grant) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return a.InUse - b.InUse
	})
}

// Exceeds says in which interval of the length more permits are granted, or returns nil. The grants are sorted.
func (g Grants) Exceeds(permits int, per time.Duration) error {
	sum, first := 0, 0
	for i, one := range g {
		sum += one.Permits
		for !g[first].At.After(one.At.Add(-per)) {
			sum -= g[first].Permits
			first++
		}
		if sum > permits {
			return fmt.Errorf("%d granted in (%v, +%v], more than %d (change %d)", sum, one.At.Add(-per), per, permits, i)
		}
	}
	return nil
}

// ExceedsBurst says when more permits are in use, or returns nil. The grants are sorted.
func (g Grants) ExceedsBurst(permits int) error {
	in := 0
	for i, one := range g {
		if in += one.InUse; in > permits {
			return fmt.Errorf("%d in use at %v, more than %d (change %d)", in, one.At, permits, i)
		}
	}
	return nil
}
