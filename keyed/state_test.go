package keyed

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// borrowed returns the set's only state, which is given back when the test ends.
func borrowed[K comparable](t *testing.T, set *Set[K]) *state[K] {
	t.Helper()
	set.Len() // the owner lends before it answers
	st := set.boxes[0].Borrow()
	if st == nil {
		t.Fatal("not lent")
	}
	t.Cleanup(func() { set.boxes[0].giveBack(st); set.Close() })
	return st
}

// However many keys can be forgotten at one instant, a turn looks at few, and moves few slots and items: callers wait no
// longer than that takes.
func TestWorkOfOneTurn(t *testing.T) {
	const keys = 20_000
	mock := clock.NewMock()
	l := scheduler.MustParseLimits("10/s")
	set, err := New(func(int) scheduler.Limits { return l }, WithClock(mock), MaxKeys(keys), Shards(1))
	if err != nil {
		t.Fatal(err)
	}
	for k := range keys {
		w, ok := set.TryAcquire(k)
		if !ok {
			t.Fatal("no permit")
		}
		w.Release()
	}
	st := borrowed(t, set)
	st.SetTime(int64(time.Second))
	for i := range st.keys.parts {
		if n := len(st.keys.parts[i].slots); n > 8*keys/tableParts {
			t.Errorf("a part of the table has %d slots, which are moved at once", n)
		}
	}
	turns := 0
	for more := true; more; turns++ {
		before := st.keys.length
		more = st.work()
		st.SetTime(int64(time.Second) - int64(turns)) // the clock steps back, and what is due stays due
		if n := before - st.keys.length; n > perTurn {
			t.Fatalf("turn %d: %d keys were forgotten", turns, n)
		}
		if more != (st.keys.length > 0) {
			t.Fatalf("turn %d: more is %v, and %d keys are left", turns, more, st.keys.length)
		}
	}
	if turns != keys/perTurn {
		t.Errorf("%d turns, want %d", turns, keys/perTurn)
	}
}

// The same holds for keys whose first tickets may be granted at once by the scheduler for all.
func TestNewsOfOneTurn(t *testing.T) {
	const keys = 500
	mock := clock.NewMock()
	all, err := scheduler.New(scheduler.MustParseLimits("1000/s"), scheduler.WithClock(mock))
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	l := scheduler.MustParseLimits("10/s")
	set, err := New(func(int) scheduler.Limits { return l }, Within(all), Shards(1))
	if err != nil {
		t.Fatal(err)
	}
	all.Pause()
	waiting := make([]ticket.Ticket, keys)
	for k := range keys {
		w, err := set.Enqueue(k, 1)
		if err != nil {
			t.Fatal(err)
		}
		waiting[keys-1-k] = w // those that were told last are heard of first
	}
	st := borrowed(t, set)
	all.Resume()
	all.Stats() // they are told
	granted := 0
	for more := true; more; {
		before := granted
		more = st.work()
		for _, w := range waiting[granted:] {
			select {
			case err := <-w.Ready():
				if err != nil {
					t.Fatal(err)
				}
				granted++
			default:
			}
		}
		if n := granted - before; n > perTurn || n == 0 && more {
			t.Fatalf("%d were granted in a turn, of which more is %v", n, more)
		}
	}
	if granted != keys {
		t.Errorf("%d granted, want %d", granted, keys)
	}
}

// An owner wakes for a ticket at the very instant at which it can be granted, and to forget keys a little later than for the
// first of them. What asks in between finds a key forgotten that has ended.
func TestWakeAt(t *testing.T) {
	mock := clock.NewMock()
	l := scheduler.MustParseLimits("2/s")
	set, err := New(func(int) scheduler.Limits { return l }, WithClock(mock), Shards(1))
	if err != nil {
		t.Fatal(err)
	}
	set.Wait(t.Context(), 1)
	set.Wait(t.Context(), 3)
	first := set.Stats(1).Granted
	if first != 1 {
		t.Fatalf("%d were granted", first)
	}
	wakeAt := func() time.Duration {
		set.Len() // the owner lends before it answers
		st := set.boxes[0].Borrow()
		defer set.boxes[0].giveBack(st)
		return time.Duration(st.wakeAt())
	}
	if at := wakeAt(); at != time.Second+time.Duration(forgetEvery) {
		t.Errorf("to forget a key the owner wakes at %v", at)
	}
	held, _ := set.TryAcquireN(2, 2)
	waiting, err := set.Enqueue(2, 1)
	if err != nil {
		t.Fatal(err)
	}
	if at := wakeAt(); at != time.Second {
		t.Errorf("while a ticket waits the owner wakes at %v", at)
	}
	waiting.Cancel()
	held.Release()
	if at := wakeAt(); at != time.Second+time.Duration(forgetEvery) {
		t.Errorf("when no ticket waits any more the owner wakes at %v", at)
	}
	mock.Add(time.Second) // the owner still sleeps
	set.Allow(3)
	if granted := set.Stats(1).Granted; granted != 0 {
		t.Errorf("a key that has ended says that %d were granted", granted)
	}
	if granted := set.Stats(3).Granted; granted != 1 {
		t.Errorf("a key that has ended and came again says that %d were granted", granted)
	}
	set.Close()
}

// Whatever is done to keys, what is noted of each is what its seat says: whether it is busy, whether a ticket waits for an
// instant, and when it can be forgotten. The owner's alarm is set for the first of them.
func TestNotedOfKeys(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) { notedOfKeys(t, rand.New(rand.NewPCG(seed, 6))) })
	}
}

func notedOfKeys(t *testing.T, r *rand.Rand) {
	texts := []string{"3/s", "3/s burst 2", "burst 2", "2/s from release", "2/s 5/3s", "4/s evenly", "9/s burst 3"}
	limits := func(k int) scheduler.Limits { return scheduler.MustParseLimits(texts[k%len(texts)]) }
	set, err := New(limits, Shards(1))
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	var story []string
	var tickets []ticket.Ticket
	for range 300 {
		k, n := r.IntN(2*len(texts)), 1+r.IntN(2)
		op := r.IntN(14)
		story = append(story, fmt.Sprintf("operation %d, key %d, weight %d", op, k, n))
		switch op {
		case 0, 1:
			if w, ok := set.TryAcquireN(k, n); ok {
				tickets = append(tickets, w)
			}
		case 2:
			set.AllowN(k, n)
		case 3, 4:
			if w, err := set.Enqueue(k, n); err == nil {
				tickets = append(tickets, w)
			}
		case 5, 6, 7, 8:
			if len(tickets) > 0 {
				i := r.IntN(len(tickets))
				if w := tickets[i]; r.IntN(2) == 0 {
					w.Cancel()
				} else {
					w.Release()
				}
			}
		case 9:
			set.PauseFor(k, time.Duration(r.IntN(2000))*time.Millisecond)
		case 10:
			if l := limits(k); len(l.Windows) > 0 {
				set.Observe(k, l.Windows[0], r.IntN(3), time.Second)
			}
		case 11:
			set.SetLimits(k, limits(k+r.IntN(2)))
		default:
			time.Sleep(time.Duration(r.IntN(500)) * time.Millisecond)
		}
		synctest.Wait()
		if err := wronglyNoted(set.boxes[0]); err != nil {
			t.Fatalf("%v after %q", err, story)
		}
	}
	for _, w := range tickets {
		w.Cancel()
	}
	for k := range 2 * len(texts) {
		set.SetLimits(k, limits(k))
	}
	time.Sleep(time.Minute)
	if n := set.Len(); n != 0 {
		t.Errorf("%d keys are left after %q", n, story)
	}
}

// wronglyNoted returns what is noted of the owner's keys and is not so.
func wronglyNoted(b *box[int]) error {
	st := b.Borrow()
	defer b.giveBack(st)
	busy, waits := 0, 0
	if st.armed > st.wakeAt() {
		return fmt.Errorf("the alarm is set for %d, and the first key is to be looked at at %d", st.armed, st.wakeAt())
	}
	for e := range st.keys.all() {
		asleep := e.cell.Live == nil
		st.open(e)
		s := st.seat.Leave()
		if waiting := s.Busy && s.At != inside.Never; e.busy != s.Busy || e.waits != waiting {
			return fmt.Errorf("key %d, asleep %v, is %+v, noted: busy %v, waits %v", e.key, asleep, s, e.busy, e.waits)
		}
		if s.At != inside.Never && (e.index < 0 || e.planned > max(s.At, st.Latest)) {
			return fmt.Errorf("key %d, asleep %v, is %+v, planned for %d at %d", e.key, asleep, s, e.planned, e.index)
		}
		if e.busy {
			busy++
		}
		if e.waits {
			waits++
		}
	}
	if st.busy != busy || st.waits != waits {
		return fmt.Errorf("noted that %d are busy and %d wait, of %d and %d", st.busy, st.waits, busy, waits)
	}
	return nil
}
