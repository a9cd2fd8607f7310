package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/go-chi/httprate"
	"github.com/sethvargo/go-limiter/memorystore"
	ulule "github.com/ulule/limiter/v3"
	ululestore "github.com/ulule/limiter/v3/drivers/store/memory"
	"golang.org/x/time/rate"
)

// Cases 10 and 11: a limit for each of many keys. A try is one request of a client that is served. The keys are there
// before the time begins, and each try is of a key at random.

// store is a limit for each key: permits in any per, or in what stands for that.
type store struct {
	name string
	make func(tb testing.TB, permits int, per time.Duration) (try func(key string) bool)
}

var stores = []store{
	{ours, keyedAllow},
	{tryAndRelease, keyedTry},
	{"rate.Allow in a map", rateMap},
	{"go-limiter", sethvargo},
	{"httprate", chiCounter},
	{"ulule limiter", ululeMemory},
}

// tryAndRelease is a set whose permits are held and given back.
const tryAndRelease = "flowguard, TryAcquire and Release"

var errNoKey = errors.New("a key was refused")

func BenchmarkKeys(b *testing.B) {
	for _, c := range []size{{"1 key", 1}, {"1,000 keys", 1000}, {"1,000,000 keys", 1_000_000}} {
		var of []contender
		for _, s := range stores {
			of = append(of, contender{s.name, func(tb testing.TB) func(context.Context) error {
				try, names := s.make(tb, plenty, time.Hour), keyNames(c.n)
				for _, k := range names {
					try(k)
				}
				runtime.GC() // or the work of collecting what was made would be measured
				return func(context.Context) error {
					if !try(names[rand.IntN(len(names))]) {
						return errNoKey
					}
					return nil
				}
			}})
		}
		b.Run(c.name, func(b *testing.B) {
			b.Run("1 caller", func(b *testing.B) { alone(b, of...) })
			b.Run("256 callers", func(b *testing.B) { together(b, b.Context(), 256, of...) })
		})
	}
}

var (
	namesMade sync.Mutex
	names     []string
)

// keyNames returns n names, always the same.
func keyNames(n int) []string {
	namesMade.Lock()
	defer namesMade.Unlock()
	for len(names) < n {
		names = append(names, "user-"+strconv.Itoa(len(names)))
	}
	return names[:n]
}

// Case 12: what a million keys take that were tried once, while their windows remember it, and when these are over:
// memory, how long a caller waits for the answer of a try meanwhile, and the processor's time at rest. Undisturbed are
// tries during which the system took no processor away from the process for another one.
func BenchmarkMillionKeys(b *testing.B) {
	for _, s := range order(stores...) {
		if s.name == tryAndRelease {
			continue
		}
		b.Run(s.name, func(b *testing.B) {
			const n = 1_000_000
			const per = 20 * time.Second
			names := keyNames(n)
			for b.Loop() {
				before := inUse()
				try := s.make(b, 10, per)
				filled := time.Now()
				for _, k := range names {
					if !try(k) {
						b.Fatal(errNoKey)
					}
				}
				took := time.Since(filled)
				b.ReportMetric(0, "ns/op") // says nothing here
				b.ReportMetric(float64(took)/n, "ns/new-key")
				b.ReportMetric((inUse()-before)/n, "B/key")
				used := processorTimeSoFar()
				time.Sleep(time.Second)
				b.ReportMetric(float64((processorTimeSoFar() - used).Microseconds()), "µs/s-at-rest")
				var tries, undisturbed []time.Duration // while keys end
				for at := time.Duration(0); at < took+per+2*time.Second; {
					taken := preemptions()
					start := time.Now()
					try("honest " + strconv.Itoa(len(tries)/8))
					d := time.Since(start)
					if at = time.Since(filled); at > per {
						tries = append(tries, d)
						if preemptions() == taken {
							undisturbed = append(undisturbed, d)
						}
					}
					time.Sleep(20 * time.Microsecond)
				}
				slices.Sort(tries)
				b.ReportMetric(float64(tries[len(tries)/2]), "ns/median")
				b.ReportMetric(float64(tries[len(tries)*999/1000]), "ns/p999")
				b.ReportMetric(float64(tries[len(tries)-1]), "ns/longest")
				b.ReportMetric(float64(slices.Max(undisturbed)), "ns/longest-undisturbed")
				b.ReportMetric((inUse()-before)/n, "B/key-after")
				try("keep it alive")
			}
		})
	}
}

// inUse returns how many bytes are reachable.
func inUse() float64 {
	runtime.GC()
	runtime.GC() // what finalizers held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func newSet(tb testing.TB, permits int, per time.Duration) *keyed.Set[string] {
	l := scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(permits, per)}}
	set, err := keyed.New(func(string) scheduler.Limits { return l }, keyed.MaxKeys(10_000_000))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { set.Close() })
	return set
}

// keyedTry takes a permit and gives it back, as one does who may also cap what is in progress.
func keyedTry(tb testing.TB, permits int, per time.Duration) func(string) bool {
	set := newSet(tb, permits, per)
	return func(key string) bool {
		t, ok := set.TryAcquire(key)
		t.Release()
		return ok
	}
}

// keyedAllow takes a permit that is not to be given back, as the others do.
func keyedAllow(tb testing.TB, permits int, per time.Duration) func(string) bool {
	return newSet(tb, permits, per).Allow
}

// rateMap is what one would write by hand. It forgets no key.
func rateMap(tb testing.TB, permits int, per time.Duration) func(string) bool {
	var mu sync.Mutex
	limiters := map[string]*rate.Limiter{}
	limit := rate.Limit(float64(permits) / per.Seconds())
	return func(key string) bool {
		mu.Lock()
		l := limiters[key]
		if l == nil {
			l = rate.NewLimiter(limit, permits)
			limiters[key] = l
		}
		mu.Unlock()
		return l.Allow()
	}
}

func sethvargo(tb testing.TB, permits int, per time.Duration) func(string) bool {
	store, err := memorystore.New(&memorystore.Config{Tokens: uint64(permits), Interval: per, SweepInterval: per / 2, SweepMinTTL: per})
	if err != nil {
		tb.Fatal(err)
	}
	ctx := context.Background()
	tb.Cleanup(func() { store.Close(ctx) })
	return func(key string) bool {
		_, _, _, ok, err := store.Take(ctx, key)
		return ok && err == nil
	}
}

// chiCounter asks the counter of chi's middleware as that does, but for writing the headers.
func chiCounter(tb testing.TB, permits int, per time.Duration) func(string) bool {
	l := httprate.NewRateLimiter(permits, per)
	return func(key string) bool {
		ok, _, err := l.Status(key)
		return ok && err == nil && l.Counter().IncrementBy(key, time.Now().UTC().Truncate(per), 1) == nil
	}
}

func ululeMemory(tb testing.TB, permits int, per time.Duration) func(string) bool {
	store := ululestore.NewStoreWithOptions(ulule.StoreOptions{Prefix: "x", CleanUpInterval: per / 2})
	l, ctx := ulule.New(store, ulule.Rate{Period: per, Limit: int64(permits)}), context.Background()
	return func(key string) bool {
		c, err := l.Get(ctx, key)
		return err == nil && !c.Reached
	}
}
