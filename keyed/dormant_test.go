package keyed_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// A key that slept knows how far apart grants are to be as one that did not. In a window of more than 65,536 permits grants
// share entries, so that only what was granted last says for how long the next is kept away.
func TestDormantCoarseEvenly(t *testing.T) {
	const sleepers = 20 // so many other keys are used in between that the key's core goes to one of them
	for _, others := range []int{0, sleepers} {
		mock := clock.NewMock()
		l := scheduler.MustParseLimits("70000/70s evenly") // a permit each ms; an entry for 1.07 ms
		set, err := keyed.New(func(int) scheduler.Limits { return l }, keyed.WithClock(mock), keyed.Shards(1))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			for k := range others {
				w, _ := set.TryAcquire(1 + k)
				w.Release()
			}
			if i > 0 {
				mock.Set(mock.Now().Add(time.Millisecond - 1))
				if _, ok := set.TryAcquire(0); ok {
					t.Errorf("%d other keys: permit %d was granted too early", others, i)
				}
				for k := range others {
					set.TryAcquire(1 + k)
				}
				mock.Set(mock.Now().Add(1))
			}
			w, ok := set.TryAcquire(0)
			if !ok {
				t.Fatalf("%d other keys: permit %d was not granted in time", others, i)
			}
			w.Release()
		}
		set.Close()
	}
}

// Drain waits for the permits of keys that are asleep, and no longer, however many a key holds.
func TestDrainOfDormantKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, err := keyed.New(allKeys("9/s"))
		if err != nil {
			t.Fatal(err)
		}
		defer set.Close()
		var held []ticket.Ticket
		for range 3 {
			for k := range 5 {
				got, ok := set.TryAcquire(k)
				if !ok {
					t.Fatal("no permit")
				}
				held = append(held, got)
			}
		}
		drained := make(chan error, 1)
		go func() { drained <- set.Drain(t.Context()) }()
		for _, h := range held {
			synctest.Wait()
			if len(drained) > 0 {
				t.Error("drained while permits are held")
			}
			h.Release()
			h.Release()
		}
		synctest.Wait()
		if len(drained) == 0 {
			t.Error("not drained when all permits are back")
		}
	})
}

// A call for a key of which a permit is always held, or a ticket waited, allocates nothing either: to lend the key a core and
// to store what that remembers takes no memory.
func TestAwakeningAllocatesNothing(t *testing.T) {
	for _, text := range []string{"1000000/h burst 5", "1000000/h 2000000/2h burst 5"} {
		set := perKey(t, text)
		held, ok := set.TryAcquire("a")
		if !ok {
			t.Fatal("no permit")
		}
		take := func() {
			for range 2 {
				w, ok := set.TryAcquire("a")
				if !ok {
					t.Fatal("no permit")
				}
				w.Release()
				set.WaitTime("a")
			}
		}
		for range 1000 {
			take() // the histories have grown
		}
		if n := testing.AllocsPerRun(1000, take); n > 0 && !raceEnabled {
			t.Errorf("%s: %v allocations", text, n)
		}
		held.Release()
	}
}

// A key holds more than an int can count as well as any other.
func TestDormantKeyHoldsMuch(t *testing.T) {
	mock := clock.NewMock()
	l := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(math.MaxInt)}}
	set, err := keyed.New(func(int) scheduler.Limits { return l }, keyed.WithClock(mock))
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	var held []ticket.Ticket
	for range 3 {
		got, ok := set.TryAcquireN(1, math.MaxInt)
		if !ok {
			t.Fatal("no permit")
		}
		held = append(held, got)
		mock.Add(time.Second)
	}
	for i, h := range held {
		if n := set.Stats(1).InUse; n != math.MaxInt {
			t.Errorf("%d given back: %d in use", i, n)
		}
		h.Release()
	}
	if n := set.Len(); n != 0 {
		t.Errorf("%d keys are left", n)
	}
}
