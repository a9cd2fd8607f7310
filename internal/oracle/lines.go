// Package oracle has models for tests to compare with. They follow the definitions, and are obviously right and
// obviously slow.
package oracle

import (
	"math/big"
	"slices"
)

// Lines is self-clocked fair queueing by its definition. For every decision it looks at every flow, and it uses
// integers of any length. See line.Lines.
type Lines struct {
	flows   []*flow
	present *big.Int
	turns   int
}

// Ticket is a ticket in a line.
type Ticket struct {
	ID, Weight int
	Turn       *big.Int // what it takes of its flow's turn, in units of 2^-64 permits; nil: its weight
}

// TurnBits is how many of the 64 bits after the point a turn has. The others are 0.
const TurnBits = 44

// Permits returns so many permits in units of 2^-64.
func Permits(n int) *big.Int { return new(big.Int).Lsh(big.NewInt(int64(n)), 64) }

// turn returns what the ticket takes, rounded down to TurnBits.
func (t Ticket) turn() *big.Int {
	if t.Turn == nil {
		return Permits(t.Weight)
	}
	const below = 64 - TurnBits
	turn := new(big.Int).Rsh(t.Turn, below)
	return turn.Lsh(turn, below)
}

type flow struct {
	key     string
	share   int
	tickets []Ticket
	start   *big.Int
	turn    int
}

// finish is in units of 2^-64.
func (f *flow) finish() *big.Int {
	takes := f.tickets[0].turn()
	return takes.Add(takes.Div(takes, big.NewInt(int64(f.share))), f.start)
}

// Push puts a ticket in the line of its flow, the share of which is now the given one.
func (l *Lines) Push(t Ticket, key string, share int) {
	for _, f := range l.flows {
		if f.key == key {
			f.tickets, f.share = append(f.tickets, t), share
			return
		}
	}
	if l.present == nil {
		l.present = new(big.Int)
	}
	l.turns++
	l.flows = append(l.flows, &flow{key, share, []Ticket{t}, l.present, l.turns})
}

func (l *Lines) head() *flow {
	return slices.MinFunc(l.flows, func(a, b *flow) int {
		if c := a.finish().Cmp(b.finish()); c != 0 {
			return c
		}
		return a.turn - b.turn
	})
}

// First returns the ticket whose turn it is, its flow and its share. A ticket must wait.
func (l *Lines) First() (t Ticket, key string, share int) {
	f := l.head()
	return f.tickets[0], f.key, f.share
}

// Serve takes the ticket whose turn it is out of its line.
func (l *Lines) Serve() Ticket {
	f := l.head()
	start := l.present
	if len(l.flows) > 1 {
		start = f.finish()
		if l.present.Cmp(start) < 0 {
			l.present = start
		}
	}
	l.turns++
	f.start, f.turn = start, l.turns
	t := f.tickets[0]
	l.Remove(t.ID)
	return t
}

// Remove takes a ticket out of its line, if it is in one.
func (l *Lines) Remove(id int) {
	for _, f := range l.flows {
		f.tickets = slices.DeleteFunc(f.tickets, func(t Ticket) bool { return t.ID == id })
	}
	l.flows = slices.DeleteFunc(l.flows, func(f *flow) bool { return len(f.tickets) == 0 })
}

// All returns the tickets in line.
func (l *Lines) All() (all []Ticket) {
	for _, f := range l.flows {
		all = append(all, f.tickets...)
	}
	return all
}

// LenOf returns how many tickets are in the line of a flow.
func (l *Lines) LenOf(key string) int {
	for _, f := range l.flows {
		if f.key == key {
			return len(f.tickets)
		}
	}
	return 0
}

// FlowOf returns the flow in which a ticket waits.
func (l *Lines) FlowOf(id int) string {
	i := slices.IndexFunc(l.flows, func(f *flow) bool {
		return slices.ContainsFunc(f.tickets, func(t Ticket) bool { return t.ID == id })
	})
	return l.flows[i].key
}

// Flows returns how many flows wait.
func (l *Lines) Flows() int { return len(l.flows) }

// Ahead returns the tickets to be served before one that joins now.
func (l *Lines) Ahead(newcomer Ticket, key string, share int) (ahead []Ticket) {
	copied := &Lines{present: l.present, turns: l.turns}
	for _, f := range l.flows {
		f := *f
		f.tickets = slices.Clone(f.tickets)
		copied.flows = append(copied.flows, &f)
	}
	newcomer.ID = -1
	copied.Push(newcomer, key, share)
	for {
		t := copied.Serve()
		if t.ID == newcomer.ID {
			return ahead
		}
		ahead = append(ahead, t)
	}
}
