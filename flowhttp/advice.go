package flowhttp

import (
	"net/http"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Dialect reads what a response says about limits. [Standard], [GitHub], [OpenAI], [Anthropic] and [AWS] are
// dialects. To read other headers, write a function that reads them and calls Standard for the rest.
//
// The response's body has not been read. A dialect that reads the start of the body must put it back. now is
// the present time by the scheduler's clock. A Transport calls its dialect for each response, also from several
// goroutines at a time. If the dialect panics, the permit is released, and the panic is not recovered.
type Dialect func(resp *http.Response, now time.Time) Advice

// Advice is what a response says about limits.
type Advice struct {
	Refused   bool          // the server refused the request because of a limit or because it is overloaded
	Pause     time.Duration // no call should be made for this long; 0: no time is given
	Remaining []Remaining   // what is left of the server's limits
}

// Remaining is what a response says of one of the server's limits: at most Left more in the next Reset.
type Remaining struct {
	Name      string        // the server's name of the limit; "": it has none
	Partition string        // which part of the limit is meant, such as that of a user; "": unknown
	Unit      string        // what is counted: "" for requests, or the scheduler.Unit of windows, such as "tokens"
	Left      int           // what may still be used until the reset
	Reset     time.Duration // until more may be used; 0: unknown, so that Left says nothing
	Limit     int           // what the limit allows in Per; 0: unknown
	Per       time.Duration // the length of the limit's window; 0: unknown

	// Later says that Left may not yet include the cost of this call, because the server counts it only while it
	// responds. That is so for tokens that it writes. The Transport then subtracts what Transport.Cost said of the
	// call.
	Later bool
}

// defaultMaxPause is the longest pause of a [Transport] whose MaxPause is 0.
const defaultMaxPause = time.Hour

// advised is a target of a server's advice: a scheduler, or a key of a keyed.Set.
type advised interface {
	Clock() scheduler.Clock
	Limits() scheduler.Limits
	Windows() []scheduler.WindowStats
	Observe(w scheduler.Window, left int, d time.Duration, of ...ticket.Ticket) error
	PauseFor(d time.Duration) error
}

// heed passes the advice of a response on to the scheduler, and returns how long all callers must wait. It must
// be called while the ticket of the call is held. [scheduler.Scheduler.Observe] demands that, and a pause after
// the release would let the next caller go first. took is how long the call took so far.
func (a *Advice) heed(s advised, t ticket.Ticket, most, took time.Duration) time.Duration {
	pause := a.Pause
	var windows []scheduler.Window
	for i := range a.Remaining {
		q := &a.Remaining[i]
		if q.Left < 0 || q.Reset <= 0 {
			continue
		}
		if windows == nil {
			windows = s.Limits().Windows
		}
		w, ok := a.windowOf(q, windows)
		switch {
		case !ok && q.Unit == "" && q.Left == 0:
			pause = max(pause, q.Reset)
		case ok && !q.stale(s, w, took):
			// An error says that the scheduler is closed or its limits have just been changed.
			s.Observe(w, q.Left, min(q.Reset, most), q.counted(t)...)
		}
	}
	if pause = min(pause, most); pause > 0 {
		s.PauseFor(pause)
	}
	return pause
}

// counted returns the ticket of the call if what is left already excludes the cost of the call.
func (q *Remaining) counted(t ticket.Ticket) []ticket.Ticket {
	if q.Later {
		return nil
	}
	return []ticket.Ticket{t}
}

// stale reports whether the quota must not be observed. If a call took longer than the time until the reset,
// the response may be from a period that is over. Earlier responses may have said that less is left of the
// present period. So the quota counts only if it says that still less is left.
func (q *Remaining) stale(s advised, of scheduler.Window, took time.Duration) bool {
	if took < q.Reset {
		return false
	}
	for _, w := range s.Windows() {
		if w.Window == of && q.Left < w.Remaining {
			return false
		}
	}
	return true
}

// windowOf returns the window to which the quota is passed on. An observation says "at most Left more", which
// is true whatever the window's own limit is, so a window that differs will do. But a window remembers only one
// quota. So a window that differs is told only if the response has no other quota of that unit.
func (a *Advice) windowOf(q *Remaining, windows []scheduler.Window) (best scheduler.Window, ok bool) {
	rank := 0
	for _, w := range windows {
		if r := a.rank(q, w); r > rank || r > 0 && r == rank && w.Per > best.Per {
			best, rank = w, r
		}
	}
	return best, rank > 0
}

// rank says how well the window matches the quota; 0: not at all.
func (a *Advice) rank(q *Remaining, w scheduler.Window) int {
	switch {
	case q.Unit != string(w.Unit):
		return 0
	case q.Per == w.Per && q.Limit == w.Permits:
		return 4
	case q.Per == w.Per: // it asks for less than is published, to be safe
		return 3
	case q.Per == 0 && q.Limit == w.Permits:
		return 2
	case a.only(q):
		return 1
	}
	return 0
}

// only reports whether the answer has no other quota of the unit.
func (a *Advice) only(q *Remaining) bool {
	n := 0
	for i := range a.Remaining {
		if a.Remaining[i].Unit == q.Unit {
			n++
		}
	}
	return n == 1
}
