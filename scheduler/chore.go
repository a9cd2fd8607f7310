package scheduler

import (
	"cmp"
	"slices"

	"github.com/flowguard-go/flowguard/internal/line"
)

// A chore dismisses tickets in line, some in each turn, so that other callers need not wait for all of it.
type chore struct {
	sweep  *line.Sweep
	why    func(*line.Place) error // why a ticket must go, nil if it may stay
	answer chan<- answer           // when all are gone; may be nil
}

// perTurn is how many tickets are looked at in a turn for all chores together, so that a turn stays short
// however many messages it serves.
const perTurn = 512

// begin does the first part of a chore, and returns it if more is left to do.
func (st *state) begin(c *chore) *chore {
	c.sweep = st.core.line.Sweep()
	if st.work(c) {
		return nil
	}
	st.chores = append(st.chores, c)
	st.core.thinning = true
	return c
}

// work does a part of a chore and reports whether it is done. Tickets go in the order of their numbers,
// as far as a part goes.
func (st *state) work(c *chore) (done bool) {
	type leaver struct {
		place *line.Place
		flow  *line.Flow
		why   error
	}
	var leavers []leaver
	for ; st.looks > 0; st.looks-- {
		p, f := c.sweep.Next()
		if done = p == nil; done {
			break
		}
		if why := c.why(p); why != nil {
			leavers = append(leavers, leaver{p, f, why})
		}
	}
	slices.SortFunc(leavers, func(a, b leaver) int { return cmp.Compare(a.place.Number, b.place.Number) })
	for _, l := range leavers {
		if l.place.State == line.Queued {
			st.dismiss(l.place, l.flow, l.why)
		}
	}
	return done
}

// workOn ends a turn with a part of the oldest chore. If the chore is done, it returns the channel for the
// answer.
func (st *state) workOn() (done chan<- answer) {
	if len(st.chores) > 0 && st.work(st.chores[0]) {
		done = st.chores[0].answer
		st.chores = slices.Delete(st.chores, 0, 1)
		st.core.thinning = len(st.chores) > 0
	}
	return done
}

// dismissHeads sends away the tickets whose turn it is and that a chore has not come to yet. It returns
// false if the next one must go too, but not in this turn.
func (st *state) dismissHeads() bool {
	for {
		p, f := st.core.line.First()
		if p == nil {
			return true
		}
		why := st.leaving(p)
		if why == nil {
			return true
		}
		if st.looks == 0 {
			return false
		}
		st.looks--
		st.dismiss(p, f, why)
	}
}

// leaving returns why a chore will send the ticket at p away, or nil. A chore has nothing to do with
// tickets that came after it began: they may rely on another context than the one that ended.
func (st *state) leaving(p *line.Place) error {
	for _, c := range st.chores {
		if !c.sweep.Covers(p) {
			continue
		}
		if why := c.why(p); why != nil {
			return why
		}
	}
	return nil
}
