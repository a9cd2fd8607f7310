//go:build !race

package scheduler_test

import (
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Costs travel to the owner and back without an allocation, however many units a call names. (Under the race
// detector sync.Pool drops things at random.)
func TestAllocationsWithCosts(t *testing.T) {
	const tokens, bytes, rows scheduler.Unit = "tokens", "bytes", "rows"
	const enough = 1_000_000_000
	unitWindows := func(u scheduler.Unit) []scheduler.Window {
		fromRelease, fromReset := u.PerSecond(enough), u.PerDay(enough)
		fromRelease.From, fromReset.From = scheduler.FromRelease, scheduler.FromReset
		return []scheduler.Window{u.PerSecond(enough), fromRelease, fromReset}
	}
	windows := []scheduler.Window{plenty}
	for _, u := range []scheduler.Unit{tokens, bytes, rows} {
		windows = append(windows, unitWindows(u)...)
	}
	s := start(t, scheduler.Limits{Windows: windows, MaxBurst: 2})
	spaced := start(t, scheduler.Limits{Windows: []scheduler.Window{{Permits: enough, Per: time.Second, Evenly: true}}})

	acquire := func(costs ...ticket.Cost) ticket.Ticket {
		held, err := s.AcquireN(background, 1, costs...)
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
	settle := func(held ticket.Ticket, costs ...ticket.Cost) {
		if err := held.Settle(costs...); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		f    func()
	}{
		{"a cost in one unit", func() { acquire(tokens.Of(3)).Release() }},
		{"costs in two units", func() { acquire(tokens.Of(3), bytes.Of(5)).Release() }},
		{"costs in three units", func() { acquire(tokens.Of(3), bytes.Of(5), rows.Of(0)).Release() }},
		{"settled down", func() {
			held := acquire(tokens.Of(3))
			settle(held, tokens.Of(1))
			held.Release()
		}},
		{"settled up", func() {
			held := acquire(tokens.Of(3))
			settle(held, tokens.Of(9))
			held.Release()
		}},
		{"settled up in the middle of the history", func() {
			first := acquire(tokens.Of(0))
			acquire(tokens.Of(3)).Release()
			settle(first, tokens.Of(9))
			first.Release()
		}},
		{"settled in three units, twice", func() {
			held := acquire(tokens.Of(3), bytes.Of(5), rows.Of(7))
			settle(held, tokens.Of(1), bytes.Of(9), rows.Of(7))
			settle(held, rows.Of(2))
			held.Release()
		}},
		{"tried with costs", func() {
			held, ok := s.TryAcquireN(1, tokens.Of(3), bytes.Of(5))
			if !ok {
				t.Fatal("no permit")
			}
			held.Release()
		}},
		{"allowed with costs", func() {
			if !s.AllowN(1, tokens.Of(3), bytes.Of(5)) {
				t.Fatal("no permit")
			}
		}},
		{"refused with costs", func() {
			if _, ok := s.TryAcquireN(1, tokens.Of(enough+1)); ok {
				t.Fatal("granted")
			}
		}},
		{"the wait with costs", func() {
			if wait := s.WaitTimeN(1, tokens.Of(3), bytes.Of(5)); wait != 0 {
				t.Fatalf("the wait is %v", wait)
			}
		}},
		{"spaced evenly", func() {
			held, err := spaced.Acquire(background)
			if err != nil {
				t.Fatal(err)
			}
			held.Release()
		}},
	} {
		if n := testing.AllocsPerRun(1000, c.f); n != 0 {
			t.Errorf("%s: %v allocations, want none", c.name, n)
		}
	}
}
