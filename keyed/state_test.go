package keyed

import (
	"testing"
	"time"

	"github.com/benbjohnson/clock"

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
	if granted := set.Stats(1).Granted; granted != 0 {
		t.Errorf("a key that has ended says that %d were granted", granted)
	}
	set.Close()
}
