package scheduler

import (
	"slices"
	"time"

	"github.com/flowguard-go/flowguard/ticket"
)

// SetLimits replaces the limits, for those already waiting too: when it returns, every ticket that
// fits the new limits has been granted, and the timer is set for the next.
//
// A window whose Per and From stay keeps its history. A new window starts from what the scheduler
// remembers: from the longest window with the same From, or, where there is none, as if the permits
// that count elsewhere had been charged now, so that it may be late and never early. Lowering
// MaxBurst, or the Permits of a window, below what is in use revokes nothing; it waits. A waiting
// ticket whose weight can no longer ever fit is told a [*TooLargeError], as a new one would be.
//
// It returns the [*InvalidError] of [Limits.Validate], and then changes nothing, or [ErrClosed]. The
// limits are copied. It costs a copy of each window's history.
func (s *Scheduler) SetLimits(l Limits) error {
	if err := l.Validate(); err != nil {
		return err
	}
	l = l.clone()
	return s.tell(message{verb: configure, limits: &l})
}

// Pause stops all grants until [Scheduler.Resume]. Whoever waits keeps their place, newcomers join
// the line, and tries fail. Nobody knows how long it lasts, so no deadline is refused because of it
// and WaitTime does not count it.
func (s *Scheduler) Pause() error {
	return s.tell(message{verb: pause, request: request{deadline: never}})
}

// PauseUntil stops all grants before the instant t, which must be in the future. A pause that lasts
// longer already stays as it is, so that several workers may each report what the far side told them
// ("429, retry after 30 seconds"): none shortens another's pause. WaitTime and the refusal of
// deadlines count it.
//
// It returns an [*InvalidError] if t is not in the future by the scheduler's clock, or [ErrClosed].
func (s *Scheduler) PauseUntil(t time.Time) error {
	return s.tell(message{verb: pause, request: request{deadline: min(s.box.instant(t), horizon)}})
}

// PauseFor is [Scheduler.PauseUntil] for the instant d from now.
func (s *Scheduler) PauseFor(d time.Duration) error {
	if d <= 0 {
		return &InvalidError{"the length of PauseFor", d, "longer than 0"}
	}
	return s.PauseUntil(s.box.clock.Now().Add(d))
}

// Resume ends every pause. It returns [ErrClosed] after Close.
func (s *Scheduler) Resume() error { return s.tell(message{verb: resume}) }

// Charge tells the scheduler that n permits of the given window were used elsewhere: by another
// process, or as the far side's own remaining count says. The window then behaves as if it had
// granted them now; one that counts from release as if they had been given back now. A window may
// hold more than its Permits in this way; its Remaining is 0 then.
//
// It returns an [*InvalidError] if the limits have no such window, or if n is below 1 or above its
// Permits, or [ErrClosed].
func (s *Scheduler) Charge(w Window, n int) error {
	return s.tell(message{verb: spent, limits: &Limits{Windows: []Window{w}}, request: request{weight: n}})
}

// tell sends the owner a message that is answered with nothing but an error.
func (s *Scheduler) tell(m message) error {
	a, ok := s.ask(m)
	if !ok {
		return ErrClosed
	}
	return a.err
}

// configure replaces the limits and refuses those in line who can never fit any more.
func (o *owner) configure(c *core, m *message) {
	c.configure(*m.limits)
	o.limits.Store(m.limits)
	if c.noted {
		o.emit(c, Event{Kind: EventLimits, Limits: *m.limits})
	}
	_, limit := c.limits.tightest()
	for _, w := range c.waiters(func(p *ticket.Place) bool { return p.Weight > c.most }) {
		o.dismiss(c, w.place, w.flow, &TooLargeError{Weight: w.place.Weight, Most: c.most, Limit: limit})
	}
	o.answer(m, answer{})
}

// control does what the operators and the far side say.
func (o *owner) control(c *core, m *message) (err error) {
	e := Event{}
	switch m.verb {
	case pause:
		err, e.Kind = c.pause(m.deadline), EventPaused
		if !c.halted {
			e.Until = o.time(c.pausedUntil)
		}
	case resume:
		c.resume()
		e.Kind = EventResumed
	case spent:
		w := m.limits.Windows[0]
		err = c.charge(w, m.weight)
		e.Kind, e.Weight, e.Window = EventCharged, m.weight, w
	case restore:
		c.restore(m.snapshot, *m.epoch)
		e.Kind = EventRestored
	}
	if err == nil && c.noted {
		o.emit(c, e)
	}
	return err
}

// paused reports whether there are no grants now whatever the limits say.
func (c *core) paused() bool { return c.halted || c.now < c.pausedUntil }

// pause stops grants until an instant, or if that is never, until resume.
func (c *core) pause(until instant) error {
	switch {
	case until == never:
		c.halted = true
	case until <= c.now:
		return &InvalidError{"the end of a pause", c.now.until(until), "in the future"}
	default:
		c.pausedUntil = max(c.pausedUntil, until)
	}
	c.forecast.forget()
	return nil
}

func (c *core) resume() {
	c.halted, c.pausedUntil = false, 0
	c.forecast.forget()
}

// charge notes that n permits of the window were used elsewhere.
func (c *core) charge(w Window, n int) error {
	if n < 1 || n > w.Permits {
		return &InvalidError{"the permits of Charge", n, "from 1 to the Permits of the window"}
	}
	found := false
	for i := range c.windows {
		if c.windows[i].Window == w {
			c.windows[i].past.add(c.now, n)
			found = true
		}
	}
	if !found {
		return &InvalidError{"the window of Charge", w, "one of the scheduler's: " + c.limits.String()}
	}
	c.forecast.forget()
	return nil
}

// configure replaces the limits. Tickets in line may then be too large; see waiters.
func (c *core) configure(l Limits) {
	old := c.windows
	c.setLimits(l)
	for i := range c.windows {
		c.windows[i].inherit(old, c.now, c.inUse)
	}
	c.forecast = forecast{}
}

// inherit fills a new window with what the windows before it remember.
func (w *window) inherit(old []window, now instant, inUse int) {
	from := w.predecessor(old)
	switch {
	case from != nil:
		w.held = from.held
		w.past.replay(&from.past, now)
	case w.From == FromRelease:
		// What is in use is known; when the others were released is not, but not later than now.
		w.held = inUse
		w.past.since = now
		if others := mostUsed(old) - inUse; others > 0 {
			w.past.add(now, others)
		}
	default:
		w.past.since = now
		if n := mostUsed(old); n > 0 {
			w.past.add(now, n)
		}
	}
}

// predecessor returns the window that remembers best what this one should, nil if none counts alike:
// itself, or else one as long, or else the longest; among equals the fullest.
func (w *window) predecessor(old []window) (best *window) {
	rank := func(o *window) [3]int64 {
		r := [3]int64{1: int64(o.Per), 2: int64(o.used())}
		switch {
		case o.Window == w.Window:
			r[0] = 2
		case o.Per == w.Per:
			r[0] = 1
		}
		return r
	}
	for i := range old {
		o := &old[i]
		if o.From != w.From {
			continue
		}
		if a := rank(o); best == nil {
			best = o
		} else if b := rank(best); slices.Compare(a[:], b[:]) > 0 {
			best = o
		}
	}
	return best
}

func mostUsed(windows []window) (most int) {
	for i := range windows {
		most = max(most, windows[i].used())
	}
	return most
}

// replay charges what other remembers, as far as it still counts.
func (h *history) replay(other *history, now instant) {
	h.since = other.since
	if h.per > other.per {
		h.since = max(h.since, now-instant(other.per))
	}
	for at, n := range other.charges() {
		if at > now-instant(h.per) {
			h.add(at, n)
		}
	}
}
