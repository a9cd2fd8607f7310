package keyed_test

import (
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// change does one of the rarer things to both.
func (w *world) change(op, k int, s *scheduler.Scheduler) {
	limits := s.Limits()
	var window scheduler.Window
	if n := len(limits.Windows); n > 0 {
		window = limits.Windows[w.r.IntN(n)]
	}
	d := time.Duration(w.r.IntN(3000)) * time.Millisecond
	var err, want error
	switch w.r.IntN(8) {
	case 0, 1:
		n := w.r.IntN(4)
		err, want = w.set.Charge(k, window, n), s.Charge(window, n)
		w.note("charge key %d %v %d: %v", k, window, n, want)
	case 2:
		left := w.r.IntN(4)
		var of, ofSingle = w.of(k)
		err, want = w.set.Observe(k, window, left, d, of...), s.Observe(window, left, d, ofSingle...)
		w.note("observe key %d %v %d in %v: %v", k, window, left, d, want)
	case 3:
		err, want = w.set.PauseFor(k, d), s.PauseFor(d)
		w.note("pause key %d for %v: %v", k, d, want)
	case 4:
		at := w.clock.Now().Add(d)
		err, want = w.set.PauseUntil(k, at), s.PauseUntil(at)
		w.note("pause key %d for %v: %v", k, d, want)
	case 5:
		if w.r.IntN(2) == 0 {
			err, want = w.set.Pause(k), s.Pause()
			w.note("pause key %d: %v", k, want)
			break
		}
		err, want = w.set.Resume(k), s.Resume()
		w.note("resume key %d: %v", k, want)
	case 6:
		l := scheduler.MustParseLimits(limitsToTry[w.r.IntN(len(limitsToTry))])
		err, want = w.set.SetLimits(k, l), s.SetLimits(l)
		w.note("limits of key %d to %v: %v", k, l, want)
	case 7:
		err, want = w.set.SetLimits(k, w.limits[k]), s.SetLimits(w.limits[k])
		w.note("limits of key %d as before: %v", k, want)
	}
	if !same(err, want) {
		w.fail("change: %v, want %v", err, want)
	}
}

// of returns the tickets to name in an observation of the key: one of it that is held, or none.
func (w *world) of(k int) (set, single []ticket.Ticket) {
	for _, p := range w.held {
		if p.key == k && !p.waits && w.r.IntN(2) == 0 {
			return []ticket.Ticket{p.set}, []ticket.Ticket{p.single}
		}
	}
	return nil, nil
}
