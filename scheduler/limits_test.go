package scheduler_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
)

// many returns limits of so many windows, of which none works.
func many(n int) scheduler.Limits { return scheduler.Limits{Windows: make([]scheduler.Window, n)} }

// Bad input names the value and what was expected.
func TestInvalid(t *testing.T) {
	window := func(w scheduler.Window) scheduler.Limits { return scheduler.Limits{Windows: []scheduler.Window{w}} }
	good := scheduler.Limits{MaxBurst: 1}
	for _, c := range []struct {
		name   string
		limits scheduler.Limits
		opts   []scheduler.Option
		want   string
	}{
		{"no limits", scheduler.Limits{}, nil, "scheduler: Limits must have at least one window or a MaxBurst, got neither"},
		{"no permits", window(scheduler.PerSecond(0)), nil, "scheduler: Limits.Windows[0].Permits must be 1 or more, got 0"},
		{"negative permits", window(scheduler.PerSecond(-5)), nil, "scheduler: Limits.Windows[0].Permits must be 1 or more, got -5"},
		{"no length", window(scheduler.Per(1, 0)), nil, "scheduler: Limits.Windows[0].Per must be longer than 0, got 0s"},
		{"negative length", window(scheduler.Per(1, -time.Second)), nil, "scheduler: Limits.Windows[0].Per must be longer than 0, got -1s"},
		{"endless", window(scheduler.Per(1, 1<<63-1)), nil, "scheduler: Limits.Windows[0].Per must be at most 876000h (100 years), got 2562047h47m16.854775807s"},
		{"unknown instant", window(scheduler.Window{Permits: 1, Per: 1, From: 7}), nil, "scheduler: Limits.Windows[0].From must be FromGrant, FromRelease or FromReset, got Instant(7)"},
		{"second window", scheduler.Limits{Windows: []scheduler.Window{scheduler.PerDay(1), {}}}, nil, "scheduler: Limits.Windows[1].Permits must be 1 or more, got 0"},
		{"negative burst", scheduler.Limits{MaxBurst: -1}, nil, "scheduler: Limits.MaxBurst must be 0 (no cap) or more, got -1"},
		{"too many windows", many(1_001), nil, "scheduler: Limits.Windows must have at most 1000 entries, got 1001"},
		{"absurdly many windows", many(1_000_000), nil, "scheduler: Limits.Windows must have at most 1000 entries, got 1000000"},
		{"nil clock", good, []scheduler.Option{scheduler.WithClock(nil)}, "scheduler: the clock of WithClock must be a clock such as clock.New(), got nil"},
		{"typed nil clock", good, []scheduler.Option{scheduler.WithClock((*clock.Mock)(nil))}, "scheduler: the clock of WithClock must be a clock such as clock.New(), got nil"},
		{"negative queue", good, []scheduler.Option{scheduler.WithMaxQueue(-1)}, "scheduler: the length of WithMaxQueue must be 0 or more, got -1"},
		{"nil option", good, []scheduler.Option{nil}, "scheduler: an Option of New must be made by one of the With functions or NonBlocking, got nil"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := scheduler.New(c.limits, c.opts...)
			var invalid *scheduler.InvalidError
			if s != nil || !errors.As(err, &invalid) || err.Error() != c.want {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

// The largest length works.
func TestLongestWindow(t *testing.T) {
	s := start(t, scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(1, 876_000*time.Hour)}})
	s.TryAcquire()
	for range 3 {
		if _, err := s.Enqueue(1); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.WaitTime(); got < 876_000*time.Hour {
		t.Errorf("wait %v", got)
	}
}

func TestLimitsAreCopied(t *testing.T) {
	l := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(5)}}
	s := start(t, l)
	l.Windows[0].Permits = 99
	if got := s.Stats().Windows[0].Permits; got != 5 {
		t.Errorf("%d permits", got)
	}
}

// As many windows as are allowed work, and the burst does not count as one.
func TestMostWindows(t *testing.T) {
	l := scheduler.Limits{Windows: slices.Repeat([]scheduler.Window{scheduler.PerSecond(1)}, 1_000), MaxBurst: 1}
	if err := l.Validate(); err != nil {
		t.Error(err)
	}
}
