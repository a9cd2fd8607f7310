package scheduler

import (
	"maps"
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/internal/oracle"
	"github.com/flowguard-go/flowguard/ticket"
)

// slowCore is a core that is obviously right and obviously slow: it keeps every grant it ever
// made and answers each question by looking at all of them.
//
// What it knows of the server is in oracle_observed_test.go, when windows are reset in
// oracle_reset_test.go, and how windows are replaced in oracle_limits_test.go.
type slowCore struct {
	limits      Limits
	units       []Unit // other than permits, that the limits ever named
	maxQueue    int
	nonBlocking bool
	epoch       time.Time // moment 0

	now      moment
	asked    map[int]slowAsks // of every ticket that was accepted
	granted  []*slowGrant     // in the order of the grants, without those undone
	line     oracle.Lines
	draining bool
	past     []slowPast // for each window

	pausedUntil moment
	halted      bool

	observed []slowObserved // for each window
	underway slowUnderway
}

// slowAsks is what a ticket costs in each unit that it names; that of permits is its weight. To settle changes
// it for all who know the ticket.
type slowAsks map[Unit]int

// slowGrant is a ticket that was granted.
type slowGrant struct {
	id       int
	asks     slowAsks
	at       moment
	released moment // never while it is held
	foreseen bool   // not granted yet
}

// from returns the moment from which on the grant counts until it ends to.
func (g *slowGrant) from(w Window) moment {
	if w.From == FromRelease {
		return g.released
	}
	return g.at
}

// slowPast is what a window remembers besides grants, and what it does not remember of them.
type slowPast struct {
	forgotten map[int]bool // tickets
	vague     moment       // what was granted up to then cannot be taken back
	charges   []slowCharge
	apart     moment // until when what was there before a charge keeps the next grant away
}

type slowCharge struct {
	at moment
	n  int
}

func newSlowCore(l Limits, epoch time.Time, maxQueue int, nonBlocking bool) *slowCore {
	o := &slowCore{limits: l, epoch: epoch, maxQueue: maxQueue, nonBlocking: nonBlocking, asked: map[int]slowAsks{}}
	for range l.Windows {
		o.past = append(o.past, slowPast{vague: -1})
		o.observed = append(o.observed, slowObserved{})
	}
	o.learn()
	return o
}

// learn notes the units that the limits name.
func (o *slowCore) learn() {
	for _, w := range o.limits.Windows {
		if w.Unit != "" && !slices.Contains(o.units, w.Unit) {
			o.units = append(o.units, w.Unit)
		}
	}
}

// ends returns when what a window counts from a moment on ends to count.
func (o *slowCore) ends(w Window, from moment) moment {
	if w.From == FromReset {
		return nextReset(w, o.epoch, from)
	}
	return from + moment(w.Per)
}

// counted yields what the i-th window remembers at t: when it began to count, never if it is still held, and
// how much it is.
func (o *slowCore) counted(grants []*slowGrant, i int, t moment, each func(from moment, n int)) {
	w, past := o.limits.Windows[i], &o.past[i]
	for _, g := range grants {
		n := g.asks[w.Unit]
		if from := g.from(w); n > 0 && !past.forgotten[g.id] && (from == never || t < o.ends(w, from)) {
			each(from, n)
		}
	}
	for _, c := range past.charges {
		if t < o.ends(w, c.at) {
			each(c.at, c.n)
		}
	}
}

// used returns what counts in the i-th window at t.
func (o *slowCore) used(grants []*slowGrant, i int, t moment) (sum int) {
	o.counted(grants, i, t, func(_ moment, n int) { sum += n })
	return sum
}

// spaced returns until when the next grant is kept away in the i-th window: by what counts from the last
// instant, and by what was there before a charge.
func (o *slowCore) spaced(grants []*slowGrant, i int, t moment) moment {
	until := o.past[i].apart
	if spaces := o.spaces(grants, i, t); len(spaces) > 0 {
		until = max(until, spaces[len(spaces)-1])
	}
	return until
}

// spaces returns until when what counts in the i-th window from each instant on keeps the next grant away.
func (o *slowCore) spaces(grants []*slowGrant, i int, t moment) (spaces []moment) {
	w := o.limits.Windows[i]
	if !w.Evenly {
		return nil
	}
	sums := map[moment]int{}
	o.counted(grants, i, t, func(at moment, n int) { sums[at] += n })
	for _, at := range slices.Sorted(maps.Keys(sums)) {
		parts, permits := int64(sums[at])*int64(w.Per), int64(w.Permits)
		space := parts / permits
		if parts%permits > 0 {
			space++
		}
		spaces = append(spaces, at+min(moment(space), moment(w.Per)))
	}
	return spaces
}

// setApart makes all that counts in the i-th window keep the next grant away.
func (o *slowCore) setApart(grants []*slowGrant, i int) {
	o.past[i].apart = 0
	if spaces := o.spaces(grants, i, o.now); len(spaces) > 1 {
		o.past[i].apart = slices.Max(spaces[:len(spaces)-1])
	}
}

func held(grants []*slowGrant) (sum int) {
	for _, g := range grants {
		if g.released == never {
			sum += g.asks[""]
		}
	}
	return sum
}

// windowsFit reports whether every window has room at t. One of a unit in which nothing is asked for is not
// looked at.
func (o *slowCore) windowsFit(grants []*slowGrant, asks slowAsks, t moment) bool {
	for i, w := range o.limits.Windows {
		n := asks[w.Unit]
		if n == 0 {
			continue
		}
		ahead := 0
		for _, g := range grants {
			if g.foreseen {
				ahead += g.asks[w.Unit]
			}
		}
		if o.used(grants, i, t)+n > w.Permits || n > o.left(i, t)-ahead || t < o.spaced(grants, i, t) {
			return false
		}
	}
	return true
}

func (o *slowCore) burstFits(asks slowAsks) bool {
	return o.limits.MaxBurst == 0 || held(o.granted)+asks[""] <= o.limits.MaxBurst
}

func (o *slowCore) paused() bool { return o.halted || o.now < o.pausedUntil }

func (o *slowCore) fits(asks slowAsks) bool {
	return !o.paused() && o.burstFits(asks) && o.windowsFit(o.granted, asks, o.now)
}

// firstFit returns the first moment from t on at which a ticket fits the windows if nobody does
// anything: now, or when something stops to count or to keep others away.
func (o *slowCore) firstFit(grants []*slowGrant, asks slowAsks, t moment) moment {
	candidates := []moment{t}
	for i, w := range o.limits.Windows {
		for _, said := range o.observed[i].both() {
			candidates = append(candidates, max(t, said.until))
		}
		o.counted(grants, i, t, func(from moment, _ int) {
			if from != never {
				candidates = append(candidates, o.ends(w, from))
			}
		})
		candidates = append(candidates, max(t, o.spaced(grants, i, t)))
	}
	slices.Sort(candidates)
	for _, c := range slices.Compact(candidates) {
		if o.windowsFit(grants, asks, c) {
			return c
		}
	}
	return never
}

// pump grants all that is due and returns the ids.
func (o *slowCore) pump() (ids []int) {
	for o.line.Flows() > 0 {
		if !o.fits(o.first()) {
			break
		}
		t := o.line.Serve()
		g := &slowGrant{id: t.ID, asks: o.asked[t.ID], at: o.now, released: never}
		o.granted = append(o.granted, g)
		o.underway.grant(g)
		o.useUp(g.asks)
		ids = append(ids, t.ID)
	}
	return ids
}

// first returns what the first ticket in line asks for. Somebody must wait.
func (o *slowCore) first() slowAsks {
	t, _, _ := o.line.First()
	return o.asked[t.ID]
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
func (o *slowCore) earliest(asks slowAsks, f line.Flow) moment {
	grants := o.releasedNow()
	t := max(o.now, o.pausedUntil)
	for _, ahead := range o.line.Ahead(o.inLine(-1, asks), f.Key, f.Share) {
		asks := o.asked[ahead.ID]
		t = o.firstFit(grants, asks, t)
		grants = append(grants, &slowGrant{id: -1, asks: asks, at: t, released: t, foreseen: true})
	}
	return o.firstFit(grants, asks, t)
}

func (o *slowCore) wake() moment {
	if o.line.Flows() == 0 || o.halted {
		return never
	}
	asks := o.first()
	if !o.burstFits(asks) {
		return never
	}
	return o.firstFit(o.granted, asks, max(o.now, o.pausedUntil))
}

// inLine returns a ticket as it stands in line. Its turn is its dominant share: the largest, over units, of
// what it asks for divided by the lowest rate of the unit, in permits. Where no window counts permits, the unit
// with the lowest rate stands for them.
func (o *slowCore) inLine(id int, asks slowAsks) oracle.Ticket {
	t := oracle.Ticket{ID: id, Weight: asks[""]}
	if len(asks) == 1 {
		return t
	}
	slowest := map[Unit]*big.Rat{}
	var lowest *big.Rat
	for _, w := range o.limits.Windows {
		rate := big.NewRat(int64(w.Permits), int64(w.Per))
		if s := slowest[w.Unit]; s == nil || rate.Cmp(s) < 0 {
			slowest[w.Unit] = rate
		}
		if lowest == nil || rate.Cmp(lowest) < 0 {
			lowest = rate
		}
	}
	permits := slowest[""]
	if permits == nil {
		permits = lowest
	}
	t.Turn = oracle.Permits(t.Weight)
	for unit, n := range asks {
		if rate := slowest[unit]; rate != nil && unit != "" {
			one := new(big.Rat).Quo(permits, rate)
			parts := new(big.Int).Quo(new(big.Int).Lsh(one.Num(), 64), one.Denom())
			if parts.Mul(parts, big.NewInt(int64(n))); parts.Cmp(t.Turn) > 0 {
				t.Turn = parts
			}
		}
	}
	return t
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

// most returns the largest amount of a unit that fits.
func (o *slowCore) most(u Unit) int {
	most := math.MaxInt
	if u == "" && o.limits.MaxBurst > 0 {
		most = o.limits.MaxBurst
	}
	for _, w := range o.limits.Windows {
		if w.Unit == u {
			most = min(most, w.Permits)
		}
	}
	return most
}

// oversize returns the first unit of which a ticket asks for more than fits.
func (o *slowCore) oversize(asks slowAsks) (u Unit, is bool) {
	for _, u := range append([]Unit{""}, o.units...) {
		if asks[u] > o.most(u) {
			return u, true
		}
	}
	return "", false
}

// asks returns what a caller asks for. It reports false for what cannot be.
func (o *slowCore) asks(weight int, costs []ticket.Cost) (asks slowAsks, ok bool) {
	asks, ok = o.sum(costs)
	asks[""] = weight
	return asks, ok && weight >= 1
}

// sum adds up costs of one unit.
func (o *slowCore) sum(costs []ticket.Cost) (sum slowAsks, ok bool) {
	sum = slowAsks{}
	for _, c := range costs {
		if !slices.Contains(o.units, Unit(c.Unit)) || c.Amount < 0 {
			return sum, false
		}
		sum[Unit(c.Unit)] += c.Amount
	}
	return sum, true
}

// costsOf returns what a ticket costs in the units that it names.
func (o *slowCore) costsOf(id int) (costs []ticket.Cost) {
	for _, u := range o.units {
		if n, named := o.asked[id][u]; named {
			costs = append(costs, u.Of(n))
		}
	}
	return costs
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

func (o *slowCore) arrive(v call, id, weight int, costs []ticket.Cost, deadline moment, f line.Flow) (r refusal, wait time.Duration) {
	asks, ok := o.asks(weight, costs)
	if !ok {
		return invalid, 0
	}
	if _, is := o.oversize(asks); is {
		return tooLarge, 0
	}
	atOnce := o.line.Flows() == 0 && o.fits(asks)
	switch {
	case o.draining:
		return closed, 0
	case v == callAcquire && o.nonBlocking && deadline < o.now:
		return tooLate, o.advice(asks, f)
	case !atOnce && v == callTry:
		return noPermit, 0
	case !atOnce && (v == callNow || v == callAcquire && o.nonBlocking):
		return noPermit, o.advice(asks, f)
	case !atOnce && o.full(f.Key):
		return queueFull, o.adviceToQueue(asks)
	}
	if v == callAcquire && !o.nonBlocking && deadline != never {
		if at := o.earliest(asks, f); at > deadline {
			return tooLate, o.advice(asks, f)
		}
	}
	o.asked[id] = asks
	o.line.Push(o.inLine(id, asks), f.Key, f.Share)
	return accepted, 0
}

// advice is when to come back: Forever if time alone does not help.
func (o *slowCore) advice(asks slowAsks, f line.Flow) time.Duration {
	at := o.earliest(asks, f)
	switch {
	case o.line.Flows() == 0 && o.fits(asks):
		return 0
	case o.halted, at == o.now:
		return Forever
	}
	return time.Duration(at - o.now)
}

// adviceToQueue is when the line will be shorter, Forever if time alone does not make it so.
func (o *slowCore) adviceToQueue(asks slowAsks) time.Duration {
	if o.line.Flows() > 0 {
		asks = o.first()
	}
	at := o.firstFit(o.granted, asks, max(o.now, o.pausedUntil))
	if o.halted || !o.burstFits(asks) || at == never {
		return Forever
	}
	return time.Duration(at - o.now)
}

func (o *slowCore) undo(id int) {
	o.underway.end(id)
	g := o.grantOf(id)
	for i, w := range o.limits.Windows {
		o.observed[i].settle(g.at, -g.asks[w.Unit])
		o.keep(g, i, -g.asks[w.Unit])
	}
	o.granted = slices.DeleteFunc(o.granted, func(g *slowGrant) bool { return g.id == id })
}

// release does nothing if the ticket is not held.
func (o *slowCore) release(id int) {
	o.underway.end(id)
	if g := o.grantOf(id); g != nil && g.released == never {
		g.released = o.now
	}
}

// settle makes a ticket that is held cost what its work has. It reports false, and does nothing, if that
// cannot be.
func (o *slowCore) settle(id int, costs []ticket.Cost) bool {
	now, ok := o.sum(costs)
	if !ok || !o.holds(id) {
		return false
	}
	g := o.grantOf(id)
	for u := range now {
		if _, named := g.asks[u]; !named {
			return false
		}
	}
	for i, w := range o.limits.Windows {
		n, named := now[w.Unit]
		if !named {
			continue
		}
		more := n - g.asks[w.Unit]
		o.observed[i].settle(g.at, more)
		o.keep(g, i, more)
	}
	maps.Copy(g.asks, now)
	return true
}

// keep keeps charged in the i-th window what cannot be taken back, because it is not told apart from other
// charges, and charges what a forgotten ticket costs more.
func (o *slowCore) keep(g *slowGrant, i, more int) {
	if p := &o.past[i]; more != 0 && o.limits.Windows[i].From != FromRelease && g.at <= p.vague {
		if forgotten := p.forgotten[g.id]; forgotten == (more > 0) {
			p.charges = append(p.charges, slowCharge{g.at, max(more, -more)})
		}
	}
}

// grantOf returns the grant of a ticket, nil if it has none.
func (o *slowCore) grantOf(id int) *slowGrant {
	for _, g := range o.granted {
		if g.id == id {
			return g
		}
	}
	return nil
}

func (o *slowCore) holds(id int) bool {
	g := o.grantOf(id)
	return g != nil && g.released == never
}

// charge notes what was used elsewhere.
func (o *slowCore) charge(i, n int) {
	w := o.limits.Windows[i]
	for j := range o.limits.Windows {
		if o.limits.Windows[j] == w {
			o.past[j].apart = o.spaced(o.granted, j, o.now)
			o.past[j].charges = append(o.past[j].charges, slowCharge{o.now, n})
		}
	}
}

// stats is what Stats must say.
func (o *slowCore) stats() Stats {
	s := Stats{Waiting: len(o.line.All()), Flows: o.line.Flows(), InUse: held(o.granted), Granted: uint64(len(o.granted)), Windows: []WindowStats{}}
	if at := o.wake(); at != never {
		s.NextWake = o.epoch.Add(time.Duration(at))
	}
	s.Paused = o.paused()
	if s.Paused && !o.halted {
		s.Resumes = o.epoch.Add(time.Duration(o.pausedUntil))
	}
	for i, w := range o.limits.Windows {
		ws := WindowStats{Window: w, Used: o.used(o.granted, i, o.now), Remaining: o.remaining(o.granted, i, o.now, o.left(i, o.now))}
		if at := o.nextFree(i); at != never {
			ws.NextFree = o.epoch.Add(time.Duration(at))
		}
		s.Windows = append(s.Windows, ws)
	}
	return s
}

// nextFree looks at each instant at which something in the window ends.
func (o *slowCore) nextFree(i int) moment {
	var ends []moment
	o.counted(o.granted, i, o.now, func(from moment, _ int) {
		if from != never {
			ends = append(ends, o.ends(o.limits.Windows[i], from))
		}
	})
	for _, said := range o.observed[i].both() {
		ends = append(ends, said.until)
	}
	ends = append(ends, o.spaced(o.granted, i, o.now))
	first, now := never, o.remaining(o.granted, i, o.now, o.left(i, o.now))
	for _, t := range ends {
		if t > o.now && t < first && o.remaining(o.granted, i, t, o.left(i, t)) > now {
			first = t
		}
	}
	return first
}

// remaining returns what could be granted of the i-th window at t if the server grants so much.
func (o *slowCore) remaining(grants []*slowGrant, i int, t moment, left int) int {
	if t < o.spaced(grants, i, t) {
		return 0
	}
	return max(0, min(o.limits.Windows[i].Permits-o.used(grants, i, t), left))
}
