package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// screen is where the program speaks to a person: standard error. On a terminal it also shows the
// progress, on the line below the one the cursor is in. So it erases nothing that commands write
// there, not even a line they have not finished; where one writes several lines at a time, the end
// of the progress may stay behind the second. One goroutine uses it.
type screen struct {
	w      io.Writer
	live   bool // it is a terminal, and progress is wanted
	shared bool // others write to the terminal meanwhile
	quiet  bool // no progress and no summary
}

const (
	eraseBelow = "\x1b[J"                         // the rest of this line, and all below
	lineBelow  = "\x1bD" + "\x1b7\r" + "\x1b[?7l" // go there, making room; note the column; do not wrap
	backUp     = "\x1b[?7h" + "\x1b8" + "\x1b[1A" // wrap again, return to the column, and up
)

const refresh = 200 * time.Millisecond

func newScreen(w io.Writer, quiet bool) *screen {
	return &screen{w: w, live: !quiet && isTerminal(w) && os.Getenv("TERM") != "dumb", quiet: quiet}
}

// isTerminal takes every character device for a terminal. The other that is often met, the null
// device, does not mind.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// ticks returns a channel that says when to draw, which is never where there is no terminal.
func (s *screen) ticks() (tick <-chan time.Time, stop func()) {
	if !s.live {
		return nil, func() {}
	}
	t := time.NewTicker(refresh)
	return t.C, t.Stop
}

// draw shows the progress in place of what was shown before.
func (s *screen) draw(text func() string) {
	if s.live {
		io.WriteString(s.w, eraseBelow+lineBelow+text()+backUp)
	}
}

func (s *screen) erase() {
	if s.live {
		io.WriteString(s.w, eraseBelow)
	}
}

// say prints a message.
func (s *screen) say(format string, args ...any) {
	s.erase()
	fmt.Fprintf(s.w, "lines: "+format+"\n", args...)
}

// stopped tells what was left undone.
func (s *screen) stopped(status, cut, notRun int, whole bool) {
	if s.quiet {
		return
	}
	text := "stopped: "
	if status == statusInterrupted {
		text = "interrupted: "
	}
	if cut > 0 {
		text += count(cut, "line") + " cut short, "
	}
	switch {
	case whole:
		text += count(notRun, "line") + " not run"
	case notRun == 0:
		text += "the input was not read to its end"
	default:
		text += "at least " + count(notRun, "line") + " not run, the input was not read to its end"
	}
	s.say("%s", text)
}

func (s *screen) summary(t tally, elapsed time.Duration) {
	s.erase()
	if !s.quiet {
		s.say("%s in %v, %d failed, longest wait %v", count(t.done(), "line"), short(elapsed), t.failed, short(t.longest))
	}
}

// progress returns the line that is drawn. A terminal too narrow for it cuts it off.
func progress(t tally, waiting int, next string) string {
	text := fmt.Sprintf("%d done", t.done())
	if t.failed > 0 {
		text += fmt.Sprintf(" (%d failed)", t.failed)
	}
	text += fmt.Sprintf(", %d waiting, %d running", waiting, t.running)
	if next != "" {
		text += ", " + next
	}
	return text
}

// permitIn says when the line that waits gets its permit.
func permitIn(wake time.Time) string {
	if wake.IsZero() {
		return "next permit when one is done"
	}
	return fmt.Sprintf("next permit in %v", short(max(0, time.Until(wake))))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// short rounds to what a person cares about.
func short(d time.Duration) time.Duration {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(100 * time.Millisecond)
	default:
		return d.Round(time.Millisecond)
	}
}
