package keyed_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
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
	for over := false; !over; {
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

// heap returns the memory in use.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
