package scheduler

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/ticket"
)

// operation is something that a caller, the clock or an operator does. Its method do does it to the subject
// and to the oracle and compares what they answer.
//
// The fields are indexes that wrap around, or distances from the values at which decisions change. So every
// operation makes sense in every state. It does nothing if there is nothing to choose from.
type operation interface {
	do(*twin) error
}

// newcomer says what ticket to ask for.
type newcomer struct {
	weight   int    // -1 to one more than the largest that fits; wraps around
	invalid  bool   // a weight below 1 stays as it is; without this it becomes 1
	flow     int    // index
	deadline moment // counted from the earliest possible grant; never: none; only for opAcquire
	costs    []costChoice
}

// costChoice says how much of what.
type costChoice struct {
	unit   int // index among the units that the limits ever named, or one of those below
	amount int // 0 to one more than the largest that fits, or for a settlement to twice as much; wraps around
}

const (
	unknownUnit = -1 - iota
	noUnit      // ""
	belowZero   // an amount that cannot be
)

// costs returns the costs that are chosen, up to so many times the largest that fits. It leaves out those of
// which there is nothing to choose.
func (w *twin) costs(choices []costChoice, times int) (costs []ticket.Cost) {
	for _, c := range choices {
		units := w.oracle.units
		switch {
		case c.unit == unknownUnit:
			costs = append(costs, Unit("unknown").Of(c.amount%3))
		case c.unit == noUnit:
			costs = append(costs, Unit("").Of(c.amount%3))
		case len(units) == 0:
		case c.unit == belowZero:
			costs = append(costs, units[0].Of(-1))
		default:
			u := units[c.unit%len(units)]
			most := min(w.oracle.most(u), 10)
			costs = append(costs, u.Of(c.amount%(times*most+2)))
		}
	}
	return costs
}

// limitsChange says what of the limits changes.
type limitsChange int

const (
	changeBurst limitsChange = iota
	changePermits
	changePer
	changeAdd
	changeRemove
	changes
	changeUnit limitsChange = iota - 1
	changeFrom
	changeEvenly
	changeAddUnit
	changesAll
)

type (
	opAcquire newcomer // a caller waits for a ticket
	opTry     newcomer // a caller takes a ticket only if it is granted at once
	opEnqueue newcomer // a caller takes a place in line
	opAllow   newcomer // a caller takes permits only if they are granted at once, and gives them back at once

	opReceive struct{ ticket int } // its caller receives the grant, if there is one
	opRelease struct{ ticket int } // whatever its state
	opSettle  struct {             // its caller says what the work cost
		ticket int
		costs  []costChoice // unit: also index among those that the ticket names
	}
	opCancel   struct{ ticket int } // whatever its state
	opWithdraw struct{ ticket int } // if its caller has been told nothing

	opTime struct{ by moment } // the clock moves on, or back if by is negative
	opEdge struct {            // the clock moves to an instant at which more can fit, or near to it
		nth int    // index: 0 is the next edge
		by  moment // counted from the edge
	}

	opPause  struct{ until moment } // counted from now; never: without end
	opResume struct{}
	opDrain  struct{}

	opConfigure struct { // the limits change
		change  limitsChange
		window  int           // changePermits, changePer, changeRemove: index; changeAdd: of the one to resemble
		permits int           // changePermits, changeAdd, changeAddUnit: of the window
		unit    int           // changeUnit, changeAddUnit: index among units
		by      time.Duration // changePer: the window becomes half as long and this much longer
		burst   int           // changeBurst, or any change if there is no window: the new MaxBurst
	}
	opCharge struct { // permits of a window are used elsewhere
		window  int // index
		permits int // 1 to the Permits of the window; wraps around
	}

	opObserve struct { // the server says what is left of a window
		window int    // index
		left   int    // 0 to the Permits of the window; wraps around
		until  moment // counted from now
		answer int    // index of the ticket that was answered, mostly one that is held; -1: it is not said
	}

	opRestart struct{ down moment } // another scheduler goes on from a snapshot, after a while

	opShare      struct{ context int } // a context becomes the shared one, if it can
	opEndContext struct{}              // the shared context ends
)

func (o opAcquire) do(w *twin) error { return w.arrive(verbAcquire, newcomer(o)) }

// A try of an odd weight asks for the reason too. The bytes of FuzzTwin have no room for another operation.
func (o opTry) do(w *twin) error {
	if o.weight%2 != 0 {
		return w.arrive(verbNow, newcomer(o))
	}
	return w.arrive(verbTry, newcomer(o))
}
func (o opEnqueue) do(w *twin) error { return w.arrive(verbEnqueue, newcomer(o)) }
func (o opAllow) do(w *twin) error   { return w.arrive(verbAllow, newcomer(o)) }

func (w *twin) arrive(v verb, n newcomer) error {
	most := w.oracle.most("")
	weight := (n.weight+1)%(most+3) - 1
	if weight < 1 && !n.invalid {
		weight = 1
	}
	flow, costs := w.flow(n.flow), w.costs(n.costs, 1)
	deadline := never
	if v == verbAcquire && n.deadline != never {
		asks, _ := w.oracle.asks(max(1, min(weight, most)), costs)
		for u := range asks {
			asks[u] = min(asks[u], w.oracle.most(u))
		}
		deadline = w.oracle.earliest(asks, flow) + n.deadline
	}
	t := &twinTicket{id: len(w.tickets), verb: v, place: line.NewPlace(), flow: &flow, since: w.oracle.now}
	t.ready = t.place.Ready
	if v == verbEnqueue {
		lazy := line.NewLazyPlace()
		t.place, t.ready = &lazy.Place, lazy.Ready
	}
	name := map[verb]string{verbAcquire: "acquire", verbTry: "try", verbNow: "acquire now", verbEnqueue: "enqueue", verbAllow: "allow"}[v]
	w.logf("%d: %s of %d and %v as ticket %d of %v, deadline %d", w.oracle.now, name, weight, costs, t.id, flow, deadline)
	want, wait := w.oracle.arrive(v.call(), t.id, weight, costs, deadline, flow)
	if want == accepted {
		w.expect(EventEnqueued, t)
	} else {
		w.expect(EventRefused, nil)
		w.refused(v, want)
		w.events[len(w.events)-1].costs = fmt.Sprint(costs)
	}
	err := w.subject.take(t, weight, costs, deadline, w.ends[t.id/3%2])
	if v.call() == callTry && want != accepted {
		want = w.refusalOfTry() // TryAcquire does not say why
	}
	if err := sameRefusal(err, want, wait); err != nil {
		return err
	}
	if want == tooLarge {
		asks, _ := w.oracle.asks(weight, costs)
		if err := w.sameOversize(err, asks); err != nil {
			return err
		}
	}
	if want != accepted {
		return w.heard()
	}
	if v == verbAllow {
		return w.allowed(t)
	}
	if t.number = t.place.Number; int(t.number) != t.id+1 {
		return fmt.Errorf("ticket %d has the number %d", t.id, t.number)
	}
	t.state = line.Queued
	w.tickets = append(w.tickets, t)
	return w.pump()
}

// allowed notes that a ticket was granted and has ended.
func (w *twin) allowed(t *twinTicket) error {
	t.number = uint64(t.id + 1)
	w.tickets = append(w.tickets, t)
	if granted := w.oracle.pump(); !slices.Equal(granted, []int{t.id}) {
		return fmt.Errorf("tickets %v should have been granted instead of %d", granted, t.id)
	}
	w.expect(EventGranted, t)
	w.oracle.release(t.id)
	w.expect(EventReleased, t)
	return w.pump()
}

// sameOversize compares what a ticket that can never fit is told.
func (w *twin) sameOversize(got error, asks slowAsks) error {
	var e *TooLargeError
	u, _ := w.oracle.oversize(asks)
	if !errors.As(got, &e) || e.Unit != u || e.Weight != asks[u] || e.Most != w.oracle.most(u) {
		return fmt.Errorf("told %#v, want too many %q: %d of %d", got, u, asks[u], w.oracle.most(u))
	}
	return nil
}

// flow chooses among the flows.
func (w *twin) flow(i int) line.Flow {
	if len(w.flows) == 0 {
		return line.Flow{Key: "", Share: 1}
	}
	return w.flows[i%len(w.flows)]
}

// ticket chooses among the tickets that were accepted. It returns nil if there is none.
func (w *twin) ticket(i int) *twinTicket {
	if len(w.tickets) == 0 {
		return nil
	}
	return w.tickets[i%len(w.tickets)]
}

func (o opReceive) do(w *twin) error {
	t := w.ticket(o.ticket)
	if t == nil {
		return nil
	}
	if t.state == line.Holding && !t.told {
		w.logf("receive %d", t.id)
		if err := <-t.ready(); err != nil {
			return fmt.Errorf("granted ticket %d was told %v", t.id, err)
		}
		t.told = true
	}
	return w.pump()
}

func (o opRelease) do(w *twin) error {
	t := w.ticket(o.ticket)
	if t == nil {
		return nil
	}
	w.logf("release %d", t.id)
	if t.state == line.Holding {
		// A grant can be released before its caller receives it; what was told stays to be received.
		w.oracle.release(t.id)
		w.expect(EventReleased, t)
		t.state = line.Idle
		if !t.told {
			<-t.ready()
		}
	}
	if err := w.subject.end(verbRelease, t); err != nil {
		return err
	}
	return w.pump()
}

func (o opSettle) do(w *twin) error {
	t := w.ticket(o.ticket)
	if t == nil {
		return nil
	}
	choices := slices.Clone(o.costs)
	if named := w.oracle.costsOf(t.id); len(named) > 0 {
		for i, c := range choices {
			if c.unit >= 0 && c.unit < 3 {
				choices[i].unit = slices.Index(w.oracle.units, Unit(named[c.unit%len(named)].Unit))
			}
		}
	}
	costs := w.costs(choices, 2)
	w.logf("settle %d at %v", t.id, costs)
	want := w.oracle.settle(t.id, costs)
	if want {
		w.expect(EventSettled, t)
	}
	err := w.subject.settle(t, costs)
	var refused *InvalidError
	if (err == nil) != want || err != nil && !errors.As(err, &refused) {
		return fmt.Errorf("settling %d at %v: %v, want success %v", t.id, costs, err, want)
	}
	return w.pump()
}

func (o opCancel) do(w *twin) error {
	t := w.ticket(o.ticket)
	if t == nil {
		return nil
	}
	w.logf("cancel %d", t.id)
	return w.giveUp(verbCancel, t)
}

func (o opWithdraw) do(w *twin) error {
	t := w.ticket(o.ticket)
	if t == nil || t.told || t.verb == verbEnqueue || t.state == line.Idle {
		return nil
	}
	w.logf("withdraw %d", t.id)
	return w.giveUp(verbWithdraw, t)
}

// giveUp ends a ticket by cancel or withdraw.
func (w *twin) giveUp(v verb, t *twinTicket) error {
	untold := t.state == line.Holding && !t.told
	queued := t.state == line.Queued
	switch {
	case queued:
		w.oracle.line.Remove(t.id)
		w.expect(EventGivenUp, t)
	case untold:
		w.oracle.undo(t.id)
		w.expect(EventUndone, t)
	default:
		if t.state == line.Holding {
			w.expect(EventReleased, t)
		}
		w.oracle.release(t.id)
	}
	t.state = line.Idle
	if err := w.subject.end(v, t); err != nil {
		return err
	}
	if queued || untold {
		if err := t.answer(); !errors.Is(err, context.Canceled) {
			return fmt.Errorf("ticket %d was given up and told %v", t.id, err)
		}
	}
	return w.pump()
}

func (o opTime) do(w *twin) error { return w.moveTo(w.oracle.now + o.by) }

func (o opEdge) do(w *twin) error {
	to := w.oracle.now
	if edges := w.edges(); len(edges) > 0 {
		to = edges[o.nth%len(edges)] + o.by
	}
	return w.moveTo(to)
}

func (w *twin) moveTo(to moment) error {
	w.logf("time %d to %d", w.oracle.now, to)
	w.oracle.now = max(w.oracle.now, to)
	w.subject.moveTo(to)
	return w.pump()
}

// edges returns the instants to come at which a charge ends to count or a pause ends, in order.
func (w *twin) edges() (edges []moment) {
	now := w.oracle.now
	add := func(at moment) {
		if at > now {
			edges = append(edges, at)
		}
	}
	for i, win := range w.oracle.limits.Windows {
		for _, g := range w.oracle.granted {
			if add(w.oracle.ends(win, g.at)); g.released != never {
				add(w.oracle.ends(win, g.released))
			}
		}
		for _, c := range w.oracle.past[i].charges {
			add(w.oracle.ends(win, c.at))
		}
		add(w.oracle.spaced(w.oracle.granted, i, now))
	}
	if w.oracle.pausedUntil > now {
		edges = append(edges, w.oracle.pausedUntil)
	}
	for _, o := range w.oracle.observed {
		for _, said := range o.both() {
			if said.until > now {
				edges = append(edges, said.until)
			}
		}
	}
	slices.Sort(edges)
	return edges
}

func (o opPause) do(w *twin) error {
	now, until := w.oracle.now, o.until
	if until != never {
		until += now
	}
	w.logf("pause until %d", until)
	if until > now {
		w.expect(EventPaused, nil)
	}
	err := w.subject.pause(until)
	switch {
	case until == never:
		w.oracle.halted = true
	case until <= now: // nothing to wait for
	default:
		w.oracle.pausedUntil = max(w.oracle.pausedUntil, until)
	}
	return errors.Join(err, w.pump())
}

func (opResume) do(w *twin) error {
	w.logf("resume")
	w.oracle.halted, w.oracle.pausedUntil = false, 0
	w.expect(EventResumed, nil)
	w.subject.resume()
	return w.pump()
}

func (opDrain) do(w *twin) error {
	w.logf("drain")
	w.oracle.draining = true
	w.subject.drain()
	return w.pump()
}

// apply returns the changed limits. It reports false if they would have more than 4 windows.
func (o opConfigure) apply(l Limits) (Limits, bool) {
	l = l.clone()
	if len(l.Windows) == 0 || o.change == changeBurst {
		l.MaxBurst = o.burst
		return l, true
	}
	i := o.window % len(l.Windows)
	win := &l.Windows[i]
	switch o.change {
	case changePermits:
		win.Permits = o.permits
	case changePer:
		win.Per = win.Per/2 + o.by
		win.divideDay(o.by)
	case changeAdd:
		l.Windows = append(l.Windows, Window{Permits: o.permits, Per: win.Per*2/3 + 1, From: win.From, Unit: win.Unit})
		l.Windows[len(l.Windows)-1].divideDay(o.by)
	case changeUnit:
		win.Unit = twinUnits[o.unit%len(twinUnits)]
	case changeAddUnit:
		l.Windows = append(l.Windows, Window{Permits: o.permits, Per: win.Per/2 + o.by, Unit: twinUnits[o.unit%len(twinUnits)]})
	case changeFrom:
		win.From, win.Evenly, win.ResetAt, win.Zone = (win.From+1)%(FromReset+1), false, 0, ""
		win.divideDay(o.by)
	case changeEvenly:
		if win.From == FromGrant {
			win.Evenly = !win.Evenly
		}
	case changeRemove:
		if len(l.Windows) > 1 {
			l.Windows = append(l.Windows[:i:i], l.Windows[i+1:]...)
		}
	}
	return l, len(l.Windows) <= 4
}

// divideDay gives a window that counts from reset a length that it can have.
func (w *Window) divideDay(by time.Duration) {
	if w.From == FromReset && (w.Per < time.Hour || day%w.Per != 0) {
		w.Per = []time.Duration{10, 20, 25, 64}[by%4]
	}
}

// twinUnits are what windows that change count.
var twinUnits = []Unit{"", tokens, rows, bytes}

func (o opConfigure) do(w *twin) error {
	l, ok := o.apply(w.oracle.limits)
	if !ok {
		return nil
	}
	w.logf("limits %v", l)
	gone := w.oracle.configure(l)
	w.expect(EventLimits, nil)
	for _, id := range gone {
		w.expect(EventGivenUp, w.tickets[id])
	}
	w.subject.configure(l)
	for _, id := range gone {
		t := w.tickets[id]
		t.state = line.Idle
		if err := w.sameOversize(t.answer(), w.oracle.asked[id]); err != nil {
			return fmt.Errorf("ticket %d: %v", id, err)
		}
	}
	return w.pump()
}

func (o opCharge) do(w *twin) error {
	n := len(w.oracle.limits.Windows)
	if n == 0 {
		return nil
	}
	win := w.oracle.limits.Windows[o.window%n]
	permits := (o.permits-1)%win.Permits + 1
	w.logf("charge %d to %v", permits, win)
	w.oracle.charge(o.window%n, permits)
	w.expect(EventCharged, nil)
	err := w.subject.charge(win, permits)
	return errors.Join(err, w.pump())
}

func (o opObserve) do(w *twin) error {
	n := len(w.oracle.limits.Windows)
	if n == 0 {
		return nil
	}
	win := w.oracle.limits.Windows[o.window%n]
	left, until := o.left%(win.Permits+1), w.oracle.now+o.until
	var t *twinTicket
	id := -1
	if o.answer >= 0 {
		if t = w.answered(o.answer); t != nil {
			id = t.id
		}
	}
	w.logf("observe %d left of %v until %d, answer of %d", left, win, until, id)
	w.oracle.observe(o.window%n, left, until, id)
	if until > w.oracle.now {
		w.expect(EventObserved, nil)
	}
	err := w.subject.observe(win, left, until, t)
	return errors.Join(err, w.pump())
}

// answered chooses a ticket that the server has answered.
func (w *twin) answered(i int) *twinTicket {
	var held []*twinTicket
	for _, t := range w.tickets {
		if t.state == line.Holding {
			held = append(held, t)
		}
	}
	if len(held) == 0 || i%8 == 0 {
		return w.ticket(i / 8)
	}
	return held[i/8%len(held)]
}

func (o opRestart) do(w *twin) error {
	w.logf("restart after %d", o.down)
	s, _, err := w.subject.restarted(0, o.down)
	if err != nil {
		return err
	}
	w.subject, w.oracle, w.tickets = s, w.oracle.restarted(o.down), nil
	w.totals, w.waits, w.held = Totals{}, nil, nil
	w.begin()
	return w.pump()
}

func (o opShare) do(w *twin) error {
	w.logf("share context %d", o.context%len(w.ends))
	w.subject.share(w.ends[o.context%len(w.ends)])
	return nil
}

// The waiting tickets that rely on the shared context are sent away, and no others.
func (opEndContext) do(w *twin) error {
	shared := w.subject.sharedContext()
	if shared == nil {
		return nil
	}
	w.logf("the shared context ends")
	var gone []*twinTicket
	for _, t := range w.tickets {
		if t.with == shared && t.state == line.Queued {
			gone = append(gone, t)
			w.oracle.line.Remove(t.id)
			w.expect(EventGivenUp, t)
		}
	}
	w.subject.endContext(shared)
	for _, t := range gone {
		t.state = line.Idle
		if err := t.answer(); err != errGivenUp {
			return fmt.Errorf("ticket %d of the shared context was told %v", t.id, err)
		}
	}
	return w.pump()
}

// The kinds of operation as random numbers and fuzz bytes name them. The files under testdata rely on
// their values.
const (
	kindAcquire = iota
	kindTry
	kindEnqueue
	kindReceive
	kindRelease
	kindCancel
	kindWithdraw
	kindTime
	kindDrain
	kindPause
	kindResume
	kindConfigure
	kindCharge
	kindContext
	kindObserve
	kindCostlyAcquire // from here on there are units
	kindCostlyTry
	kindCostlyEnqueue
	kindSettle
	kindUnits
	kindObserveAnswer
	kindRestart
	kindAllow
	kinds
)

// decode makes a step of three numbers, which may be any from 0 on: kind is one of the kinds above and wraps
// around, a and b choose its fields. Random numbers and fuzz bytes both come through here. Most choices are close
// to where decisions change, because faults are there.
func decode(kind, a, b int) step {
	return step{decodeOperation(kind%kinds, a, b), kind%kinds + a + b}
}

func decodeOperation(kind, a, b int) operation {
	n := newcomer{
		weight:   a - 1,
		invalid:  a%5 == 0,
		flow:     a/7 + b/15,
		deadline: never,
	}
	if kind >= kindCostlyAcquire {
		n.weight, n.invalid = n.weight*(b%2), a%25 == 0
		n.costs = decodeCosts(a, b)
	}
	switch kind {
	case kindAcquire, kindCostlyAcquire:
		if b%3 != 0 {
			// Around the instant that decides, and well to either side.
			n.deadline = []moment{-1, 0, 1, -1_000, 1_000_000}[b%5]
		}
		return opAcquire(n)
	case kindTry, kindCostlyTry:
		return opTry(n)
	case kindEnqueue, kindCostlyEnqueue:
		return opEnqueue(n)
	case kindAllow:
		if b%3 == 0 {
			n.weight, n.costs = a-1, nil
		}
		return opAllow(n)

	case kindReceive:
		return opReceive{a}
	case kindRelease:
		return opRelease{a}
	case kindSettle:
		return opSettle{a, decodeCosts(a/2+b, b)}
	case kindCancel:
		return opCancel{a}
	case kindWithdraw:
		return opWithdraw{a}

	case kindTime:
		switch b % 8 {
		case 0:
			return opTime{0}
		case 1:
			return opTime{1}
		case 2:
			return opTime{-moment(a%3 + 1)}
		case 3:
			return opTime{moment(a % 20)}
		case 4:
			return opTime{moment(a%100) * 1_000}
		default:
			return opEdge{a, moment(b%8 - 6)} // just before it, at it, just after it
		}

	case kindDrain:
		return opDrain{}
	case kindPause:
		if b%4 == 0 {
			return opPause{never}
		}
		return opPause{moment(a%30) - 2}
	case kindResume:
		return opResume{}
	case kindConfigure:
		o := opConfigure{change: limitsChange(b) % changes, window: a, burst: a%5 + 1}
		switch o.change {
		case changePermits:
			o.permits = a%9 + 1
		case changePer:
			o.by = time.Duration(a%40) + 1
		case changeAdd:
			o.permits = a%6 + 1
		}
		return o
	case kindUnits:
		change := changeUnit + limitsChange(b)%(changesAll-changeUnit)
		return opConfigure{change: change, window: a, permits: a%7 + 2, unit: a/3 + b, by: time.Duration(a%40) + 1, burst: a%5 + 1}
	case kindCharge:
		return opCharge{a, b + 1}
	case kindObserve:
		return opObserve{window: a, left: b, until: moment(a%40) - 2, answer: -1}
	case kindRestart:
		return opRestart{moment(a % 3 * b % 30)}
	case kindObserveAnswer:
		return opObserve{window: a, left: b, until: moment(b%40) - 2, answer: a/2 + b}
	default:
		if b%2 == 0 {
			return opShare{a}
		}
		return opEndContext{}
	}
}

// decodeCosts makes up to three costs of two numbers.
func decodeCosts(a, b int) (costs []costChoice) {
	for i := range a%3 + 1 {
		costs = append(costs, costChoice{unit: b / (1 + 3*i) % 4, amount: a/3 + b/(i+2)})
	}
	switch a % 24 {
	case 7:
		costs[0].unit = unknownUnit
	case 14:
		costs[len(costs)-1].unit = noUnit
	case 20:
		costs[len(costs)-1].unit = belowZero
	}
	return costs
}

// randomStep draws a step. Callers and time come most often; what changes how the scheduler works
// comes now and then.
func randomStep(r *rand.Rand) step {
	often := []int{kindAcquire, kindAcquire, kindTry, kindAllow, kindEnqueue, kindEnqueue, kindReceive, kindReceive,
		kindRelease, kindRelease, kindCancel, kindWithdraw, kindTime, kindTime, kindTime, kindTime,
		kindCostlyAcquire, kindCostlyAcquire, kindCostlyTry, kindCostlyEnqueue, kindCostlyEnqueue, kindSettle, kindSettle, kindSettle}
	kind, a, b := often[r.IntN(len(often))], r.IntN(1<<16), r.IntN(1<<16)
	switch r.IntN(100) {
	case 0:
		kind = []int{kindDrain, kindPause}[r.IntN(2)]
	case 1:
		kind = kindPause
	case 2, 3:
		kind = kindResume
	case 4, 5, 6:
		kind = kindConfigure
	case 7, 8:
		kind = kindCharge
	case 9, 10, 11, 12:
		kind = kindContext
	case 13, 14, 15, 16:
		kind = kindObserve
	case 17, 18, 19:
		kind = kindUnits
	case 20, 21:
		kind = kindObserveAnswer
	case 22:
		kind = kindRestart
	}
	return decode(kind, a, b)
}
