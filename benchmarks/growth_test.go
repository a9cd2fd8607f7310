package main

import (
	"strconv"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Case 7: how the cost of a decision grows. The ratio is to the smallest.

func BenchmarkGrowth(b *testing.B) {
	b.Run("permits in a window", func(b *testing.B) {
		for _, c := range order(size{"10", 10}, size{"1,000", 1000}, size{"100,000", 100_000}, size{"10,000,000", 10_000_000}) {
			b.Run(c.name, func(b *testing.B) { fullWindow(b, c.n) })
		}
	})
	b.Run("windows", func(b *testing.B) {
		for _, c := range order(size{"1", 1}, size{"4", 4}, size{"16", 16}) {
			b.Run(c.name, func(b *testing.B) {
				s := start(b, scheduler.Limits{Windows: windows(c.n)})
				b.ReportAllocs()
				for b.Loop() {
					t, _ := s.TryAcquire()
					t.Release()
				}
			})
		}
	})
	b.Run("waiting", func(b *testing.B) {
		for _, c := range order(size{"1", 1}, size{"1,000", 1000}, size{"1,000,000", 1_000_000}) {
			b.Run(c.name, func(b *testing.B) { longLine(b, c.n, 1) })
		}
	})
	flows := order(size{"1", 1}, size{"1,000", 1000}, size{"100,000", 100_000})
	b.Run("flows, to join and be granted", func(b *testing.B) {
		for _, c := range flows {
			b.Run(c.name, func(b *testing.B) { longLine(b, 200_000, c.n) })
		}
	})
	b.Run("flows, to be granted", func(b *testing.B) {
		for _, c := range flows {
			b.Run(c.name, func(b *testing.B) { grants(b, jobs, c.n) })
		}
	})
}

type size struct {
	name string
	n    int
}

// fullWindow asks more often than the window allows, so that it is full, each decision finds something
// to expire, and the answer is now yes and now no.
func fullWindow(b *testing.B, permits int) {
	per := time.Duration(permits) * 100 * time.Nanosecond
	s := start(b, scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(permits, per)}})
	for filled := time.Now(); time.Since(filled) < per; {
		s.TryAcquire()
	}
	b.ReportAllocs()
	for b.Loop() {
		t, _ := s.TryAcquire()
		t.Release()
	}
}

// longLine has one permit go round among n that wait in so many flows with equal shares, which take turns.
func longLine(b *testing.B, n, flows int) {
	s := start(b, scheduler.Limits{MaxBurst: 1})
	all := []*scheduler.Scheduler{s}
	for i := 1; i < flows; i++ {
		all = append(all, s.Flow(strconv.Itoa(i), 1))
	}
	held := enqueue(b, s)
	line := make([]ticket.Ticket, n)
	for i := range line {
		line[i] = enqueue(b, all[i%flows])
	}
	head := 0
	b.ReportAllocs()
	for b.Loop() {
		held.Release()
		held = line[head]
		if err := <-held.Ready(); err != nil {
			b.Fatal(err)
		}
		line[head] = enqueue(b, all[head%flows])
		head = (head + 1) % len(line)
	}
}

// grants times the turn in which n that wait in so many flows are all granted.
func grants(b *testing.B, n, flows int) {
	for b.Loop() {
		b.StopTimer()
		s := start(b, scheduler.Limits{MaxBurst: n})
		all := acquireAll(b, s, n)
		for i := range n {
			enqueue(b, s.Flow(strconv.Itoa(i%flows), 1))
		}
		b.StartTimer()
		all.Release()
		b.StopTimer()
		s.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(n), "ns/grant")
	b.ReportMetric(0, "ns/op")
}

func enqueue(b *testing.B, s *scheduler.Scheduler) ticket.Ticket {
	t, err := s.Enqueue(1)
	if err != nil {
		b.Fatal(err)
	}
	return t
}
