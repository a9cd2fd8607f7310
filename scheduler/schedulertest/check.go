package schedulertest

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/flowguard-go/flowguard/internal/spacing"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Check returns an error if tickets break a promise of a scheduler with these limits. The scheduler promises:
//   - no interval in which a window granted more than its permits, or more of its unit. At each grant that asks
//     for the unit, settled costs count as settled by then, and the others as estimated;
//   - in a window that is spaced evenly, no grant too soon after another;
//   - no instant at which more than MaxBurst permits were held;
//   - no grant before that of a ticket with a smaller number, of the same flow;
//   - no grant that was overdue for longer than late. A grant is due, given the grants before it, as soon as
//     all limits have room and no ticket is ahead in line. Tickets do not say which flow's turn it was. If
//     they have several flows, every ticket that was granted or gave up earlier counts as ahead.
//
// With a mock clock and [Advance], or in a bubble, late is 0. On a real clock a grant is always a little late,
// so pass what you tolerate, or [scheduler.Forever]. A window of more than 65,536 permits may always be late by
// Per/65,536.
//
// The error joins a [*BrokenError] for each of the first ten broken promises. [Verify] checks a Recorder in
// this way, fails the test and leaves a picture.
//
// If there are no tickets, nothing is broken. So a test of code that should use the scheduler must also check how
// much the code did.
//
// The tickets may also be made by hand. They need Number, Weight, Turn, Enqueued and Granted, and Costs, Settled,
// Released, GivenUp and Undone if they happened. Check takes O(n log n) steps.
func Check(limits scheduler.Limits, tickets Tickets, late time.Duration) error {
	granted := slices.DeleteFunc(slices.Clone(tickets), func(t Ticket) bool { return t.Granted.IsZero() })
	slices.SortStableFunc(granted, func(a, b Ticket) int { return a.Turn - b.Turn })
	var broken []error
	broken = append(broken, checkOrder(granted)...)

	free := headOfLine(tickets, granted)
	for _, l := range rulesOf(limits) {
		broken = append(broken, l.check(granted, free)...)
		late = max(late, l.slack)
	}
	for i, t := range granted {
		if by := t.Granted.Sub(free[i]); by > late {
			broken = append(broken, &BrokenError{Ticket: t.Number, From: free[i], To: t.Granted,
				text: fmt.Sprintf("ticket %d was granted at %s, %v later than it could have been", t.Number, clockTime(t.Granted), by)})
		}
	}
	if len(broken) > mostFindings {
		broken = append(broken[:mostFindings], fmt.Errorf("and %d more", len(broken)-mostFindings))
	}
	return errors.Join(broken...)
}

const mostFindings = 10

func clockTime(t time.Time) string { return t.Format("15:04:05.999999999") }

func checkOrder(granted Tickets) (broken []error) {
	last := map[string]Ticket{} // of each flow
	for i, t := range granted {
		if before, ok := last[t.Flow]; ok && t.Number <= before.Number {
			broken = append(broken, &BrokenError{Ticket: t.Number, From: before.Granted, To: t.Granted,
				text: fmt.Sprintf("ticket %d was granted after ticket %d", t.Number, before.Number)})
		}
		last[t.Flow] = t
		if i == 0 {
			continue
		}
		if before := granted[i-1]; t.Granted.Before(before.Granted) {
			broken = append(broken, &BrokenError{Ticket: t.Number, From: t.Granted, To: before.Granted,
				text: fmt.Sprintf("ticket %d was granted at %s, its predecessor at %s", t.Number, clockTime(t.Granted), clockTime(before.Granted))})
		}
	}
	return broken
}

// headOfLine returns for each granted ticket the instant at which it came to the head of the line. By then it
// had arrived, and all ahead of it had left.
func headOfLine(tickets, granted Tickets) []time.Time {
	if slices.ContainsFunc(tickets, func(t Ticket) bool { return t.Flow != tickets[0].Flow }) {
		return headOfFlows(tickets, granted)
	}
	byNumber := slices.Clone(tickets)
	slices.SortFunc(byNumber, func(a, b Ticket) int { return cmp.Compare(a.Number, b.Number) })
	head := make(map[uint64]time.Time, len(tickets))
	var left time.Time
	for _, t := range byNumber {
		head[uint64(t.Number)] = latest(left, t.Enqueued)
		switch {
		case !t.Granted.IsZero():
			left = latest(left, t.Granted)
		case !t.GivenUp.IsZero():
			left = latest(left, t.GivenUp)
		}
	}
	at := make([]time.Time, len(granted))
	for i, t := range granted {
		at[i] = head[uint64(t.Number)]
	}
	return at
}

// headOfFlows does the same for several flows, where any ticket that left before may have been ahead.
func headOfFlows(tickets, granted Tickets) []time.Time {
	gaveUp := slices.DeleteFunc(slices.Clone(tickets), func(t Ticket) bool { return t.GivenUp.IsZero() })
	slices.SortFunc(gaveUp, func(a, b Ticket) int { return a.GivenUp.Compare(b.GivenUp) })
	at := make([]time.Time, len(granted))
	var left time.Time
	for i, t := range granted {
		for len(gaveUp) > 0 && !gaveUp[0].GivenUp.After(t.Granted) {
			left, gaveUp = latest(left, gaveUp[0].GivenUp), gaveUp[1:]
		}
		at[i] = latest(left, t.Enqueued)
		left = latest(left, t.Granted)
	}
	return at
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// rule is a limit as the checker sees it: a number of permits, each of which counts from its grant until an
// end.
type rule struct {
	name    string
	permits int
	unit    scheduler.Unit                 // what is counted; "": permits
	per     time.Duration                  // of a window
	end     func(Ticket) (time.Time, bool) // false: not yet
	space   func(n int) time.Duration      // for how long n of them keep the next grant away; nil: they do not
	slack   time.Duration
}

func rulesOf(l scheduler.Limits) []rule {
	returned := func(t Ticket) (time.Time, bool) { return t.Released, !t.Released.IsZero() }
	var rules []rule
	if l.MaxBurst > 0 {
		rules = append(rules, rule{name: fmt.Sprintf("burst %d", l.MaxBurst), permits: l.MaxBurst, end: returned})
	}
	for _, w := range l.Windows {
		r := rule{name: w.String(), permits: w.Permits, unit: w.Unit, per: w.Per}
		if w.Permits > 65_536 {
			r.slack = w.Per / 65_536
		}
		if w.Evenly {
			r.space = func(n int) time.Duration { return spacing.Of(int64(n), int64(w.Permits), w.Per) }
		}
		switch w.From {
		case scheduler.FromRelease:
			r.end = func(t Ticket) (time.Time, bool) { return t.Released.Add(w.Per), !t.Released.IsZero() }
		case scheduler.FromReset:
			r.end = func(t Ticket) (time.Time, bool) { return w.NextReset(t.Granted), true }
		default:
			r.end = func(t Ticket) (time.Time, bool) { return t.Granted.Add(w.Per), true }
		}
		rules = append(rules, r)
	}
	return rules
}

// amount returns how much the ticket asked for of what the rule counts.
func (r rule) amount(t Ticket) int {
	if r.unit == "" {
		return t.Weight
	}
	return amountIn(t.Costs, r.unit)
}

func amountIn(costs []ticket.Cost, unit scheduler.Unit) (sum int) {
	for _, c := range costs {
		if c.Unit == string(unit) {
			sum += c.Amount
		}
	}
	return sum
}

// check goes through the grants in order, with the charges that count. free has the instants at which each
// grant could have been made. check moves them to where the rule had room.
func (r rule) check(granted Tickets, free []time.Time) (broken []error) {
	var changes changes
	sum := 0
	for i, t := range granted {
		n := r.amount(t)
		room := n == 0 || sum <= r.permits-n
		for len(changes) > 0 && changes[0].before(t.Granted) {
			c := heap.Pop(&changes).(change)
			sum -= c.less
			if fits := n == 0 || sum <= r.permits-n; fits != room {
				room = fits
				free[i] = latest(free[i], c.at)
			}
		}
		if n > 0 && sum+n > r.permits {
			broken = append(broken, &BrokenError{Ticket: t.Number, Limit: r.name, From: t.Granted.Add(-r.per), To: t.Granted,
				text: fmt.Sprintf("limit %s: with ticket %d, granted at %s, %d %s counted", r.name, t.Number, clockTime(t.Granted), sum+n, r.counts())})
		}
		if r.space != nil && n > 0 {
			broken = append(broken, r.checkSpace(granted[:i], t, &free[i])...)
		}
		sum += n
		r.changesOf(t, &changes)
	}
	return broken
}

// counts names what the rule counts.
func (r rule) counts() string {
	if r.unit == "" {
		return "permits"
	}
	return string(r.unit)
}

// changesOf adds the changes of what counts of a granted ticket: when it is settled, and when it stops
// counting.
func (r rule) changesOf(t Ticket, to *changes) {
	end, ends := r.end(t)
	if !t.Undone.IsZero() && (!ends || t.Undone.Before(end)) {
		end, ends = t.Undone, true
	}
	n := r.amount(t)
	if r.unit != "" {
		for _, s := range t.Settled {
			if !ends || s.At.Before(end) { // what no longer counts stays as it is
				now := amountIn(s.Costs, r.unit)
				heap.Push(to, change{s.At, n - now})
				n = now
			}
		}
	}
	if ends {
		heap.Push(to, change{end, n})
	}
}

// checkSpace compares a grant with the last one before it that counts.
func (r rule) checkSpace(before Tickets, t Ticket, free *time.Time) (broken []error) {
	for i := len(before) - 1; i >= 0; i-- {
		last := before[i]
		n, changed := r.amount(last), time.Time{}
		for _, s := range last.Settled {
			now := amountIn(s.Costs, r.unit)
			if r.unit == "" {
				break // a weight is not settled
			}
			if s.At.Before(t.Granted) || s.At.Equal(t.Granted) && now < n {
				n, changed = now, s.At
			}
		}
		if !last.Undone.IsZero() && !last.Undone.After(t.Granted) {
			n, changed = 0, last.Undone
		}
		if n > 0 {
			until := last.Granted.Add(r.space(n))
			if t.Granted.Before(until) {
				broken = append(broken, &BrokenError{Ticket: t.Number, Limit: r.name, From: last.Granted, To: t.Granted,
					text: fmt.Sprintf("limit %s: ticket %d was granted at %s, %v after ticket %d; even spacing requires %v",
						r.name, t.Number, clockTime(t.Granted), t.Granted.Sub(last.Granted), last.Number, r.space(n))})
			}
			*free = latest(*free, until)
		}
		*free = latest(*free, changed)
		if n > 0 || t.Granted.Sub(last.Granted) >= r.per {
			break
		}
	}
	return broken
}

// change says that the count falls by less at an instant. It rises if less is negative.
type change struct {
	at   time.Time
	less int
}

// before reports whether the change is made before a grant at t. The tickets do not say in which order things
// happened at one instant. A change that makes room is taken to come before the grant, and one that takes room
// after it.
func (c change) before(t time.Time) bool { return c.at.Before(t) || c.at.Equal(t) && c.less > 0 }

// changes is a heap, the earliest first.
type changes []change

func (c changes) Len() int { return len(c) }
func (c changes) Less(i, j int) bool {
	return c[i].at.Before(c[j].at) || c[i].at.Equal(c[j].at) && c[i].less > c[j].less
}
func (c changes) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *changes) Push(x any)   { *c = append(*c, x.(change)) }
func (c *changes) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}
