package main

import (
	"strings"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	for _, tt := range []struct {
		tally   tally
		waiting int
		next    string
		want    string
	}{
		{tally{}, 0, "", "0 done, 0 waiting, 0 running"},
		{tally{begun: 9, running: 2}, 3, "next permit in 1.2s", "7 done, 3 waiting, 2 running, next permit in 1.2s"},
		{tally{begun: 9, failed: 1}, 3, "", "9 done (1 failed), 3 waiting, 0 running"},
	} {
		if got := progress(tt.tally, tt.waiting, tt.next); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// The progress is gone from the screen before anything else is said, and comes back below it.
func TestScreen(t *testing.T) {
	var term strings.Builder
	s := &screen{w: &term, live: true}
	s.draw(func() string { return "PROGRESS" })
	s.say("message %d", 1)
	want := eraseBelow + lineBelow + "PROGRESS" + backUp + eraseBelow + "lines: message 1\n"
	if term.String() != want {
		t.Errorf("%q, want %q", term.String(), want)
	}
}

func TestNoProgressWithoutTerminal(t *testing.T) {
	var file strings.Builder
	s := newScreen(&file, false)
	tick, stop := s.ticks()
	defer stop()
	s.draw(func() string { return "PROGRESS" })
	s.erase()
	if tick != nil || file.Len() > 0 {
		t.Errorf("wrote %q", file.String())
	}
}

func TestQuiet(t *testing.T) {
	start(t.Context(), strings.NewReader("a\n"), "-q", "-limits", "9/s").check(t, 0, "a\n", "")
	if o := start(t.Context(), strings.NewReader("a\n"), "-q", "-limits", "9/s"); o.err != "" {
		t.Errorf("said %q", o.err)
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1234567:                  "1ms",
		1234 * time.Millisecond:  "1.2s",
		83456 * time.Millisecond: "1m23s",
	} {
		if got := short(d).String(); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}
