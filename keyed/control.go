package keyed

import (
	"time"

	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// SetLimits replaces the limits of a key, as [scheduler.Scheduler.SetLimits] does, also for waiting tickets.
// They stay until SetLimits is called again. The set does not forget a key whose limits differ from those that
// the function of [New] returned for it. To let it be forgotten, set those limits again.
func (s *Set[K]) SetLimits(k K, l scheduler.Limits) error {
	if s.quotas != nil {
		return notShared("SetLimits")
	}
	if err := l.Validate(); err != nil {
		return err
	}
	more, err := s.change(k, message[K]{verb: verbConfigure, change: &change[K]{limits: &l}})
	for more && err == nil {
		more, err = s.change(k, message[K]{verb: verbGoOn, change: &change[K]{}})
	}
	return err
}

// Pause stops all grants of a key until [Set.Resume]. Until then the key is not forgotten. See
// [scheduler.Scheduler.Pause].
func (s *Set[K]) Pause(k K) error { return s.pause(k, inside.Never) }

// PauseUntil stops all grants of a key before the instant t. See [scheduler.Scheduler.PauseUntil].
func (s *Set[K]) PauseUntil(k K, t time.Time) error { return s.pause(k, s.boxes[0].MomentOf(t)) }

// PauseFor is [Set.PauseUntil] for the instant d from now.
func (s *Set[K]) PauseFor(k K, d time.Duration) error { return s.pause(k, s.boxes[0].MomentIn(d)) }

func (s *Set[K]) pause(k K, until int64) error {
	return s.tell(k, message[K]{verb: verbPause, change: &change[K]{until: until}})
}

// Resume ends every pause of a key.
func (s *Set[K]) Resume(k K) error {
	return s.tell(k, message[K]{verb: verbResume, change: &change[K]{}})
}

// Charge tells the set that n permits of a window of the key were used elsewhere. See
// [scheduler.Scheduler.Charge].
func (s *Set[K]) Charge(k K, w scheduler.Window, n int) error {
	return s.tell(k, message[K]{verb: verbCharge, request: inside.Request{Weight: n}, change: &change[K]{window: w}})
}

// Observe tells the set what the server said of a window of the key: at most left more permits in the next d.
// Pass the ticket of the call that was answered as of, if you can. See [scheduler.Scheduler.Observe].
func (s *Set[K]) Observe(k K, w scheduler.Window, left int, d time.Duration, of ...ticket.Ticket) error {
	if len(of) > 1 {
		return invalid("the tickets of Observe", len(of), "at most one: that of the call that was answered")
	}
	b, _ := s.box(k)
	m := message[K]{verb: verbObserve, request: inside.Request{Weight: left}, change: &change[K]{window: w, until: b.MomentIn(d)}}
	for i := range of {
		t := (*line.Handle)(&of[i])
		if e, ok := t.Desk().(*entry[K]); ok && e.key == k && e.box == b {
			m.place, m.number = t.Place(), t.Number()
		}
	}
	return s.tell(k, m)
}

// tell sends the owner of a key a message that is answered with nothing but an error.
func (s *Set[K]) tell(k K, m message[K]) error {
	_, err := s.change(k, m)
	return err
}

// change sends the owner of a key a message that changes how the key works.
func (s *Set[K]) change(k K, m message[K]) (more bool, err error) {
	b, hash := s.box(k)
	m.hash, m.key = hash, k
	err = s.withLimits(k, func(l *scheduler.Limits) error {
		m := m
		m.limits = l
		a, ok := b.ask(&m)
		if !ok {
			return scheduler.ErrClosed
		}
		more = a.more
		return a.err
	})
	return more, err
}
