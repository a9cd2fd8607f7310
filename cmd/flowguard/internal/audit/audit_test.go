package audit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// naive counts, for each call, all calls in the interval that ends with it.
func naive(w scheduler.Window, calls []int64) (broken, most int64) {
	for i, at := range calls {
		n := int64(0)
		for _, before := range calls[:i+1] {
			if before > at-int64(w.Per) {
				n++
			}
		}
		most = max(most, n)
		if n > int64(w.Permits) {
			broken++
		}
	}
	return broken, most
}

func TestAgainstNaiveCount(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		limits := scheduler.Limits{Windows: []scheduler.Window{
			scheduler.Per(1+r.IntN(5), time.Duration(1+r.IntN(20))),
			scheduler.Per(1+r.IntN(20), time.Duration(1+r.IntN(100))),
		}}
		var calls []int64
		at := int64(0)
		for range r.IntN(200) {
			at += int64(r.IntN(1 + r.IntN(15)))
			calls = append(calls, at)
		}
		var stretches []Stretch
		a := New(limits, nil, 0, func(s Stretch) { stretches = append(stretches, s) })
		for i, at := range calls {
			a.Add(Call{At: at, Line: int64(i + 1)}, 1)
		}
		total := int64(0)
		for i, f := range a.Findings() {
			broken, most := naive(limits.Windows[i], calls)
			if f.Broken != broken || f.Most.N != most || f.Coarse {
				t.Fatalf("seed %d, %v of %v: broken by %d, most %d; want %d, %d", seed, f.Window, calls, f.Broken, f.Most.N, broken, most)
			}
			if broken > 0 && (f.Worst.Most.N != most || f.First.First.At > f.Worst.First.At) {
				t.Fatalf("seed %d: first %+v, worst %+v, most %d", seed, f.First, f.Worst, most)
			}
			total += broken
		}
		for _, s := range stretches {
			total -= s.Calls
		}
		if total != 0 {
			t.Fatalf("seed %d: stretches have %d calls too few", seed, total)
		}
	}
}

// A permit is spendable again at exactly t+Per.
func TestEdgeOfAnInterval(t *testing.T) {
	for _, tt := range []struct {
		apart  time.Duration
		broken int64
	}{{time.Second, 0}, {time.Second - 1, 1}} {
		a := New(scheduler.MustParseLimits("1/s"), nil, 0, nil)
		a.Add(Call{At: 0, Line: 1}, 1)
		a.Add(Call{At: int64(tt.apart), Line: 2}, 1)
		if f := a.Findings()[0]; f.Broken != tt.broken {
			t.Errorf("%v apart: broken by %d, want %d", tt.apart, f.Broken, tt.broken)
		}
	}
}

func TestTolerance(t *testing.T) {
	a := New(scheduler.MustParseLimits("1/s"), nil, 10*time.Millisecond, nil)
	a.Add(Call{At: 0, Line: 1}, 1)
	a.Add(Call{At: int64(990 * time.Millisecond), Line: 2}, 1)
	if f := a.Findings()[0]; f.Broken != 0 {
		t.Error("a window shorter by 10 ms is broken by calls 990 ms apart")
	}
}

// A schedule that keeps the limits keeps them also where the log cuts its instants off, whatever it cuts to.
func TestCutOffInstantsNeverAccuseWrongly(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := scheduler.Per(1+r.IntN(4), time.Duration(1+r.IntN(4000)))
		resolution := int64(1 + r.IntN(1500))
		var kept []int64
		a := New(scheduler.Limits{Windows: []scheduler.Window{w}}, nil, 0, nil)
		at := int64(0)
		for i := range 100 {
			at += int64(r.IntN(2000))
			if i >= w.Permits {
				at = max(at, kept[i-w.Permits]+int64(w.Per))
			}
			kept = append(kept, at)
			a.Add(Call{At: at / resolution * resolution, Line: int64(i)}, time.Duration(resolution))
		}
		f := a.Findings()[0]
		if f.Broken > 0 {
			t.Fatalf("seed %d: %v is broken, says a log in steps of %d", seed, w, resolution)
		}
		if f.Unchecked != (resolution > int64(w.Per)) {
			t.Fatalf("seed %d: unchecked is %v for %v in steps of %d", seed, f.Unchecked, w, resolution)
		}
	}
}

// RFC 3339 as Go writes it leaves out zeros, so the first lines may look coarser than the log is.
func TestFinerResolutionLater(t *testing.T) {
	a := New(scheduler.MustParseLimits("1/100ms"), nil, 0, nil)
	a.Add(Call{At: 0, Line: 1}, time.Second)
	a.Add(Call{At: int64(time.Second), Line: 2}, time.Millisecond)
	a.Add(Call{At: int64(1050 * time.Millisecond), Line: 3}, time.Millisecond)
	if f := a.Findings()[0]; f.Broken != 1 || f.Unchecked {
		t.Errorf("broken by %d, unchecked %v; want 1 and checked", f.Broken, f.Unchecked)
	}
}

// With more instants in a window than are remembered one by one, memory stays what it is and the count
// is too low, never too high, by a little.
func TestCoarseCounts(t *testing.T) {
	const n = 5 * mostEntries
	w := scheduler.Per(n/2, time.Duration(n)*time.Microsecond)
	a := New(scheduler.Limits{Windows: []scheduler.Window{w}}, nil, 0, nil)
	exact := 0
	for i := range 2 * n {
		a.Add(Call{At: int64(i) * 1000, Line: int64(i + 1)}, 1)
		exact = min(i+1, n)
	}
	f := a.Findings()[0]
	if !f.Coarse || f.Most.N > int64(exact) || f.Most.N < int64(exact-exact/1000-1) {
		t.Errorf("coarse %v, most %d; want coarse and a little below %d", f.Coarse, f.Most.N, exact)
	}
	if entries := len(a.windows[0].rule.(*sliding).history.ring); entries != mostEntries {
		t.Errorf("%d entries, want %d", entries, mostEntries)
	}
	// After a pause all is exact again.
	late := int64(10 * n * 1000)
	for i := range 3 {
		a.Add(Call{At: late + int64(i), Line: 1}, 1)
	}
	if h := a.windows[0].rule.(*sliding).history; h.sum != 3 || h.size != 3 || h.quantum != 0 {
		t.Errorf("after a pause: %d calls in %d entries, quantum %d", h.sum, h.size, h.quantum)
	}
}

// What was counted exactly never exceeds what a coarse history would have to count.
func TestCoarseIsNeverTooHigh(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h history
	var all []int64
	const per = 1 << 30
	at, oldest := int64(0), 0
	for range 4 * mostEntries {
		at += 1 + r.Int64N(per/(mostEntries))
		all = append(all, at)
		for all[oldest] <= at-per {
			oldest++
		}
		h.expire(at - per)
		h.add(at, per, 1)
		if exact := int64(len(all) - oldest); h.sum > exact || h.sum < exact-exact/100-1 {
			t.Fatalf("counted %d of %d", h.sum, exact)
		}
	}
}

func TestSorter(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 3))
		var got, want []int64
		var before Call
		s := Sorter{Slack: int64(1 + r.IntN(50)), Emit: func(c Call) {
			got = append(got, c.At)
			if c.At == before.At && c.Line < before.Line {
				t.Errorf("seed %d: of one instant, line %d comes after line %d", seed, c.Line, before.Line)
			}
			before = c
		}}
		base := int64(0)
		for i := range 300 {
			base += int64(r.IntN(5))
			at := base - r.Int64N(s.Slack) // never out of order by as much as the slack
			want = append(want, at)
			s.Add(Call{At: at, Line: int64(i)})
		}
		s.Flush()
		slices.Sort(want)
		if fmt.Sprint(got) != fmt.Sprint(want) || s.OutOfOrder != 0 {
			t.Fatalf("seed %d: %d out of order, got\n%v, want\n%v", seed, s.OutOfOrder, got, want)
		}
	}
}

func TestSorterLeavesOutWhatIsTooLate(t *testing.T) {
	var got []int64
	s := Sorter{Slack: 10, Emit: func(c Call) { got = append(got, c.At) }}
	for _, at := range []int64{100, 95, 120, 90, 111} {
		s.Add(Call{At: at})
	}
	s.Flush()
	if fmt.Sprint(got) != "[95 100 111 120]" || s.OutOfOrder != 1 {
		t.Errorf("got %v, %d left out", got, s.OutOfOrder)
	}
}

func TestSorterHoldsABoundedNumber(t *testing.T) {
	n := 0
	s := Sorter{Slack: 1 << 60, Emit: func(Call) { n++ }}
	for i := range int64(5 * mostHeld) {
		s.Add(Call{At: i})
	}
	if held := len(s.held) - s.head; held != mostHeld || cap(s.held) > 4*mostHeld {
		t.Errorf("%d are held, with room for %d", held, cap(s.held))
	}
	s.Flush()
	if n != 5*mostHeld {
		t.Errorf("%d came out", n)
	}
}
