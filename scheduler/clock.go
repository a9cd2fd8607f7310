package scheduler

import (
	"time"

	"github.com/benbjohnson/clock"
)

// Clock is what a scheduler needs of a clock. clock.New() and *clock.Mock of
// github.com/benbjohnson/clock are clocks.
//
// The scheduler calls Since often, also in the goroutines of its callers. Only Since decides what is granted. A
// call of the function passed to AfterFunc only makes the scheduler look at the clock. So calls that come
// early, late or twice change nothing. Now is called when the scheduler is made, and to convert between its
// time and times of day. A clock that steps back is treated as standing still.
type Clock interface {
	Now() time.Time
	Since(t time.Time) time.Duration
	AfterFunc(d time.Duration, f func()) *clock.Timer
}
