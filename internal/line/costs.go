package line

import (
	"slices"
	"sync"
)

// Cost is how much of a unit a ticket asks for. Package ticket shows it to callers as ticket.Cost.
type Cost struct {
	Unit   string
	Amount int
}

// CostList carries a caller's costs to the owner of a line. It comes from a pool. A slice of the caller's would
// escape with the request that carries it, and so allocate in every call.
type CostList struct{ list []Cost }

var costLists = sync.Pool{New: func() any { return new(CostList) }}

// NewCostList returns an empty list.
func NewCostList() *CostList { return costLists.Get().(*CostList) }

// ListOf returns the costs on a list that can be sent, nil if there are none.
func ListOf[C ~struct {
	Unit   string
	Amount int
}](costs []C) *CostList {
	if len(costs) == 0 {
		return nil
	}
	list := NewCostList()
	for _, c := range costs {
		list.Add(Cost(c))
	}
	return list
}

// CostsOf returns what is on a list, which may be nil.
func CostsOf[C ~struct {
	Unit   string
	Amount int
}](list *CostList) (costs []C) {
	for _, c := range list.All() {
		costs = append(costs, C(c))
	}
	return costs
}

// Add appends a cost.
func (l *CostList) Add(c Cost) { l.list = append(l.list, c) }

// All returns the costs; none for a nil list.
func (l *CostList) All() []Cost {
	if l == nil {
		return nil
	}
	return l.list
}

// Recycle gives the list back to the pool. The caller must not use it afterwards. A nil list stays nil.
func (l *CostList) Recycle() {
	if l != nil {
		l.list = l.list[:0]
		costLists.Put(l)
	}
}

// Costs says what tickets cost in units other than permits. It is a table with a column for each unit and
// a row for each ticket that names one. The place of a ticket has the number of its row.
//
// With each row goes the turn of its ticket: where several flows wait, that is what counts instead of the
// weight. A ticket takes the largest part of any one limit, its dominant share (A. Ghodsi et al.,
// "Dominant Resource Fairness", NSDI 2011, and "Multi-Resource Fair Queueing for Packet Processing",
// SIGCOMM 2012). The code that fills the row computes it, because lines know no limits. A turn is never
// less than the weight.
//
// The zero Costs is an empty table without columns, ready for use.
type Costs struct {
	columns int
	chunks  []chunk
	rows    uint32   // so many have been made, the first two included
	free    []uint32 // those that can be used again
}

// chunk is a part of the table, so that a table that grows is not copied.
type chunk struct {
	amounts []int  // row by row
	turns   []Turn // one for each row
}

const (
	plainRow   = 0 // of all tickets that name no unit
	scratchRow = 1 // of a ticket about which nothing is decided yet
	firstRow   = 2

	rowsPerChunk = 256
)

// Unnamed is the amount of a unit that a ticket does not name.
const Unnamed = -1

// Widen adds a column, in which no ticket has a cost. It takes a pass over the table.
func (c *Costs) Widen() {
	c.columns++
	for i := range c.chunks {
		old := c.chunks[i].amounts
		c.chunks[i].amounts = c.newAmounts()
		for j := range rowsPerChunk {
			copy(c.chunks[i].amounts[j*c.columns:], old[j*(c.columns-1):(j+1)*(c.columns-1)])
		}
	}
}

// newAmounts returns the amounts of rows that name no unit.
func (c *Costs) newAmounts() []int { return slices.Repeat([]int{Unnamed}, c.columns*rowsPerChunk) }

func (c *Costs) grow() {
	c.chunks = append(c.chunks, chunk{c.newAmounts(), make([]Turn, rowsPerChunk)})
}

// amounts returns the amounts of a row.
func (c *Costs) amounts(n uint32) []int {
	from := int(n%rowsPerChunk) * c.columns
	return c.chunks[n/rowsPerChunk].amounts[from : from+c.columns : from+c.columns]
}

func (c *Costs) turn(n uint32) *Turn { return &c.chunks[n/rowsPerChunk].turns[n%rowsPerChunk] }

// Of returns the amounts of the ticket at p, by column. It is nil if the ticket names no unit. Changing an
// amount changes what the ticket costs.
func (c *Costs) Of(p *Place) []int {
	if p.Row == plainRow {
		return nil
	}
	return c.amounts(p.Row)
}

// Scratch returns the scratch row. Its content is kept until the next call of ClearScratch, which must have
// been called before.
func (c *Costs) Scratch() []int { return c.amounts(scratchRow) }

// ClearScratch returns the scratch row, which then names no unit.
func (c *Costs) ClearScratch() []int {
	if c.chunks == nil {
		c.grow()
		c.rows = firstRow
	}
	amounts := c.amounts(scratchRow)
	for i := range amounts {
		amounts[i] = Unnamed
	}
	return amounts
}

// Keep copies the scratch row to a row of its own for the ticket at p, which has the turn, rounded by
// [Turn.Rounded].
func (c *Costs) Keep(p *Place, t Turn) {
	n := c.rows
	if last := len(c.free) - 1; last >= 0 {
		n, c.free = c.free[last], c.free[:last]
	} else if c.rows++; n%rowsPerChunk == 0 {
		c.grow()
	}
	copy(c.amounts(n), c.amounts(scratchRow))
	*c.turn(n) = t
	p.Row = n
}

// Drop forgets the costs of the ticket at p, which has ended.
func (c *Costs) Drop(p *Place) {
	if p.Row == plainRow {
		return
	}
	c.free = append(c.free, p.Row)
	p.Row = plainRow
	if live := int(c.rows) - firstRow - len(c.free); live == 0 && c.rows > 4*rowsPerChunk {
		c.chunks, c.rows, c.free = c.chunks[:1:1], firstRow, nil
	}
}

// turnOf returns the turn of the ticket at p.
func (c *Costs) turnOf(p *Place) Turn {
	if p.Row == plainRow {
		return TurnOf(p.Weight)
	}
	return *c.turn(p.Row)
}
