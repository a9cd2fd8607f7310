package schedulertest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Recorder records what becomes of every ticket, with the exact instants. It is an Option of scheduler.New:
//
//	var rec schedulertest.Recorder
//	s, err := scheduler.New(limits, scheduler.WithClock(mock), &rec)
//
// The code under test need not know of it. Call s.Stats() before reading, so that all earlier calls are in it.
// A Recorder serves one scheduler, may be read from any goroutine, and grows with every ticket.
type Recorder struct {
	scheduler.EventLog
}

// Tickets returns what became of the accepted tickets, ordered by number. Refused tickets have no number and
// are not in it.
func (r *Recorder) Tickets() Tickets {
	var tickets Tickets
	turn := 0
	for _, e := range r.Events() {
		if e.Number == 0 {
			continue
		}
		if e.Kind == scheduler.EventEnqueued {
			tickets = append(tickets, Ticket{Number: e.Number, Weight: e.Weight, Costs: e.Costs, Flow: e.Flow, Enqueued: e.At})
			continue
		}
		t := &tickets[e.Number-1] // tickets are numbered 1, 2, 3, … as they are accepted
		switch e.Kind {
		case scheduler.EventGranted:
			turn++
			t.Granted, t.Turn = e.At, turn
		case scheduler.EventReleased:
			t.Released = e.At
		case scheduler.EventGivenUp:
			t.GivenUp = e.At
		case scheduler.EventUndone:
			t.Undone = e.At
		case scheduler.EventSettled:
			t.Settled = append(t.Settled, Settlement{At: e.At, Costs: e.Costs})
		}
	}
	return tickets
}

// Ticket says what became of one ticket. The instant of something that has not happened is zero.
type Ticket struct {
	Number   ticket.Number
	Weight   int
	Costs    []ticket.Cost // in other units, as they were asked for
	Settled  []Settlement  // in the order in which they were made
	Flow     string        // the key of its flow, "" if it names none
	Turn     int           // 1 for the first grant, 2 for the second, …; 0 if it was not granted
	Enqueued time.Time     // when it was accepted
	Granted  time.Time
	Released time.Time
	GivenUp  time.Time // it left the line, or the scheduler closed
	Undone   time.Time // the grant was taken back because its caller had gone
}

// Settlement says what a ticket costs from an instant on, in each unit that it named. See
// [ticket.Ticket.Settle].
type Settlement struct {
	At    time.Time
	Costs []ticket.Cost
}

// Tickets says what became of the tickets of a scheduler, in the order of their numbers.
type Tickets []Ticket

// Granted returns the tickets that were granted and not undone, in the order of the grants.
func (tickets Tickets) Granted() Tickets {
	granted := slices.DeleteFunc(slices.Clone(tickets), func(t Ticket) bool {
		return t.Granted.IsZero() || !t.Undone.IsZero()
	})
	slices.SortStableFunc(granted, func(a, b Ticket) int { return a.Turn - b.Turn })
	return granted
}

// String returns a line for each ticket, with times relative to the first arrival.
func (tickets Tickets) String() string {
	var b strings.Builder
	for _, t := range tickets {
		fmt.Fprintf(&b, "ticket %d", t.Number)
		if t.Weight != 1 {
			fmt.Fprintf(&b, " of weight %d", t.Weight)
		}
		if len(t.Costs) > 0 {
			fmt.Fprintf(&b, " for %v", t.Costs)
		}
		if t.Flow != "" {
			fmt.Fprintf(&b, " of flow %q", t.Flow)
		}
		for _, event := range []struct {
			name string
			at   time.Time
		}{{"enqueued", t.Enqueued}, {"granted", t.Granted}, {"released", t.Released}, {"given up", t.GivenUp}, {"undone", t.Undone}} {
			if !event.at.IsZero() {
				fmt.Fprintf(&b, ", %s +%v", event.name, event.at.Sub(tickets[0].Enqueued))
			}
		}
		for _, s := range t.Settled {
			fmt.Fprintf(&b, ", settled at %v +%v", s.Costs, s.At.Sub(tickets[0].Enqueued))
		}
		b.WriteString("\n")
	}
	return b.String()
}
