package main

import (
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
			b.Run(c.name, func(b *testing.B) { longLine(b, c.n) })
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

// longLine has one permit go round in a line of n.
func longLine(b *testing.B, n int) {
	s := start(b, scheduler.Limits{MaxBurst: 1})
	line := make([]ticket.Ticket, n+1)
	for i := range line {
		line[i] = enqueue(b, s)
	}
	head := 0
	b.ReportAllocs()
	for b.Loop() {
		if err := <-line[head].Ready(); err != nil {
			b.Fatal(err)
		}
		next := enqueue(b, s)
		line[head].Release()
		line[head] = next
		head = (head + 1) % len(line)
	}
}

func enqueue(b *testing.B, s *scheduler.Scheduler) ticket.Ticket {
	t, err := s.Enqueue(1)
	if err != nil {
		b.Fatal(err)
	}
	return t
}
