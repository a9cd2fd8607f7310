package scheduler

import (
	"math"
	"sort"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/internal/weight"
)

// foreseen is when the tickets ahead of a new one will be granted, as far as that is known. Each is granted as
// soon as all limits have room, and its permits are assumed to be released at once. So the forecast is exact if
// windows that count from grant decide, and otherwise a lower bound.
//
// It looks at up to lookAhead tickets one by one. A longer line would take too much of the owner's time. So of
// the rest only the weight counts, as if it could be granted permit by permit. That is a lower bound. It is
// exact for one window and tickets of weight 1.
//
// A nil *foreseen is an empty line.
type foreseen struct {
	at      []moment // of each ticket's grant
	columns []ahead  // what they ask for of each unit
	last    moment   // the last of at
	by      limit    // what made the last of them wait

	long  bool   // it is about a long line
	first moment // when its head is granted
}

// ahead is what the tickets ahead ask for of one unit.
type ahead struct {
	total []weight.Sum // of all up to each
	last  int          // the index of the last ticket that names the unit
	asks  int          // what that one asks for; 0: none does
	bulk  int          // what those of a long line ask for
}

// lookAhead is how many tickets a forecast looks at one by one.
const lookAhead = 256

// earliest returns the earliest instant at which a ticket taken now could be granted, and the limit that
// decides it: nil if it need not wait.
func (c *core) earliest(r *request) (at moment, by limit) {
	waiting := c.line.Len()
	if waiting == 0 || c.thinning {
		// Tickets that will be sent away must not make a newcomer's deadline seem too early, and which of
		// them stay is not known.
		return c.foresee(nil, c.asked(r))
	}
	f := &c.foreseen
	f.reset(c.now, len(c.columns))
	if waiting <= lookAhead {
		c.line.Ahead(c.turn(c.asked(r)), r.flow, func(p *line.Place) {
			d := c.demandOf(p)
			at, by := c.foresee(f, d)
			f.add(at, by, d)
		})
		return c.foresee(f, c.asked(r))
	}
	bulk := c.line.WeightAhead(c.turn(c.asked(r)), r.flow)
	if bulk == 0 { // the turn of its flow may come before that of the head
		return c.foresee(nil, c.asked(r))
	}
	f.long, f.columns[0].bulk = true, bulk
	if c.line.Alone(r.flow) {
		for i := range f.columns[1:] {
			f.columns[i+1].bulk = c.columns[i+1].waiting.Saturated()
		}
	}
	head, _ := c.line.First()
	f.first, f.by = c.foresee(nil, c.demandOf(head))
	f.last = f.first
	return c.foresee(f, c.asked(r))
}

// takesLong reports whether the decision about a ticket that must wait needs a forecast behind a long line.
func (c *core) takesLong(k call, r *request) bool {
	return c.line.Len() > lookAhead && (k == callNow || r.deadline != never || c.nonBlocking)
}

// foresee returns when a ticket that asks for d is granted behind those ahead, and what decides that.
func (c *core) foresee(ahead *foreseen, d demand) (at moment, by limit) {
	at = c.now
	if ahead != nil {
		at, by = ahead.last, ahead.by
	}
	for _, l := range c.inForce {
		room, sure := l.roomAt(c.now, ahead, d)
		if room > at || by == nil && !sure {
			at, by = max(at, room), l
		}
	}
	return at, by
}

// wait returns how long a ticket taken now would wait at least; Forever if it is never granted.
func (c *core) wait(r *request) time.Duration {
	if c.admits(r) != nil {
		return Forever
	}
	at, _ := c.earliest(r)
	return c.now.until(at)
}

func (f *foreseen) reset(now moment, columns int) {
	for len(f.columns) < columns {
		f.columns = append(f.columns, ahead{})
	}
	for i := range f.columns {
		f.columns[i] = ahead{total: f.columns[i].total[:0]}
	}
	*f = foreseen{at: f.at[:0], columns: f.columns, last: now}
}

func (f *foreseen) add(at moment, by limit, d demand) {
	for i := range f.columns {
		f.columns[i].add(d.in(i))
	}
	f.at = append(f.at, at)
	f.last, f.by = at, by
}

func (a *ahead) add(n int) {
	var total weight.Sum
	if i := len(a.total); i > 0 {
		total = a.total[i-1]
	}
	total.Add(n)
	if n > 0 {
		a.last, a.asks = len(a.total), n
	}
	a.total = append(a.total, total)
}

func (f *foreseen) empty() bool { return f == nil || len(f.at) == 0 && !f.long }

// amount returns what all tickets ahead ask for in a column.
func (f *foreseen) amount(column int) weight.Sum {
	if f.empty() {
		return weight.Sum{}
	}
	a := &f.columns[column]
	if f.long {
		return weight.Sum{Low: uint64(a.bulk)}
	}
	return a.total[len(a.total)-1]
}

// roomAt returns when n permits fit into the window behind the tickets ahead.
func (f *foreseen) roomAt(w *window, now moment, n int) (at moment, sure bool) {
	if f.long {
		return f.roomBehindBulk(w, now, n)
	}
	at, sure = f.countedOut(w, now, n)
	if w.Evenly {
		if a := &f.columns[w.column]; a.asks > 0 {
			at = max(at, f.at[a.last].after(w.space(a.asks)))
		} else {
			at = max(at, w.spaced())
		}
	}
	return at, sure
}

// countedOut returns when so much that counts has gone that n permits fit behind the tickets ahead.
func (f *foreseen) countedOut(w *window, now moment, n int) (at moment, sure bool) {
	// The permits that must have gone: those that count now go first, then those of the tickets ahead.
	excess, spare := f.amount(w.column), w.excess(n)
	if spare > 0 {
		excess.Add(spare)
	} else if free := (weight.Sum{Low: uint64(-spare)}); excess.Less(free) {
		return now, true
	} else {
		excess.SubtractSum(free)
	}
	counted := w.held
	counted.Add(w.past.sum())
	if !counted.Less(excess) {
		return w.freeAt(now, excess.Saturated())
	}
	excess.SubtractSum(counted)
	total := f.columns[w.column].total
	i := sort.Search(len(total), func(i int) bool { return !total[i].Less(excess) })
	return w.past.ends(f.at[i]), true
}

// roomBehindBulk returns when the last of so many permits fits, if the window grants them one by one.
// Each is granted Per after the one that is a window's Permits before it, so the first of them decide.
func (f *foreseen) roomBehindBulk(w *window, now moment, n int) (at moment, sure bool) {
	bulk := f.columns[w.column].bulk
	before := n - 1 + min(bulk, math.MaxInt-n+1)
	at, sure = w.freeAt(now, w.excess(before%w.Permits+1))
	at, turns := max(at, f.first), before/w.Permits
	if w.past.reset != nil {
		return w.past.reset.afterPeriods(at, turns), sure
	}
	at = at.afterTimes(w.Per, turns)
	if w.Evenly {
		// Those ahead keep the next one away for at least as long as one ticket for all their permits.
		at = max(at, w.spaced(), f.first.afterTimes(w.Per, bulk/w.Permits).after(w.space(bulk%w.Permits)))
	}
	return at, sure
}
