package screen

import (
	"strings"
	"testing"
	"time"
)

// The progress is gone from the screen before anything else is said, and comes back below it.
func TestScreen(t *testing.T) {
	var term strings.Builder
	s := &Screen{w: &term, name: "flowguard", live: true}
	s.Draw(func() string { return "PROGRESS" })
	s.Say("message %d", 1)
	want := eraseBelow + lineBelow + "PROGRESS" + backUp + eraseBelow + "flowguard: message 1\n"
	if term.String() != want {
		t.Errorf("%q, want %q", term.String(), want)
	}
}

func TestNoProgressWithoutTerminal(t *testing.T) {
	var file strings.Builder
	s := New(&file, "flowguard", false, true)
	tick, stop := s.Ticks()
	defer stop()
	s.Draw(func() string { return "PROGRESS" })
	s.Erase()
	if tick != nil || file.Len() > 0 {
		t.Errorf("wrote %q", file.String())
	}
}

func TestQuiet(t *testing.T) {
	var file strings.Builder
	s := New(&file, "flowguard", true, true)
	s.Note("summary")
	s.Say("error")
	if file.String() != "flowguard: error\n" {
		t.Errorf("said %q", file.String())
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                        "0s",
		1234567:                  "1ms",
		1234 * time.Millisecond:  "1.2s",
		83456 * time.Millisecond: "1m23s",
		59*time.Minute + 59*time.Second + 900*time.Millisecond: "1h00m",
		99*time.Minute + 18*time.Second:                        "1h39m",
		75*time.Hour + 40*time.Minute:                          "3d4h",
		24001 * time.Hour:                                      "1000 days",
	} {
		if got := Short(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}

func TestRate(t *testing.T) {
	for _, tt := range []struct {
		n    int
		in   time.Duration
		want string
	}{
		{0, time.Second, "0/s"}, {5, 0, "0/s"}, {49, 10 * time.Second, "4.9/s"}, {50, 10 * time.Second, "5/s"}, {1234, 10 * time.Second, "123/s"},
		{30, time.Minute, "30/min"}, {20, time.Hour, "20/h"},
	} {
		if got := Rate(tt.n, tt.in); got != tt.want {
			t.Errorf("%d in %v are %s, want %s", tt.n, tt.in, got, tt.want)
		}
	}
}

func TestBar(t *testing.T) {
	for share, want := range map[float64]string{0: "[....]", 0.5: "[##..]", 0.99: "[###.]", 1: "[####]", 7: "[####]"} {
		if got := Bar(share, 4); got != want {
			t.Errorf("%v is %s, want %s", share, got, want)
		}
	}
}

func TestShown(t *testing.T) {
	for text, want := range map[string]string{"abc": "abc", "abcde": "abcde", "abcdef": "abcd…", "a\x1b[2J": "a?[2J", "äöüäöü": "äöüä…"} {
		if got := Shown(text, 5); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}
