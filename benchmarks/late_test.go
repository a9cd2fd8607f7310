package main

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/scheduler/schedulertest"
	"go.uber.org/ratelimit"
	"golang.org/x/time/rate"
)

// Case 6: how late a caller goes on after the instant at which its permit became legal. The computer's
// clock and timers are part of it.

const (
	beat    = 2 * time.Millisecond // one permit in each
	samples = 250
)

type clockwork struct {
	name string
	late func(tb testing.TB, waiting, samples int) []time.Duration
}

var lateness = []struct {
	name    string
	waiting int
	of      []clockwork
}{
	{"1 waiting", 1, []clockwork{{"flowguard", flowguardLate}, {"rate.Wait", rateLate}, {"ratelimit.Take", uberLate}}},
	// Goroutines in ratelimit.Take cannot be called back: 10,000 would sleep on for 20 s.
	{"10,000 waiting", 10_000, []clockwork{{"flowguard", flowguardLate}, {"rate.Wait", rateLate}}},
}

func BenchmarkLateness(b *testing.B) {
	for _, c := range lateness {
		b.Run(c.name, func(b *testing.B) {
			for _, w := range order(c.of...) {
				b.Run(w.name, func(b *testing.B) {
					var late []time.Duration
					for b.Loop() {
						late = append(late, w.late(b, c.waiting, samples)...)
					}
					slices.Sort(late)
					b.ReportMetric(0, "ns/op") // says nothing here
					b.ReportMetric(float64(late[len(late)/2]), "ns/p50")
					b.ReportMetric(float64(late[len(late)*99/100]), "ns/p99")
				})
			}
		})
	}
}

// flowguardLate reads off the record of the grants when each next one became legal.
func flowguardLate(tb testing.TB, waiting, samples int) (late []time.Duration) {
	var record schedulertest.Recorder
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(1, beat)}}
	s := start(tb, limits, &record)
	seen := make(map[uint64]time.Time)
	var mu sync.Mutex
	begin := keepAsking(tb, waiting, samples, func(ctx context.Context) error {
		t, err := s.Acquire(ctx)
		now := time.Now()
		if err == nil {
			mu.Lock()
			seen[uint64(t.Number())] = now
			mu.Unlock()
		}
		return err
	})
	s.Close()
	granted := record.Tickets().Granted()
	for i, t := range granted[1:] {
		legal := granted[i].Granted.Add(beat)
		if t.Enqueued.After(legal) {
			legal = t.Enqueued
		}
		if at, ok := seen[uint64(t.Number)]; ok && at.After(begin) {
			late = append(late, at.Sub(legal))
		}
	}
	return late
}

// rateLate uses that a bucket of one fills in steps of one beat, whoever comes late to take from it.
func rateLate(tb testing.TB, waiting, samples int) (late []time.Duration) {
	limiter := rate.NewLimiter(rate.Every(beat), 1)
	limiter.Allow()
	legal := time.Now()
	var mu sync.Mutex
	var seen []time.Time
	begin := keepAsking(tb, waiting, samples, func(ctx context.Context) error {
		err := limiter.Wait(ctx)
		now := time.Now()
		if err == nil {
			mu.Lock()
			seen = append(seen, now)
			mu.Unlock()
		}
		return err
	})
	slices.SortFunc(seen, time.Time.Compare)
	for i, at := range seen {
		legal = legal.Add(beat)
		if waiting == 1 && i > 0 && seen[i-1].After(legal) {
			legal = seen[i-1] // nobody was there when the bucket became full
		}
		if at.After(begin) {
			late = append(late, at.Sub(legal))
		}
	}
	return late
}

// uberLate uses that Take returns the instant for which it was due.
func uberLate(tb testing.TB, waiting, samples int) (late []time.Duration) {
	limiter := ratelimit.New(1, ratelimit.Per(beat), ratelimit.WithoutSlack)
	limiter.Take()
	for range samples {
		due := limiter.Take()
		late = append(late, time.Since(due))
	}
	return late
}

// keepAsking has n goroutines ask over and over, until so many asked with success since the instant
// that it returns, at which all had long been in line.
func keepAsking(tb testing.TB, n, times int, ask func(context.Context) error) (begin time.Time) {
	ctx, cancel := context.WithCancel(tb.Context())
	defer cancel()
	var arrived sync.WaitGroup
	var callers sync.WaitGroup
	arrived.Add(n)
	granted := make(chan struct{}, n+times)
	for range n {
		callers.Go(func() {
			arrived.Done()
			for ask(ctx) == nil {
				granted <- struct{}{}
			}
		})
	}
	arrived.Wait()
	time.Sleep(settle)
	for range len(granted) {
		<-granted
	}
	begin = time.Now()
	for range times {
		<-granted
	}
	cancel()
	callers.Wait()
	return begin
}

func TestNobodyIsEarly(t *testing.T) {
	for _, w := range []clockwork{{"flowguard", flowguardLate}, {"rate.Wait", rateLate}, {"ratelimit.Take", uberLate}} {
		late := w.late(t, 1, 20)
		// The instant at which rate.Wait and its bucket began is known to some microseconds.
		if got := slices.Min(late); got < -50*time.Microsecond {
			t.Errorf("%s: a grant %v early", w.name, -got)
		}
	}
}
