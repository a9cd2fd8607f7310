package scheduler

import (
	"math"
	"sort"
	"time"

	"github.com/flowguard-go/flowguard/internal/weight"
)

// foreseen is when the tickets ahead of a newcomer will be granted, as far as that is known: each is
// granted as soon as all limits have room, and its permits are taken to be released at once. So where
// windows that count from grant decide the forecast is exact, and elsewhere it is a lower bound.
//
// It looks at up to lookAhead tickets one by one. A longer line would take the owner's time from those
// who are to be granted, so of that only the weight counts, as if it could be granted permit by permit:
// a lower bound, which is exact for one window and tickets of weight 1.
//
// A nil *foreseen is an empty line.
type foreseen struct {
	at    []moment     // of each ticket's grant
	total []weight.Sum // the weight of all up to each
	last  moment       // the last of them
	by    limit        // what made the last of them wait

	bulk  int    // the weight of a long line
	first moment // when its head is granted
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
		return c.foresee(nil, r.weight)
	}
	f := &c.foreseen
	f.reset(c.now)
	if waiting <= lookAhead {
		c.line.Ahead(r.weight, r.flow, func(n int) {
			at, by := c.foresee(f, n)
			f.add(at, by, n)
		})
		return c.foresee(f, r.weight)
	}
	f.bulk = c.line.WeightAhead(r.weight, r.flow)
	if f.bulk == 0 { // the turn of its flow may come before that of the head
		return c.foresee(nil, r.weight)
	}
	head, _ := c.line.First()
	f.first, f.by = c.foresee(nil, head.Weight)
	f.last = f.first
	return c.foresee(f, r.weight)
}

// takesLong reports whether the decision about a ticket that must wait needs a forecast behind a long line.
func (c *core) takesLong(r *request) bool {
	return c.line.Len() > lookAhead && (r.deadline != never || c.nonBlocking)
}

// foresee returns when a ticket of weight n is granted behind those ahead, and what decides that.
func (c *core) foresee(ahead *foreseen, n int) (at moment, by limit) {
	at = c.now
	if ahead != nil {
		at, by = ahead.last, ahead.by
	}
	for _, l := range c.inForce {
		room, sure := l.roomAt(c.now, ahead, n)
		if room > at || by == nil && !sure {
			at, by = max(at, room), l
		}
	}
	return at, by
}

// wait returns how long a ticket taken now would wait at least; Forever if it is never granted.
func (c *core) wait(r *request) time.Duration {
	if c.admits(r.weight) != nil {
		return Forever
	}
	at, _ := c.earliest(r)
	return c.now.until(at)
}

func (f *foreseen) reset(now moment) {
	*f = foreseen{at: f.at[:0], total: f.total[:0], last: now}
}

func (f *foreseen) add(at moment, by limit, n int) {
	var total weight.Sum
	if i := len(f.total); i > 0 {
		total = f.total[i-1]
	}
	total.Add(n)
	f.at, f.total = append(f.at, at), append(f.total, total)
	f.last, f.by = at, by
}

func (f *foreseen) empty() bool { return f == nil || len(f.at) == 0 && f.bulk == 0 }

// weight returns the weight of all tickets ahead.
func (f *foreseen) weight() weight.Sum {
	if f.empty() {
		return weight.Sum{}
	}
	if f.bulk > 0 {
		return weight.Sum{Low: uint64(f.bulk)}
	}
	return f.total[len(f.total)-1]
}

// roomAt returns when n permits fit into the window behind the tickets ahead.
func (f *foreseen) roomAt(w *window, now moment, n int) (at moment, sure bool) {
	if f.bulk > 0 {
		return f.roomBehindBulk(w, now, n)
	}
	// The permits that must have gone: those that count now go first, then those of the tickets ahead.
	excess, spare := f.weight(), w.excess(n)
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
	i := sort.Search(len(f.total), func(i int) bool { return !f.total[i].Less(excess) })
	return f.at[i].after(w.Per), true
}

// roomBehindBulk returns when the last of so many permits fits, if the window grants them one by one.
// Each is granted Per after the one that is a window's Permits before it, so the first of them decide.
func (f *foreseen) roomBehindBulk(w *window, now moment, n int) (at moment, sure bool) {
	before := n - 1 + min(f.bulk, math.MaxInt-n+1)
	at, sure = w.freeAt(now, w.excess(before%w.Permits+1))
	return max(at, f.first).afterTimes(w.Per, before/w.Permits), sure
}
