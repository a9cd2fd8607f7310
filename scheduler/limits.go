package scheduler

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Instant says from when on a window counts a permit.
type Instant uint8

const (
	// FromGrant counts a permit at the instant of its grant, and for Per after it. This is the
	// zero value and what most limits mean.
	FromGrant Instant = iota

	// FromRelease counts a permit for as long as it is held and for Per after it was given back.
	// Choose it when the far side counts arrivals strictly: at whatever instant between grant and
	// release it counts the call, it never sees more than Permits in any interval of length Per.
	// It costs the length of the call in throughput.
	FromRelease
)

// String returns "grant" or "release".
func (i Instant) String() string {
	switch i {
	case FromGrant:
		return "grant"
	case FromRelease:
		return "release"
	}
	return fmt.Sprintf("Instant(%d)", uint8(i))
}

// Window limits a rate: at most Permits in any interval of length Per. The interval slides; it is
// not a bucket that refills and has no fixed edges. A permit granted at t counts in (t−Per, t] and
// is spendable again at exactly t+Per.
type Window struct {
	Permits int           // at least 1
	Per     time.Duration // from 1 ns to 100 years of 365 days
	From    Instant       // FromGrant (the zero value) or FromRelease
}

// maxPer leaves room for adding a Per to any instant without overflow.
const maxPer = 100 * 365 * 24 * time.Hour

// Per returns a window of the given permits in any interval of length per: Per(3, 2*time.Second).
func Per(permits int, per time.Duration) Window { return Window{Permits: permits, Per: per} }

// PerSecond returns a window of the given permits in any second.
func PerSecond(permits int) Window { return Per(permits, time.Second) }

// PerMinute returns a window of the given permits in any minute.
func PerMinute(permits int) Window { return Per(permits, time.Minute) }

// PerHour returns a window of the given permits in any hour.
func PerHour(permits int) Window { return Per(permits, time.Hour) }

// PerDay returns a window of the given permits in any 24 hours.
func PerDay(permits int) Window { return Per(permits, day) }

const day = 24 * time.Hour

// Limits is everything that must have room before a ticket is granted. It needs at least one
// window or a MaxBurst, and can have up to 1,000 windows.
type Limits struct {
	// Windows all hold at once. Their order has no meaning but is kept in Stats.
	Windows []Window

	// MaxBurst is a concurrency limit, not the depth of a token bucket. It caps the permits held at
	// once, that is granted and not yet released; 0 means no cap. Other libraries also call it
	// a bulkhead.
	MaxBurst int
}

// maxWindows is far above what anybody needs. Every decision looks at each window, so more of them are
// a mistake that would make the scheduler slow.
const maxWindows = 1_000

// clone returns a copy that shares nothing with l.
func (l Limits) clone() Limits {
	l.Windows = slices.Clone(l.Windows)
	return l
}

// Validate returns an [*InvalidError] that names the first value that cannot work, or nil.
func (l Limits) Validate() error {
	if len(l.Windows) == 0 && l.MaxBurst == 0 {
		return &InvalidError{"Limits", "neither", "have at least one window or a MaxBurst"}
	}
	if n := len(l.Windows); n > maxWindows {
		return &InvalidError{"Limits.Windows", n, fmt.Sprintf("have at most %d entries", maxWindows)}
	}
	for i, w := range l.Windows {
		if err := w.invalid(); err != nil {
			err.What = fmt.Sprintf("Limits.Windows[%d].%s", i, err.What)
			return err
		}
	}
	if l.MaxBurst < 0 {
		return &InvalidError{"Limits.MaxBurst", l.MaxBurst, "0 (no cap) or more"}
	}
	return nil
}

// invalid says which field of the window cannot work, or returns nil.
func (w Window) invalid() *InvalidError {
	switch {
	case w.Permits < 1:
		return &InvalidError{"Permits", w.Permits, "1 or more"}
	case w.Per < 1:
		return &InvalidError{"Per", w.Per, "longer than 0"}
	case w.Per > maxPer:
		return &InvalidError{"Per", w.Per, "at most 876000h (100 years)"}
	case w.From > FromRelease:
		return &InvalidError{"From", w.From, "FromGrant or FromRelease"}
	}
	return nil
}

// tightest returns the largest weight that every limit can ever hold, and the limit that says so.
func (l Limits) tightest() (most int, limit string) {
	most = math.MaxInt
	if l.MaxBurst > 0 {
		most, limit = l.MaxBurst, l.burst()
	}
	for _, w := range l.Windows {
		if w.Permits < most {
			most, limit = w.Permits, w.String()
		}
	}
	return most, limit
}
