package scheduler

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/ticket"
)

// twin runs the same operations through the scheduler's inside and through the oracle, and compares
// all that can be seen of them after each operation. The operations are in twin_operation_test.go. All that
// the twin knows of the inside is in twin_subject_test.go.
type twin struct {
	subject *subject
	oracle  *slowCore
	flows   []line.Flow      // that tickets name
	ends    [2]chan struct{} // of the contexts that tickets come with
	deaf    bool             // no watcher is told the events

	tickets []*twinTicket
	totals  Totals
	waits   []moment         // of all grants
	held    []moment         // of all that were released
	events  []twinEvent      // that the operation should have made
	told    *strings.Builder // the story so far; nil if no test prints it
}

// twinTicket is a ticket as its caller sees it.
type twinTicket struct {
	id      int
	verb    verb
	place   *line.Place
	ready   func() <-chan error
	number  uint64
	flow    *line.Flow
	with    *sharedContext // that it belongs to
	since   moment
	granted moment
	state   line.State
	told    bool // the caller has received the grant
}

func newTwin(l Limits, maxQueue int, nonBlocking, lends bool, flows []line.Flow) *twin {
	w := &twin{
		subject: newSubject(l, twinEpoch, maxQueue, nonBlocking, lends),
		oracle:  newSlowCore(l, twinEpoch, maxQueue, nonBlocking),
		flows:   flows,
	}
	for i := range w.ends {
		w.ends[i] = make(chan struct{})
	}
	w.deaf = nonBlocking != lends
	w.begin()
	return w
}

// begin prepares a new subject.
func (w *twin) begin() {
	w.subject.share(w.ends[0])
	if !w.deaf {
		w.subject.watch()
	}
}

// twinFlows are what tickets name where there are flows.
var twinFlows = []line.Flow{{Key: "", Share: 1}, {Key: "a", Share: 1}, {Key: "b", Share: 2}, {Key: "c", Share: 3}, {Key: "c", Share: 4}}

// step is an operation and what to look at after it.
type step struct {
	op operation

	// look chooses the weight and the flows that compare asks the wait of. If it is a multiple of 8,
	// compare also restores a snapshot.
	look int
}

// do applies the step to both and returns how they differ.
func (w *twin) do(s step) error {
	if err := s.op.do(w); err != nil {
		return err
	}
	return w.compare(s.look)
}

// play runs the steps and fails the test with their story if the two differ.
func play(t *testing.T, start func() *twin, steps []step) {
	t.Helper()
	w := start()
	for i, s := range steps {
		if w.do(s) == nil {
			continue
		}
		w = start()
		w.told = new(strings.Builder)
		for _, s := range steps[:i] {
			w.do(s)
		}
		err := w.do(s)
		t.Fatalf("%v\nlimits %v, queue %d, non-blocking %v, after%s\nand then %#v", err,
			w.oracle.limits, w.oracle.maxQueue, w.oracle.nonBlocking, w.told, s)
	}
}

func (w *twin) logf(format string, args ...any) {
	if w.told != nil {
		fmt.Fprintf(w.told, "\n  "+format, args...)
	}
}

// expect says that the operation is to be told to those who watch.
func (w *twin) expect(what EventKind, t *twinTicket) {
	e := twinEvent{kind: what, costs: "[]"}
	if t != nil {
		e.number, e.flow, e.costs = t.id+1, t.flow.Name(), fmt.Sprint(w.oracle.costsOf(t.id))
	}
	if what == EventGranted {
		e.wait = w.oracle.now - t.since
	}
	w.events = append(w.events, e)
	switch what {
	case EventEnqueued:
		w.events[len(w.events)-1].share = 1
		if t.flow != nil {
			w.events[len(w.events)-1].share = t.flow.Share
		}
		w.totals.Enqueued++
	case EventGranted:
		w.waits = append(w.waits, e.wait)
		t.granted = w.oracle.now
	case EventReleased:
		w.totals.Released++
		w.held = append(w.held, w.oracle.now-t.granted)
	case EventGivenUp:
		w.totals.GivenUp++
	case EventUndone:
		w.totals.Undone++
	}
}

// twinEvent is an event as the oracle knows it.
type twinEvent struct {
	kind   EventKind
	number int
	flow   string
	share  int
	costs  string
	wait   moment
}

// heard compares what those who watch were told with what they should have been.
func (w *twin) heard() error {
	var got []twinEvent
	for _, e := range w.subject.events() {
		if e.Missed > 0 || !e.At.Equal(twinEpoch.Add(time.Duration(w.oracle.now))) || (e.Kind == EventRefused) != (e.Err != nil && e.Number == 0) {
			return fmt.Errorf("event %+v at %d", e, w.oracle.now)
		}
		if e.Number == 0 {
			e.Flow = "" // of a ticket that was refused
		}
		got = append(got, twinEvent{e.Kind, int(e.Number), e.Flow, e.Share, fmt.Sprint(e.Costs), moment(e.Wait)})
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
	w.subject.grant()
	for _, id := range want {
		t := w.tickets[id]
		t.state = line.Holding
		w.expect(EventGranted, t)
		if t.stateOf() != line.Holding {
			return fmt.Errorf("ticket %d should have been granted at %d", id, w.oracle.now)
		}
		if t.place.At != int64(w.oracle.now) && len(w.oracle.limits.Windows) > 0 {
			return fmt.Errorf("ticket %d granted at %d, want %d", id, t.place.At, w.oracle.now)
		}
	}
	return w.heard()
}

func sameRefusal(got error, want refusal, wait time.Duration) error {
	var deadline *DeadlineError
	var free *NoPermitError
	var full *QueueFullError
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
		ok = errors.Is(got, ErrQueueFull) && errors.As(got, &full) && full.Wait == wait
	case tooLate:
		ok = errors.As(got, &deadline) && deadline.Wait == wait && errors.Is(got, context.DeadlineExceeded)
	}
	if !ok {
		return fmt.Errorf("refused with %v, want kind %d with wait %v", got, want, wait)
	}
	return nil
}

// compare looks at everything that can be seen from outside.
func (w *twin) compare(look int) error {
	o := w.oracle
	want := o.stats()
	want.Totals = w.wantTotals()
	if got := w.subject.stats(); !reflect.DeepEqual(got, want) {
		return fmt.Errorf("stats at %d\n got %+v\nwant %+v", o.now, got, want)
	}
	for _, t := range w.tickets {
		if t.state != t.stateOf() {
			return fmt.Errorf("ticket %d is in state %d, want %d", t.id, t.stateOf(), t.state)
		}
	}
	marked := 0
	for _, t := range w.tickets {
		if t.state == line.Queued && t.with != nil && t.with == w.subject.sharedContext() {
			marked++
		}
	}
	if w.subject.sharedContext() != nil && w.subject.marked() != marked {
		return fmt.Errorf("%d of the shared context in line, want %d", w.subject.marked(), marked)
	}
	for i, n := range []int{1, look%o.most("") + 1} {
		want, f := Forever, w.flow(look+i)
		var costs []ticket.Cost
		if look%3 > 0 {
			costs = w.costs(decodeCosts(look, look/3+i), 1)
		}
		asks, ok := o.asks(n, costs)
		if _, is := o.oversize(asks); ok && !is && !o.draining {
			want = time.Duration(o.earliest(asks, f) - o.now)
		}
		if got := w.subject.wait(n, costs, f); got != want {
			return fmt.Errorf("wait for %d permits and %v in %v is %v, want %v", n, costs, f, got, want)
		}
	}
	if look%8 == 0 {
		if err := w.restart(moment(look%160/8 + 1)); err != nil {
			return err
		}
	}
	if got, want := w.subject.finished(), o.draining && o.line.Flows() == 0 && held(o.granted) == 0; got != want {
		return fmt.Errorf("finished is %v, want %v", got, want)
	}
	return nil
}

// wantTotals returns what Stats must count by now.
func (w *twin) wantTotals() Totals {
	t := w.totals
	var nanoseconds big.Int
	if len(w.waits) > 0 {
		t.Waits = []uint64{0}
	}
	for _, wait := range w.waits {
		bits := 0
		for limit := moment(1); limit <= wait; limit *= 2 {
			bits++
		}
		for len(t.Waits) <= bits {
			t.Waits = append(t.Waits, 0)
		}
		t.Waits[bits]++
		nanoseconds.Add(&nanoseconds, big.NewInt(int64(wait)))
	}
	t.Waited = seconds(&nanoseconds)
	nanoseconds.SetInt64(0)
	for _, held := range w.held {
		nanoseconds.Add(&nanoseconds, big.NewInt(int64(held)))
	}
	if w.subject.holds() {
		t.Held = seconds(&nanoseconds)
	}
	return t
}

func seconds(nanoseconds *big.Int) float64 {
	f, _ := new(big.Float).SetInt(nanoseconds).Float64()
	return f / 1e9
}

// refusalOfTry returns why a try is refused: whatever the ticket, there is no permit, or the scheduler takes no more.
func (w *twin) refusalOfTry() refusal {
	if w.oracle.draining {
		return closed
	}
	return noPermit
}

// refused notes that a ticket was refused.
func (w *twin) refused(v verb, why refusal) {
	r := &w.totals.Refused
	if v.call() == callTry {
		why = w.refusalOfTry()
	}
	*map[refusal]*uint64{invalid: &r.Invalid, tooLarge: &r.TooLarge, closed: &r.Closed, noPermit: &r.NoPermit, queueFull: &r.QueueFull, tooLate: &r.Deadline}[why]++
}

// restart restores a snapshot to a new scheduler, which must then remember the same at any later
// instant.
func (w *twin) restart(step moment) error {
	const began = 7 // so much earlier than the old one
	s, text, err := w.subject.restarted(began, 0)
	if err != nil {
		return err
	}
	if until := w.oracle.pausedUntil; until > w.oracle.now && s.pausedUntil() != until+began {
		return fmt.Errorf("restored, paused until %d, want %d", s.pausedUntil(), until+began)
	}
	grants := w.oracle.releasedNow()
	for i, p := range slices.Clone(w.oracle.past) {
		defer func() { w.oracle.past[i] = p }()
		w.oracle.setApart(grants, i)
	}
	for range 4 {
		for i, win := range w.oracle.limits.Windows {
			now := s.now() - began
			want := w.oracle.used(grants, i, now)
			if got := s.used(i); got != want {
				return fmt.Errorf("restored, %d permits count in %v at %d, want %d\n%s", got, win, now, want, text)
			}
			left := math.MaxInt
			if now < w.oracle.observed[i].longest.until {
				left = w.oracle.left(i, w.oracle.now) // until the last end
			}
			want = w.oracle.remaining(grants, i, now, left)
			if got := s.remaining(i); got != want {
				return fmt.Errorf("restored, %d permits remain in %v at %d, want %d\n%s", got, win, now, want, text)
			}
		}
		s.moveTo(s.now() + step)
	}
	return nil
}

// tinyLimits are limits that few operations suffice to reach.
var tinyLimits = []Limits{
	{Windows: []Window{Per(1, 10)}},
	{Windows: []Window{Per(2, 10)}, MaxBurst: 1},
	{Windows: []Window{Per(3, 20), Per(5, 70)}},
	{Windows: []Window{{Permits: 2, Per: 10, From: FromRelease}}},
	{Windows: []Window{{Permits: 3, Per: 10, From: FromRelease}, Per(2, 7)}, MaxBurst: 2},
	{Windows: []Window{{Permits: 2, Per: 15, From: FromRelease}, {Permits: 4, Per: 40, From: FromRelease}, Per(3, 25)}},
	{MaxBurst: 3},
	{Windows: []Window{Per(7, 1_000), Per(4, 100), Per(9, 5_000)}, MaxBurst: 6},

	// From here on they have units, even spacing and resets. See FuzzTwin before you move them.
	{Windows: []Window{Per(3, 20), tokens.Per(10, 50)}, MaxBurst: 2},
	{Windows: []Window{tokens.Per(5, 10), tokens.Per(12, 60), rows.Per(4, 25)}},
	{Windows: []Window{{Permits: 2, Per: 10, From: FromRelease}, {Permits: 6, Per: 30, From: FromRelease, Unit: tokens}, tokens.Per(9, 100)}},
	{Windows: []Window{{Permits: 4, Per: 41, Evenly: true}}},
	{Windows: []Window{{Permits: 3, Per: 20, Evenly: true}, {Permits: 7, Per: 30, Unit: tokens, Evenly: true}, tokens.Per(9, 70)}},
	{Windows: []Window{{Permits: 3, Per: 10, From: FromReset}}},
	{Windows: []Window{{Permits: 5, Per: 20, From: FromReset, Unit: tokens}, Per(2, 7), {Permits: 8, Per: 50, From: FromReset, Unit: rows}}, MaxBurst: 3},
	{Windows: []Window{
		{Permits: 3, Per: time.Hour, From: FromReset, ResetAt: 9*time.Hour + 30*time.Minute, Zone: "Europe/Berlin"},
		{Permits: 9, Per: 24 * time.Hour, From: FromReset, Unit: tokens, ResetAt: 2*time.Hour + 30*time.Minute, Zone: "Europe/Berlin"},
		{Permits: 4, Per: 15, Evenly: true, Unit: rows},
	}},
	{Windows: []Window{Per(4, 25), {Permits: 4, Per: 20, From: FromRelease, Unit: rows}, {Permits: 6, Per: 50, From: FromReset, Unit: tokens}, {Permits: 5, Per: 35, Unit: tokens, Evenly: true}}},
	{Windows: []Window{tokens.Per(3, 10)}, MaxBurst: 2},
}

const (
	tokens Unit = "tokens"
	rows   Unit = "rows"
	bytes  Unit = "bytes" // no limits begin with it
)

// plainLimits is how many of tinyLimits have permits and nothing else.
const plainLimits = 8

var queues = []int{unlimited, unlimited, 2, 0, 5}

var operations = flag.Int("operations", 400_000, "how many random operations to compare with the oracle")

// TestTwin compares the scheduler and the oracle over random operations, over few with the race detector, which
// would find nothing in a single goroutine.
func TestTwin(t *testing.T) {
	ops := *operations
	if raceEnabled || testing.Short() {
		ops = min(ops, 20_000)
	}
	const length = 60
	seed := seed(t)
	t.Logf("%d operations", ops)
	sequence := make([]step, length)
	for run := range ops / length {
		r := rand.New(rand.NewPCG(seed, uint64(run)))
		queue, nonBlocking := queues[r.IntN(len(queues))], r.IntN(8) == 0
		for i := range sequence {
			sequence[i] = randomStep(r)
		}
		flows, lends := twinFlows[:r.IntN(2)*len(twinFlows)], r.IntN(2) == 0
		play(t, func() *twin { return newTwin(tinyLimits[run%len(tinyLimits)], queue, nonBlocking, lends, flows) }, sequence)
	}
}

// FuzzTwin reads the first two bytes as a choice of limits, queue, lending and non-blocking, and each three
// that follow as a step. What the bytes of testdata mean must stay, so what has to do with units is where few
// of them are: limits with the bit 0x40, operations from 0xc0 on.
func FuzzTwin(f *testing.F) {
	f.Add([]byte{0, 0,
		kindEnqueue, 1, 0,
		kindEnqueue, 1, 0,
		kindTime, 0, 5, // just before the edge
		kindTime, 0, 6, // at the edge
	})
	f.Add([]byte{4, 1,
		kindAcquire, 3, 0,
		kindAcquire, 2, 2,
		kindReceive, 0, 0,
		kindTime, 1, 4, // far on
		kindCancel, 0, 0,
		kindTime, 2, 6,
	})
	const units, costly = 0x40, 0xc0 - kindCostlyAcquire
	f.Add([]byte{units, 0,
		costly + kindCostlyEnqueue, 12, 0,
		costly + kindCostlyEnqueue, 12, 0,
		costly + kindSettle, 3, 1,
		kindTime, 0, 6, // at an edge
		costly + kindSettle, 0, 5,
		costly + kindCostlyAcquire, 40, 2,
	})
	f.Add([]byte{units | 0x84, 1, // evenly
		costly + kindCostlyTry, 1, 4,
		kindCharge, 1, 2,
		costly + kindCostlyAcquire, 3, 4,
		kindTime, 0, 5,
		kindTime, 0, 6,
		costly + kindObserveAnswer, 1, 3,
		kindCancel, 1, 0,
	})
	f.Add([]byte{units | 6, 0, // from reset
		costly + kindCostlyEnqueue, 7, 9,
		costly + kindUnits, 3, 1,
		costly + kindSettle, 0, 9,
		kindTime, 0, 6,
		kindRelease, 0, 0,
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2 {
			return
		}
		limits, queue := tinyLimits[int(data[0])%plainLimits], queues[int(data[1])%len(queues)]
		if data[0]&units != 0 {
			limits = tinyLimits[plainLimits+int(data[0]&^0x80-units)%(len(tinyLimits)-plainLimits)]
		}
		lends, nonBlocking := data[0] >= 0x80, data[1] >= 0xf0
		var steps []step
		for data = data[2:]; len(data) >= 3 && len(steps) < 200; data = data[3:] {
			kind := int(data[0]) % kindCostlyAcquire
			if data[0] >= costly+kindCostlyAcquire {
				kind = kindCostlyAcquire + int(data[0]-costly-kindCostlyAcquire)%(kinds-kindCostlyAcquire)
			}
			steps = append(steps, decode(kind, int(data[1]), int(data[2])))
		}
		play(t, func() *twin { return newTwin(limits, queue, nonBlocking, lends, twinFlows) }, steps)
	})
}
