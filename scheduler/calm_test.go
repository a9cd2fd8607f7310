package scheduler

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
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
				seen[way] = disturb(t, rand.New(rand.NewPCG(seed, run)), opts, (*Scheduler).AllowN, &calm)
			}
			for _, other := range seen[1:] {
				for i := range max(len(seen[0]), len(other)) {
					got, want := append(seen[0], "nothing")[i], append(other, "nothing")[i]
					if got != want {
						t.Fatalf("run %d, step %d:\n%s\ninstead of\n%s", run, i, got, want)
					}
				}
			}
		}
	})
	if calm < int(runs)/4 { // how often it is, is up to chance
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
		{"paused", window, func(st *state) { st.setPause(5) }, true},
		{"a burst alone", Limits{MaxBurst: 1}, nil, false},
		{"a burst alone, paused", Limits{MaxBurst: 1}, func(st *state) { st.setPause(5) }, false},
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

// A pause that ends by itself leaves a burst alone to the counter again.
func TestCountsAgainAfterAPause(t *testing.T) {
	mock := clock.NewMock()
	s, err := New(Limits{MaxBurst: 2}, WithClock(mock))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.PauseFor(1)
	mock.Set(mock.Now().Add(1))
	for range 2 { // the first finds out that the pause is over
		if _, err := s.Acquire(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if !s.handle.box.counting() {
		t.Error("does not count")
	}
}

// A clock that panics while a calm state is borrowed takes nothing with it.
func TestPanickingClockOfACalmState(t *testing.T) {
	clk := &panickingClock{Mock: clock.NewMock()}
	p := newParts(Limits{Windows: []Window{PerSecond(9)}}, clk)
	p.handle.box.lend(p.state)
	for name, call := range map[string]func(){
		"Acquire":    func() { p.handle.Acquire(context.Background()) },
		"AcquireNow": func() { p.handle.AcquireNow(1) },
		"TryAcquire": func() { p.handle.TryAcquire() },
		"Wait":       func() { p.handle.Wait(context.Background()) },
		"Allow":      func() { p.handle.Allow() },
	} {
		clk.panics = true
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s did not read the clock", name)
				}
			}()
			call()
		}()
		clk.panics = false
		if p.handle.box.LookCalm() != p.state {
			t.Fatalf("%s lost the state", name)
		}
		p.handle.box.GiveBackCalm()
	}
	if n := p.handle.box.callIn().core.granted; n != 0 {
		t.Errorf("%d granted", n)
	}
}

// Callers who take a calm state, others who make it not calm and the owner never grant more than the limits together, and
// no number is given twice.
func TestCalmTogether(t *testing.T) {
	for _, opts := range [][]Option{nil, {KeepCount()}, {KeepCore()}} {
		const burst, permits, goroutines, each = 3, 1500, 16, 300
		limits := Limits{Windows: []Window{PerHour(permits)}, MaxBurst: burst}
		s, err := New(limits, append(opts, NonBlocking(), WithClock(clock.NewMock()))...)
		if err != nil {
			t.Fatal(err)
		}
		var held, granted, weight atomic.Int64
		var numbers sync.Map
		use := func(got ticket.Ticket) {
			n := int64(got.Weight())
			if now := held.Add(n); now > burst {
				t.Errorf("%d permits held", now)
			}
			if _, twice := numbers.LoadOrStore(got.Number(), true); twice {
				t.Errorf("number %d was given twice", got.Number())
			}
			granted.Add(1)
			weight.Add(n)
			held.Add(-n)
			got.Release()
			got.Release()
		}
		behave := func(r *rand.Rand) {
			switch n := 1 + r.IntN(2); r.IntN(24) {
			case 0:
				s.Stats()
			case 1:
				s.SetLimits(limits)
			case 2:
				if watch, err := s.Watch(1); err == nil {
					watch.Stop()
				}
			case 3:
				s.Pause()
				s.Resume()
			case 4:
				waits, err := s.Flow("a", 2).Enqueue(n)
				if err != nil {
					t.Error(err)
				}
				waits.Cancel()
			case 5, 6, 7, 8:
				if s.WaitN(context.Background(), n) == nil {
					granted.Add(1)
					weight.Add(int64(n))
				}
			case 9, 10:
				if s.AllowN(n) {
					granted.Add(1)
					weight.Add(int64(n))
				}
			case 11:
				if got, err := s.AcquireN(context.Background(), n); err == nil {
					use(got)
				}
			case 12, 13, 14:
				if got, err := s.AcquireNow(n); err == nil {
					use(got)
				}
			default:
				if got, ok := s.TryAcquireN(n); ok {
					use(got)
				}
			}
		}
		var all sync.WaitGroup
		for g := range goroutines {
			all.Go(func() {
				r := rand.New(rand.NewPCG(uint64(g), 1))
				for range each {
					behave(r)
				}
			})
		}
		all.Wait()
		for s.Wait(context.Background()) == nil {
			granted.Add(1)
			weight.Add(1)
		}
		s.Close()
		got := s.Stats()
		if got.Windows[0].Used != permits || weight.Load() != permits || got.Granted != uint64(granted.Load()) ||
			got.InUse != 0 || got.Totals.Released != got.Granted {
			t.Errorf("%d tickets of %d permits were granted, of %d: %+v", granted.Load(), weight.Load(), permits, got)
		}
	}
}

// until is a context that has a deadline, and does not end by itself.
type until struct {
	context.Context
	deadline time.Time
}

func (c until) Deadline() (time.Time, bool) { return c.deadline, true }

// disturb uses a scheduler while all kinds of things happen to it, and returns what can be seen of it. allow is what
// Allow is done with.
func disturb(t *testing.T, r *rand.Rand, opts []Option, allow func(*Scheduler, int, ...ticket.Cost) bool, calm *int) (seen []string) {
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
		source := s
		if r.IntN(4) == 0 {
			source = s.Flow("a", r.IntN(4)) // 0 is invalid
		}
		ctx := context.Background()
		switch r.IntN(8) {
		case 0:
			ctx = canceled()
		case 1, 2: // also one that has passed
			ctx = until{ctx, mock.Now().Add(time.Duration(r.IntN(20) - 6))}
		}
		var costs []ticket.Cost
		if r.IntN(10) == 0 { // often of a unit that the limits do not name
			costs = append(costs, tokens.Of(r.IntN(3)))
		}
		switch k := r.IntN(40); {
		case k < 3:
			see("allow", allow(source, r.IntN(4), costs...))
		case k < 8:
			t, ok := source.TryAcquireN(r.IntN(4), costs...)
			see("try", ok)
			keep(t)
		case k < 12:
			t, err := source.AcquireN(ctx, r.IntN(4), costs...)
			see(err)
			keep(t)
		case k < 14:
			t, err := source.AcquireNow(r.IntN(4), costs...)
			see(err)
			keep(t)
		case k < 16:
			see("pass", source.WaitN(ctx, r.IntN(4), costs...))
		case k < 17:
			for _, w := range s.Limits().Windows {
				see("charge", s.Charge(w, 1))
			}
		case k < 18:
			t, err := source.Enqueue(1 + r.IntN(2))
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
		case k < 34:
			s.Stats() // not every call would see the time from which the clock now steps back
			mock.Set(mock.Now().Add(-time.Duration(r.IntN(8))))
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
		synctest.Wait() // an owner who is about to end would still tell watchers of the try
		_, ok := s.TryAcquire()
		see("drain", ok, allow(s, 1))
		for _, t := range slices.Backward(tickets) {
			t.Cancel()
		}
	}
	see(fmt.Sprintf("%+v", s.Stats()))
	s.Close()
	see("closed", allow(s, 1), fmt.Sprintf("%+v", s.Stats()))
	return seen
}
