package audit

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/flowguard-go/flowguard/scheduler"
)

// oracle says which calls break a window, by looking at all calls before each.
type oracle struct {
	window scheduler.Window
	unit   int
	calls  []Call
	resets []time.Time // after each call
}

func (o *oracle) amount(i int) int64 {
	if o.window.Unit == "" {
		return 1
	}
	return o.calls[i].Costs[o.unit]
}

// add reports what an interval has with another call, and whether that breaks the window.
func (o *oracle) add(c Call) (sum int64, broken bool) {
	w, last := o.window, len(o.calls)
	o.calls = append(o.calls, c)
	o.resets = append(o.resets, w.NextReset(time.Unix(0, c.At)))
	if o.amount(last) == 0 {
		return 0, false
	}
	before := -1
	for i, b := range o.calls {
		counts := b.At > c.At-int64(w.Per)
		if w.From == scheduler.FromReset {
			counts = o.resets[i].Equal(o.resets[last])
		}
		if counts {
			sum += o.amount(i)
		}
		if i < last && o.amount(i) > 0 {
			before = i
		}
	}
	broken = sum > int64(w.Permits)
	if w.Evenly && before >= 0 {
		// In words of its doc comment: n·Per/Permits, rounded up, and Per at most.
		gap, n := float64(c.At-o.calls[before].At), float64(o.amount(before))
		broken = broken || gap < float64(w.Per) && gap*float64(w.Permits) < n*float64(w.Per)
	}
	return sum, broken
}

func (o *oracle) forget() {
	o.calls, o.resets = o.calls[:len(o.calls)-1], o.resets[:len(o.resets)-1]
}

var zones = []string{"", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe"}

func randomReset(r *rand.Rand) scheduler.Window {
	per := []time.Duration{time.Second, time.Minute, 15 * time.Minute, time.Hour, 8 * time.Hour, 24 * time.Hour, scheduler.Month}[r.IntN(7)]
	return scheduler.Window{Permits: 1 + r.IntN(30), Per: per, From: scheduler.FromReset,
		ResetAt: time.Duration(r.IntN(1440)) * time.Minute, Zone: zones[r.IntN(len(zones))]}
}

func TestAllWindowsAgainstOracle(t *testing.T) {
	// The clocks of Berlin are changed, and Apia skips a day.
	starts := []time.Time{
		time.Date(2026, 3, 28, 20, 0, 0, 0, time.UTC), time.Date(2026, 10, 24, 20, 0, 0, 0, time.UTC),
		time.Date(2011, 12, 29, 8, 0, 0, 0, time.UTC), time.Date(2026, 1, 30, 3, 0, 0, 0, time.UTC), time.Unix(0, 0),
	}
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 7))
		var limits scheduler.Limits
		scale := []time.Duration{1, 100, time.Second, time.Hour}[r.IntN(4)]
		for range 1 + r.IntN(4) {
			w := randomReset(r)
			if r.IntN(3) > 0 {
				w = scheduler.Per(1+r.IntN(30), time.Duration(1+r.IntN(100))*scale)
				w.Evenly = r.IntN(2) == 0
			}
			w.Unit = []scheduler.Unit{"", "tokens", "rows"}[r.IntN(3)]
			limits.Windows = append(limits.Windows, w)
		}
		if err := limits.Validate(); err != nil {
			t.Fatal(err)
		}
		at := starts[r.IntN(len(starts))].UnixNano()
		var calls []Call
		for i := range r.IntN(150) {
			at += r.Int64N(1 + 20*int64(scale))
			if r.IntN(3) == 0 {
				at = at / int64(scale) * int64(scale) // often at the very end of an interval
				at = max(at, last(calls))
			}
			calls = append(calls, Call{At: at, Line: int64(i + 1), Costs: []int64{r.Int64N(9), r.Int64N(2) * 31}})
		}
		stretches := map[scheduler.Window]int64{}
		a := New(limits, []scheduler.Unit{"tokens", "rows"}, 0, func(s Stretch) { stretches[s.Window] += s.Calls })
		reused := make([]int64, 2)
		for _, c := range calls {
			copy(reused, c.Costs)
			c.Costs = reused
			a.Add(c, 1)
		}
		for i, f := range a.Findings() {
			w := limits.Windows[i]
			o := oracle{window: w, unit: map[scheduler.Unit]int{"tokens": 0, "rows": 1}[w.Unit]}
			broken, most := map[int64]bool{}, int64(0)
			for _, c := range calls {
				sum, bad := o.add(c)
				most = max(most, sum)
				if bad {
					broken[c.Line] = true
				}
			}
			if f.Broken != int64(len(broken)) || f.Most.N != most || f.Coarse || f.Unchecked {
				t.Fatalf("seed %d, %v: broken by %d, most %d; want %d, %d\n%v", seed, w, f.Broken, f.Most.N, len(broken), most, calls)
			}
			if f.Broken > 0 && (!broken[f.First.First.Line] || f.Worst.Calls == 0 || f.Worst.Most.N == 0) {
				t.Fatalf("seed %d, %v: first %+v, worst %+v", seed, w, f.First, f.Worst)
			}
			for line := range broken {
				if line < f.First.First.Line {
					t.Fatalf("seed %d, %v: line %d broke it before line %d", seed, w, line, f.First.First.Line)
				}
			}
		}
	}
}

func last(calls []Call) int64 {
	if len(calls) == 0 {
		return 0
	}
	return calls[len(calls)-1].At
}

// A schedule that keeps even spacing and resets keeps them also where a log cuts its instants off.
func TestCutOffInstantsNeverAccuseWronglyOfOthers(t *testing.T) {
	told, evenly := 0, 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 8))
		w := randomReset(r)
		if seed%2 == 0 {
			w = scheduler.Per(1+r.IntN(20), time.Duration(1+r.IntN(60_000))*time.Millisecond)
			w.Evenly = true
		}
		w.Unit = "tokens"
		resolution := int64([]time.Duration{1, time.Microsecond, time.Millisecond, 100 * time.Millisecond, time.Second}[r.IntN(5)])
		kept := New(scheduler.Limits{Windows: []scheduler.Window{w}}, []scheduler.Unit{"tokens"}, 0, nil)
		broken := New(scheduler.Limits{Windows: []scheduler.Window{w}}, []scheduler.Unit{"tokens"}, 0, nil)
		at := time.Date(2026, 3, 28, 20, 0, 0, r.IntN(1e9), time.UTC).UnixNano()
		o := oracle{window: w}
		for i := range 120 {
			at += r.Int64N(int64(w.Per))/8 + 1
			c := Call{At: at, Line: int64(i + 1), Costs: []int64{1 + r.Int64N(int64(w.Permits))}}
			for {
				if _, bad := o.add(c); !bad {
					break
				}
				o.forget()
				if w.Evenly {
					c.At++
					c.At = nextFor(w, o.calls, c)
					continue
				}
				c.At = w.NextReset(time.Unix(0, c.At)).UnixNano()
			}
			at = c.At
			c.At = c.At / resolution * resolution
			kept.Add(c, time.Duration(resolution))
			for range 2 { // twice at once is too much
				c.Costs = []int64{int64(w.Permits)}
				broken.Add(c, time.Duration(resolution))
			}
		}
		f, g := kept.Findings()[0], broken.Findings()[0]
		if f.Broken > 0 {
			t.Fatalf("seed %d: %v is broken, says a log in steps of %v: %+v", seed, w, time.Duration(resolution), f.First)
		}
		if !g.Unchecked {
			told++
			if w.Evenly && w.Per > 2*time.Second {
				evenly++
				if g.Broken == 0 {
					t.Fatalf("seed %d: %v is not broken, says a log in steps of %v", seed, w, time.Duration(resolution))
				}
			}
		}
	}
	if told < 200 || evenly < 100 {
		t.Errorf("%d logs could be checked, %d of them spaced evenly", told, evenly)
	}
}

// nextFor returns the next instant at which a call may keep an evenly spaced window: where an earlier one ends
// to count, or to keep others away.
func nextFor(w scheduler.Window, before []Call, c Call) int64 {
	next := int64(0)
	consider := func(at int64) {
		if at >= c.At && (next == 0 || at < next) {
			next = at
		}
	}
	for _, b := range before {
		consider(b.At + int64(w.Per))
		n, permits := b.Costs[0], int64(w.Permits)
		consider(b.At + min(int64(w.Per), (n*int64(w.Per)+permits-1)/permits))
	}
	return next
}

func TestTextOfTooEarly(t *testing.T) {
	a := New(scheduler.MustParseLimits("100/min evenly"), nil, 0, nil)
	for i, at := range []time.Duration{0, 600 * time.Millisecond, 700 * time.Millisecond, 3 * time.Second} {
		a.Add(Call{At: int64(at), Line: int64(i + 1)}, 1)
	}
	f := a.Findings()[0]
	if got := fmt.Sprint(f.Broken, f.Stretches, f.First.First.Line, f.Worst.Most.Gap, f.Worst.Most.Space, f.Most.N); got != "1 1 3 100ms 600ms 4" {
		t.Error(got)
	}
}

// What comes so soon after a reset may have been sent before it.
func TestToleranceOfResets(t *testing.T) {
	for _, tt := range []struct {
		tolerance time.Duration
		broken    int64
	}{{0, 2}, {time.Second, 0}, {time.Second - 1, 1}} {
		a := New(scheduler.MustParseLimits("1/min from reset"), nil, tt.tolerance, nil)
		for i, at := range []time.Duration{59 * time.Second, 60 * time.Second, 61*time.Second - 1, 90 * time.Second} {
			a.Add(Call{At: int64(at), Line: int64(i + 1)}, 1)
		}
		if f := a.Findings()[0]; f.Broken != tt.broken {
			t.Errorf("tolerance %v: broken by %d, want %d", tt.tolerance, f.Broken, tt.broken)
		}
	}
}

func BenchmarkAudit(b *testing.B) {
	for _, limits := range []string{"5/s", "5/s evenly", "5/s from reset", "5000/day from reset 00:00 Europe/Berlin", "5000 tokens/min"} {
		b.Run(limits, func(b *testing.B) {
			a := New(scheduler.MustParseLimits(limits), []scheduler.Unit{"tokens"}, 0, nil)
			costs := []int64{7}
			for i := range int64(b.N) {
				a.Add(Call{At: i * 1e8, Line: i, Costs: costs}, time.Millisecond)
			}
		})
	}
}

// Calls that may have been as far apart as they had to be, and no farther, are not accused.
func TestEdgeOfEvenSpacing(t *testing.T) {
	for _, tt := range []struct {
		per    time.Duration
		broken int64
	}{{2*time.Second - 1, 0}, {2 * time.Second, 1}} {
		w := scheduler.Per(1, tt.per)
		w.Evenly = true
		a := New(scheduler.Limits{Windows: []scheduler.Window{w}}, nil, 0, nil)
		a.Add(Call{At: 0, Line: 1}, time.Second)
		a.Add(Call{At: int64(time.Second), Line: 2}, time.Second)
		if f := a.Findings()[0]; f.Broken != tt.broken || f.Unchecked {
			t.Errorf("%v: broken by %d, unchecked %v; want %d", w, f.Broken, f.Unchecked, tt.broken)
		}
	}
}

// A log of seconds cannot tell in which of several periods a call was.
func TestPeriodsShorterThanTheLogTells(t *testing.T) {
	a := New(scheduler.MustParseLimits("2/100ms from reset"), nil, 0, nil)
	for i := range int64(9) {
		a.Add(Call{At: int64(time.Hour), Line: i + 1}, time.Second)
	}
	if f := a.Findings()[0]; f.Broken > 0 || !f.Unchecked {
		t.Errorf("broken by %d, unchecked %v", f.Broken, f.Unchecked)
	}
}

// The first call of a log may be in the 25th hour of a day.
func TestLogThatBeginsInTheLastHourOfALongDay(t *testing.T) {
	a := New(scheduler.MustParseLimits("1/day from reset 00:00 Europe/Berlin"), nil, 0, nil)
	for i, at := range []string{"22:30", "22:40", "22:59", "23:00"} {
		when, err := time.Parse("2006-01-02 15:04", "2026-10-25 "+at)
		if err != nil {
			t.Fatal(err)
		}
		a.Add(Call{At: when.UnixNano(), Line: int64(i + 1)}, time.Second)
	}
	if f := a.Findings()[0]; f.Broken != 2 || f.Most.N != 3 {
		t.Errorf("broken by %d, most %d; want 2, 3", f.Broken, f.Most.N)
	}
}
