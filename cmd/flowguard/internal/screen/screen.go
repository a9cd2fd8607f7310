// Package screen is where the program speaks to a person: standard error, with a progress line if that is a
// terminal.
package screen

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// Screen shows messages and the progress. The progress is in the line below the cursor's. So it erases nothing
// that commands write to the terminal, not even an unfinished line. If a command itself writes several lines at
// a time, the end of the progress may remain after the second. One goroutine uses a screen.
type Screen struct {
	w     io.Writer
	name  string // that messages begin with
	live  bool   // it is a terminal, and progress is wanted
	quiet bool
}

const (
	eraseBelow = "\x1b[J"                         // the rest of this line, and all below
	lineBelow  = "\x1bD" + "\x1b7\r" + "\x1b[?7l" // go there, making room; note the column; do not wrap
	backUp     = "\x1b[?7h" + "\x1b8" + "\x1b[1A" // wrap again, return to the column, and up
)

const refresh = 200 * time.Millisecond

// New returns a screen on w. A quiet one shows only errors. Progress is shown if it is wanted and w is a
// terminal that can show it.
func New(w io.Writer, name string, quiet, progress bool) *Screen {
	live := progress && !quiet && IsTerminal(w) && os.Getenv("TERM") != "dumb" && obeys(w)
	return &Screen{w: w, name: name, live: live, quiet: quiet}
}

// IsTerminal reports whether w, or a reader, is a terminal.
func IsTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Width returns how many columns the terminal has, 80 if w is none.
func Width(w any) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// Width returns how many columns the screen has.
func (s *Screen) Width() int { return Width(s.w) }

// Ticks returns a channel that says when to draw. Without progress it never does.
func (s *Screen) Ticks() (tick <-chan time.Time, stop func()) {
	if !s.live {
		return nil, func() {}
	}
	t := time.NewTicker(refresh)
	return t.C, t.Stop
}

// Draw shows the progress in place of what was shown before. A terminal too narrow for it cuts it off.
func (s *Screen) Draw(text func() string) {
	if s.live {
		io.WriteString(s.w, eraseBelow+lineBelow+text()+backUp)
	}
}

// Erase removes the progress.
func (s *Screen) Erase() {
	if s.live {
		io.WriteString(s.w, eraseBelow)
	}
}

// Say shows a message.
func (s *Screen) Say(format string, args ...any) {
	s.Erase()
	fmt.Fprintf(s.w, s.name+": "+format+"\n", args...)
}

// Note shows a message that is not an error, unless the screen is quiet.
func (s *Screen) Note(format string, args ...any) {
	if !s.quiet {
		s.Say(format, args...)
	}
}
