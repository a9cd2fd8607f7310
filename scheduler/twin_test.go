package scheduler

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
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
	events  []twinEvent      // that the operation should have made
	told    *strings.Builder // the story so far; nil if no test prints it
}

// twinTicket is a ticket as its caller sees it.
type twinTicket struct {
	id     int
	verb   verb
	place  *line.Place
	number uint64
	flow   *line.Flow
	with   *sharedContext // that it belongs to
	since  moment
	state  line.State
	told   bool // the caller has received the grant
}

func newTwin(l Limits, maxQueue int, nonBlocking, lends bool, flows []line.Flow) *twin {
	w := &twin{
		subject: newSubject(l, maxQueue, nonBlocking, lends),
		oracle:  newSlowCore(l, maxQueue, nonBlocking),
		flows:   flows,
	}
	for i := range w.ends {
		w.ends[i] = make(chan struct{})
	}
	w.subject.share(w.ends[0])
	if w.deaf = nonBlocking != lends; !w.deaf {
		w.subject.watch()
	}
	return w
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
	wait   moment
}

// heard compares what those who watch were told with what they should have been.
func (w *twin) heard() error {
	var got []twinEvent
	for _, e := range w.subject.events() {
		if e.Missed > 0 || !e.At.Equal(time.Unix(0, int64(w.oracle.now))) || (e.Kind == EventRefused) != (e.Err != nil && e.Number == 0) {
			return fmt.Errorf("event %+v at %d", e, w.oracle.now)
		}
		if e.Number == 0 {
			e.Flow = "" // of a ticket that was refused
		}
		got = append(got, twinEvent{e.Kind, int(e.Number), e.Flow, moment(e.Wait)})
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
	if got, want := w.subject.stats(), o.stats(time.Unix(0, 0)); !reflect.DeepEqual(got, want) {
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
	for i, n := range []int{1, look%o.most() + 1} {
		want, f := Forever, w.flow(look+i)
		if !o.draining {
			want = time.Duration(o.earliest(n, f) - o.now)
		}
		if got := w.subject.wait(n, f); got != want {
			return fmt.Errorf("wait for %d permits in %v is %v, want %v", n, f, got, want)
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

// restart restores a snapshot to a new scheduler, which must then remember the same at any later
// instant.
func (w *twin) restart(step moment) error {
	const began = 7 // so much earlier than the old one
	s, text, err := w.subject.restarted(began)
	if err != nil {
		return err
	}
	if until := w.oracle.pausedUntil; until > w.oracle.now && s.pausedUntil() != until+began {
		return fmt.Errorf("restored, paused until %d, want %d", s.pausedUntil(), until+began)
	}
	grants := w.oracle.releasedNow()
	for range 4 {
		for i, win := range w.oracle.limits.Windows {
			want := w.oracle.used(grants, i, s.now()-began)
			if got := s.used(i); got != want {
				return fmt.Errorf("restored, %d permits count in %v at %d, want %d\n%s", got, win, s.now()-began, want, text)
			}
			left := math.MaxInt
			if s.now()-began < w.oracle.observed[i].longest.until {
				left = w.oracle.left(i, w.oracle.now) // until the last end
			}
			want = max(0, min(win.Permits-want, left))
			if got := s.remaining(i); got != want {
				return fmt.Errorf("restored, %d permits remain in %v at %d, want %d\n%s", got, win, s.now()-began, want, text)
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
}

var queues = []int{unlimited, unlimited, 2, 0, 5}

var operations = flag.Int("operations", 1_000_000, "how many random operations to compare with the oracle")

// TestTwin compares the scheduler and the oracle over random operations: a million without the race
// detector, which would find nothing in a single goroutine.
func TestTwin(t *testing.T) {
	ops := *operations
	if raceEnabled || testing.Short() {
		ops = min(ops, 50_000)
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
// that follow as a step.
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
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2 {
			return
		}
		limits, queue := tinyLimits[int(data[0])%len(tinyLimits)], queues[int(data[1])%len(queues)]
		lends, nonBlocking := data[0] >= 0x80, data[1] >= 0xf0
		var steps []step
		for data = data[2:]; len(data) >= 3 && len(steps) < 200; data = data[3:] {
			steps = append(steps, decode(int(data[0]), int(data[1]), int(data[2])))
		}
		play(t, func() *twin { return newTwin(limits, queue, nonBlocking, lends, twinFlows) }, steps)
	})
}
