package main

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
	"golang.org/x/sync/semaphore"
)

// Case 5: jobs in line. All permits are held while the jobs join it, and then given back at once.

const (
	jobs       = 1_000_000
	goroutines = 100_000 // each takes 2 KiB of stack and more
)

func BenchmarkLine(b *testing.B) {
	b.Run("1,000,000 jobs by Enqueue", func(b *testing.B) {
		b.Run("flowguard", func(b *testing.B) {
			var spent spending
			for b.Loop() {
				byEnqueue(b, jobs, &spent)
			}
			spent.report(b, jobs)
		})
	})
	b.Run("1,000,000 jobs of a Group", func(b *testing.B) {
		b.Run("flowguard", func(b *testing.B) {
			var spent spending
			for b.Loop() {
				byGroup(b, jobs, &spent)
			}
			spent.report(b, jobs)
		})
	})
	b.Run("100,000 jobs, a goroutine each", func(b *testing.B) {
		for _, l := range order(lines...) {
			b.Run(l.name, func(b *testing.B) {
				var spent spending
				for b.Loop() {
					byGoroutine(b, goroutines, l, &spent)
				}
				spent.report(b, goroutines)
			})
		}
	})
}

// spending adds up what each stage of the jobs' life took.
type spending struct {
	memory uint64
	join, grant, run, release,
	front, back, random, all time.Duration
}

func (s *spending) report(b *testing.B, n int) {
	jobs := float64(b.N) * float64(n)
	b.ReportMetric(0, "ns/op") // says nothing here
	b.ReportMetric(float64(s.memory)/jobs, "B/job")
	for unit, d := range map[string]time.Duration{
		"ns/join": s.join, "ns/grant": s.grant, "ns/run": s.run, "ns/release": s.release,
		"ns/cancel-from-front": s.front, "ns/cancel-from-back": s.back, "ns/cancel-at-random": s.random,
		"ns/cancel-all": s.all,
	} {
		if d > 0 {
			b.ReportMetric(float64(d)/jobs, unit)
		}
	}
}

// byEnqueue counts what the scheduler keeps of a job, and not the handle of the caller.
func byEnqueue(tb testing.TB, n int, spent *spending) {
	s := start(tb, scheduler.Limits{MaxBurst: n})
	defer s.Close()
	all := acquireAll(tb, s, n)
	tickets := make([]ticket.Ticket, n)
	before := memory()
	join := func() time.Duration {
		return timed(func() {
			for i := range tickets {
				var err error
				if tickets[i], err = s.Enqueue(1); err != nil {
					tb.Fatal(err)
				}
			}
		})
	}
	spent.join += join()
	spent.memory += memory() - before
	spent.grant += timed(func() {
		all.Release()
		if err := <-tickets[n-1].Ready(); err != nil {
			tb.Fatal(err)
		}
	})
	spent.release += timed(func() {
		for _, t := range tickets {
			t.Release()
		}
		s.Stats()
	})

	cancel := func() time.Duration {
		return timed(func() {
			for _, t := range tickets {
				t.Cancel()
			}
		})
	}
	all = acquireAll(tb, s, n)
	join()
	spent.front += cancel()
	join()
	slices.Reverse(tickets)
	spent.back += cancel()
	join()
	rand.Shuffle(n, func(i, j int) { tickets[i], tickets[j] = tickets[j], tickets[i] })
	spent.random += cancel()
	if got := s.Stats(); got.Waiting != 0 || got.InUse != n {
		tb.Fatalf("after all were cancelled: %d waiting, %d in use", got.Waiting, got.InUse)
	}
	all.Release()
}

// byGroup counts a job's place, and not its function. Running the jobs takes a goroutine each, some at a
// time.
func byGroup(tb testing.TB, n int, spent *spending) {
	const atATime = 8
	s := start(tb, scheduler.Limits{MaxBurst: atATime})
	defer s.Close()
	all := acquireAll(tb, s, atATime)
	var ran atomic.Int64
	do := func() error { ran.Add(1); return nil }
	g, _ := s.Group(tb.Context())
	before := memory()
	spent.join += timed(func() {
		for range n {
			g.Go(do)
		}
	})
	spent.memory += memory() - before
	spent.run += timed(func() {
		all.Release()
		if err := g.Wait(); err != nil {
			tb.Fatal(err)
		}
	})
	all = acquireAll(tb, s, atATime)
	defer all.Release()
	ctx, cancel := context.WithCancel(tb.Context())
	g, _ = s.Group(ctx)
	for range n {
		g.Go(do)
	}
	spent.all += timed(func() {
		cancel()
		g.Wait()
	})
	if ran.Load() != int64(n) || g.Withdrawn() != n {
		tb.Fatalf("%d ran, %d were withdrawn", ran.Load(), g.Withdrawn())
	}
}

func acquireAll(tb testing.TB, s *scheduler.Scheduler, n int) ticket.Ticket {
	t, err := s.AcquireN(tb.Context(), n)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// line is where goroutines wait: all its permits are taken when it is made, and free gives them back.
type line struct {
	name string
	make func(tb testing.TB, n int) (wait func(context.Context) error, free func())
}

var lines = []line{
	{"flowguard", func(tb testing.TB, n int) (func(context.Context) error, func()) {
		s := start(tb, scheduler.Limits{MaxBurst: n})
		all := acquireAll(tb, s, n)
		return func(ctx context.Context) error {
			_, err := s.Acquire(ctx)
			return err
		}, all.Release
	}},
	{"semaphore", func(tb testing.TB, n int) (func(context.Context) error, func()) {
		sem := semaphore.NewWeighted(int64(n))
		sem.TryAcquire(int64(n))
		return func(ctx context.Context) error { return sem.Acquire(ctx, 1) }, func() { sem.Release(int64(n)) }
	}},
	{"channel", func(tb testing.TB, n int) (func(context.Context) error, func()) {
		slots := make(chan struct{}, n)
		for range n {
			slots <- struct{}{}
		}
		wait := func(ctx context.Context) error {
			select {
			case slots <- struct{}{}:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return wait, func() {
			for range n {
				<-slots
			}
		}
	}},
}

func byGoroutine(tb testing.TB, n int, l line, spent *spending) {
	var waiting sync.WaitGroup
	join := func(ctx context.Context, wait func(context.Context) error) time.Duration {
		var here atomic.Int64
		return timed(func() {
			for range n {
				waiting.Go(func() {
					here.Add(1)
					if err := wait(ctx); err != nil && ctx.Err() == nil {
						tb.Error(err)
					}
				})
			}
			for here.Load() < int64(n) {
				runtime.Gosched()
			}
		})
	}
	wait, free := l.make(tb, n)
	before := memory()
	spent.join += join(tb.Context(), wait)
	time.Sleep(settle)
	spent.memory += memory() - before
	spent.grant += timed(func() {
		free()
		waiting.Wait()
	})

	ctx, cancel := context.WithCancel(tb.Context())
	wait, _ = l.make(tb, n)
	join(ctx, wait)
	time.Sleep(settle)
	spent.all += timed(func() {
		cancel()
		waiting.Wait()
	})
}

// settle is how long goroutines have to get from their last line of ours into the line.
const settle = 50 * time.Millisecond

func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// memory returns what is in use by the heap and by stacks.
func memory() uint64 {
	runtime.GC()
	runtime.GC() // the first leaves what sync.Pools hold
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

func TestEveryJobLeavesTheLine(t *testing.T) {
	byEnqueue(t, 1000, new(spending))
	byGroup(t, 1000, new(spending))
	for _, l := range lines {
		byGoroutine(t, 1000, l, new(spending))
	}
}
