package keyed_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

func newSet(t *testing.T, limits string, opts ...keyed.Option) (*keyed.Set[int], *clock.Mock) {
	t.Helper()
	mock := clock.NewMock()
	l := scheduler.MustParseLimits(limits)
	set, err := keyed.New(func(int) scheduler.Limits { return l }, append([]keyed.Option{keyed.WithClock(mock)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	return set, mock
}

func TestInvalid(t *testing.T) {
	limits := func(int) scheduler.Limits { return scheduler.Limits{} }
	if _, err := keyed.New[int](nil); !isInvalid(err) {
		t.Error(err)
	}
	s, err := scheduler.New(scheduler.MustParseLimits("1/s"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, opts := range [][]keyed.Option{
		{nil},
		{keyed.WithClock(nil)},
		{keyed.MaxKeys(0)},
		{keyed.WithMaxQueue(-1)},
		{keyed.Overflow(scheduler.Limits{})},
		{keyed.Within(nil)},
		{keyed.Within(s), keyed.WithClock(clock.NewMock())},
	} {
		if _, err := keyed.New(limits, opts...); !isInvalid(err) {
			t.Errorf("%v", err)
		}
	}
	set, err := keyed.New(limits)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if _, err := set.Acquire(context.Background(), 1); !isInvalid(err) {
		t.Error(err)
	}
	if _, ok := set.TryAcquire(1); ok {
		t.Error("granted without limits")
	}
	if d := set.WaitTime(1); d != scheduler.Forever {
		t.Error(d)
	}
	if n := set.Len(); n != 0 {
		t.Errorf("%d keys", n)
	}
}

func isInvalid(err error) bool {
	var invalid *scheduler.InvalidError
	return errors.As(err, &invalid)
}

// A key is there for exactly as long as it can make a difference.
func TestForgotten(t *testing.T) {
	set, mock := newSet(t, "3/2s 5/4s burst 2")
	held, _ := set.TryAcquire(1)
	late, _ := set.TryAcquire(2)
	late.Release()
	mock.Add(4*time.Second - 1)
	if n := set.Len(); n != 2 {
		t.Errorf("%d keys", n)
	}
	mock.Add(1)
	if n := set.Len(); n != 1 {
		t.Errorf("%d keys, want the one that is held", n)
	}
	held.Release()
	if n := set.Len(); n != 0 {
		t.Errorf("%d keys", n)
	}
	again, _ := set.TryAcquire(1)
	held.Release() // its key was forgotten and came again
	held.Cancel()
	if err := held.Settle(); err == nil {
		t.Error("a ticket that has ended was settled")
	}
	if n := set.Stats(1).InUse; n != 1 {
		t.Errorf("%d are in use", n)
	}
	again.Release()
}

// Calls that cannot succeed leave no key.
func TestRefusedLeavesNoKey(t *testing.T) {
	set, _ := newSet(t, "3/2s")
	set.AcquireN(context.Background(), 1, 4)
	set.AcquireN(context.Background(), 2, 0)
	set.TryAcquireN(3, 4)
	set.Enqueue(4, 9)
	set.WaitTime(5)
	set.Stats(6)
	set.Charge(7, scheduler.PerDay(1), 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	set.Acquire(ctx, 8)
	if n := set.Len(); n != 0 {
		t.Errorf("%d keys", n)
	}
}

func TestMaxKeys(t *testing.T) {
	set, mock := newSet(t, "1/s", keyed.MaxKeys(3))
	for k := range 3 {
		held, err := set.Acquire(context.Background(), k)
		if err != nil {
			t.Fatal(err)
		}
		held.Release()
	}
	var full *keyed.TooManyKeysError
	if _, err := set.Acquire(context.Background(), 3); !errors.As(err, &full) || full.Max != 3 || !errors.Is(err, keyed.ErrTooManyKeys) {
		t.Error(err)
	}
	if _, err := set.AcquireNow(3, 1); !errors.As(err, &full) {
		t.Error(err)
	}
	if _, err := set.Enqueue(3, 1); !errors.As(err, &full) {
		t.Error(err)
	}
	if err := set.PauseFor(3, time.Second); !errors.As(err, &full) {
		t.Error(err)
	}
	if _, ok := set.TryAcquire(3); ok || set.WaitTime(3) != scheduler.Forever {
		t.Error("there is room for a fourth key")
	}
	if d := set.WaitTime(1); d != time.Second {
		t.Errorf("a key that is there waits %v", d)
	}
	mock.Add(time.Second)
	set.Len()
	if _, ok := set.TryAcquire(3); !ok {
		t.Error("no room after keys were forgotten")
	}
}

func TestOverflow(t *testing.T) {
	l := scheduler.MustParseLimits("4/s burst 3 100 tokens/s")
	set, _ := newSet(t, "1/s", keyed.MaxKeys(1), keyed.Overflow(l))
	l.Windows[0].Permits = 1 // the set has its own
	set.TryAcquire(0)
	var held []ticket.Ticket
	for k := 1; k < 4; k++ {
		var got ticket.Ticket
		var err error
		switch k {
		case 1:
			got, err = set.Acquire(context.Background(), k)
		case 2:
			got, err = set.AcquireNow(k, 1, tokens.Of(60))
		case 3:
			var ok bool
			if got, ok = set.TryAcquireN(k, 1, tokens.Of(40)); !ok {
				err = scheduler.ErrNoPermit
			}
		}
		if err != nil {
			t.Fatalf("key %d: %v", k, err)
		}
		held = append(held, got)
	}
	if _, ok := set.TryAcquire(4); ok {
		t.Error("more than those keys share")
	}
	held[0].Release()
	if set.AllowN(4, 1, tokens.Of(1)) {
		t.Error("more tokens than those keys share")
	}
	if w, err := set.Enqueue(5, 1); err != nil || told(w) != nil {
		t.Error(err)
	}
	if d := set.WaitTime(6); d != time.Second {
		t.Error(d)
	}
	if n := set.Len(); n != 1 {
		t.Errorf("%d keys", n)
	}
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, _ := newSet(t, "burst 1")
		held, _ := set.TryAcquire(1)
		w, _ := set.Enqueue(1, 1)
		done := make(chan error)
		go func() {
			_, err := set.Acquire(context.Background(), 1)
			done <- err
		}()
		synctest.Wait()
		set.Close()
		set.Close()
		if err := <-done; err != scheduler.ErrClosed {
			t.Error(err)
		}
		if err := told(w); err != scheduler.ErrClosed {
			t.Error(err)
		}
		if s := set.Stats(1); s.Waiting != 0 || s.InUse != 1 || s.Totals.GivenUp != 2 {
			t.Errorf("%+v", s)
		}
		if s := set.Stats(2); s.InUse != 0 {
			t.Errorf("%+v", s)
		}
		held.Release()
		if err := held.Settle(); err != nil {
			t.Error(err)
		}
		if _, err := set.Acquire(context.Background(), 2); err != scheduler.ErrClosed {
			t.Error(err)
		}
		if _, err := set.AcquireNow(1, 1); err != scheduler.ErrClosed {
			t.Error(err)
		}
		if err := set.SetLimits(1, scheduler.MustParseLimits("1/s")); err != scheduler.ErrClosed {
			t.Error(err)
		}
		if _, ok := set.TryAcquire(3); ok || set.WaitTime(1) != scheduler.Forever {
			t.Error("granted after Close")
		}
		if n := set.Len(); n != 1 {
			t.Errorf("%d keys", n)
		}
		if err := set.Drain(context.Background()); err != scheduler.ErrClosed {
			t.Error(err)
		}
	})
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, _ := newSet(t, "burst 1")
		held, _ := set.TryAcquire(1)
		w, _ := set.Enqueue(1, 1)
		cut, cancel := context.WithCancel(context.Background())
		cancel()
		if err := set.Drain(cut); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		done := make(chan error)
		go func() { done <- set.Drain(context.Background()) }()
		synctest.Wait()
		for k := range 3 {
			if _, err := set.Acquire(context.Background(), k); err != scheduler.ErrClosed {
				t.Errorf("key %d: %v", k, err)
			}
		}
		held.Release()
		if err := <-w.Ready(); err != nil {
			t.Error(err)
		}
		select {
		case err := <-done:
			t.Error("it did not wait for the release:", err)
		default:
		}
		w.Release()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestSnapshot(t *testing.T) {
	set, mock := newSet(t, "3/2s burst 2")
	for k := range 200 {
		for range k%3 + 1 {
			w, _ := set.TryAcquire(k)
			w.Release()
		}
	}
	mock.Add(time.Second)
	set.TryAcquire(0)
	set.PauseFor(1, time.Hour)
	before := set.Snapshot()
	set.Close()
	if after := set.Snapshot(); len(after.Keys) != len(before.Keys) {
		t.Errorf("%d keys after Close, want %d", len(after.Keys), len(before.Keys))
	}
	text, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	var snap keyed.Snapshot[int]
	if err := json.Unmarshal(text, &snap); err != nil {
		t.Fatal(err)
	}
	next, err := keyed.New(func(int) scheduler.Limits { return scheduler.MustParseLimits("3/2s burst 2") }, keyed.WithClock(mock))
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if err := next.Restore(snap); err != nil {
		t.Fatal(err)
	}
	for k := range 200 {
		got, want := next.Windows(k), set.Windows(k)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("key %d: %v, want %v", k, got, want)
		}
	}
	if !next.Stats(1).Paused {
		t.Error("a pause was forgotten")
	}
	mock.Add(time.Second)
	if n := next.Len(); n != 2 {
		t.Errorf("%d keys, want one that was used later and one that is paused", n)
	}
	snap.Keys[0].Version = 7
	if err := next.Restore(snap); !isInvalid(err) {
		t.Error(err)
	}
	snap.Version = 7
	if err := next.Restore(snap); !isInvalid(err) {
		t.Error(err)
	}
}

// A panic in the function for the limits reaches the caller, and harms nobody else.
func TestLimitsPanic(t *testing.T) {
	set, err := keyed.New(func(k int) scheduler.Limits {
		if k == 1 {
			panic("no such user")
		}
		return scheduler.MustParseLimits("1/s")
	})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was lost")
			}
		}()
		set.TryAcquire(1)
	}()
	if _, ok := set.TryAcquire(2); !ok {
		t.Error("no permit")
	}
}

// With the computer's clock and many goroutines no key exceeds its burst, and nothing is left.
func TestManyGoroutines(t *testing.T) {
	for _, lends := range []bool{true, false} {
		opts := []keyed.Option{}
		if !lends {
			opts = append(opts, keyed.KeepState())
		}
		set, err := keyed.New(func(string) scheduler.Limits { return scheduler.MustParseLimits("1000/ms burst 2") }, opts...)
		if err != nil {
			t.Fatal(err)
		}
		var inUse [20]atomic.Int64
		var all sync.WaitGroup
		for g := range 16 {
			all.Go(func() {
				for i := range 200 {
					k := (g*7 + i) % len(inUse)
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					w, err := set.Acquire(ctx, fmt.Sprint(k))
					cancel()
					if err != nil {
						t.Error(err)
						return
					}
					if n := inUse[k].Add(1); n > 2 {
						t.Errorf("%d are in use of key %d", n, k)
					}
					inUse[k].Add(-1)
					w.Release()
				}
			})
		}
		all.Wait()
		if err := set.Drain(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// A call of a key that is there allocates nothing.
func TestAllocations(t *testing.T) {
	set, err := keyed.New(func(string) scheduler.Limits { return scheduler.MustParseLimits("1000000/h burst 5") })
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	keys := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v", "w"}
	for range 70 {
		for _, k := range keys { // their histories have grown
			w, _ := set.TryAcquire(k)
			w.Release()
		}
	}
	i := 0
	n := testing.AllocsPerRun(20*len(keys), func() {
		w, err := set.Acquire(context.Background(), keys[i%len(keys)])
		if err != nil {
			t.Fatal(err)
		}
		w.Release()
		i++
	})
	if n > 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}
