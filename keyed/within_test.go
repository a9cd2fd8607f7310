package keyed_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// joint is a set within a scheduler, and a naive record of what both have granted.
type joint struct {
	t     *testing.T
	clock *clock.Mock
	all   *scheduler.Scheduler
	set   *keyed.Set[int]

	waiting, held []jointTicket
	granted       []grant
}

type jointTicket struct {
	key int // -1: of the scheduler itself
	ticket.Ticket
}

// grant is when a ticket was granted.
type grant struct {
	key int
	at  time.Time
}

func newJoint(t *testing.T, each, all string, opts ...keyed.Option) *joint {
	t.Helper()
	j := &joint{t: t, clock: clock.NewMock()}
	var err error
	if j.all, err = scheduler.New(scheduler.MustParseLimits(all), scheduler.WithClock(j.clock)); err != nil {
		t.Fatal(err)
	}
	l := scheduler.MustParseLimits(each)
	if j.set, err = keyed.New(func(int) scheduler.Limits { return l }, append(opts, keyed.Within(j.all))...); err != nil {
		t.Fatal(err)
	}
	return j
}

func (j *joint) close() {
	j.set.Close()
	j.all.Close()
}

// note takes tickets that were granted from those that wait.
func (j *joint) note() {
	j.t.Helper()
	synctest.Wait()
	kept := j.waiting[:0]
	for _, w := range j.waiting {
		switch err := told(w.Ticket); err {
		case nil:
			j.grant(w)
		case errNothing:
			kept = append(kept, w)
		default:
			j.t.Fatalf("key %d was told %v", w.key, err)
		}
	}
	j.waiting = kept
}

func (j *joint) grant(w jointTicket) {
	j.held = append(j.held, w)
	j.granted = append(j.granted, grant{w.key, j.clock.Now()})
}

// count counts the tickets of a key; key -2: of all.
func count(list []jointTicket, key int) (n int) {
	for _, w := range list {
		if key == -2 || w.key == key {
			n++
		}
	}
	return n
}

// used counts the grants of a key in the last per.
func (j *joint) used(key int, per time.Duration) (n int) {
	for _, g := range j.granted {
		if (key == -2 || g.key == key) && g.at.Add(per).After(j.clock.Now()) {
			n++
		}
	}
	return n
}

// Whatever is done, both limits hold, nothing is charged for what waits, and a ticket that fits both does not wait.
func TestWithinRandom(t *testing.T) {
	const (
		keys                = 6
		perKey, burst       = 3, 2 // in a second, at once
		perAll, burstForAll = 9, 5 // in two seconds
		tick                = 100 * time.Millisecond
	)
	for seed := range uint64(*runs) {
		synctest.Test(t, func(t *testing.T) {
			opts := []keyed.Option{keyed.Shards(1 << (seed % 3))}
			if seed%2 == 1 {
				opts = append(opts, keyed.KeepState())
			}
			j := newJoint(t, "3/s burst 2", "9/2s burst 5", opts...)
			defer j.close()
			r := rand.New(rand.NewPCG(seed, 1))
			for range 200 {
				key := r.IntN(keys+1) - 1
				switch op := r.IntN(10); {
				case op < 3 && key < 0:
					w, _ := j.all.Enqueue(1)
					j.waiting = append(j.waiting, jointTicket{key, w})
				case op < 3:
					w, err := j.set.Enqueue(key, 1)
					if err != nil {
						t.Fatal(err)
					}
					j.waiting = append(j.waiting, jointTicket{key, w})
				case op == 3 && key >= 0:
					before := count(j.waiting, key) == 0 && count(j.held, key) < burst && j.used(key, time.Second) < perKey &&
						count(j.held, -2) < burstForAll && j.used(-2, 2*time.Second) < perAll
					w, ok := j.set.TryAcquire(key)
					if ok && !before {
						t.Fatalf("seed %d: a try of key %d succeeded", seed, key)
					}
					if ok {
						j.grant(jointTicket{key, w})
					}
				case op < 6 && len(j.held) > 0:
					i := r.IntN(len(j.held))
					j.held[i].Release()
					j.held = append(j.held[:i], j.held[i+1:]...)
				case op == 6 && len(j.waiting) > 0:
					i := r.IntN(len(j.waiting))
					j.waiting[i].Cancel()
					j.waiting = append(j.waiting[:i], j.waiting[i+1:]...)
				case op == 7 && key >= 0:
					j.set.PauseFor(key, time.Duration(r.IntN(5))*tick)
				case op > 7:
					for range r.IntN(7) { // or it would not be known when a ticket was granted
						j.clock.Add(tick)
						j.note()
					}
				}
				j.note()
				room := j.used(-2, 2*time.Second) < perAll && count(j.held, -2) < burstForAll
				if j.used(-2, 2*time.Second) > perAll || count(j.held, -2) > burstForAll {
					t.Fatalf("seed %d: too much in all", seed)
				}
				if got, want := j.all.Stats().InUse, count(j.held, -2); got != want {
					t.Fatalf("seed %d: %d are in use of the scheduler, want %d", seed, got, want)
				}
				if got, want := j.all.Windows()[0].Used, j.used(-2, 2*time.Second); got != want {
					t.Fatalf("seed %d: the scheduler has counted %d, want %d", seed, got, want)
				}
				for k := range keys {
					stats := j.set.Stats(k)
					if stats.InUse != count(j.held, k) || stats.Waiting != count(j.waiting, k) || stats.Windows[0].Used != j.used(k, time.Second) {
						t.Fatalf("seed %d: key %d has %+v, want %d held, %d waiting, %d used", seed, k, stats, count(j.held, k), count(j.waiting, k), j.used(k, time.Second))
					}
					if stats.InUse > burst || stats.Windows[0].Used > perKey {
						t.Fatalf("seed %d: too much of key %d", seed, k)
					}
					if room && stats.Waiting > 0 && !stats.Paused && stats.InUse < burst && stats.Windows[0].Remaining > 0 {
						t.Fatalf("seed %d: key %d waits although there is room: %+v", seed, k, stats)
					}
				}
			}
			for _, w := range append(j.waiting, j.held...) {
				w.Cancel()
			}
			j.clock.Add(time.Minute)
			synctest.Wait()
			if s := j.all.Stats(); s.InUse != 0 || s.Waiting != 0 || j.set.Len() != 0 {
				t.Fatalf("seed %d: left are %d keys and %+v", seed, j.set.Len(), s)
			}
		})
	}
}

// Keys whose own limits have room are served in the order in which they asked, together with others who use the
// scheduler, and one whose own limits are full holds up no other.
func TestWithinOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJoint(t, "burst 1", "1/s")
		defer j.close()
		j.all.TryAcquire()
		enqueue := func(key int) {
			var w ticket.Ticket
			if key < 0 {
				w, _ = j.all.Enqueue(1)
			} else {
				w, _ = j.set.Enqueue(key, 1)
			}
			j.waiting = append(j.waiting, jointTicket{key, w})
			j.note()
		}
		for _, key := range []int{3, 3, 1, -1, 2} { // the second of key 3 waits for the first to be released
			enqueue(key)
		}
		for range 5 {
			j.clock.Add(time.Second)
			j.note()
		}
		j.held[0].Release()
		j.clock.Add(time.Second)
		j.note()
		want := []int{3, 1, -1, 2, 3}
		for i, g := range j.granted {
			if i >= len(want) || g.key != want[i] {
				t.Fatalf("granted %v, want the keys %v", j.granted, want)
			}
		}
		if len(j.granted) != len(want) {
			t.Fatalf("granted %v, want the keys %v", j.granted, want)
		}
	})
}

// A refusal says which of the limits binds.
func TestWithinRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJoint(t, "2/s", "3/min")
		defer j.close()
		for k := range 3 {
			if _, ok := j.set.TryAcquire(k); !ok {
				t.Fatal("no permit")
			}
		}
		_, err := j.set.AcquireNow(0, 1)
		var no *scheduler.NoPermitError
		if !errors.As(err, &no) || no.Wait != time.Minute || no.Limit != "3/min" {
			t.Errorf("%v", err)
		}
		ctx := deadline{context.Background(), j.clock.Now().Add(time.Second)}
		var late *scheduler.DeadlineError
		if _, err := j.set.Acquire(ctx, 0); !errors.As(err, &late) || late.Wait != time.Minute || late.Limit != "3/min" {
			t.Errorf("%v", err)
		}
		if d := j.set.WaitTime(0); d != time.Minute {
			t.Errorf("WaitTime is %v", d)
		}
		if _, err := j.set.AcquireN(context.Background(), 0, 3); !errors.Is(err, scheduler.ErrTooLarge) {
			t.Errorf("%v", err)
		}
		w, err := j.set.Enqueue(0, 1)
		if err != nil {
			t.Fatal(err)
		}
		j.all.Close()
		synctest.Wait()
		if err := told(w); err != scheduler.ErrClosed {
			t.Errorf("told %v", err)
		}
	})
}

// A ticket that is released after the set was closed still gives back what it holds of the scheduler.
func TestWithinReleaseAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJoint(t, "2/s", "burst 3")
		defer j.close()
		w, _ := j.set.TryAcquire(1)
		j.set.Close()
		if n := j.all.Stats().InUse; n != 1 {
			t.Errorf("%d are in use", n)
		}
		w.Release()
		w.Release()
		if n := j.all.Stats().InUse; n != 0 {
			t.Errorf("%d are in use", n)
		}
	})
}

// A grant that is undone is undone in both.
func TestWithinUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJoint(t, "2/s", "2/s")
		defer j.close()
		for range 2 {
			w, err := j.set.Enqueue(1, 1) // granted at once
			if err != nil {
				t.Fatal(err)
			}
			w.Cancel()
		}
		w, _ := j.set.TryAcquire(1)
		x, _ := j.set.TryAcquire(1)
		if w.Number() == 0 || x.Number() == 0 {
			t.Error("an undone grant still counts")
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() {
			_, err := j.set.Acquire(ctx, 2)
			done <- err
		}()
		synctest.Wait()
		if n := j.all.Stats().Waiting; n != 1 {
			t.Errorf("%d wait", n)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if n := j.all.Stats().Waiting; n != 0 {
			t.Errorf("%d wait", n)
		}
	})
}

// Settle goes to both.
func TestWithinSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJoint(t, "100 tokens/min", "150 tokens/min")
		defer j.close()
		w, err := j.set.AcquireNow(1, 1, tokens.Of(10))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Settle(tokens.Of(60)); err != nil {
			t.Fatal(err)
		}
		if got, all := j.set.Windows(1)[0].Used, j.all.Windows()[0].Used; got != 60 || all != 60 {
			t.Errorf("used are %d and %d", got, all)
		}
		if _, err := j.set.AcquireNow(2, 1, tokens.Of(95)); !errors.Is(err, scheduler.ErrNoPermit) {
			t.Error(err)
		}
		if _, err := j.set.AcquireNow(2, 1, tokens.Of(90)); err != nil {
			t.Error(err)
		}
	})
}

// What takes a permit and gives it back at once is charged to both too.
func TestWithinWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJoint(t, "5/s", "2/s")
		defer j.close()
		for range 2 {
			if err := j.set.Wait(context.Background(), 1); err != nil {
				t.Fatal(err)
			}
		}
		if got, all := j.set.Windows(1)[0].Used, j.all.Windows()[0].Used; got != 2 || all != 2 {
			t.Errorf("used are %d and %d", got, all)
		}
		if _, ok := j.set.TryAcquire(1); ok {
			t.Error("a third permit")
		}
	})
}

// New keys beyond the most share limits that are within those of all too, and hold up no other key.
func TestWithinOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJoint(t, "3/s", "4/s", keyed.MaxKeys(1), keyed.Overflow(scheduler.MustParseLimits("2/s burst 4")))
		defer j.close()
		enqueue := func(key int) {
			w, err := j.set.Enqueue(key, 1)
			if err != nil {
				t.Fatal(err)
			}
			j.waiting = append(j.waiting, jointTicket{key, w})
			j.note()
		}
		for i := range 12 { // key 0 is there, the others are beyond
			enqueue(0)
			enqueue(1 + i)
		}
		if n := j.set.Len(); n != 1 {
			t.Errorf("%d keys", n)
		}
		for second := 1; second <= 4; second++ {
			own := 0
			for _, g := range j.granted {
				if g.key == 0 {
					own++
				}
			}
			if all := len(j.granted); own > 3*second || all-own > 2*second || all != 4*second {
				t.Errorf("after %d s %d grants of key 0 and %d in all", second-1, own, all)
			}
			for _, w := range j.held {
				w.Release()
			}
			j.held = nil
			j.clock.Add(time.Second)
			j.note()
		}
		if used := j.all.Stats().InUse; used != len(j.held) {
			t.Errorf("%d are in use of all, %d are held", used, len(j.held))
		}
		if err := j.set.Drain(canceled()); !errors.Is(err, context.Canceled) {
			t.Errorf("Drain: %v", err)
		}
		for len(j.waiting) > 0 || len(j.held) > 0 {
			for _, w := range j.held {
				w.Release()
			}
			j.held = nil
			j.clock.Add(time.Second)
			j.note()
		}
		if err := j.set.Drain(context.Background()); err != nil {
			t.Errorf("Drain: %v", err)
		}
	})
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
