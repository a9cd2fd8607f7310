package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/ticket"
)

// twin runs the same operations through the core, as its owner would, and through the oracle, and
// compares all that can be seen of them after each.
type twin struct {
	core   *core
	owner  *owner
	oracle *slowCore
	flows  []ticket.Flow // that tickets name
	lends  bool          // callers do for themselves what they can
	clock  twinClock
	ends   [2]chan struct{} // of the contexts that tickets come with
	deaf   bool             // nobody watches

	tickets []*twinTicket
	feed    *feed
	events  []twinEvent      // that the operation should have made
	told    *strings.Builder // the story so far, if somebody wants to hear it
}

// twinTicket is a ticket as its caller sees it.
type twinTicket struct {
	id     int
	verb   verb
	place  *ticket.Place
	number ticket.Number
	flow   *ticket.Flow
	with   *crowd // that it belongs to
	since  instant
	state  ticket.State
	told   bool // the caller has received the grant
}

func newTwin(l Limits, maxQueue int, nonBlocking, lends bool, flows []ticket.Flow) *twin {
	w := &twin{
		core:   newCore(l, maxQueue, nonBlocking),
		oracle: newSlowCore(l, maxQueue, nonBlocking),
		flows:  flows,
		lends:  lends,
		feed:   &feed{events: make(chan Event, 50)},
	}
	w.owner = &owner{mailbox: &mailbox{clock: &w.clock}}
	for i := range w.ends {
		w.ends[i] = make(chan struct{})
	}
	w.core.replace(&crowd{done: w.ends[0]})
	if w.deaf = nonBlocking != lends; !w.deaf {
		w.send(message{verb: watch, feed: w.feed})
	}
	return w
}

// twinClock shows what the twin was last told.
type twinClock struct {
	Clock
	at instant
}

func (c *twinClock) Since(time.Time) time.Duration { return time.Duration(c.at) }

// twinFlows are what tickets name where there are flows.
var twinFlows = []ticket.Flow{{Key: "", Share: 1}, {Key: "a", Share: 1}, {Key: "b", Share: 2}, {Key: "c", Share: 3}, {Key: "c", Share: 4}}

// op is one operation. Its two arguments choose among what is there to choose from, so that any
// numbers make an operation.
type op struct{ kind, a, b int }

// kinds of operation
const (
	opAcquire  = iota // weight a, deadline b
	opTry             // weight a
	opEnqueue         // weight a
	opReceive         // ticket a's caller receives what it was told
	opRelease         // ticket a, whatever its state
	opCancel          // ticket a, whatever its state
	opWithdraw        // ticket a if its caller has been told nothing
	opTime            // move by a, as b says
	opDrain
	opPause // until a after now, or without end, as b says
	opResume
	opConfigure // the limits change as a and b say
	opCharge    // to window a, of b permits
	opCrowd     // gathers with context a, or the crowd's context ends, as b says
	opKinds
)

// do applies the operation to both and returns how they differ.
func (w *twin) do(o op) error {
	if err := w.apply(o); err != nil {
		return err
	}
	return w.compare(o.kind + o.a + o.b)
}

// play runs the operations and fails the test with their story if the two differ.
func play(t *testing.T, start func() *twin, ops []op) {
	t.Helper()
	w := start()
	for i, o := range ops {
		if w.do(o) == nil {
			continue
		}
		w = start()
		w.told = new(strings.Builder)
		for _, o := range ops[:i] {
			w.do(o)
		}
		err := w.do(o)
		t.Fatalf("%v\nlimits %v, queue %d, non-blocking %v, after%s\nand then %+v", err,
			w.core.limits, w.core.maxQueue, w.core.nonBlocking, w.told, o)
	}
}

func (w *twin) logf(format string, args ...any) {
	if w.told != nil {
		fmt.Fprintf(w.told, "\n  "+format, args...)
	}
}

func (w *twin) apply(o op) error {
	switch o.kind {
	case opAcquire, opTry, opEnqueue:
		return w.arrive(verb(o.kind), o.a, o.b)
	case opTime:
		return w.move(o.a, o.b)
	case opDrain:
		w.logf("drain")
		w.oracle.draining = true
		w.send(message{verb: drain})
		return w.pump()
	}
	switch o.kind {
	case opPause:
		return w.pause(o.a, o.b)
	case opResume:
		w.logf("resume")
		w.oracle.halted, w.oracle.pausedUntil = false, 0
		w.expect(EventResumed, nil)
		w.send(message{verb: resume})
		return w.pump()
	case opConfigure:
		return w.configure(o.a, o.b)
	case opCrowd:
		if o.b%2 == 0 {
			w.core.replace(&crowd{done: w.ends[o.a%2]})
			return nil
		}
		return w.dispel()
	case opCharge:
		if n := len(w.oracle.limits.Windows); n > 0 {
			win := w.oracle.limits.Windows[o.a%n]
			w.logf("charge %d to %v", o.b%win.Permits+1, win)
			w.oracle.charge(o.a%n, o.b%win.Permits+1)
			w.expect(EventCharged, nil)
			w.send(message{verb: spent, limits: &Limits{Windows: []Window{win}}, request: request{weight: o.b%win.Permits + 1}})
			return errors.Join(w.owner.replies[0].answer.err, w.pump())
		}
		return nil
	}
	if len(w.tickets) == 0 {
		return nil
	}
	t := w.tickets[o.a%len(w.tickets)]
	switch o.kind {
	case opReceive:
		if t.state == ticket.Holding && !t.told {
			w.logf("receive %d", t.id)
			if err := <-t.place.Ready(); err != nil {
				return fmt.Errorf("granted ticket %d was told %v", t.id, err)
			}
			t.told = true
		}
	case opRelease:
		w.logf("release %d", t.id)
		if t.state == ticket.Holding {
			// An untold grant can be released; what it was told stays to be received.
			w.oracle.release(t.id)
			w.expect(EventReleased, t)
			t.state = ticket.Idle
			if !t.told {
				<-t.place.Ready()
			}
		}
		if err := w.give(release, t); err != nil {
			return err
		}
	case opCancel, opWithdraw:
		if o.kind == opWithdraw && (t.told || t.verb == enqueue || t.state == ticket.Idle) {
			return nil
		}
		untold := t.state == ticket.Holding && !t.told
		queued := t.state == ticket.Queued
		switch {
		case queued:
			w.oracle.line.Remove(t.id)
			w.expect(EventGivenUp, t)
		case untold:
			w.oracle.undo(t.id)
			w.expect(EventUndone, t)
		default:
			if t.state == ticket.Holding {
				w.expect(EventReleased, t)
			}
			w.oracle.release(t.id)
		}
		t.state = ticket.Idle
		var err error
		if o.kind == opCancel {
			w.logf("cancel %d", t.id)
			err = w.give(cancel, t)
		} else {
			w.logf("withdraw %d", t.id)
			err = w.give(withdraw, t)
		}
		if err != nil {
			return err
		}
		if queued || untold {
			if err := w.answer(t.place); !errors.Is(err, context.Canceled) {
				return fmt.Errorf("ticket %d was given up and told %v", t.id, err)
			}
		}
	}
	return w.pump()
}

// flow chooses among the flows.
func (w *twin) flow(i int) ticket.Flow {
	if len(w.flows) == 0 {
		return ticket.Flow{Key: "", Share: 1}
	}
	return w.flows[i%len(w.flows)]
}

// answer returns what a place was told.
func (w *twin) answer(p *ticket.Place) error {
	select {
	case err := <-p.Ready():
		return err
	default:
		return errors.New("nothing")
	}
}

func (w *twin) send(m message) {
	w.owner.replies = w.owner.replies[:0]
	w.owner.apply(w.core, &m)
}

// give does what ends a ticket, by a message or by borrowing.
func (w *twin) give(v verb, t *twinTicket) error {
	if !w.lends || w.core.draining {
		w.send(message{verb: v, place: t.place, number: t.number, request: request{flow: t.flow}})
		return nil
	}
	return w.lend(func(b *mailbox) {
		switch v {
		case release:
			b.releaseNow(t.place, t.number, t.flow)
		case cancel:
			b.whileLent(func(c *core) { b.cancel(c, t.place, t.number, t.flow) })
		case withdraw:
			b.whileLent(func(c *core) { b.withdraw(c, t.place, t.flow) })
		}
	})
}

// take asks for a ticket, by a message or by borrowing, and returns why it was refused.
func (w *twin) take(v verb, t *twinTicket, r request) (err error) {
	asked := false
	if w.lends && !w.core.draining {
		left := w.lend(func(b *mailbox) {
			switch v {
			case acquire:
				var p *ticket.Place
				var how outcome
				done := w.ends[t.id/3%2]
				if p, how, err = b.acquireNow(r, done); p != nil {
					t.place = p
				}
				if how == attended {
					t.with = w.core.crowd
				}
				asked, t.told = how != unanswered, how == granted
			case try:
				if t.place, asked = b.tryNow(r); t.place == nil {
					err = ErrNoPermit
				}
				t.told = true
			case enqueue:
				asked = b.whileLent(func(c *core) { err = b.enqueue(c, t.place, r).err })
			}
		})
		switch {
		case left != nil:
			return left
		case asked:
			return err
		}
	}
	w.send(message{verb: v, place: t.place, request: r})
	switch {
	case v == enqueue:
		return w.owner.replies[0].answer.err
	case t.place.State == ticket.Idle:
		return w.answer(t.place)
	}
	return nil
}

// lend lends the core out for a moment. Nobody who fits may be left standing.
func (w *twin) lend(do func(*mailbox)) error {
	w.owner.lend(w.core)
	do(w.owner.mailbox)
	w.core = w.owner.callIn()
	if p, _, _ := w.core.grant(); p != nil {
		return fmt.Errorf("ticket %d fits and was left standing", p.Number)
	}
	return nil
}

// stateOf returns the state of a ticket. Its place may serve another by now.
func (t *twinTicket) stateOf() ticket.State {
	if t.place.Number != t.number {
		return ticket.Idle
	}
	return t.place.State
}

// expect says that the operation is to be told to those who watch.
func (w *twin) expect(what EventKind, t *twinTicket) {
	e := twinEvent{kind: what}
	if t != nil {
		e.number, e.flow = t.id+1, t.flow.Name()
	}
	if what == EventGranted {
		e.wait = w.oracle.now - t.since
	}
	w.events = append(w.events, e)
}

// twinEvent is an event as the oracle knows it.
type twinEvent struct {
	kind   EventKind
	number int
	flow   string
	wait   instant
}

// heard compares what those who watch were told with what they should have been.
func (w *twin) heard() error {
	var got []twinEvent
	for range len(w.feed.events) {
		e := <-w.feed.events
		if e.Missed > 0 || !e.At.Equal(w.owner.time(w.oracle.now)) || (e.Kind == EventRefused) != (e.Err != nil && e.Number == 0) {
			return fmt.Errorf("event %+v at %d", e, w.oracle.now)
		}
		if e.Number == 0 {
			e.Flow = "" // of a ticket that was refused
		}
		got = append(got, twinEvent{e.Kind, int(e.Number), e.Flow, instant(e.Wait)})
	}
	want := w.events
	w.events = w.events[:0]
	if w.deaf {
		return nil
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("events\n got %v\nwant %v", got, want)
	}
	return nil
}

// pump lets both grant what is due and compares the tickets.
func (w *twin) pump() error {
	want := w.oracle.pump()
	w.owner.grant(w.core)
	for _, id := range want {
		t := w.tickets[id]
		t.state = ticket.Holding
		w.expect(EventGranted, t)
		if t.stateOf() != ticket.Holding {
			return fmt.Errorf("ticket %d should have been granted at %d", id, w.oracle.now)
		}
		if t.place.At != int64(w.oracle.now) && len(w.oracle.limits.Windows) > 0 {
			return fmt.Errorf("ticket %d granted at %d, want %d", id, t.place.At, w.oracle.now)
		}
	}
	return w.heard()
}

func (w *twin) arrive(v verb, a, b int) error {
	// Weights around the largest that fits, and invalid ones.
	most := w.oracle.most()
	weight := a%(most+3) - 1
	if weight < 1 && a%5 != 0 {
		weight = 1
	}
	flow := w.flow(a/7 + b/15)
	deadline := never
	if v == acquire && b%3 != 0 {
		// Around the instant that decides, and well to either side.
		deadline = w.oracle.earliest(max(1, min(weight, most)), flow) + []instant{-1, 0, 1, -1_000, 1_000_000}[b%5]
	}
	t := &twinTicket{id: len(w.tickets), verb: v, place: ticket.NewPlace(), flow: &flow, since: w.oracle.now}
	w.logf("%d: %s of %d as ticket %d of %v, deadline %d", w.oracle.now, []string{"acquire", "try", "enqueue"}[v], weight, t.id, flow, deadline)
	want, wait := w.oracle.arrive(v, t.id, weight, deadline, flow)
	if want == accepted {
		w.expect(EventEnqueued, t)
	} else {
		w.expect(EventRefused, nil)
	}
	err := w.take(v, t, request{weight, deadline, t.flow})
	if v == try && want != accepted {
		want = noPermit // TryAcquire does not say why
	}
	if err := sameRefusal(err, want, wait); err != nil {
		return err
	}
	if want != accepted {
		return w.heard()
	}
	if t.number = t.place.Number; int(t.number) != t.id+1 {
		return fmt.Errorf("ticket %d has the number %d", t.id, t.number)
	}
	t.state = ticket.Queued
	w.tickets = append(w.tickets, t)
	return w.pump()
}

func sameRefusal(got error, want refusal, wait time.Duration) error {
	var deadline *DeadlineError
	var free *NoPermitError
	var invalidErr *InvalidError
	ok := false
	switch want {
	case accepted:
		ok = got == nil
	case invalid:
		ok = errors.As(got, &invalidErr)
	case tooLarge:
		ok = errors.Is(got, ErrTooLarge)
	case closed:
		ok = got == ErrClosed
	case noPermit:
		ok = errors.Is(got, ErrNoPermit) && (!errors.As(got, &free) || free.Wait == wait)
	case queueFull:
		ok = errors.Is(got, ErrQueueFull)
	case tooLate:
		ok = errors.As(got, &deadline) && deadline.Wait == wait && errors.Is(got, context.DeadlineExceeded)
	}
	if !ok {
		return fmt.Errorf("refused with %v, want kind %d with wait %v", got, want, wait)
	}
	return nil
}

// move moves time on: by nothing, a little, far, to around the next instant that matters, or back.
func (w *twin) move(a, b int) error {
	now := w.oracle.now
	var edges []instant
	for i, win := range w.oracle.limits.Windows {
		for _, g := range append(slices.Clone(w.oracle.granted), w.oracle.extra[i]...) {
			for _, from := range []instant{g.at, g.released} {
				if from != never && from+instant(win.Per) > now {
					edges = append(edges, from+instant(win.Per))
				}
			}
		}
	}
	if w.oracle.pausedUntil > now {
		edges = append(edges, w.oracle.pausedUntil)
	}
	slices.Sort(edges)
	to := now
	switch b % 8 {
	case 0:
	case 1:
		to++
	case 2:
		to -= instant(a%3 + 1)
	case 3:
		to += instant(a % 20)
	case 4:
		to += instant(a%100) * 1_000
	default:
		if len(edges) > 0 {
			to = edges[a%len(edges)] + instant(b%8-6)
		}
	}
	w.logf("time %d to %d", now, to)
	w.oracle.now, w.clock.at = max(now, to), to
	w.core.advance(to)
	return w.pump()
}

func (w *twin) pause(a, b int) error {
	now := w.oracle.now
	until := now + instant(a%30) - 2
	if b%4 == 0 {
		until = never
	}
	w.logf("pause until %d", until)
	if until > now {
		w.expect(EventPaused, nil)
	}
	w.send(message{verb: pause, request: request{deadline: until}})
	err := w.owner.replies[0].answer.err
	var invalidErr *InvalidError
	switch {
	case until == never:
		w.oracle.halted = true
	case until <= now:
		if !errors.As(err, &invalidErr) {
			return fmt.Errorf("a pause into the past gave %v", err)
		}
		err = nil
	default:
		w.oracle.pausedUntil = max(w.oracle.pausedUntil, until)
	}
	return errors.Join(err, w.pump())
}

// dispel ends the context of the crowd, which ends all who belong to it and wait, and nobody else.
func (w *twin) dispel() error {
	cr := w.core.crowd
	if cr == nil {
		return nil
	}
	w.logf("dispel")
	var gone []*twinTicket
	for _, t := range w.tickets {
		if t.with == cr && t.state == ticket.Queued {
			gone = append(gone, t)
			w.oracle.line.Remove(t.id)
			w.expect(EventGivenUp, t)
		}
	}
	w.send(message{verb: dispel, crowd: cr})
	for _, t := range gone {
		t.state = ticket.Idle
		if err := w.answer(t.place); err != errGivenUp {
			return fmt.Errorf("ticket %d of the crowd was told %v", t.id, err)
		}
	}
	return w.pump()
}

// configure changes the limits: the burst, the permits and lengths of windows, their number.
func (w *twin) configure(a, b int) error {
	l := w.oracle.limits.clone()
	if len(l.Windows) == 0 || b%5 == 0 {
		l.MaxBurst = a%5 + 1
	} else {
		i := a % len(l.Windows)
		win := &l.Windows[i]
		switch b % 5 {
		case 1:
			win.Permits = a%9 + 1
		case 2:
			win.Per = win.Per/2 + time.Duration(a%40) + 1
		case 3:
			l.Windows = append(l.Windows, Window{a%6 + 1, win.Per * 2 / 3, win.From})
			if len(l.Windows) > 4 {
				return nil
			}
			l.Windows[len(l.Windows)-1].Per++
		case 4:
			if len(l.Windows) > 1 {
				l.Windows = append(l.Windows[:i:i], l.Windows[i+1:]...)
			}
		}
	}
	w.logf("limits %v", l)
	gone := w.oracle.configure(l)
	w.expect(EventLimits, nil)
	for _, id := range gone {
		w.expect(EventGivenUp, w.tickets[id])
	}
	w.send(message{verb: configure, limits: &l})
	for _, id := range gone {
		t := w.tickets[id]
		t.state = ticket.Idle
		if err := w.answer(t.place); !errors.Is(err, ErrTooLarge) {
			return fmt.Errorf("ticket %d can never fit and was told %v", id, err)
		}
	}
	return w.pump()
}

// compare looks at everything that can be seen from outside.
func (w *twin) compare(salt int) error {
	o := w.oracle
	epoch := time.Unix(0, 0)
	if got, want := w.core.stats(epoch), o.stats(epoch); !reflect.DeepEqual(got, want) {
		return fmt.Errorf("stats at %d\n got %+v\nwant %+v", o.now, got, want)
	}
	for _, t := range w.tickets {
		if t.state != t.stateOf() {
			return fmt.Errorf("ticket %d is in state %d, want %d", t.id, t.stateOf(), t.state)
		}
	}
	marked := 0
	for _, t := range w.tickets {
		if t.state == ticket.Queued && t.with != nil && t.with == w.core.crowd {
			marked++
		}
	}
	if w.core.crowd != nil && w.core.marked != marked {
		return fmt.Errorf("%d of the crowd in line, want %d", w.core.marked, marked)
	}
	for i, n := range []int{1, salt%o.most() + 1} {
		want, f := forEver, w.flow(salt+i)
		if !o.draining {
			want = time.Duration(o.earliest(n, f) - o.now)
		}
		if got := w.core.wait(request{n, never, &f}); got != want {
			return fmt.Errorf("wait for %d permits in %v is %v, want %v", n, f, got, want)
		}
	}
	if salt%8 == 0 {
		if err := w.restart(instant(salt%160/8 + 1)); err != nil {
			return err
		}
	}
	if got, want := w.core.finished(), o.draining && o.line.Flows() == 0 && held(o.granted) == 0; got != want {
		return fmt.Errorf("finished is %v, want %v", got, want)
	}
	return nil
}

// restart restores a snapshot of the core, as JSON, to a new one, which must then remember the same
// at any later instant.
func (w *twin) restart(step instant) error {
	epoch := time.Unix(1_000_000, 0)
	text, err := json.Marshal(w.core.snapshot(epoch))
	if err != nil {
		return err
	}
	var snap Snapshot
	if err := json.Unmarshal(text, &snap); err != nil {
		return err
	}
	if err := snap.damage(); err != nil {
		return err
	}
	c := newCore(w.core.limits, unlimited, false)
	const began = 7 // so much earlier than the old core
	c.advance(w.core.now + began)
	c.restore(&snap, epoch.Add(-began))
	if until := w.oracle.pausedUntil; until > w.oracle.now && c.pausedUntil != until+began {
		return fmt.Errorf("restored, paused until %d, want %d", c.pausedUntil, until+began)
	}
	grants := w.oracle.releasedNow()
	for range 4 {
		for i, win := range w.core.limits.Windows {
			want := w.oracle.used(grants, i, c.now-began)
			if got := c.windows[i].used(); got != want {
				return fmt.Errorf("restored, %d permits count in %v at %d, want %d\n%s", got, win, c.now-began, want, text)
			}
		}
		c.advance(c.now + step)
	}
	return nil
}

// tinyLimits are limits that few operations suffice to reach.
var tinyLimits = []Limits{
	{Windows: []Window{Per(1, 10)}},
	{Windows: []Window{Per(2, 10)}, MaxBurst: 1},
	{Windows: []Window{Per(3, 20), Per(5, 70)}},
	{Windows: []Window{{2, 10, FromRelease}}},
	{Windows: []Window{{3, 10, FromRelease}, Per(2, 7)}, MaxBurst: 2},
	{Windows: []Window{{2, 15, FromRelease}, {4, 40, FromRelease}, Per(3, 25)}},
	{MaxBurst: 3},
	{Windows: []Window{Per(7, 1_000), Per(4, 100), Per(9, 5_000)}, MaxBurst: 6},
}

var queues = []int{unlimited, unlimited, 2, 0, 5}

func randomOp(r *rand.Rand) op {
	kinds := []int{opAcquire, opAcquire, opTry, opEnqueue, opEnqueue, opReceive, opReceive,
		opRelease, opRelease, opCancel, opWithdraw, opTime, opTime, opTime, opTime}
	o := op{kinds[r.IntN(len(kinds))], r.IntN(1 << 16), r.IntN(1 << 16)}
	switch r.IntN(100) {
	case 0:
		o.kind = opDrain + r.IntN(2) // sometimes a pause
	case 1:
		o.kind = opPause
	case 2, 3:
		o.kind = opResume
	case 4, 5, 6:
		o.kind = opConfigure
	case 7, 8:
		o.kind = opCharge
	case 9, 10, 11, 12:
		o.kind = opCrowd
	}
	return o
}

var operations = flag.Int("operations", 1_000_000, "how many random operations to compare with the oracle")

// TestTwin compares core and oracle over random operations: a million without the race detector,
// which would find nothing in a single goroutine.
func TestTwin(t *testing.T) {
	ops := *operations
	if raceEnabled || testing.Short() {
		ops = min(ops, 50_000)
	}
	const length = 60
	seed := rand.Uint64()
	t.Logf("%d operations, seed %d", ops, seed)
	sequence := make([]op, length)
	for run := range ops / length {
		r := rand.New(rand.NewPCG(seed, uint64(run)))
		queue, nonBlocking := queues[r.IntN(len(queues))], r.IntN(8) == 0
		for i := range sequence {
			sequence[i] = randomOp(r)
		}
		flows, lends := twinFlows[:r.IntN(2)*len(twinFlows)], r.IntN(2) == 0
		play(t, func() *twin { return newTwin(tinyLimits[run%len(tinyLimits)], queue, nonBlocking, lends, flows) }, sequence)
	}
}

// FuzzTwin reads each three bytes as an operation, after two that choose the limits.
func FuzzTwin(f *testing.F) {
	f.Add([]byte("\x00\x00\x02\x01\x00\x02\x01\x00\x07\x00\x05\x07\x00\x06"))
	f.Add([]byte("\x04\x01\x00\x03\x00\x00\x02\x02\x03\x00\x00\x07\x01\x04\x05\x00\x00\x07\x02\x06"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2 {
			return
		}
		limits, queue := tinyLimits[int(data[0])%len(tinyLimits)], queues[int(data[1])%len(queues)]
		lends, nonBlocking := data[0] >= 0x80, data[1] >= 0xf0
		var ops []op
		for data = data[2:]; len(data) >= 3 && len(ops) < 200; data = data[3:] {
			ops = append(ops, op{int(data[0]) % opKinds, int(data[1]), int(data[2])})
		}
		play(t, func() *twin { return newTwin(limits, queue, nonBlocking, lends, twinFlows) }, ops)
	})
}
