package scheduler

import (
	"fmt"
	"time"
)

// Stats is one consistent view of a scheduler, made by its owner between two operations.
type Stats struct {
	Waiting  int           // tickets in line
	Flows    int           // flows with a ticket in line; see Scheduler.Flow
	InUse    int           // permits granted and not yet given back
	Granted  uint64        // tickets granted so far, less those undone because their caller had gone
	Paused   bool          // no grants whatever the limits say
	Resumes  time.Time     // when the pause ends by itself; zero if it does not
	NextWake time.Time     // when the owner will next act by itself; zero if nobody waits, or somebody must first release
	Windows  []WindowStats // in the order of Limits.Windows
}

// WindowStats says how full a window is.
type WindowStats struct {
	Window
	Used      int // permits that count now
	Remaining int // permits that could be granted now as far as this window goes, 0 or more
}

// String says how full the window is, such as "3/2s: 1 used, 2 remaining".
func (w WindowStats) String() string {
	return fmt.Sprintf("%v: %d used, %d remaining", w.Window, w.Used, w.Remaining)
}

func (c *core) stats(epoch time.Time) Stats {
	s := Stats{
		Waiting: c.line.Len(),
		Flows:   c.line.Flows(),
		InUse:   c.inUse,
		Granted: c.granted,
		Windows: make([]WindowStats, len(c.windows)),
	}
	s.Paused = c.paused()
	if s.Paused && !c.halted {
		s.Resumes = epoch.Add(time.Duration(c.pausedUntil))
	}
	if wake := c.wake(); wake != never {
		s.NextWake = epoch.Add(time.Duration(wake))
	}
	for i := range c.windows {
		w := &c.windows[i]
		s.Windows[i] = WindowStats{w.Window, w.used(), max(0, w.Permits-w.used())}
	}
	return s
}
