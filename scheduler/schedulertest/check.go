package schedulertest

import (
	"container/heap"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// Check says whether a record keeps what a scheduler with these limits promises, or what was broken:
//   - no interval in which a window granted more than its permits;
//   - no instant at which more than MaxBurst permits were held;
//   - no grant before that of a ticket with a smaller number, of the same flow;
//   - no grant later than it could have been made by more than late: given the grants before it, as
//     soon as all limits had room and nobody was ahead in line. Whose turn it was among several flows
//     is not in a record: where it has more than one, whoever was granted or gave up before counts as
//     ahead.
//
// With a mock clock and [Advance], or in a bubble, late is 0. On a real clock a grant is always a
// little late; pass what you can bear, or [Forever]. A window of more than 65,536 permits may in any
// case be late by Per/65,536.
//
// The error joins a [*BrokenError] for each of the first ten things that were broken. [Verify] does the
// same for a Recorder, fails the test and leaves a picture.
//
// An empty record breaks nothing: a test of code that should have used the scheduler must also look at
// how much it did.
//
// The record may also be made by hand: Number, Weight, Turn, Enqueued and Granted are what counts,
// and Released, GivenUp and Undone where they happened. Check takes O(n log n) steps.
func Check(limits scheduler.Limits, record Record, late time.Duration) error {
	granted := slices.DeleteFunc(slices.Clone(record), func(t Ticket) bool { return t.Granted.IsZero() })
	slices.SortStableFunc(granted, func(a, b Ticket) int { return a.Turn - b.Turn })
	var broken []error
	broken = append(broken, checkOrder(granted)...)

	free := headOfLine(record, granted)
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

// Forever is a lateness that no grant exceeds.
const Forever = time.Duration(1<<63 - 1)

const mostFindings = 10

func clockTime(t time.Time) string { return t.Format("15:04:05.999999999") }

func checkOrder(granted Record) (broken []error) {
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

// headOfLine returns, for each of those granted, the instant from which on it was at the head of the
// line: it had arrived and all ahead of it had left.
func headOfLine(record, granted Record) []time.Time {
	if slices.ContainsFunc(record, func(t Ticket) bool { return t.Flow != record[0].Flow }) {
		return headOfFlows(record, granted)
	}
	byNumber := slices.Clone(record)
	slices.SortFunc(byNumber, func(a, b Ticket) int { return int(int64(a.Number) - int64(b.Number)) })
	head := make(map[uint64]time.Time, len(record))
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

// headOfFlows does so where any that left before may have been ahead.
func headOfFlows(record, granted Record) []time.Time {
	gaveUp := slices.DeleteFunc(slices.Clone(record), func(t Ticket) bool { return t.GivenUp.IsZero() })
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

// rule is a limit as the checker sees it: so many permits, each counted from its grant until an end.
type rule struct {
	name    string
	permits int
	per     time.Duration                  // of a window
	end     func(Ticket) (time.Time, bool) // false: not yet
	slack   time.Duration
}

func rulesOf(l scheduler.Limits) []rule {
	returned := func(t Ticket) (time.Time, bool) { return t.Released, !t.Released.IsZero() }
	var rules []rule
	if l.MaxBurst > 0 {
		rules = append(rules, rule{name: fmt.Sprintf("burst %d", l.MaxBurst), permits: l.MaxBurst, end: returned})
	}
	for _, w := range l.Windows {
		r := rule{name: w.String(), permits: w.Permits, per: w.Per}
		if w.Permits > 65_536 {
			r.slack = w.Per / 65_536
		}
		switch w.From {
		case scheduler.FromRelease:
			r.end = func(t Ticket) (time.Time, bool) { return t.Released.Add(w.Per), !t.Released.IsZero() }
		default:
			r.end = func(t Ticket) (time.Time, bool) { return t.Granted.Add(w.Per), true }
		}
		rules = append(rules, r)
	}
	return rules
}

// check goes through the grants in order with the charges that count, and moves free, the instants
// at which each grant could have been made, to where the rule had room.
func (r rule) check(granted Record, free []time.Time) (broken []error) {
	var counting ends // those that end, the earliest first
	sum := 0
	for i, t := range granted {
		for sum > r.permits-t.Weight && len(counting) > 0 && !counting[0].at.After(t.Granted) {
			ended := heap.Pop(&counting).(charge)
			sum -= ended.weight
			free[i] = latest(free[i], ended.at)
		}
		sum += t.Weight
		if sum > r.permits {
			broken = append(broken, &BrokenError{Ticket: t.Number, Limit: r.name, From: t.Granted.Add(-r.per), To: t.Granted,
				text: fmt.Sprintf("limit %s: with ticket %d, granted at %s, %d permits counted", r.name, t.Number, clockTime(t.Granted), sum)})
		}
		end, ends := r.end(t)
		if !t.Undone.IsZero() && (!ends || t.Undone.Before(end)) {
			end, ends = t.Undone, true
		}
		if ends {
			heap.Push(&counting, charge{end, t.Weight})
		}
	}
	return broken
}

type charge struct {
	at     time.Time
	weight int
}

// ends is a heap of charges by when they end.
type ends []charge

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e ends) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(x any)        { *e = append(*e, x.(charge)) }
func (e *ends) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
