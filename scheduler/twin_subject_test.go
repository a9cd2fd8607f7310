package scheduler

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/ticket"
)

// subject is the inside of a scheduler without its goroutine. The methods of subject, and those of
// twinTicket below, are all that the twin knows of it.
type subject struct {
	*parts
	clock subjectClock
	feed  *feed // to the twin; nil if it does not watch
	lends bool  // callers do for themselves what they can
}

// subjectClock shows what the subject was last told.
type subjectClock struct {
	epoch time.Time // moment 0
	at    moment
}

// twinEpoch is when a twin begins. It is a day before clocks are set to summer time in Berlin, and at
// midnight in UTC.
var twinEpoch = time.Date(2026, time.March, 28, 0, 0, 0, 0, time.UTC)

func (c *subjectClock) Now() time.Time                  { return c.epoch.Add(time.Duration(c.at)) }
func (c *subjectClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }
func (c *subjectClock) AfterFunc(d time.Duration, f func()) *clock.Timer {
	return clock.NewMock().AfterFunc(d, f)
}

func newSubject(l Limits, epoch time.Time, maxQueue int, nonBlocking, lends bool) *subject {
	s := &subject{lends: lends, clock: subjectClock{epoch: epoch}}
	s.parts = newParts(l, &s.clock)
	s.state.core.maxQueue, s.state.core.nonBlocking = maxQueue, nonBlocking
	s.state.core.totals.holds = maxQueue%2 == 0 // either way with and without watchers
	return s
}

// send applies a message and returns the error that it is answered with, if it is.
func (s *subject) send(m message) error {
	s.state.looks = perTurn // a turn for each
	var a answer
	later := s.state.apply(&m, &a)
	if later {
		panic("a few tickets are more than a turn's work")
	}
	return a.err
}

// shown returns what the clock shows at the instant t. It may be behind.
func (s *subject) shown(t moment) moment {
	if t == never {
		return never
	}
	return t - (s.state.core.now - s.clock.at)
}

func (s *subject) resume() { s.send(message{verb: verbResume}) }
func (s *subject) drain()  { s.send(message{verb: verbDrain}) }
func (s *subject) configure(l Limits) {
	s.send(message{verb: verbConfigure, change: &change{limits: &l}})
}

func (s *subject) endContext(c *sharedContext) {
	s.send(message{verb: verbContextEnded, context: c, err: errGivenUp})
}

func (s *subject) pause(until moment) error {
	return s.send(message{verb: verbPause, change: &change{until: s.shown(until)}})
}

func (s *subject) charge(w Window, n int) error {
	return s.send(message{verb: verbCharge, request: request{weight: n}, change: &change{window: w}})
}

// observe tells the subject what the server said when it answered a ticket, if t is not nil.
func (s *subject) observe(w Window, left int, until moment, t *twinTicket) error {
	m := message{verb: verbObserve, request: request{weight: left}, change: &change{window: w, until: s.shown(until)}}
	if t != nil {
		m.place, m.number = t.place, t.number
	}
	return s.send(m)
}

// settle says what the work of a ticket cost, by borrowing or by a message.
func (s *subject) settle(t *twinTicket, costs []ticket.Cost) (err error) {
	list := line.ListOf(costs)
	defer list.Recycle()
	if !s.borrows() {
		return s.send(message{verb: verbSettle, place: t.place, number: t.number, request: request{flow: t.flow, costs: list}})
	}
	left := s.borrow(func(h *Handle) {
		h.flow = t.flow
		err = (*desk)(h).Settle(t.place, t.number, list)
	})
	return cmp.Or(left, err)
}

// borrow lends the state out for a moment. The borrower must leave no ticket in line that fits.
func (s *subject) borrow(do func(*Handle)) error {
	s.lend(do)
	if p, _, _ := s.state.core.next(); p != nil {
		return fmt.Errorf("ticket %d fits and was left standing", p.Number)
	}
	return nil
}

// borrows reports whether callers borrow the state before they send a message.
func (s *subject) borrows() bool { return s.lends && !s.state.core.draining }

// take asks for a ticket, by borrowing or by a message, and returns why it was refused. The context of the
// caller ends with done.
func (s *subject) take(t *twinTicket, weight int, costs []ticket.Cost, deadline moment, done <-chan struct{}) (err error) {
	list := line.ListOf(costs)
	defer list.Recycle()
	r := request{weight: weight, deadline: s.shown(deadline), flow: t.flow, costs: list}
	m := message{verb: t.verb, place: t.place, request: r}
	if !s.borrows() {
		if err = s.send(m); t.verb != verbEnqueue && t.verb != verbAllow && t.place.State == line.Idle {
			return t.answer()
		}
		return err
	}
	left := s.borrow(func(h *Handle) {
		h.flow = t.flow
		switch t.verb {
		case verbAcquire:
			p, how, refusal := h.acquireNow(&r, done)
			if err = refusal; p != nil {
				t.place, t.ready = p, p.Ready
			}
			if how == outcomeWatched {
				t.with = s.sharedContext()
			}
			t.told = how == outcomeGranted
		case verbTry, verbNow:
			t.place, _, err = h.tryNow(t.verb.call(), &r)
			t.told = true
		case verbAllow:
			if passed, _ := h.passNow(&r, true); !passed {
				err = ErrNoPermit // borrows says that the scheduler takes newcomers
			}
		case verbEnqueue:
			a, _ := h.ask(&m)
			err = a.err
		}
	})
	if left != nil {
		return left
	}
	return err
}

// end releases, cancels or withdraws a ticket, by borrowing or by a message.
func (s *subject) end(v verb, t *twinTicket) error {
	m := message{verb: v, place: t.place, number: t.number, err: errGivenUp, request: request{flow: t.flow}}
	if !s.borrows() {
		return s.send(m)
	}
	return s.borrow(func(h *Handle) {
		h.flow = t.flow
		if v == verbRelease {
			h.releaseNow(t.place, t.number)
		} else {
			h.ask(&m)
		}
	})
}

// share makes the context that ends with done the shared one, if it can be.
func (s *subject) share(done <-chan struct{}) {
	s.state.contexts.install(&sharedContext{done: done})
}

func (s *subject) moveTo(at moment) {
	s.clock.at = at
	if s.state.core.advance(at) {
		return
	}
	if p, _ := s.state.core.line.First(); p != nil && s.state.core.fitsAt(p) {
		panic("there is room that advance did not tell of")
	}
}

func (s *subject) grant() { s.state.grant() }

// watch makes events return what the subject notes from now on.
func (s *subject) watch() {
	s.feed = &feed{events: make(chan Event, 50)}
	s.send(message{verb: verbWatch, change: &change{feed: s.feed}})
}

func (s *subject) events() (events []Event) {
	if s.feed == nil {
		return nil
	}
	for range len(s.feed.events) {
		events = append(events, <-s.feed.events)
	}
	return events
}

// restarted returns a new subject that began so much earlier than this one, and when its program had been down
// for a while has restored a snapshot of it that went through JSON. It also returns the JSON.
func (s *subject) restarted(began, down moment) (*subject, []byte, error) {
	epoch := s.clock.epoch
	text, err := json.Marshal(s.state.core.snapshot(epoch))
	if err != nil {
		return nil, nil, err
	}
	var snap Snapshot
	if err := json.Unmarshal(text, &snap); err != nil {
		return nil, nil, err
	}
	if err := snap.damage(); err != nil {
		return nil, nil, err
	}
	epoch = epoch.Add(-time.Duration(began))
	restored := newSubject(s.state.core.limits, epoch, s.state.core.maxQueue, s.state.core.nonBlocking, s.lends)
	restored.moveTo(s.state.core.now + began + down)
	restored.state.core.restore(&snap, epoch)
	return restored, text, nil
}

func (s *subject) now() moment         { return s.state.core.now }
func (s *subject) stats() Stats        { return s.state.stats() }
func (s *subject) holds() bool         { return s.state.core.totals.holds }
func (s *subject) finished() bool      { return s.state.core.finished() }
func (s *subject) used(window int) int { return s.state.core.windows[window].used() }
func (s *subject) remaining(window int) int {
	return s.state.core.windows[window].remaining(s.state.core.now)
}
func (s *subject) pausedUntil() moment           { return s.state.core.pause.until }
func (s *subject) sharedContext() *sharedContext { return s.state.contexts.current }
func (s *subject) marked() int                   { return s.state.contexts.waiting }

func (s *subject) wait(weight int, costs []ticket.Cost, f line.Flow) time.Duration {
	list := line.ListOf(costs)
	defer list.Recycle()
	return s.state.core.wait(&request{weight: weight, deadline: never, flow: &f, costs: list})
}

// stateOf returns the state of a ticket. Its place may serve another by now.
func (t *twinTicket) stateOf() line.State {
	if t.place.Number != t.number {
		return line.Idle
	}
	return t.place.State
}

// answer returns what the ticket was told.
func (t *twinTicket) answer() error {
	select {
	case err := <-t.ready():
		return err
	default:
		return errors.New("nothing")
	}
}
