package scheduler

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/ticket"
)

// All that can be seen of a scheduler is the same whether calls take a calm state or look at everything, whatever else is
// done to it.
func TestCalmMakesNoDifference(t *testing.T) {
	runs := uint64(600)
	if raceEnabled || testing.Short() {
		runs = 200
	}
	seed, calm := seed(t), 0
	synctest.Test(t, func(t *testing.T) { // where the mock's sleeps cost nothing
		for run := range runs {
			var seen [3][]string
			for way, opts := range [][]Option{nil, {KeepCount()}, {KeepCore()}} {
				seen[way] = disturb(t, rand.New(rand.NewPCG(seed, run)), opts, &calm)
			}
			for _, other := range seen[1:] {
				for i := range other {
					if seen[0][i] != other[i] {
						t.Fatalf("run %d, step %d:\n%s\ninstead of\n%s", run, i, seen[0][i], other[i])
					}
				}
			}
		}
	})
	if calm < int(runs) {
		t.Errorf("the state was calm only %d times", calm)
	}
}

// What a call would have to look at, or what may follow from it, makes a state not calm.
func TestWhatIsCalm(t *testing.T) {
	window := Limits{Windows: []Window{PerSecond(2)}}
	with := func(w Window) Limits { return Limits{Windows: []Window{PerSecond(2), w}} }
	for _, c := range []struct {
		name    string
		limits  Limits
		disturb func(*state)
		calm    bool
	}{
		{"a window", window, nil, true},
		{"windows and a burst", Limits{Windows: []Window{PerSecond(2), PerMinute(9)}, MaxBurst: 1}, nil, true},
		{"a burst alone", Limits{MaxBurst: 1}, nil, false},
		{"from release", with(Window{Permits: 2, Per: 1, From: FromRelease}), nil, false},
		{"from reset", with(Window{Permits: 2, Per: time.Hour, From: FromReset}), nil, false},
		{"spaced evenly", with(Window{Permits: 2, Per: time.Hour, Evenly: true}), nil, false},
		{"a unit", with(tokens.PerSecond(3)), nil, false},
		{"observed", window, func(st *state) { st.core.observe(PerSecond(2), 1, 5, nil) }, false},
		{"one waits", window, func(st *state) { st.core.join(line.NewPlace(), &request{weight: 1}) }, false},
		{"draining", window, func(st *state) { st.core.draining = true }, false},
		{"a quota", window, func(st *state) { st.core.quota = new(quota) }, false},
		{"held time is counted", window, func(st *state) { st.core.totals.holds = true }, false},
		{"watched", window, func(st *state) { st.watched = true }, false},
	} {
		st := newParts(c.limits, clock.NewMock()).state
		if c.disturb != nil {
			c.disturb(st)
		}
		if st.calm() != c.calm {
			t.Errorf("%s: calm is %v, want %v", c.name, !c.calm, c.calm)
		}
	}
}

// disturb uses a scheduler while all kinds of things happen to it, and returns what can be seen of it.
func disturb(t *testing.T, r *rand.Rand, opts []Option, calm *int) (seen []string) {
	mock := clock.NewMock()
	opts = append(opts, WithClock(mock), NonBlocking())
	if r.IntN(4) == 0 {
		opts = append(opts, WithHeldTime())
	}
	limits := func(r *rand.Rand) Limits { return tinyLimits[r.IntN(len(tinyLimits))] }
	s, err := New(limits(r), opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	see := func(what ...any) { seen = append(seen, fmt.Sprintln(what...)) }
	var tickets []ticket.Ticket
	keep := func(t ticket.Ticket) {
		if t.Number() != 0 {
			tickets = append(tickets, t)
		}
		see("ticket", t.Number(), t.Weight())
	}
	for range 80 {
		if s.handle.box.BorrowCalm() != nil {
			s.handle.box.GiveBackCalm()
			*calm++
		}
		switch k := r.IntN(40); {
		case k < 8:
			t, ok := s.TryAcquireN(r.IntN(4))
			see("try", ok)
			keep(t)
		case k < 12:
			t, err := s.AcquireN(context.Background(), r.IntN(4))
			see(err)
			keep(t)
		case k < 14:
			t, err := s.AcquireNow(r.IntN(4))
			see(err)
			keep(t)
		case k < 16:
			see("pass", s.WaitN(context.Background(), r.IntN(4)))
		case k < 17:
			t, ok := s.TryAcquireN(1, tokens.Of(r.IntN(3)))
			see("try with tokens", ok)
			keep(t)
		case k < 18:
			t, err := s.Enqueue(1 + r.IntN(2))
			see("enqueue", err)
			keep(t)
		case k < 28 && len(tickets) > 0: // also those that have ended
			tickets[r.IntN(len(tickets))].Release()
		case k < 29 && len(tickets) > 0:
			tickets[r.IntN(len(tickets))].Cancel()
		case k < 30:
			l := limits(r)
			see("limits", l, s.SetLimits(l))
		case k < 31:
			s.PauseFor(time.Duration(r.IntN(30)))
		case k < 32:
			s.Resume()
		case k < 33:
			for _, w := range s.Limits().Windows {
				see("observe", s.Observe(w, r.IntN(3), 10))
			}
		case k < 34 && r.IntN(5) == 0:
			watch, err := s.Watch(1000)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				watch.Stop()
				for e := range watch.Events() {
					see("event", e)
				}
			}()
		default:
			to := mock.Now().Add(time.Duration(r.IntN(12)))
			// Not past the next wake: on the way the owner would act, or not, as it gets to run.
			wake := s.Stats().NextWake
			if !wake.IsZero() && wake.Before(to) {
				to = wake
			}
			mock.Set(to)
			if to.Equal(wake) || r.IntN(2) == 0 { // else the next call is the first that sees the time
				s.Stats()
			}
		}
		if r.IntN(3) == 0 { // a Stats calls the state in
			see(fmt.Sprintf("%+v", s.Stats()))
		}
	}
	if r.IntN(2) == 0 {
		s.Drain(canceled())
		synctest.Wait() // until it has ended, if nothing is held: what comes later is refused without an event
		_, ok := s.TryAcquire()
		see("drain", ok)
		for _, t := range slices.Backward(tickets) {
			t.Cancel()
		}
	}
	see(fmt.Sprintf("%+v", s.Stats()))
	return seen
}
