package scheduler

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Instant says when a window begins to count a permit, and until when it does.
type Instant uint8

const (
	// FromGrant counts a permit from the instant of its grant, for Per. It is the zero value, and right for most
	// limits.
	FromGrant Instant = iota

	// FromRelease counts a permit while it is held, and for Per after it is given back. Choose it if the server
	// counts arrivals strictly. The server may then count a call at any instant between grant and release. It
	// never sees more than Permits in any interval of length Per. Throughput falls by the length of the calls.
	FromRelease

	// FromReset counts a permit until the next reset after its grant, as calendar quotas do: "5000 a day, from
	// midnight". The interval does not slide, so up to twice the Permits can be granted in a short time around a
	// reset. Such a quota allows that. A sliding window also keeps within a calendar quota, whenever the resets
	// are, but cannot use all of it. Its Per must be at least as long as the longest period. For days in a zone
	// that changes its clocks that is 25 hours.
	//
	// Per must then be a day, a length that divides a day (a second, 15 minutes, an hour), or [Month]. ResetAt and
	// Zone say when the day begins. Shorter periods are counted from there. When a zone changes its clocks, that
	// day has 23 or 25 hours, and the last of its shorter periods is cut. Resets follow the time of day, so they
	// move if the computer's clock is set.
	FromReset
)

// String returns "grant", "release" or "reset".
func (i Instant) String() string {
	switch i {
	case FromGrant:
		return "grant"
	case FromRelease:
		return "release"
	case FromReset:
		return "reset"
	}
	return fmt.Sprintf("Instant(%d)", uint8(i))
}

// Window is a rate limit: at most Permits in any interval of length Per. The interval slides. A window is not a
// bucket that refills, and has no fixed edges. For every instant t, the weight granted in (t−Per, t] is at most
// Permits. A permit granted at t is free again at exactly t+Per.
//
// A window counts permits. If it has a Unit, it counts what tickets cost in that unit instead, and ignores
// tickets that name no cost in it. When this documentation speaks of the permits of such a window, it means
// amounts of that unit.
type Window struct {
	Permits int           // at least 1
	Per     time.Duration // from 1 ns to 100 years of 365 days
	From    Instant       // FromGrant (the zero value), FromRelease or FromReset
	Unit    Unit          // what is counted; "": permits

	// Evenly spaces grants out. After a grant of n permits, the window allows the next grant n·Per/Permits later.
	// That is rounded up to a nanosecond, and is Per at most. So 100 a minute evenly is one every 600 ms, and
	// never two at once. This is the generic cell rate algorithm without a burst (ITU-T I.371). It needs
	// FromGrant.
	Evenly bool

	ResetAt time.Duration // FromReset: the time of day of the reset, in whole minutes, such as 9*time.Hour
	Zone    string        // FromReset: the time zone, such as "Europe/Berlin"; "": UTC
}

// Month is the Per of a window that counts [FromReset] and is reset on the first day of each month. Its length
// is that of the longest month.
const Month = 31 * day

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

// Limits is everything that must have room before a ticket is granted. It has at least one window or a
// MaxBurst, and up to 1,000 windows.
type Limits struct {
	// Windows all hold at once. Their order does not matter; Stats keeps it.
	Windows []Window

	// MaxBurst is a concurrency limit, not the depth of a token bucket. It caps the permits that are granted and
	// not yet released. 0 means no cap. Other libraries also call it a bulkhead.
	MaxBurst int
}

// maxWindows is far above what limits need. Every decision looks at each window, so more of them would be a
// mistake that makes the scheduler slow.
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

// countReset reports whether a window counts from reset.
func (l Limits) countReset() bool {
	return slices.ContainsFunc(l.Windows, func(w Window) bool { return w.From == FromReset })
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
	case w.From > FromReset:
		return &InvalidError{"From", w.From, "FromGrant, FromRelease or FromReset"}
	case w.Unit != "" && !w.Unit.valid():
		return &InvalidError{"Unit", fmt.Sprintf("%q", string(w.Unit)), wantUnit}
	case w.Evenly && w.From != FromGrant:
		return &InvalidError{"From", w.From, "FromGrant if grants are spaced evenly"}
	case w.From != FromReset && (w.ResetAt != 0 || w.Zone != ""):
		return &InvalidError{"From", w.From, "FromReset if ResetAt or Zone is given"}
	case w.From == FromReset:
		return w.invalidReset()
	}
	return nil
}

// invalidReset is invalid for what belongs to FromReset.
func (w Window) invalidReset() *InvalidError {
	switch {
	case w.Per != Month && (w.Per > day || day%w.Per != 0):
		return &InvalidError{"Per", w.Per, "a day, a month (Month, 31 days), or a length that divides a day, because the window counts from reset"}
	case w.ResetAt < 0 || w.ResetAt >= day || w.ResetAt%time.Minute != 0:
		return &InvalidError{"ResetAt", w.ResetAt, "a time of day in whole minutes, from 0 to 23h59m"}
	}
	if _, err := newResets(w); err != nil || strings.ContainsAny(w.Zone, spaces) {
		return &InvalidError{"Zone", fmt.Sprintf("%q", w.Zone), "a time zone that this computer knows, such as \"Europe/Berlin\", or \"\" for UTC; if it knows none, import _ \"time/tzdata\""}
	}
	return nil
}

// tightest returns the largest amount of a unit that every limit can ever hold, and the limit that sets it. For
// unit "" that is the largest weight.
func (l Limits) tightest(unit Unit) (most int, limit string) {
	most = math.MaxInt
	if l.MaxBurst > 0 && unit == "" {
		most, limit = l.MaxBurst, l.burst()
	}
	for _, w := range l.Windows {
		if w.Unit == unit && w.Permits < most {
			most, limit = w.Permits, w.String()
		}
	}
	return most, limit
}
