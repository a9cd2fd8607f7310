package keyed_test

import (
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/flowguard-go/flowguard/keyed"
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

// What the server says of a key is judged by the key's own tickets, though their places served another key before, of which
// the server had also said something.
func TestObservationsOfTwoKeys(t *testing.T) {
	mock := clock.NewMock()
	set := perKey(t, "100/s", keyed.WithClock(mock), keyed.Shards(1))
	l := scheduler.MustParseLimits("100/s")
	single, err := scheduler.New(l, scheduler.WithClock(mock))
	if err != nil {
		t.Fatal(err)
	}
	defer single.Close()
	take := func(s scheduler.Source) ticket.Ticket {
		w, err := s.Handle().Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	a := set.Key("a")
	first, second := take(a), take(a)
	a.Observe(l.Windows[0], 50, time.Second)
	first.Release()
	third := take(a) // in another round than those before
	second.Release()
	third.Release()
	var left []int
	for _, s := range []interface {
		scheduler.Source
		Observe(scheduler.Window, int, time.Duration, ...ticket.Ticket) error
		Stats() scheduler.Stats
	}{set.Key("b"), single} {
		one := take(s)
		s.Observe(l.Windows[0], 50, time.Second)
		one.Release()
		for range 10 {
			take(s).Release()
		}
		s.Observe(l.Windows[0], 5, time.Second)
		left = append(left, s.Stats().Windows[0].Remaining)
	}
	if left[0] != left[1] || left[1] != 5 {
		t.Errorf("of a key that was first %d remain, of a scheduler %d; want 5", left[0], left[1])
	}
}
