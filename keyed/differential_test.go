package keyed_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

var (
	seed = flag.Uint64("seed", 0, "replays one run of the differential test")
	runs = flag.Int("runs", 60, "how many runs the differential test makes")
)

const tokens scheduler.Unit = "tokens"

// limitsToTry are those that keys of the differential test have.
var limitsToTry = []string{
	"3/2s",
	"2/s 5/4s",
	"2/s burst 2",
	"burst 1",
	"3/3s from release burst 2",
	"4/2s evenly",
	"3/s 20 tokens/2s",
	"4/min from reset",
	"70000/s",
	"9/2s 8/4s burst 3",
}

// world is a set and a scheduler for each key, of which all is asked that is asked of the set.
type world struct {
	t       *testing.T
	r       *rand.Rand
	clock   *stepClock
	set     *keyed.Set[int]
	single  map[int]*scheduler.Scheduler
	limits  map[int]scheduler.Limits
	options []scheduler.Option

	retired []*scheduler.Scheduler // of keys that the set forgot

	held []pair
	log  []string
}

// pair is a ticket of a set, and that of the scheduler that stands for the key.
type pair struct {
	key         int
	set, single ticket.Ticket
	waits       bool // neither was told yet
}

// stepClock is a clock that moves when it is told to, also back.
type stepClock struct {
	*clock.Mock
}

func (w *world) scheduler(k int) *scheduler.Scheduler {
	s := w.single[k]
	if s == nil {
		var err error
		if s, err = scheduler.New(w.limits[k], w.options...); err != nil {
			w.t.Fatal(err)
		}
		w.single[k] = s
	}
	return s
}

func (w *world) note(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	for _, l := range w.log {
		w.t.Log(l)
	}
	w.t.Fatalf(format, args...)
}

// same reports whether two errors say the same.
func same(a, b error) bool {
	return reflect.DeepEqual(a, b) || a != nil && b != nil && a.Error() == b.Error()
}

// compare compares what can be seen of a key.
func (w *world) compare(k int) {
	w.t.Helper()
	got, want := w.set.Stats(k), w.scheduler(k).Stats()
	known := keyed.Knows(w.set, k)
	if !known { // what it has counted is forgotten too
		want.Totals, want.Granted = scheduler.Totals{}, 0
	}
	if !reflect.DeepEqual(got, want) {
		w.fail("key %d (%v):\n got %+v\nwant %+v", k, w.limits[k], got, want)
	}
	for _, n := range []int{1, 2, 5} {
		if got, want := w.set.WaitTimeN(k, n), w.scheduler(k).WaitTimeN(n); got != want {
			w.fail("key %d: WaitTimeN(%d) is %v, want %v", k, n, got, want)
		}
	}
	if got, want := w.set.Limits(k), w.scheduler(k).Limits(); !reflect.DeepEqual(got, want) {
		w.fail("key %d: limits %v, want %v", k, got, want)
	}
	if !known { // then a new scheduler is as good
		w.retired = append(w.retired, w.single[k])
		delete(w.single, k)
	}
}

// settle looks which tickets were told what.
func (w *world) settle() {
	w.t.Helper()
	kept := w.held[:0]
	for _, p := range w.held {
		if p.waits {
			a, b := told(p.set), told(p.single)
			if !same(a, b) {
				w.fail("key %d: ticket %d was told %v, want %v", p.key, p.set.Number(), a, b)
			}
			switch {
			case a == nil:
				p.waits = false
			case !errors.Is(a, errNothing):
				continue
			}
		}
		kept = append(kept, p)
	}
	w.held = kept
}

var errNothing = errors.New("nothing yet")

func told(t ticket.Ticket) error {
	select {
	case err := <-t.Ready():
		return err
	default:
		return errNothing
	}
}

// step does one thing to both.
func (w *world) step() {
	k := w.r.IntN(len(w.limits))
	s := w.scheduler(k)
	weight := 1
	if w.r.IntN(4) == 0 {
		weight = w.r.IntN(5)
	}
	var costs []ticket.Cost
	if w.r.IntN(3) == 0 {
		costs = append(costs, tokens.Of(w.r.IntN(25)-1))
	}
	switch op := w.r.IntN(22); op {
	case 20, 21:
		ok, want := w.set.AllowN(k, weight, costs...), s.AllowN(weight, costs...)
		w.note("allow key %d weight %d %v: %v", k, weight, costs, want)
		if ok != want {
			w.fail("allow of key %d: %v, want %v", k, ok, want)
		}
	case 0:
		t, err := w.set.AcquireNow(k, weight, costs...)
		u, want := s.AcquireNow(weight, costs...)
		w.note("now key %d weight %d %v: %v", k, weight, costs, want)
		if !same(err, want) {
			w.fail("now: %v, want %v", err, want)
		}
		if err == nil {
			w.held = append(w.held, pair{k, t, u, false})
		}
	case 1, 2, 3:
		t, ok := w.set.TryAcquireN(k, weight, costs...)
		u, want := s.TryAcquireN(weight, costs...)
		w.note("try key %d weight %d %v: %v", k, weight, costs, want)
		if ok != want {
			w.fail("try of key %d: %v, want %v", k, ok, want)
		}
		if ok {
			w.held = append(w.held, pair{k, t, u, false})
		}
	case 4, 5, 6:
		t, err := w.set.Enqueue(k, weight, costs...)
		u, want := s.Enqueue(weight, costs...)
		w.note("enqueue key %d weight %d %v: %v", k, weight, costs, want)
		if !same(err, want) {
			w.fail("enqueue: %v, want %v", err, want)
		}
		if err == nil {
			w.held = append(w.held, pair{k, t, u, true})
		}
	case 17:
		at := w.soon()
		_, err := acquire(at, func(ctx context.Context) (t ticket.Ticket, err error) {
			return t, w.set.WaitN(ctx, k, weight, costs...)
		})
		_, want := acquire(at, func(ctx context.Context) (t ticket.Ticket, err error) { return t, s.WaitN(ctx, weight, costs...) })
		w.note("wait key %d weight %d %v: %v", k, weight, costs, want)
		if !same(err, want) {
			w.fail("wait: %v, want %v", err, want)
		}
	case 7:
		at := w.soon()
		t, err := acquire(at, func(ctx context.Context) (ticket.Ticket, error) { return w.set.AcquireN(ctx, k, weight, costs...) })
		u, want := acquire(at, func(ctx context.Context) (ticket.Ticket, error) { return s.AcquireN(ctx, weight, costs...) })
		w.note("acquire key %d weight %d %v: %v", k, weight, costs, want)
		if !same(err, want) {
			w.fail("acquire: %v, want %v", err, want)
		}
		if err == nil {
			w.held = append(w.held, pair{k, t, u, false})
		}
	case 8, 9, 10, 11, 12:
		if len(w.held) == 0 {
			return
		}
		i := w.r.IntN(len(w.held))
		p := w.held[i]
		switch {
		case op == 8:
			w.note("cancel of key %d", p.key)
			p.set.Cancel()
			p.single.Cancel()
		case op == 9:
			cost := tokens.Of(w.r.IntN(30))
			err, want := p.set.Settle(cost), p.single.Settle(cost)
			w.note("settle key %d %v: %v", p.key, cost, want)
			if !same(err, want) {
				w.fail("settle: %v, want %v", err, want)
			}
			return
		default:
			w.note("release of key %d", p.key)
			p.set.Release()
			p.single.Release()
		}
		if !p.waits {
			if w.r.IntN(2) == 0 { // a stale ticket does nothing
				return
			}
			w.held = append(w.held[:i], w.held[i+1:]...)
		}
	case 13, 14, 15, 16:
		d := time.Duration(w.r.IntN(1500)) * time.Millisecond
		if w.r.IntN(10) == 0 {
			d = time.Minute
		}
		w.note("time moves by %v", d)
		w.clock.Add(d)
	default:
		w.change(op, k, s)
	}
}

// soon returns a deadline, which may have passed as the clock shows it, or the zero Time: none.
func (w *world) soon() (at time.Time) {
	if ms := w.r.IntN(4) - 1; ms < 2 {
		at = w.clock.Now().Add(time.Duration(ms) * time.Millisecond)
	}
	return at
}

// acquire calls do with a context that has the deadline. If do waits, the context ends.
func acquire(at time.Time, do func(context.Context) (ticket.Ticket, error)) (t ticket.Ticket, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if !at.IsZero() {
		ctx = deadline{ctx, at}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		t, err = do(ctx)
	}()
	synctest.Wait()
	cancel()
	<-done
	return t, err
}

// deadline is a context with a deadline by another clock than the computer's.
type deadline struct {
	context.Context
	at time.Time
}

func (d deadline) Deadline() (time.Time, bool) { return d.at, true }

// Calls of the set give the same record as calls of one scheduler for each key.
func TestDifferential(t *testing.T) {
	for _, lends := range []bool{true, false} {
		t.Run(fmt.Sprintf("lends=%v", lends), func(t *testing.T) {
			first, n := uint64(1), *runs
			if raceEnabled {
				n = min(n, 15) // it takes ten times as long
			}
			if *seed != 0 {
				first, n = *seed, 1
			}
			for i := range uint64(n) {
				synctest.Test(t, func(t *testing.T) { differential(t, first+i, lends) })
			}
		})
	}
}

func differential(t *testing.T, seed uint64, lends bool) {
	r := rand.New(rand.NewPCG(seed, 0))
	mock := clock.NewMock()
	mock.Set(time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC))
	w := &world{t: t, r: r, clock: &stepClock{mock}, single: map[int]*scheduler.Scheduler{}, limits: map[int]scheduler.Limits{}}
	w.note("seed %d", seed)
	for k := range 1 + r.IntN(60) {
		w.limits[k] = scheduler.MustParseLimits(limitsToTry[r.IntN(len(limitsToTry))])
	}
	opts := []keyed.Option{keyed.WithClock(mock), keyed.Shards(1 << r.IntN(3))}
	w.options = []scheduler.Option{scheduler.WithClock(mock)}
	if r.IntN(3) == 0 {
		n := r.IntN(4)
		opts, w.options = append(opts, keyed.WithMaxQueue(n)), append(w.options, scheduler.WithMaxQueue(n))
	}
	if r.IntN(3) == 0 {
		opts, w.options = append(opts, keyed.NonBlocking()), append(w.options, scheduler.NonBlocking())
	}
	if !lends {
		opts = append(opts, keyed.KeepState())
	}
	var err error
	if w.set, err = keyed.New(func(k int) scheduler.Limits { return w.limits[k] }, opts...); err != nil {
		t.Fatal(err)
	}
	defer w.end()
	for range 300 {
		w.step()
		synctest.Wait()
		picked := r.IntN(len(w.limits))
		for k := range w.limits {
			if k == picked || w.single[k] != nil && !keyed.Knows(w.set, k) {
				w.compare(k)
			}
		}
		w.settle()
	}
	for k := range w.limits {
		w.compare(k)
	}
	w.settle()
	if r.IntN(2) == 0 { // when all is given back and over, nothing is left
		for _, p := range w.held {
			p.set.Cancel()
			p.single.Cancel()
		}
		for k := range w.limits {
			w.set.Resume(k)
			if err := w.set.SetLimits(k, w.limits[k]); err != nil {
				t.Fatal(err)
			}
		}
		mock.Add(time.Hour)
		if n := w.set.Len(); n != 0 {
			w.fail("%d keys are left", n)
		}
	}
}

func (w *world) end() {
	w.set.Close()
	for _, s := range w.single {
		s.Close()
	}
	for _, s := range w.retired {
		s.Close()
	}
}
