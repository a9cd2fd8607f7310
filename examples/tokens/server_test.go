package main

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// What the ways show is worth as much as the server is strict.
func TestServerIsStrict(t *testing.T) {
	type arrival struct {
		at, stays  time.Duration
		most, used int
	}
	const ms = time.Millisecond
	for _, tt := range []struct {
		name    string
		limits  string
		arrives []arrival
		want    string // "" for each that is let in
	}{
		{"requests count from their arrival for a minute", "2/min 100 tokens/min burst 9",
			[]arrival{{at: 0}, {at: 1}, {at: minute - 1}},
			`["" "" "2 requests a minute"]`},
		{"and no longer", "2/min 100 tokens/min burst 9",
			[]arrival{{at: 0}, {at: 1}, {at: minute}, {at: minute + 1}},
			`["" "" "" ""]`},
		{"requests that are refused count too", "1/min 100 tokens/min burst 9",
			[]arrival{{at: 0}, {at: minute / 2}, {at: minute}, {at: 3 * minute / 2}, {at: 5 * minute / 2}},
			`["" "1 requests a minute" "1 requests a minute" "1 requests a minute" ""]`},
		{"tokens are reserved while a call is open", "9/min 100 tokens/min burst 9",
			[]arrival{{at: 0, stays: 2 * minute, most: 60, used: 1}, {at: minute + 1, most: 41}, {at: minute + 2, most: 40}},
			`["" "100 tokens a minute" ""]`},
		{"what was used counts from the end for a minute", "9/min 100 tokens/min burst 9",
			[]arrival{{at: 0, stays: 10 * ms, most: 100, used: 60}, {at: 11 * ms, most: 41}, {at: 10*ms + minute - 1, most: 41}, {at: 10*ms + minute, most: 100}},
			`["" "100 tokens a minute" "100 tokens a minute" ""]`},
		{"what was not used is free at the end", "9/min 100 tokens/min burst 9",
			[]arrival{{at: 0, stays: 10 * ms, most: 100, used: 60}, {at: 11 * ms, most: 40}},
			`["" ""]`},
		{"no more are open than the burst", "9/min 100 tokens/min burst 1",
			[]arrival{{at: 0, stays: 10 * ms}, {at: 9 * ms}, {at: 11 * ms}},
			`["" "1 calls at once" ""]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newStrictServer(scheduler.MustParseLimits(tt.limits), minute, 0)
				began := time.Now()
				var got []string
				for _, a := range tt.arrives {
					time.Sleep(time.Until(began.Add(a.at)))
					limit := f.enter(a.most)
					got = append(got, limit)
					switch {
					case limit != "":
					case a.stays == 0:
						f.leave(a.most, a.used)
					default:
						time.AfterFunc(a.stays, func() { f.leave(a.most, a.used) })
					}
				}
				if fmt.Sprintf("%q", got) != tt.want {
					t.Errorf("got %q, want %s", got, tt.want)
				}
			})
		})
	}
}

// A client that strictServer does not refuse is refused by no provider that counts in another way.
func TestServerCountsNoLessThanOthers(t *testing.T) {
	type call struct {
		from, to   time.Time
		most, used int
	}
	// Each returns how much of a call counts at an instant at which it has begun.
	others := map[string]func(c call, now time.Time) int{
		"reserved at the beginning, corrected at the end": func(c call, now time.Time) int {
			switch {
			case now.Before(c.to):
				return c.most
			case now.Sub(c.from) < minute:
				return c.used
			}
			return 0
		},
		"used at the beginning": func(c call, now time.Time) int {
			if now.Sub(c.from) < minute {
				return c.used
			}
			return 0
		},
		"used at the end": func(c call, now time.Time) int {
			if !now.Before(c.to) && now.Sub(c.to) < minute {
				return c.used
			}
			return 0
		},
		"used while the answer is produced": func(c call, now time.Time) (n int) {
			for i := range c.used {
				at := c.from.Add(c.to.Sub(c.from) * time.Duration(i+1) / time.Duration(c.used))
				if !now.Before(at) && now.Sub(at) < minute {
					n++
				}
			}
			return n
		},
	}
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(1, 2))
		f := newStrictServer(scheduler.MustParseLimits("1000000/min 1000000 tokens/min burst 1000000"), minute, 0)
		var calls []call
		for range 300 {
			time.Sleep(time.Duration(rnd.Int64N(int64(minute / 20))))
			now := time.Now()
			f.mu.Lock()
			strict := f.counted(now)
			f.mu.Unlock()
			for name, count := range others {
				counted := 0
				for _, c := range calls {
					counted += count(c, now)
				}
				if counted > strict {
					t.Fatalf("%s: %d tokens count, the server counts %d", name, counted, strict)
				}
			}
			c := call{from: now, to: now.Add(1 + time.Duration(rnd.Int64N(int64(minute)))), most: 1 + rnd.IntN(100)}
			c.used = 1 + rnd.IntN(c.most)
			calls = append(calls, c)
			f.enter(c.most)
			time.AfterFunc(c.to.Sub(now), func() { f.leave(c.most, c.used) })
			synctest.Wait()
		}
	})
}

func TestAnswersAreWithinTheirBound(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	total := 0
	for range 10_000 {
		n := answerLength(rnd, 300)
		if n < 1 || n > 300 {
			t.Fatalf("an answer has %d tokens, want 1 to 300", n)
		}
		total += n
	}
	if mean := total / 10_000; mean < 90 || mean > 110 {
		t.Errorf("the mean is %d tokens, want about a third of 300", mean)
	}
}
