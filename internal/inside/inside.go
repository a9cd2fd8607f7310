// Package inside gives other packages of this module access to unexported parts of package scheduler. Most of it
// is for package keyed: the decisions about one key, without a goroutine. Package scheduler sets these variables
// when it is initialized.
package inside

import "github.com/flowguard-go/flowguard/internal/line"

// NewSeats returns a maker of seats. The clock is a scheduler.Clock. All seats that it makes count time from
// one instant. The maker takes what a seat and package keyed share of the keys of one owner; the seat has the methods that
// package keyed names.
var NewSeats func(clock any, maxQueue int, nonBlocking bool) any

// NewHandle returns a *scheduler.Handle that takes permits of one key. It passes every call on to the key.
var NewHandle func(key any) any

// CheckAway returns what is wrong with a scheduler.Away, or nil.
var CheckAway func(away any) error

// MaxBurst returns the present MaxBurst of the limits of a *scheduler.Handle, or 0 if there is none. Unlike the
// handle's Limits, it does not allocate.
var MaxBurst func(handle any) int

// Never is an instant that does not come.
const Never = int64(1<<63 - 1)

// Request is what a caller asks for.
type Request struct {
	Weight   int
	Deadline int64          // what the clock then shows, in nanoseconds; Never: none
	Costs    *line.CostList // nil: none
}

// Standing describes a key after a call.
type Standing struct {
	At     int64 // when to look at the key again, in the seat's time; Never if nothing is to do
	Busy   bool  // a ticket waits, or a permit is held
	Forget bool  // the key has nothing left to remember
}
