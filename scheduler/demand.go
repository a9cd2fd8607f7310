package scheduler

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/internal/weight"
)

// demand is what a ticket asks for: its weight, and its costs by column if it names a unit.
type demand struct {
	weight int
	costs  []int
}

// permits is the column of amounts without a unit.
const permits = 0

// in returns what is asked for in a column, 0 for nothing.
func (d demand) in(column int) int {
	if column == permits {
		return d.weight
	}
	if d.costs == nil {
		return 0
	}
	return max(0, d.costs[column-1])
}

// column is a unit that the limits name, or named once, with what all limits of that unit have in common. A
// unit stays known when SetLimits drops it, so that calls that name it go on.
type column struct {
	unit  Unit
	most  int        // the largest amount that every limit can hold
	value line.Turn  // what one of the unit takes of a flow's turn, in permits
	inUse weight.Sum // of tickets granted and not released; that of permits is in the burst

	waiting weight.Sum // of tickets in line; not kept for permits
}

// maxUnits bounds what a scheduler learns of units. Each of them takes room for every ticket that names
// one.
const maxUnits = 1_000

// tooManyUnits returns the error for limits that name more new units than a scheduler can learn, or nil.
func (c *core) tooManyUnits(l Limits) error {
	units := map[Unit]bool{"": true}
	for _, col := range c.columns {
		units[col.unit] = true
	}
	for _, w := range l.Windows {
		units[w.Unit] = true
	}
	if n := len(units); n > maxUnits+1 { // "" is none of them
		return &InvalidError{"the number of units that a scheduler's limits have named since New", n - 1, fmt.Sprintf("at most %d", maxUnits)}
	}
	return nil
}

// columnOf returns the column of a unit, -1 if the limits never named it.
func (c *core) columnOf(u Unit) int {
	for i := range c.columns {
		if c.columns[i].unit == u {
			return i
		}
	}
	return -1
}

// setColumns learns the units of the limits, and what these say of each.
func (c *core) setColumns(l Limits) {
	if c.columns == nil {
		c.columns = []column{{unit: ""}}
	}
	for _, w := range l.Windows {
		if c.columnOf(w.Unit) < 0 {
			c.columns = append(c.columns, column{unit: w.Unit})
			c.line.Costs.Widen()
		}
	}
	c.underway.widen(len(c.columns))
	if len(c.columns) == 1 { // there are no values to compare
		c.columns[permits].most, _ = l.tightest("")
		return
	}
	slowest := slowestOf(l)
	// If no window counts permits, one permit counts as much as one of the unit with the lowest rate.
	reference := slowest[""]
	if reference == nil {
		for _, rate := range slowest {
			if reference == nil || rate.Cmp(reference) < 0 {
				reference = rate
			}
		}
	}
	for i := range c.columns {
		col := &c.columns[i]
		col.most, _ = l.tightest(col.unit)
		col.value = line.Turn{}
		if rate := slowest[col.unit]; rate != nil {
			col.value = turnOf(new(big.Rat).Quo(reference, rate))
		}
	}
}

// slowestOf returns the lowest rate of each unit, in amounts a nanosecond.
func slowestOf(l Limits) map[Unit]*big.Rat {
	slowest := map[Unit]*big.Rat{}
	for _, w := range l.Windows {
		rate := big.NewRat(int64(w.Permits), int64(w.Per))
		if s := slowest[w.Unit]; s == nil || rate.Cmp(s) < 0 {
			slowest[w.Unit] = rate
		}
	}
	return slowest
}

// longestTurn is that of the largest weight of a 64-bit machine, everywhere: a cost can be worth many more permits
// than any weight.
var longestTurn = line.Turn{Whole: math.MaxInt64}

// turnOf returns the turn of so many permits, rounded down.
func turnOf(permits *big.Rat) line.Turn {
	parts := new(big.Int).Lsh(permits.Num(), 64)
	parts.Quo(parts, permits.Denom())
	whole := new(big.Int).Rsh(parts, 64)
	if !whole.IsInt64() {
		return longestTurn
	}
	return line.Turn{Whole: whole.Uint64(), Part: parts.And(parts, new(big.Int).SetUint64(math.MaxUint64)).Uint64()}
}

// times returns n times the turn, longestTurn at most.
func times(t line.Turn, n int) line.Turn {
	carry, part := bits.Mul64(t.Part, uint64(n))
	over, whole := bits.Mul64(t.Whole, uint64(n))
	whole, more := bits.Add64(whole, carry, 0)
	if over+more > 0 || whole >= math.MaxInt64 {
		return longestTurn
	}
	return line.Turn{Whole: whole, Part: part}
}

// turn returns what a ticket takes of its flow's turn. It is its dominant share, in permits: the largest,
// over units, of what it asks for divided by the lowest rate of that unit. See [line.Costs].
func (c *core) turn(d demand) line.Turn {
	turn := line.TurnOf(d.weight)
	for i := range d.costs {
		if t := times(c.columns[i+1].value, d.in(i+1)); turn.Less(t) {
			turn = t
		}
	}
	return turn.Rounded()
}

// demandOf returns what the ticket at p asks for or holds.
func (c *core) demandOf(p *line.Place) demand {
	return demand{p.Weight, c.line.Costs.Of(p)}
}

// price computes the costs of a request in each column, which asked then returns. It returns an error for
// invalid costs.
func (c *core) price(r *request) error {
	_, err := c.amounts(r.costs)
	return err
}

// asked returns the demand of a request. If the request has costs, it must be the one for which price was last
// called.
func (c *core) asked(r *request) demand {
	if r.costs == nil {
		return demand{weight: r.weight}
	}
	return demand{r.weight, c.line.Costs.Scratch()}
}

// keepCosts notes the costs of a ticket that is about to be granted at once at p.
func (c *core) keepCosts(p *line.Place) {
	c.line.Costs.Keep(p, line.Turn{}) // it has its turn
}

// finishRest does what finish need not do for most tickets.
func (c *core) finishRest(p *line.Place) {
	if c.underway.counting {
		c.underway.end(p)
	}
	d := c.demandOf(p)
	for i := range d.costs {
		c.columns[i+1].inUse.Subtract(d.in(i + 1))
	}
	c.line.Costs.Drop(p)
}

// joinWithCosts notes the costs of a ticket that is about to wait at p.
func (c *core) joinWithCosts(p *line.Place, r *request) {
	d := c.asked(r)
	c.line.Costs.Keep(p, c.turn(d))
	for i := range d.costs {
		c.columns[i+1].waiting.Add(d.in(i + 1))
	}
}

// stopWaiting notes that the ticket at p, which has costs, has left the line.
func (c *core) stopWaiting(p *line.Place) {
	d := c.demandOf(p)
	for i := range d.costs {
		c.columns[i+1].waiting.Subtract(d.in(i + 1))
	}
}

// amounts returns the sum of costs in each column, or line.Unnamed for a unit that they do not name. It is
// valid until the next call.
func (c *core) amounts(costs *line.CostList) ([]int, error) {
	amounts := c.line.Costs.ClearScratch()
	for _, cost := range costs.All() {
		i := c.columnOf(Unit(cost.Unit))
		switch {
		case i <= 0:
			return nil, c.unknownUnit(Unit(cost.Unit))
		case cost.Amount < 0:
			return nil, &InvalidError{"the cost in " + cost.Unit, cost.Amount, "0 or more"}
		}
		sum := max(0, amounts[i-1])
		amounts[i-1] = sum + min(cost.Amount, math.MaxInt-sum)
	}
	return amounts, nil
}

func (c *core) unknownUnit(u Unit) error {
	want := fmt.Sprintf("a unit of the scheduler's limits (%v)", c.limits)
	if u == "" {
		want += "; for permits give a weight"
	}
	return &InvalidError{"the unit of a cost", fmt.Sprintf("%q", string(u)), want}
}

// oversize returns why what d asks for can never be granted, or nil.
func (c *core) oversize(d demand) error {
	for i := range len(d.costs) + 1 {
		if n := d.in(i); n > c.columns[i].most {
			_, limit := c.limits.tightest(c.columns[i].unit)
			return &TooLargeError{Weight: n, Unit: c.columns[i].unit, Most: c.columns[i].most, Limit: limit}
		}
	}
	return nil
}

// settle says what the work of the ticket at p, which is held, really cost.
func (c *core) settle(p *line.Place, costs *line.CostList) error {
	now, err := c.amounts(costs)
	if err != nil {
		return err
	}
	was := c.line.Costs.Of(p)
	for i, n := range now {
		if n != line.Unnamed && (was == nil || was[i] == line.Unnamed) {
			return &InvalidError{"the unit of Settle", fmt.Sprintf("%q", string(c.columns[i+1].unit)), "one that the ticket named when it was taken"}
		}
	}
	for i, n := range now {
		if n == line.Unnamed || n == was[i] {
			continue
		}
		for j := range c.windows {
			if w := &c.windows[j]; w.column == i+1 {
				w.settle(c.now, moment(p.At), was[i], n)
				c.expiry = c.now
			}
		}
		c.columns[i+1].inUse.Subtract(was[i])
		c.columns[i+1].inUse.Add(n)
		if c.underway.counting {
			c.underway.settle(p, i+1, was[i], n)
		}
		was[i] = n
	}
	return nil
}
