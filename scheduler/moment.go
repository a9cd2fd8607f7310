package scheduler

import "time"

// moment counts nanoseconds since the scheduler was made. Only what was restored is from before.
type moment int64

const (
	never = moment(1<<63 - 1)

	// horizon is the last moment a clock can show; time stands still there. It is half of what a
	// moment can hold, so that adding a Per to a reading cannot overflow.
	horizon = never / 2
)

func (t moment) after(d time.Duration) moment {
	sum := t + moment(d)
	if t == never || d > 0 && sum < t {
		return never
	}
	if d < 0 && sum > t {
		return -never
	}
	return sum
}
func (t moment) until(later moment) time.Duration {
	d := later - t
	if later > t && d < 0 {
		return time.Duration(never)
	}
	if later < t && d > 0 {
		return -time.Duration(never)
	}
	return time.Duration(d)
}
func (t moment) afterTimes(d time.Duration, n int) moment {
	if n > 0 && moment(d) > never/moment(n) {
		return never
	}
	return t.after(d * time.Duration(n))
}

// wait returns the time from t to at, Forever to never.
func (t moment) wait(at moment) time.Duration {
	if at == never {
		return Forever
	}
	return t.until(at)
}
