package main

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// What the crawls show is worth as much as the server is strict.
func TestServerIsStrict(t *testing.T) {
	for _, tt := range []struct {
		name    string
		limits  string
		stay    time.Duration // how long each request is open
		arrives []time.Duration
		want    string
	}{
		{"a window is full to its last nanosecond", "2/s burst 9", 0,
			[]time.Duration{0, 400, 999_999_999, 1_000_000_000, 1_000_000_399, 1_000_000_400}, "[true true false true false true]"},
		{"what is refused does not count", "1/s burst 9", 0,
			[]time.Duration{0, 500 * time.Millisecond, time.Second, 1500 * time.Millisecond}, "[true false true false]"},
		{"every window holds", "3/s 1/100ms burst 9", 0,
			[]time.Duration{0, 50e6, 100e6, 200e6, 300e6, time.Second}, "[true false true true false true]"},
		{"no more are open than the burst", "9/s burst 2", 100 * time.Millisecond,
			[]time.Duration{0, 10e6, 20e6, 105e6, 106e6, 111e6}, "[true true false true false true]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limits, err := scheduler.ParseLimits(tt.limits)
				if err != nil {
					t.Fatal(err)
				}
				f := newStrictServer(limits, 0)
				began := time.Now()
				var got []bool
				for _, at := range tt.arrives {
					time.Sleep(time.Until(began.Add(at)))
					in := f.enter()
					got = append(got, in)
					if in {
						time.AfterFunc(tt.stay, f.leave)
					}
				}
				if fmt.Sprint(got) != tt.want {
					t.Errorf("let in %v, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestBest(t *testing.T) {
	for _, tt := range []struct {
		limits string
		n      int
		want   time.Duration // of the last arrival
	}{
		{"2/s burst 9", 1, 0},
		{"2/s burst 9", 3, time.Second},
		{"2/s burst 9", 4, time.Second},
		{"2/s 3/5s burst 9", 4, 5 * time.Second},
		{"100/s burst 2", 7, 3 * workTime},
	} {
		limits, err := scheduler.ParseLimits(tt.limits)
		if err != nil {
			t.Fatal(err)
		}
		if got := best(limits, tt.n); got != shortestWay+tt.want+workTime {
			t.Errorf("%s: the last of %d arrives at %v, want %v", tt.limits, tt.n, got-shortestWay-workTime, tt.want)
		}
	}
}
