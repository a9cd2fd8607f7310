package scheduler

import (
	"math"
	"time"
)

// moment counts nanoseconds since the scheduler was made. Only what was restored is from before.
type moment int64

const (
	// never is the moment of an event that does not happen. It is later than all others.
	never = moment(math.MaxInt64)

	// horizon is the last moment a clock can show; time stands still there. It is half of what a
	// moment can hold, so that adding a Per to a reading cannot overflow.
	horizon = never / 2
)

// after returns the moment d after t. If a moment cannot hold the result, it returns never, or for a
// negative d the earliest moment there is.
func (t moment) after(d time.Duration) moment {
	sum := t + moment(d)
	switch {
	case d > 0 && sum < t:
		return never
	case d < 0 && sum > t:
		return math.MinInt64
	}
	return sum
}

// until returns the time from t to later. It is negative if later is earlier, and Forever if later is
// never. If a Duration cannot hold the result, it returns the longest of that sign.
func (t moment) until(later moment) time.Duration {
	d := time.Duration(later - t)
	switch {
	case later == never, later > t && d < 0:
		return Forever
	case later < t && d > 0:
		return math.MinInt64
	}
	return d
}

// afterTimes returns the moment n times d after t, never if a moment cannot hold it. Neither is negative.
func (t moment) afterTimes(d time.Duration, n int) moment {
	if n > 0 && d > Forever/time.Duration(n) {
		return never
	}
	return t.after(d * time.Duration(n))
}
