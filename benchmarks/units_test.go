package main

import (
	"context"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
	"golang.org/x/time/rate"
)

// Costs in several units: of case 1 beside peers, and of case 7 beside a call that names no unit.

const tokens, rows scheduler.Unit = "tokens", "rows"

// costs are of a call, in one unit less than it has.
var costs = []ticket.Cost{tokens.Of(9), rows.Of(40)}

// unitWindows returns a window for permits and for each unit of costs, which are never full.
func unitWindows(units int) []scheduler.Window {
	all := []scheduler.Window{scheduler.PerSecond(plenty), tokens.PerSecond(plenty), rows.PerSecond(plenty)}
	return all[:units]
}

func BenchmarkFreeUnits(b *testing.B) {
	for units := 2; units <= 3; units++ {
		b.Run(count(units, "unit"), func(b *testing.B) {
			alone(b, flowguardCosts(unitWindows(units), costs[:units-1]), rateWaitsN(costs[:units-1]))
		})
	}
}

func flowguardCosts(windows []scheduler.Window, costs []ticket.Cost) contender {
	return contender{"flowguard", func(tb testing.TB) func(context.Context) error {
		s := start(tb, scheduler.Limits{Windows: windows})
		return func(ctx context.Context) error {
			t, err := s.AcquireN(ctx, 1, costs...)
			t.Release()
			return err
		}
	}}
}

// rateWaitsN is a limiter of x/time/rate for requests and one for each unit, asked in turn.
func rateWaitsN(costs []ticket.Cost) contender {
	return contender{"rate.Wait in turn", func(tb testing.TB) func(context.Context) error {
		requests := rate.NewLimiter(plenty, plenty)
		var others []*rate.Limiter
		for range costs {
			others = append(others, rate.NewLimiter(plenty, plenty))
		}
		return func(ctx context.Context) error {
			if err := requests.Wait(ctx); err != nil {
				return err
			}
			for i, c := range costs {
				if err := others[i].WaitN(ctx, c.Amount); err != nil {
					return err
				}
			}
			return nil
		}
	}}
}

// use is what a call does with a scheduler.
type use struct {
	name    string
	windows []scheduler.Window
	call    func(*scheduler.Scheduler, context.Context) (ticket.Ticket, error)
}

func BenchmarkGrowthUnits(b *testing.B) {
	acquire := func(costs ...ticket.Cost) func(*scheduler.Scheduler, context.Context) (ticket.Ticket, error) {
		return func(s *scheduler.Scheduler, ctx context.Context) (ticket.Ticket, error) {
			return s.AcquireN(ctx, 1, costs...)
		}
	}
	try := func(costs ...ticket.Cost) func(*scheduler.Scheduler, context.Context) (ticket.Ticket, error) {
		return func(s *scheduler.Scheduler, _ context.Context) (ticket.Ticket, error) {
			if t, ok := s.TryAcquireN(1, costs...); ok {
				return t, nil
			}
			return ticket.Ticket{}, errRefused
		}
	}
	settled := func(cost ticket.Cost) func(*scheduler.Scheduler, context.Context) (ticket.Ticket, error) {
		return func(s *scheduler.Scheduler, ctx context.Context) (ticket.Ticket, error) {
			t, err := s.AcquireN(ctx, 1, costs[0])
			if err != nil {
				return t, err
			}
			return t, t.Settle(cost)
		}
	}
	evenly, fromRelease, fromReset := scheduler.Per(plenty, time.Second), scheduler.PerSecond(plenty), scheduler.PerDay(plenty)
	evenly.Evenly, fromRelease.From, fromReset.From = true, scheduler.FromRelease, scheduler.FromReset

	for _, group := range []struct {
		name string
		uses []use
	}{
		{"acquire", []use{
			{"permits", unitWindows(1), acquire()},
			{"2 units", unitWindows(2), acquire(costs[:1]...)},
			{"3 units", unitWindows(3), acquire(costs...)},
		}},
		{"acquire, 3 units in the limits", []use{
			{"naming none", unitWindows(3), acquire()},
			{"naming 1", unitWindows(3), acquire(costs[:1]...)},
			{"naming 2", unitWindows(3), acquire(costs...)},
		}},
		{"try", []use{
			{"permits", unitWindows(1), try()},
			{"2 units", unitWindows(2), try(costs[:1]...)},
			{"3 units", unitWindows(3), try(costs...)},
		}},
		{"acquire, 2 units", []use{
			{"not settled", unitWindows(2), acquire(costs[:1]...)},
			{"settled down", unitWindows(2), settled(tokens.Of(3))},
			{"settled up", unitWindows(2), settled(tokens.Of(15))},
		}},
		{"acquire, 1 window", []use{
			{"from grant", unitWindows(1), acquire()},
			{"from release", []scheduler.Window{fromRelease}, acquire()},
			{"evenly", []scheduler.Window{evenly}, acquire()}, // 1 ns apart
			{"from reset", []scheduler.Window{fromReset}, acquire()},
		}},
	} {
		b.Run(group.name, func(b *testing.B) {
			for _, u := range order(group.uses...) {
				b.Run(u.name, func(b *testing.B) {
					s, ctx := start(b, scheduler.Limits{Windows: u.windows}), b.Context()
					b.ReportAllocs()
					for b.Loop() {
						t, err := u.call(s, ctx)
						if err != nil {
							b.Fatal(err)
						}
						t.Release()
					}
				})
			}
		})
	}
}
