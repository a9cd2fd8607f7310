package plan

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"go.uber.org/goleak"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func play(t *testing.T, limits scheduler.Limits, w Work) (o Outcome, began []time.Duration) {
	t.Helper()
	o, err := Play(limits, w, func(at time.Duration) { began = append(began, at) })
	if err != nil {
		t.Fatal(err)
	}
	if len(began) != w.Jobs || !slices.IsSorted(began) {
		t.Fatalf("%d jobs began, want %d: %v", len(began), w.Jobs, began)
	}
	return o, began
}

func TestPlay(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		limits            string
		work              Work
		first, half, last time.Duration
		atOnce            int
		bound             string
	}{
		{"5/s", Work{Jobs: 5, Takes: 0}, 0, 0, 0, 1, "[]"},
		{"5/s", Work{Jobs: 10, Takes: s}, s, s, 2 * s, 5, "[{5/s 1s 1}]"},
		{"5/s", Work{Jobs: 11, Takes: 3 * s}, 3 * s, 4 * s, 5 * s, 11, "[{5/s 2s 2}]"},
		{"burst 2", Work{Jobs: 4, Takes: s}, s, s, 2 * s, 2, "[{burst 2 1s 1}]"},
		{"1/s burst 1", Work{Jobs: 3, Takes: 2 * s}, 2 * s, 4 * s, 6 * s, 1, "[{burst 1 4s 2}]"},
		{"2/s 3/10s", Work{Jobs: 6, Takes: 0}, 0, s, 11 * s, 1, "[{2/s 2s 2} {3/10s 9s 1}]"},
		{"1/s from release", Work{Jobs: 3, Takes: 2 * s}, 2 * s, 5 * s, 8 * s, 1, "[{1/s from release 6s 2}]"},
	} {
		o, _ := play(t, scheduler.MustParseLimits(tt.limits), tt.work)
		if o.First != tt.first || o.Half != tt.half || o.Last != tt.last || o.AtOnce != tt.atOnce || fmt.Sprint(o.Bound) != tt.bound {
			t.Errorf("%v of %s:\n%v %v %v at once %d %v, want\n%v %v %v at once %d %s", tt.work, tt.limits,
				o.First, o.Half, o.Last, o.AtOnce, o.Bound, tt.first, tt.half, tt.last, tt.atOnce, tt.bound)
		}
	}
}

// Each limit that binds does so for all of the time for which the job at the head waits.
func TestBoundAddsUp(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 0))
		limits, work := randomWork(r)
		o, began := play(t, limits, work)
		var sum time.Duration
		for _, b := range o.Bound {
			sum += b.For
		}
		if last := began[len(began)-1]; sum != last {
			t.Fatalf("seed %d: %v of %v: %v held up in %v", seed, work, limits, sum, last)
		}
	}
}

func randomWork(r *rand.Rand) (scheduler.Limits, Work) {
	var l scheduler.Limits
	for range 1 + r.IntN(3) {
		w := scheduler.Per(1+r.IntN(8), time.Duration(1+r.IntN(5000))*time.Millisecond)
		switch r.IntN(6) {
		case 0:
			w.From = scheduler.FromRelease
		case 1:
			w.Evenly = true
		case 2:
			w.Per = []time.Duration{time.Second, 15 * time.Second, time.Minute, time.Hour, 24 * time.Hour, scheduler.Month}[r.IntN(6)]
			w.From, w.Zone = scheduler.FromReset, []string{"", "Europe/Berlin"}[r.IntN(2)]
			w.ResetAt = time.Duration(r.IntN(1440)) * time.Minute
			w.Permits *= 1 + r.IntN(20)
		}
		if r.IntN(3) == 0 {
			w.Unit = "tokens"
			w.Permits *= 10
		}
		l.Windows = append(l.Windows, w)
	}
	if r.IntN(2) == 0 {
		l.MaxBurst = 1 + r.IntN(6)
	}
	costs := costsFor(l, 1+r.IntN(10))
	return l, Work{1 + r.IntN(200), time.Duration(r.IntN(3000)) * time.Millisecond, costs}
}

// costsFor are tokens, if the limits count them.
func costsFor(l scheduler.Limits, amount int) []ticket.Cost {
	for _, w := range l.Windows {
		if w.Unit == "tokens" {
			return []ticket.Cost{{Unit: "tokens", Amount: amount}}
		}
	}
	return nil
}

// The forecast from a fresh start is what really happens.
func TestRemainingAsPlayed(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		limits, work := randomWork(r)
		o, _ := play(t, limits, work)
		s, err := scheduler.New(limits, scheduler.WithClock(&jumpingClock{Clock: clock.New(), begin: o.Start}))
		if err != nil {
			t.Fatal(err)
		}
		snap := s.Snapshot()
		s.Close()
		got := Remaining(Rest{Snapshot: snap, Now: snap.Taken, Jobs: work.Jobs, Takes: work.Takes, Costs: work.Costs})
		if got != o.Last {
			t.Fatalf("seed %d: %v of %v: forecast %v, played %v", seed, work, limits, got, o.Last)
		}
	}
}

// In the middle of a run the forecast is what then happens, if no job is at work at that time.
func TestRemainingInTheMiddle(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 2))
		limits, work := randomWork(r)
		limits.MaxBurst, work.Takes = 0, 0
		for i := range limits.Windows {
			if limits.Windows[i].From == scheduler.FromRelease {
				limits.Windows[i].From = scheduler.FromGrant
			}
		}
		work.Jobs = 2 + work.Jobs
		o, began := play(t, limits, work)
		some := 1 + r.IntN(work.Jobs-1)
		c := &jumpingClock{Clock: clock.New(), begin: o.Start}
		s, err := scheduler.New(limits, scheduler.WithClock(c), scheduler.NonBlocking())
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range began[:some] {
			c.passed.Store(int64(at))
			held, err := s.AcquireN(context.Background(), 1, work.Costs...)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			held.Release()
		}
		now := began[some-1] + time.Duration(r.Int64N(int64(began[some]-began[some-1])+1))
		c.passed.Store(int64(now))
		snap := s.Snapshot()
		got := Remaining(Rest{Snapshot: snap, Now: c.Now(), Jobs: work.Jobs - some, Costs: work.Costs})
		s.Close()
		if want := o.Last - now; got != want {
			t.Fatalf("seed %d: %d of %v of %v done: forecast %v, want %v", seed, some, work, limits, got, want)
		}
	}
}

// Rounds that are left out change the forecast little.
func TestRemainingOfMany(t *testing.T) {
	for _, limits := range []string{"5/s 100/min", "1000000/day", "3/s burst 2", "7/s 5000000/day", "300/min evenly", "7/s 5000/day from reset", "200 tokens/min 2/s", "100000/month from reset"} {
		l := scheduler.MustParseLimits(limits)
		work := Work{Jobs: 2*mostSteps + 12_345, Takes: 300 * time.Millisecond, Costs: costsFor(l, 30)}
		o, _ := play(t, l, work)
		rest := Rest{Snapshot: scheduler.Snapshot{Limits: l, Windows: make([]scheduler.WindowSnapshot, len(l.Windows))}, Jobs: work.Jobs, Takes: work.Takes, Costs: work.Costs, Now: o.Start}
		got := Remaining(rest)
		if off := (got - o.Last).Abs(); off > o.Last/100+l.Windows[0].Per {
			t.Errorf("%s: forecast %v, played %v", limits, got, o.Last)
		}
	}
}

func TestRemainingAtTheEnd(t *testing.T) {
	if d := Remaining(Rest{}); d != 0 {
		t.Errorf("nothing takes %v", d)
	}
	if d := Remaining(Rest{Running: 1, Takes: 4 * time.Second}); d != 2*time.Second {
		t.Errorf("a job that is at work takes %v, want half of what jobs take", d)
	}
}

func TestAtOnce(t *testing.T) {
	for _, tt := range []struct{ burst, jobs, want int }{{0, 0, MostAtOnce}, {0, 7, 7}, {3, 7, 3}, {3, 2, 2}, {5000, 0, 5000}} {
		if got := AtOnce(scheduler.Limits{MaxBurst: tt.burst}, tt.jobs).MaxBurst; got != tt.want {
			t.Errorf("burst %d and -j %d: %d at once, want %d", tt.burst, tt.jobs, got, tt.want)
		}
	}
}

func TestPlayRefusesBadLimits(t *testing.T) {
	if _, err := Play(scheduler.Limits{}, Work{Jobs: 1}, nil); err == nil {
		t.Error("no limits are no error")
	}
}

func BenchmarkPlay(b *testing.B) {
	l := scheduler.MustParseLimits("5/s 100/min burst 3")
	for b.Loop() {
		if _, err := Play(l, Work{Jobs: 10_000, Takes: 300 * time.Millisecond}, func(time.Duration) {}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRemaining(b *testing.B) {
	l := scheduler.MustParseLimits("5/s 100/min burst 3")
	rest := Rest{Snapshot: scheduler.Snapshot{Limits: l, Windows: make([]scheduler.WindowSnapshot, 2)}, Jobs: 1_000_000, Takes: 300 * time.Millisecond}
	for b.Loop() {
		Remaining(rest)
	}
}
