// Package inside lets package keyed use what package scheduler does not show to users: the decisions
// about one key, without a goroutine of its own. Package scheduler fills it in when it is initialized.
package inside

import "github.com/flowguard-go/flowguard/internal/line"

// NewSeats returns what makes seats. The clock is a scheduler.Clock. All seats that it makes count time
// from one instant. What it returns has the methods that package keyed names.
var NewSeats func(clock any, maxQueue int, nonBlocking bool) any

// NewHandle returns a *scheduler.Handle that takes permits of one key: whatever it is asked, it asks the key.
var NewHandle func(key any) any

// CheckAway returns what is wrong with a scheduler.Away, or nil.
var CheckAway func(away any) error

// Cell is what is kept of one key. It is opaque, and belongs to the seat that made it.
type Cell any

// Never is an instant that does not come.
const Never = int64(1<<63 - 1)

// Request is what a caller asks for.
type Request struct {
	Weight   int
	Deadline int64          // what the clock then shows, in nanoseconds; Never: none
	Costs    *line.CostList // nil: none
}

// Standing is how a key is left.
type Standing struct {
	At     int64 // when to look at the key again, in the seat's time; Never if nothing is to do
	Busy   bool  // a ticket waits, or a permit is held
	Forget bool  // nothing would be different if the key had never been
}
