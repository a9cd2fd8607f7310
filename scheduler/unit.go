package scheduler

import (
	"strings"
	"time"

	"github.com/flowguard-go/flowguard/ticket"
)

// Unit is what a window counts other than permits, such as "tokens", "bytes" or "rows". Make it a constant of
// your program. It needs no registration:
//
//	const tokens scheduler.Unit = "tokens"
//
//	limits := scheduler.Limits{
//		Windows: []scheduler.Window{scheduler.PerMinute(60), tokens.PerMinute(10_000), tokens.PerDay(1_000_000)},
//	}
//	…
//	t, err := s.AcquireN(ctx, 1, tokens.Of(900))
//
// A ticket that names no cost in a unit is not subject to that unit's windows.
//
// A unit's name begins with a letter, followed by letters, digits and the characters _ - and . It has at most
// 64 bytes. The words burst, evenly, from and reset cannot be units, because they have a meaning in the text of
// limits.
type Unit string

// Of returns a cost of n of the unit, for a call such as [Scheduler.AcquireN] or for [ticket.Ticket.Settle]. n
// is 0 or more. A ticket with a cost of 0 waits for no window of the unit, and can be settled later.
func (u Unit) Of(n int) ticket.Cost { return ticket.Cost{Unit: string(u), Amount: n} }

// Per returns a window of n of the unit in any interval of length per.
func (u Unit) Per(n int, per time.Duration) Window { return Window{Permits: n, Per: per, Unit: u} }

// PerSecond returns a window of n of the unit in any second.
func (u Unit) PerSecond(n int) Window { return u.Per(n, time.Second) }

// PerMinute returns a window of n of the unit in any minute.
func (u Unit) PerMinute(n int) Window { return u.Per(n, time.Minute) }

// PerHour returns a window of n of the unit in any hour.
func (u Unit) PerHour(n int) Window { return u.Per(n, time.Hour) }

// PerDay returns a window of n of the unit in any 24 hours.
func (u Unit) PerDay(n int) Window { return u.Per(n, day) }

// maxUnitLength is how long the name of a unit can be.
const maxUnitLength = 64

// wantUnit describes a valid name of a unit.
const wantUnit = "a name such as \"tokens\": a letter, then letters, digits, _ - or ., at most 64 bytes, and none of burst, evenly, from, reset"

// valid reports whether the unit's name is possible in the text of limits.
func (u Unit) valid() bool {
	switch u {
	case "", "burst", "evenly", "from", "reset":
		return false
	}
	if len(u) > maxUnitLength || !isLetter(u[0]) {
		return false
	}
	for i := range len(u) {
		if c := u[i]; !isLetter(c) && !isDigit(c) && !strings.ContainsRune("_-.", rune(c)) {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
