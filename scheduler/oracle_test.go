package scheduler

import (
	"math"
	"slices"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/internal/oracle"
)

// slowCore is a core that is obviously right and obviously slow: it keeps every grant it ever
// made and answers each question by looking at all of them.
type slowCore struct {
	limits      Limits
	maxQueue    int
	nonBlocking bool

	now      moment
	granted  []*slowGrant // in the order of the grants, without those undone
	line     oracle.Lines
	draining bool
	extra    [][]*slowGrant // for each window, what was charged besides
	since    []moment       // for each window, up to when it remembers nothing

	pausedUntil moment
	halted      bool

	observed []slowObserved // for each window
	underway slowUnderway
}

// slowObservation is what the far side said of a window, less what was granted since.
type slowObservation struct {
	since, until moment
	left         int
}

// slowObserved is what the far side said last, and what it said that ends last.
type slowObserved struct{ latest, longest slowObservation }

func (o *slowObserved) both() []*slowObservation { return []*slowObservation{&o.latest, &o.longest} }

// tell notes what the far side says now. Each of the two is true, so after the latest the larger holds.
func (o *slowObserved) tell(now slowObservation) {
	if o.latest = now; now.until >= o.longest.until {
		o.longest = now
	} else if now.left > o.longest.left {
		o.longest = slowObservation{now.since, o.longest.until, now.left}
	}
}

// slowUnderway is underway with every ticket remembered.
type slowUnderway struct {
	counting bool
	round    int
	tickets  []*slowUnderwayTicket
}

type slowUnderwayTicket struct {
	id, weight, round int
	held              bool
}

// from returns the weight of the tickets of a round and later, and of those still held.
func (u *slowUnderway) from(round int) (granted, held int) {
	for _, t := range u.tickets {
		if t.round >= round {
			granted += t.weight
			if t.held {
				held += t.weight
			}
		}
	}
	return granted, held
}

// heldIn returns the weight held of the tickets of a round.
func (u *slowUnderway) heldIn(round int) int {
	_, held := u.from(round)
	_, later := u.from(round + 1)
	return held - later
}

func (u *slowUnderway) end(id int) {
	for _, t := range u.tickets {
		if t.id == id && t.held {
			t.held = false
			if u.heldIn(u.round-1) == 0 {
				if u.heldIn(u.round) == 0 {
					u.tickets = nil
				}
				u.round++
			}
		}
	}
}

// uncounted returns the weight that the far side may not have counted.
func (u *slowUnderway) uncounted() int {
	round := u.round + 1
	if u.heldIn(u.round) > 0 {
		round = u.round - 1
	}
	if u.heldIn(u.round-1) > 0 {
		round = u.round - 2
	}
	granted, _ := u.from(round)
	return max(0, granted-1)
}

// observe notes what the far side said of the i-th window, and all like it.
func (o *slowCore) observe(i, left int, until moment) {
	if !o.underway.counting {
		o.underway.counting = true
		for _, g := range o.granted {
			if g.released == never {
				o.underway.tickets = append(o.underway.tickets, &slowUnderwayTicket{g.ID, g.Weight, 0, true})
			}
		}
	}
	sure := max(0, left-o.underway.uncounted())
	for j, w := range o.limits.Windows {
		if w == o.limits.Windows[i] && until > o.now {
			expected := sure
			if known := o.left(j, o.now); known <= left {
				expected = max(sure, known)
			}
			o.observed[j].tell(slowObservation{o.now, until, expected})
		}
	}
}

// left returns what the far side grants of the i-th window at t.
func (o *slowCore) left(i int, t moment) int {
	for _, said := range o.observed[i].both() {
		if t < said.until {
			return said.left
		}
	}
	return math.MaxInt
}

func newSlowCore(l Limits, maxQueue int, nonBlocking bool) *slowCore {
	o := &slowCore{limits: l, maxQueue: maxQueue, nonBlocking: nonBlocking}
	for range l.Windows {
		o.extra = append(o.extra, nil)
		o.observed = append(o.observed, slowObserved{})
		o.since = append(o.since, -1)
	}
	return o
}

type slowGrant struct {
	oracle.Ticket
	at       moment
	released moment // never while it is held
	foreseen bool   // not granted yet
}

// from returns the moment from which on the grant counts for Per.
func (g *slowGrant) from(w Window) moment {
	if w.From == FromRelease {
		return g.released
	}
	return g.at
}

// used returns the permits that count in the i-th window at t.
func (o *slowCore) used(grants []*slowGrant, i int, t moment) (sum int) {
	w := o.limits.Windows[i]
	for _, g := range grants {
		if from := g.from(w); from == never || from > t-moment(w.Per) && from > o.since[i] {
			sum += g.Weight
		}
	}
	for _, g := range o.extra[i] {
		if g.at > t-moment(w.Per) {
			sum += g.Weight
		}
	}
	return sum
}

func held(grants []*slowGrant) (sum int) {
	for _, g := range grants {
		if g.released == never {
			sum += g.Weight
		}
	}
	return sum
}

func (o *slowCore) windowsFit(grants []*slowGrant, n int, t moment) bool {
	for i, w := range o.limits.Windows {
		ahead := 0
		for _, g := range grants {
			if g.foreseen {
				ahead += g.Weight
			}
		}
		if o.used(grants, i, t)+n > w.Permits || n > o.left(i, t)-ahead {
			return false
		}
	}
	return true
}

func (o *slowCore) burstFits(n int) bool {
	return o.limits.MaxBurst == 0 || held(o.granted)+n <= o.limits.MaxBurst
}

func (o *slowCore) paused() bool { return o.halted || o.now < o.pausedUntil }

func (o *slowCore) fits(n int) bool {
	return !o.paused() && o.burstFits(n) && o.windowsFit(o.granted, n, o.now)
}

// firstFit returns the first moment from t on at which n permits fit the windows if nobody does
// anything: now, or when one of the grants stops to count.
func (o *slowCore) firstFit(grants []*slowGrant, n int, t moment) moment {
	candidates := []moment{t}
	for i, w := range o.limits.Windows {
		for _, said := range o.observed[i].both() {
			candidates = append(candidates, max(t, said.until))
		}
		for _, g := range append(slices.Clone(grants), o.extra[i]...) {
			if from := g.from(w); from != never && from+moment(w.Per) > t {
				candidates = append(candidates, from+moment(w.Per))
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
func (o *slowCore) pump() (ids []int) {
	for o.line.Flows() > 0 {
		if t, _, _ := o.line.First(); !o.fits(t.Weight) {
			break
		}
		t := o.line.Serve()
		o.granted = append(o.granted, &slowGrant{Ticket: t, at: o.now, released: never})
		if o.underway.counting {
			o.underway.tickets = append(o.underway.tickets, &slowUnderwayTicket{t.ID, t.Weight, o.underway.round, true})
		}
		for i := range o.observed {
			for _, said := range o.observed[i].both() {
				said.left -= t.Weight
			}
		}
		ids = append(ids, t.ID)
	}
	return ids
}

// releasedNow returns a copy of the grants in which all that is held was released now.
func (o *slowCore) releasedNow() (grants []*slowGrant) {
	for _, g := range o.granted {
		g := *g
		g.released = min(g.released, o.now)
		grants = append(grants, &g)
	}
	return grants
}

// earliest plays the line through, everybody releasing as soon as they can.
func (o *slowCore) earliest(n int, f line.Flow) moment {
	grants := o.releasedNow()
	t := max(o.now, o.pausedUntil)
	for _, weight := range append(o.line.Ahead(n, f.Key, f.Share), n) {
		t = o.firstFit(grants, weight, t)
		grants = append(grants, &slowGrant{Ticket: oracle.Ticket{Weight: weight}, at: t, released: t, foreseen: true})
	}
	return t
}

func (o *slowCore) wake() moment {
	if o.line.Flows() == 0 || o.halted {
		return never
	}
	t, _, _ := o.line.First()
	if !o.burstFits(t.Weight) {
		return never
	}
	return o.firstFit(o.granted, t.Weight, max(o.now, o.pausedUntil))
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

func (o *slowCore) most() int {
	most := math.MaxInt
	if o.limits.MaxBurst > 0 {
		most = o.limits.MaxBurst
	}
	for _, w := range o.limits.Windows {
		most = min(most, w.Permits)
	}
	return most
}

// full allows n in all, and a flow its part of another n.
func (o *slowCore) full(key string) bool {
	flows := map[string]bool{key: true}
	for _, t := range o.line.All() {
		flows[o.line.FlowOf(t.ID)] = true
	}
	all := len(o.line.All())
	return all >= o.maxQueue && (all >= 2*o.maxQueue || o.line.LenOf(key) >= o.maxQueue/len(flows))
}

func (o *slowCore) arrive(v call, id, n int, deadline moment, f line.Flow) (r refusal, wait time.Duration) {
	atOnce := o.line.Flows() == 0 && o.fits(n)
	switch {
	case n < 1:
		return invalid, 0
	case n > o.most():
		return tooLarge, 0
	case o.draining:
		return closed, 0
	case v == callAcquire && o.nonBlocking && deadline < o.now:
		return tooLate, o.advice(n, f)
	case !atOnce && v == callTry:
		return noPermit, 0
	case !atOnce && v == callAcquire && o.nonBlocking:
		return noPermit, o.advice(n, f)
	case !atOnce && o.full(f.Key):
		return queueFull, o.adviceToQueue(n)
	}
	if v == callAcquire && !o.nonBlocking && deadline != never {
		if at := o.earliest(n, f); at > deadline {
			return tooLate, o.advice(n, f)
		}
	}
	o.line.Push(oracle.Ticket{ID: id, Weight: n}, f.Key, f.Share)
	return accepted, 0
}

// advice is when to come back: Forever if time alone does not help.
func (o *slowCore) advice(n int, f line.Flow) time.Duration {
	at := o.earliest(n, f)
	switch {
	case o.line.Flows() == 0 && o.fits(n):
		return 0
	case o.halted, at == o.now:
		return Forever
	}
	return time.Duration(at - o.now)
}

// adviceToQueue is when the line will be shorter, Forever if time alone does not make it so.
func (o *slowCore) adviceToQueue(n int) time.Duration {
	if o.line.Flows() > 0 {
		t, _, _ := o.line.First()
		n = t.Weight
	}
	at := o.firstFit(o.granted, n, max(o.now, o.pausedUntil))
	if o.halted || !o.burstFits(n) || at == never {
		return Forever
	}
	return time.Duration(at - o.now)
}

func (o *slowCore) undo(id int) {
	o.underway.end(id)
	for _, g := range o.granted {
		for i := range o.observed {
			for _, said := range o.observed[i].both() {
				if g.ID == id && g.at > said.since {
					said.left += g.Weight
				}
			}
		}
	}
	o.granted = slices.DeleteFunc(o.granted, func(g *slowGrant) bool { return g.ID == id })
}

func (o *slowCore) release(id int) {
	o.underway.end(id)
	for _, g := range o.granted {
		if g.ID == id && g.released == never {
			g.released = o.now
		}
	}
}

func (o *slowCore) holds(id int) bool {
	return slices.ContainsFunc(o.granted, func(g *slowGrant) bool { return g.ID == id && g.released == never })
}

// stats is what Stats must say.
func (o *slowCore) stats(epoch time.Time) Stats {
	s := Stats{Waiting: len(o.line.All()), Flows: o.line.Flows(), InUse: held(o.granted), Granted: uint64(len(o.granted)), Windows: []WindowStats{}}
	if at := o.wake(); at != never {
		s.NextWake = epoch.Add(time.Duration(at))
	}
	s.Paused = o.paused()
	if s.Paused && !o.halted {
		s.Resumes = epoch.Add(time.Duration(o.pausedUntil))
	}
	for i, w := range o.limits.Windows {
		u := o.used(o.granted, i, o.now)
		ws := WindowStats{Window: w, Used: u, Remaining: o.remaining(i, o.now)}
		if at := o.nextFree(i); at != never {
			ws.NextFree = epoch.Add(time.Duration(at))
		}
		s.Windows = append(s.Windows, ws)
	}
	return s
}

func (o *slowCore) remaining(i int, t moment) int {
	w := o.limits.Windows[i]
	return max(0, min(w.Permits-o.used(o.granted, i, t), o.left(i, t)))
}

// nextFree looks at each instant at which something in the window ends.
func (o *slowCore) nextFree(i int) moment {
	per, first := moment(o.limits.Windows[i].Per), never
	ends := []moment{}
	for _, g := range o.granted {
		if from := g.from(o.limits.Windows[i]); from != never {
			ends = append(ends, from+per)
		}
	}
	for _, g := range o.extra[i] {
		ends = append(ends, g.at+per)
	}
	for _, said := range o.observed[i].both() {
		ends = append(ends, said.until)
	}
	for _, t := range ends {
		if t > o.now && t < first && o.remaining(i, t) > o.remaining(i, o.now) {
			first = t
		}
	}
	return first
}

// configure replaces the limits and returns the ids of those in line who can never fit. Each new
// window remembers what the old one did, or else one of its length, or else the longest, and of several
// the fullest.
func (o *slowCore) configure(l Limits) (tooLarge []int) {
	old, extra, since, observed := o.limits.Windows, o.extra, o.since, o.observed
	used := make([]int, len(old))
	for i := range old {
		used[i] = o.used(o.granted, i, o.now)
	}
	o.limits, o.extra, o.since, o.observed = l, nil, nil, nil
	for _, w := range l.Windows {
		best := slices.IndexFunc(old, func(o Window) bool { return o == w })
		for _, alike := range []func(Window) bool{
			func(o Window) bool { return o.Per == w.Per },
			func(o Window) bool { return true },
		} {
			if best >= 0 {
				break
			}
			for i, o := range old {
				if o.From == w.From && alike(o) && (best < 0 || o.Per > old[best].Per || o.Per == old[best].Per && used[i] > used[best]) {
					best = i
				}
			}
		}
		s := since[best]
		if w.Per > old[best].Per {
			s = max(s, o.now-moment(old[best].Per))
		}
		var kept []*slowGrant
		for _, g := range extra[best] {
			if g.at > s {
				kept = append(kept, g)
			}
		}
		o.extra, o.since = append(o.extra, kept), append(o.since, s)
		o.observed = append(o.observed, observed[best])
	}
	for _, t := range o.line.All() {
		if t.Weight > o.most() {
			tooLarge = append(tooLarge, t.ID)
		}
	}
	for _, id := range tooLarge {
		o.line.Remove(id)
	}
	slices.Sort(tooLarge)
	return tooLarge
}

// charge notes permits that were used elsewhere. Released is the same instant: it counts from there.
func (o *slowCore) charge(i, n int) {
	w := o.limits.Windows[i]
	for j := range o.limits.Windows {
		if o.limits.Windows[j] == w {
			o.extra[j] = append(o.extra[j], &slowGrant{Ticket: oracle.Ticket{ID: -1, Weight: n}, at: o.now, released: o.now})
		}
	}
}
