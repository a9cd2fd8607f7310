package scheduler_test

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
)

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
		{"no limits", scheduler.Limits{}, nil, "scheduler: Limits must be at least one window or a MaxBurst, got no limits"},
		{"no permits", window(scheduler.PerSecond(0)), nil, "scheduler: Limits.Windows[0].Permits must be 1 or more, got 0"},
		{"negative permits", window(scheduler.PerSecond(-5)), nil, "scheduler: Limits.Windows[0].Permits must be 1 or more, got -5"},
		{"no length", window(scheduler.Per(1, 0)), nil, "scheduler: Limits.Windows[0].Per must be longer than 0, got 0s"},
		{"negative length", window(scheduler.Per(1, -time.Second)), nil, "scheduler: Limits.Windows[0].Per must be longer than 0, got -1s"},
		{"endless", window(scheduler.Per(1, 1<<63-1)), nil, "scheduler: Limits.Windows[0].Per must be at most 876000h0m0s (100 years), got 2562047h47m16.854775807s"},
		{"unknown instant", window(scheduler.Window{Permits: 1, Per: 1, From: 7}), nil, "scheduler: Limits.Windows[0].From must be FromGrant or FromRelease, got Instant(7)"},
		{"second window", scheduler.Limits{Windows: []scheduler.Window{scheduler.PerDay(1), {}}}, nil, "scheduler: Limits.Windows[1].Permits must be 1 or more, got 0"},
		{"negative burst", scheduler.Limits{MaxBurst: -1}, nil, "scheduler: Limits.MaxBurst must be 0 (no cap) or more, got -1"},
		{"nil clock", good, []scheduler.Option{scheduler.WithClock(nil)}, "scheduler: the clock of WithClock must be a clock such as clock.New(), got <nil>"},
		{"typed nil clock", good, []scheduler.Option{scheduler.WithClock((*clock.Mock)(nil))}, "scheduler: the clock of WithClock must be a clock such as clock.New(), got <nil>"},
		{"negative queue", good, []scheduler.Option{scheduler.WithMaxQueue(-1)}, "scheduler: the length of WithMaxQueue must be 0 or more, got -1"},
		{"nil option", good, []scheduler.Option{nil}, "scheduler: an Option of New must be made by one of the With functions or NonBlocking, got <nil>"},
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

func TestParseLimits(t *testing.T) {
	second := scheduler.PerSecond
	for text, want := range map[string]scheduler.Limits{
		"3/2s":                           {Windows: []scheduler.Window{scheduler.Per(3, 2*time.Second)}},
		"3/2s 15/min burst 2":            {Windows: []scheduler.Window{scheduler.Per(3, 2*time.Second), scheduler.PerMinute(15)}, MaxBurst: 2},
		"burst 7":                        {MaxBurst: 7},
		" \tburst 7 \n5/s ":              {Windows: []scheduler.Window{second(5)}, MaxBurst: 7},
		"5/s from release":               {Windows: []scheduler.Window{{Permits: 5, Per: time.Second, From: scheduler.FromRelease}}},
		"5/s from grant 6/s":             {Windows: []scheduler.Window{second(5), second(6)}},
		"1/sec 2/minute 3/hour 4/d 5/2d": {Windows: []scheduler.Window{second(1), scheduler.PerMinute(2), scheduler.PerHour(3), scheduler.PerDay(4), scheduler.Per(5, 48*time.Hour)}},
		"50/ms":                          {Windows: []scheduler.Window{scheduler.Per(50, time.Millisecond)}},
		"1/1h30m 2/250ms 3/m 4/2min":     {Windows: []scheduler.Window{scheduler.Per(1, 90*time.Minute), scheduler.Per(2, 250*time.Millisecond), scheduler.PerMinute(3), scheduler.Per(4, 2*time.Minute)}},
	} {
		got, err := scheduler.ParseLimits(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v", text, got, err)
			continue
		}
		again, err := scheduler.ParseLimits(got.String())
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Errorf("%q: written as %q, read as %+v, %v", text, got, again, err)
		}
	}
}

func TestLimitsString(t *testing.T) {
	for want, l := range map[string]scheduler.Limits{
		"1/s 2/min 3/h 4/day 5/7day":  {Windows: []scheduler.Window{scheduler.PerSecond(1), scheduler.PerMinute(2), scheduler.PerHour(3), scheduler.PerDay(4), scheduler.Per(5, 7*24*time.Hour)}},
		"1/2m 2/1h30m 3/5h 4/1m30s":   {Windows: []scheduler.Window{scheduler.Per(1, 2*time.Minute), scheduler.Per(2, 90*time.Minute), scheduler.Per(3, 5*time.Hour), scheduler.Per(4, 90*time.Second)}},
		"1/10m 2/20h 3/1ns burst 4":   {Windows: []scheduler.Window{scheduler.Per(1, 10*time.Minute), scheduler.Per(2, 20*time.Hour), scheduler.Per(3, 1)}, MaxBurst: 4},
		"9/1.5s from release burst 1": {Windows: []scheduler.Window{{Permits: 9, Per: 1500 * time.Millisecond, From: scheduler.FromRelease}}, MaxBurst: 1},
	} {
		if got := l.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Text that does not parse says where.
func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		text   string
		offset int
		reason string
	}{
		{"3", 0, "expected a window"},
		{"5/s lots", 4, "expected a window"},
		{"x/s", 0, "Permits must be a whole number"},
		{"99999999999999999999/s", 0, "Permits is a larger number than fits"},
		{"5/s 0/s", 4, "Permits must be 1 or more, got 0"},
		{"/s", 0, "whole number"},
		{"1.5/s", 0, "whole number"},
		{"3/", 2, "expected a length"},
		{"3/fortnight", 2, "expected a length"},
		{"3/2", 2, "expected a length"},
		{"3/99999999999999999999s", 0, "Per must be at most 876000h"},
		{"3/9999999999999day", 0, "Per must be at most 876000h"},
		{"5/s burst", 9, "a number after burst is missing"},
		{"5/s burst two", 10, "burst must be a whole number"},
		{"burst 2 5/s burst 3", 12, "a second burst"},
		{"5/s from", 8, `expected "release" or "grant"`},
		{"5/s from start", 9, `expected "release" or "grant"`},
		{"burst 2 from release", 8, "expected a window"},
	} {
		_, err := scheduler.ParseLimits(c.text)
		var parse *scheduler.ParseError
		if !errors.As(err, &parse) || parse.Offset != c.offset || parse.Text != c.text || !strings.Contains(parse.Reason, c.reason) {
			t.Errorf("%q: %#v", c.text, err)
		}
	}
	for text, want := range map[string]string{
		"":                   "Limits must be at least one window",
		"0/s":                "Permits must be 1 or more, got 0",
		"3/0s":               "Per must be longer than 0",
		"3/-2s":              "Per must be longer than 0, got -2s",
		"burst 0":            "burst must be 1 or more (without a burst there is no cap), got 0",
		"1/99999day burst 1": "at most 876000h",
	} {
		_, err := scheduler.ParseLimits(text)
		var invalid *scheduler.InvalidError
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParseErrorReads(t *testing.T) {
	_, err := scheduler.ParseLimits("5/s lots")
	if got, want := err.Error(), `scheduler: limits "5/s lots", at byte 4 ("lots"): expected a window such as "3/2s", or "burst 2"`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	_, err = scheduler.ParseLimits("5/s burst ")
	if got, want := err.Error(), `scheduler: limits "5/s burst " end too early: a number after burst is missing`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestLimitsAsText(t *testing.T) {
	var loaded struct{ Limits scheduler.Limits }
	if err := json.Unmarshal([]byte(`{"Limits": "3/2s burst 2"}`), &loaded); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(loaded)
	if err != nil || string(out) != `{"Limits":"3/2s burst 2"}` {
		t.Errorf("%s, %v", out, err)
	}
	if _, err := json.Marshal(scheduler.Limits{}); err == nil {
		t.Error("limits that cannot work were written")
	}
	before := loaded
	if err := json.Unmarshal([]byte(`{"Limits": "3/2x"}`), &loaded); err == nil || !reflect.DeepEqual(loaded, before) {
		t.Errorf("%v, %+v", err, loaded)
	}
	flags := flag.NewFlagSet("x", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var l scheduler.Limits
	flags.TextVar(&l, "limits", scheduler.Limits{MaxBurst: 1}, "")
	if err := flags.Parse([]string{"-limits", "5/s"}); err != nil || l.String() != "5/s" {
		t.Errorf("%v, %v", l, err)
	}
}

// What is read is written so that it reads the same.
func FuzzParseLimits(f *testing.F) {
	for _, text := range []string{"3/2s 15/min burst 2", "5/s from release", "1/1h30m0.5s", "burst 3 2/7day", "x", "5/s from"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := scheduler.ParseLimits(text)
		if err != nil {
			var parse *scheduler.ParseError
			if errors.As(err, &parse) && (parse.Offset < 0 || parse.Offset > len(text)) {
				t.Errorf("offset %d in %q", parse.Offset, text)
			}
			_ = err.Error()
			return
		}
		again, err := scheduler.ParseLimits(l.String())
		if err != nil || !reflect.DeepEqual(l, again) {
			t.Errorf("%q is written as %q, which reads as %+v, %v", text, l, again, err)
		}
	})
}
