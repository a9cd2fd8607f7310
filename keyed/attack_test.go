package keyed_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
)

// Millions of made-up keys push out nothing that is known of honest ones, and memory stays bounded.
func TestAttack(t *testing.T) {
	const maxKeys, honest, attackers = 1000, 100, 4
	madeUp := 10_000_000
	if testing.Short() || raceEnabled {
		madeUp = 100_000
	}
	limits := scheduler.MustParseLimits("5/h")
	set, err := keyed.New(func(string) scheduler.Limits { return limits }, keyed.MaxKeys(maxKeys))
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	served := make([]int, honest)
	for k := range served { // they were there before
		w, ok := set.TryAcquire("honest " + strconv.Itoa(k))
		if !ok {
			t.Fatal("no permit")
		}
		w.Release()
		served[k]++
	}
	before := heap()
	var attack sync.WaitGroup
	for a := range attackers {
		attack.Go(func() {
			for i := a; i < madeUp; i += attackers {
				w, _ := set.TryAcquire("made up " + strconv.Itoa(i))
				w.Release()
			}
		})
	}
	done := make(chan struct{})
	go func() { attack.Wait(); close(done) }()
	var took []time.Duration
	for rounds, over := 0, false; !over || rounds < 6; rounds++ { // one more than there are permits left
		select {
		case <-done:
			over = true
		default:
		}
		for k := range served {
			start := time.Now()
			w, err := set.AcquireNow("honest "+strconv.Itoa(k), 1)
			took = append(took, time.Since(start))
			switch {
			case err == nil:
				w.Release()
				served[k]++
			case !errors.Is(err, scheduler.ErrNoPermit):
				t.Fatal(err)
			}
		}
		runtime.Gosched()
	}
	if grown := heap() - before - float64(cap(took)*8); grown > 4<<20 {
		t.Errorf("memory has grown by %.0f bytes", grown)
	}
	for k, n := range served {
		if n != 5 {
			t.Errorf("honest key %d was served %d times, want 5", k, n)
		}
	}
	if n := set.Len(); n != maxKeys {
		t.Errorf("%d keys, want %d", n, maxKeys)
	}
	if _, err := set.Acquire(context.Background(), "one more"); !errors.Is(err, keyed.ErrTooManyKeys) {
		t.Error(err)
	}
	slices.Sort(took)
	t.Logf("%d made-up keys, %d honest calls: half took %v, 99.9%% %v at most", madeUp, len(took), took[len(took)/2], took[len(took)*999/1000])
}

// Somebody makes keys up, many more than there may be. Honest keys that are there go on as if nothing was: they get
// what their limits allow, to the instant, and when the windows are over nothing is left.
func TestAttackInTime(t *testing.T) {
	const (
		most      = 10_000
		honest    = 100
		attackers = 200_000
		per       = 5
	)
	synctest.Test(t, func(t *testing.T) {
		l := scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(per, time.Second)}}
		set, err := keyed.New(func(int) scheduler.Limits { return l }, keyed.MaxKeys(most))
		if err != nil {
			t.Fatal(err)
		}
		defer set.Close()
		granted := make([][]time.Duration, honest)
		start := time.Now()
		ask := func() {
			for k := range honest {
				if got, ok := set.TryAcquire(-1 - k); ok {
					got.Release()
					granted[k] = append(granted[k], time.Since(start))
				}
			}
		}
		ask() // they are there before the attack
		refused, highest := 0, 0
		const step = 10 * time.Millisecond
		for i := range attackers {
			made, err := set.AcquireNow(i, 1)
			switch {
			case errors.Is(err, keyed.ErrTooManyKeys):
				refused++
			case err != nil:
				t.Fatalf("made-up key %d: %v", i, err)
			}
			made.Release()
			if i%(attackers/500) == 0 { // the attack takes five seconds
				time.Sleep(step)
				ask()
				highest = max(highest, set.Len())
			}
		}
		if refused < attackers/2 || highest > most {
			t.Errorf("%d of %d made-up keys were refused, and there were %d keys, at most %d may be", refused, attackers, highest, most)
		}
		for k, at := range granted {
			if !slices.Equal(at, granted[0]) {
				t.Fatalf("key %d was granted at %v, and key 0 at %v", k, at, granted[0])
			}
			for i := range at {
				if i >= per && at[i]-at[i-per] < time.Second {
					t.Fatalf("key %d was granted %d times in %v", k, per+1, at[i]-at[i-per])
				}
				if i >= per && at[i]-at[i-per] > time.Second+step {
					t.Fatalf("key %d had to wait until %v, though a permit was free %v after %v", k, at[i], time.Second, at[i-per])
				}
			}
		}
		if n := len(granted[0]); n < 5*per {
			t.Errorf("%d grants of an honest key in %v", n, time.Since(start))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := set.Len(); n != 0 {
			t.Errorf("%d keys are left", n)
		}
		if _, err := set.AcquireNow(1_000_000_000, 1); err != nil {
			t.Errorf("a new key after the attack: %v", err)
		}
	})
}

// heap returns the memory in use.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
