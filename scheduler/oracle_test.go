package scheduler

import (
	"math"
	"slices"
	"time"
)

// oracle is a scheduler that is obviously right and obviously slow: it keeps every grant it ever
// made and answers each question by looking at all of them.
type oracle struct {
	limits      Limits
	maxQueue    int
	nonBlocking bool

	now      instant
	granted  []*oracleGrant // in the order of the grants, without those undone
	line     []*oracleTicket
	draining bool
	extra    [][]*oracleGrant // for each window, what was charged besides
	since    []instant        // for each window, up to when it remembers nothing

	pausedUntil instant
	halted      bool
}

func newOracle(l Limits, maxQueue int, nonBlocking bool) *oracle {
	o := &oracle{limits: l, maxQueue: maxQueue, nonBlocking: nonBlocking}
	for range l.Windows {
		o.extra = append(o.extra, nil)
		o.since = append(o.since, -1)
	}
	return o
}

type oracleTicket struct {
	id     int
	weight int
}

type oracleGrant struct {
	oracleTicket
	at       instant
	released instant // never while it is held
}

// from returns the instant from which on the grant counts for Per.
func (g *oracleGrant) from(w Window) instant {
	if w.From == FromRelease {
		return g.released
	}
	return g.at
}

// used returns the permits that count in the i-th window at t.
func (o *oracle) used(grants []*oracleGrant, i int, t instant) (sum int) {
	w := o.limits.Windows[i]
	for _, g := range grants {
		if from := g.from(w); from == never || from > t-instant(w.Per) && from > o.since[i] {
			sum += g.weight
		}
	}
	for _, g := range o.extra[i] {
		if g.at > t-instant(w.Per) {
			sum += g.weight
		}
	}
	return sum
}

func held(grants []*oracleGrant) (sum int) {
	for _, g := range grants {
		if g.released == never {
			sum += g.weight
		}
	}
	return sum
}

func (o *oracle) windowsFit(grants []*oracleGrant, n int, t instant) bool {
	for i, w := range o.limits.Windows {
		if o.used(grants, i, t)+n > w.Permits {
			return false
		}
	}
	return true
}

func (o *oracle) burstFits(n int) bool {
	return o.limits.MaxBurst == 0 || held(o.granted)+n <= o.limits.MaxBurst
}

func (o *oracle) paused() bool { return o.halted || o.now < o.pausedUntil }

func (o *oracle) fits(n int) bool {
	return !o.paused() && o.burstFits(n) && o.windowsFit(o.granted, n, o.now)
}

// firstFit returns the first instant from t on at which n permits fit the windows if nobody does
// anything: now, or when one of the grants stops to count.
func (o *oracle) firstFit(grants []*oracleGrant, n int, t instant) instant {
	candidates := []instant{t}
	for i, w := range o.limits.Windows {
		for _, g := range append(slices.Clone(grants), o.extra[i]...) {
			if from := g.from(w); from != never && from+instant(w.Per) > t {
				candidates = append(candidates, from+instant(w.Per))
			}
		}
	}
	slices.Sort(candidates)
	for _, c := range candidates {
		if o.windowsFit(grants, n, c) {
			return c
		}
	}
	return never
}

// pump grants all that is due and returns the ids.
func (o *oracle) pump() (ids []int) {
	for len(o.line) > 0 && o.fits(o.line[0].weight) {
		t := o.line[0]
		o.line = o.line[1:]
		o.granted = append(o.granted, &oracleGrant{oracleTicket: *t, at: o.now, released: never})
		ids = append(ids, t.id)
	}
	return ids
}

// earliest plays the line through, everybody releasing as soon as they can.
func (o *oracle) earliest(n int) instant {
	var grants []*oracleGrant
	for _, g := range o.granted {
		g := *g
		if g.released == never {
			g.released = o.now
		}
		grants = append(grants, &g)
	}
	t := max(o.now, o.pausedUntil)
	for _, ahead := range append(slices.Clone(o.line), &oracleTicket{weight: n}) {
		t = o.firstFit(grants, ahead.weight, t)
		grants = append(grants, &oracleGrant{oracleTicket: *ahead, at: t, released: t})
	}
	return t
}

func (o *oracle) wake() instant {
	if len(o.line) == 0 || o.halted || !o.burstFits(o.line[0].weight) {
		return never
	}
	return o.firstFit(o.granted, o.line[0].weight, max(o.now, o.pausedUntil))
}

// refusal is what the oracle expects of a ticket that is not accepted.
type refusal int

const (
	accepted refusal = iota
	invalid
	tooLarge
	closed
	noPermit
	queueFull
	tooLate
)

func (o *oracle) most() int {
	most := math.MaxInt
	if o.limits.MaxBurst > 0 {
		most = o.limits.MaxBurst
	}
	for _, w := range o.limits.Windows {
		most = min(most, w.Permits)
	}
	return most
}

func (o *oracle) arrive(v verb, id, n int, deadline instant) (r refusal, wait time.Duration) {
	atOnce := len(o.line) == 0 && o.fits(n)
	switch {
	case n < 1:
		return invalid, 0
	case n > o.most():
		return tooLarge, 0
	case o.draining:
		return closed, 0
	case v == acquire && o.nonBlocking && deadline < o.now:
		return tooLate, time.Duration(o.earliest(n) - o.now)
	case !atOnce && v == try:
		return noPermit, 0
	case !atOnce && v == acquire && o.nonBlocking:
		return noPermit, time.Duration(o.earliest(n) - o.now)
	case !atOnce && len(o.line) >= o.maxQueue:
		return queueFull, 0
	}
	if v == acquire && !o.nonBlocking && deadline != never {
		if at := o.earliest(n); at > deadline {
			return tooLate, time.Duration(at - o.now)
		}
	}
	o.line = append(o.line, &oracleTicket{id, n})
	return accepted, 0
}

func (o *oracle) leave(id int) {
	o.line = slices.DeleteFunc(o.line, func(t *oracleTicket) bool { return t.id == id })
}

func (o *oracle) undo(id int) {
	o.granted = slices.DeleteFunc(o.granted, func(g *oracleGrant) bool { return g.id == id })
}

func (o *oracle) release(id int) {
	for _, g := range o.granted {
		if g.id == id && g.released == never {
			g.released = o.now
		}
	}
}

func (o *oracle) holds(id int) bool {
	return slices.ContainsFunc(o.granted, func(g *oracleGrant) bool { return g.id == id && g.released == never })
}

// stats is what Stats must say.
func (o *oracle) stats(epoch time.Time) Stats {
	s := Stats{Waiting: len(o.line), InUse: held(o.granted), Granted: uint64(len(o.granted)), Windows: []WindowStats{}}
	if at := o.wake(); at != never {
		s.NextWake = epoch.Add(time.Duration(at))
	}
	s.Paused = o.paused()
	if s.Paused && !o.halted {
		s.Resumes = epoch.Add(time.Duration(o.pausedUntil))
	}
	for i, w := range o.limits.Windows {
		u := o.used(o.granted, i, o.now)
		s.Windows = append(s.Windows, WindowStats{w, u, max(0, w.Permits-u)})
	}
	return s
}

// configure replaces the limits and returns the ids of those in line who can never fit. Each new
// window remembers what the old one of its length did, or else the longest.
func (o *oracle) configure(l Limits) (tooLarge []int) {
	old, extra, since := o.limits.Windows, o.extra, o.since
	o.limits, o.extra, o.since = l, nil, nil
	for _, w := range l.Windows {
		best := -1
		for i, from := range old {
			if from.From == w.From && (best < 0 || from.Per == w.Per || old[best].Per != w.Per && from.Per > old[best].Per) {
				best = i
			}
		}
		s := since[best]
		if w.Per > old[best].Per {
			s = max(s, o.now-instant(old[best].Per))
		}
		var kept []*oracleGrant
		for _, g := range extra[best] {
			if g.at > s {
				kept = append(kept, g)
			}
		}
		o.extra, o.since = append(o.extra, kept), append(o.since, s)
	}
	for _, t := range o.line {
		if t.weight > o.most() {
			tooLarge = append(tooLarge, t.id)
		}
	}
	for _, id := range tooLarge {
		o.leave(id)
	}
	return tooLarge
}

// charge notes permits that were used elsewhere. Released is the same instant: it counts from there.
func (o *oracle) charge(i, n int) {
	w := o.limits.Windows[i]
	for j := range o.limits.Windows {
		if o.limits.Windows[j] == w {
			o.extra[j] = append(o.extra[j], &oracleGrant{oracleTicket{-1, n}, o.now, o.now})
		}
	}
}
