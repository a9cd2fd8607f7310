package scheduler

import "math"

// slowObservation is what the server said of a window, less what was granted since.
type slowObservation struct {
	since, until moment
	left         int
}

// slowObserved is what the server said last, and what it said that ends last.
type slowObserved struct{ latest, longest slowObservation }

func (o *slowObserved) both() []*slowObservation { return []*slowObservation{&o.latest, &o.longest} }

// tell notes what the server says now. Each of the two is true, so after the latest the larger holds.
func (o *slowObserved) tell(now slowObservation) {
	if o.latest = now; now.until >= o.longest.until {
		o.longest = now
	} else if now.left > o.longest.left {
		o.longest = slowObservation{now.since, o.longest.until, now.left}
	}
}

// settle notes that a ticket granted at a moment cost more than was thought, or less. The server may have
// counted a grant of before it spoke, or not.
func (o *slowObserved) settle(at moment, more int) {
	for _, said := range o.both() {
		if more > 0 || at > said.since {
			said.left -= more
		}
	}
}

// slowUnderway is underway with every ticket remembered.
type slowUnderway struct {
	counting bool
	round    int
	tickets  []*slowUnderwayTicket
}

type slowUnderwayTicket struct {
	*slowGrant
	round int
	held  bool
}

func (u *slowUnderway) grant(g *slowGrant) {
	if u.counting {
		u.tickets = append(u.tickets, &slowUnderwayTicket{g, u.round, true})
	}
}

// holds reports whether a ticket of a round is still held.
func (u *slowUnderway) holds(round int) bool {
	for _, t := range u.tickets {
		if t.round == round && t.held {
			return true
		}
	}
	return false
}

func (u *slowUnderway) end(id int) {
	for _, t := range u.tickets {
		if t.id == id && t.held {
			t.held = false
			if !u.holds(u.round - 1) {
				if !u.holds(u.round) {
					u.tickets = nil
				}
				u.round++
			}
		}
	}
}

// uncounted returns what the server may not have counted of a unit when it answered the ticket with the id,
// or one of which nothing is known.
func (u *slowUnderway) uncounted(unit Unit, id int) int {
	answered := 0
	if unit == "" {
		answered = 1
	}
	from := u.round + 1
	switch {
	case u.holds(u.round - 1):
		from = u.round - 2
	case u.holds(u.round):
		from = u.round - 1
	}
	for _, t := range u.tickets {
		if t.id == id && t.held {
			answered = t.asks[unit]
			if t.round == u.round {
				from = u.round - 1 // those of the round before that had ended when the ticket was granted
			}
		}
	}
	sum := 0
	for _, t := range u.tickets {
		if t.round >= from {
			sum += t.asks[unit]
		}
	}
	return max(0, sum-answered)
}

// observe notes what the server said of the i-th window, and all like it, when it answered a ticket.
func (o *slowCore) observe(i, left int, until moment, id int) {
	if !o.underway.counting {
		o.underway.counting = true
		for _, g := range o.granted {
			if g.released == never {
				o.underway.grant(g)
			}
		}
	}
	w := o.limits.Windows[i]
	sure := max(0, left-o.underway.uncounted(w.Unit, id))
	for j := range o.limits.Windows {
		if o.limits.Windows[j] == w && until > o.now {
			expected := sure
			if known := o.left(j, o.now); known <= left {
				expected = max(sure, known)
			}
			o.observed[j].tell(slowObservation{o.now, until, expected})
		}
	}
}

// left returns what the server grants of the i-th window at t.
func (o *slowCore) left(i int, t moment) int {
	for _, said := range o.observed[i].both() {
		if t < said.until {
			return said.left
		}
	}
	return math.MaxInt
}

// useUp notes that a ticket is granted.
func (o *slowCore) useUp(asks slowAsks) {
	for i, w := range o.limits.Windows {
		for _, said := range o.observed[i].both() {
			said.left -= asks[w.Unit]
		}
	}
}
