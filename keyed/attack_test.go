package keyed_test

import (
	"errors"
	"flag"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
)

var attackers = flag.Int("attack", 200_000, "how many keys are made up in the test of an attack")

// Somebody makes keys up, many more than there may be. Honest keys that are there go on as if nothing was: they get
// what their limits allow, to the instant. Memory stays bounded, and when the windows are over nothing is left.
func TestAttack(t *testing.T) {
	const (
		most   = 10_000
		honest = 100
		per    = 5
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
		before := memoryInUse()
		refused, highest, grown := 0, 0, uint64(0)
		const step = 10 * time.Millisecond
		for i := range *attackers {
			made, err := set.AcquireNow(i, 1)
			switch {
			case errors.Is(err, keyed.ErrTooManyKeys):
				refused++
			case err != nil:
				t.Fatalf("made-up key %d: %v", i, err)
			}
			made.Release()
			if i%(*attackers/500) == 0 { // the attack takes five seconds
				time.Sleep(step)
				ask()
				highest = max(highest, set.Len())
				if i%(*attackers/5) == 0 {
					grown = max(grown, memoryInUse()-min(before, memoryInUse()))
				}
			}
		}
		if refused < *attackers/2 || highest > most {
			t.Errorf("%d of %d made-up keys were refused, and there were %d keys, at most %d may be", refused, *attackers, highest, most)
		}
		if grown > most*1000 {
			t.Errorf("memory grew by %d bytes for %d keys", grown, most)
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

func memoryInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
