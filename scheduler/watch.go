package scheduler

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/ticket"
)

// EventKind says what an [Event] tells.
type EventKind uint8

// What a [Watcher] hears of. Every ticket that is accepted is enqueued, and granted in the same instant
// if it need not wait.
const (
	EventEnqueued EventKind = iota // a ticket was accepted
	EventGranted                   // and granted, after Wait
	EventReleased                  // and its permits were given back
	EventGivenUp                   // it left the line without a grant; Err is what its caller was told
	EventUndone                    // its grant was taken back: its caller had gone
	EventRefused                   // a ticket was not accepted, Err says why; it has no number
	EventPaused                    // until Until; zero: until Resume
	EventResumed                   // by Resume. A pause that ends by itself is no event
	EventLimits                    // SetLimits; Limits are the new ones
	EventCharged                   // Weight permits of Window were used elsewhere
	EventRestored                  // a snapshot was charged to the windows
	EventObserved                  // the far side grants at most Weight more permits of Window until Until
)

var eventKinds = []string{"enqueued", "granted", "released", "given up", "undone", "refused", "paused", "resumed", "limits", "charged", "restored", "observed"}

// String returns a word or two, such as "granted" or "given up".
func (k EventKind) String() string {
	if int(k) < len(eventKinds) {
		return eventKinds[k]
	}
	return fmt.Sprintf("EventKind(%d)", uint8(k))
}

// Event is one thing that happened. Which of the fields are set depends on its kind.
type Event struct {
	Kind   EventKind
	At     time.Time     // when it was decided, by the scheduler's clock
	Missed uint64        // how many events were lost between the one received before and this one
	Number ticket.Number // of a ticket that was accepted
	Weight int           // of a ticket, charged, or left
	Flow   string        // the key of the ticket's flow, "" if it names none
	Wait   time.Duration // how long the ticket waited for its grant
	Err    error         // why it was refused, or what it was told when it was given up
	Until  time.Time     // when a pause ends by itself, or an observation
	Window Window        // what was charged or observed
	Limits Limits        // the new ones
}

// String says in a line what happened, such as "ticket 7 granted after 2s".
func (e Event) String() string {
	who := "scheduler"
	switch {
	case e.Number > 0:
		who = fmt.Sprintf("ticket %d", e.Number)
	case e.Kind == EventRefused:
		who = fmt.Sprintf("ticket of weight %d", e.Weight)
	}
	if e.Flow != "" {
		who += fmt.Sprintf(" of %q", e.Flow)
	}
	text := who + " " + e.Kind.String()
	switch {
	case e.Kind == EventGranted:
		text += fmt.Sprintf(" after %v", e.Wait)
	case e.Kind == EventCharged:
		text += fmt.Sprintf(" %d to %v", e.Weight, e.Window)
	case e.Kind == EventObserved:
		text += fmt.Sprintf(" %d left of %v for %v", e.Weight, e.Window, e.Until.Sub(e.At))
	case e.Kind == EventPaused && !e.Until.IsZero():
		text += fmt.Sprintf(" for %v", e.Until.Sub(e.At))
	case e.Kind == EventLimits:
		text += fmt.Sprintf(": %v", e.Limits)
	case e.Err != nil:
		text += fmt.Sprintf(": %v", e.Err)
	}
	return text
}

// Watcher hears what happens in a scheduler. [Scheduler.Watch] makes one; all methods may be called
// from any goroutine.
type Watcher struct {
	h    *Handle
	feed *feed
}

// maxRoom is how many events a Watcher can hold: some 22 MiB.
const maxRoom = 131_072

// Watch subscribes to all that happens from now on. The channel of events has room for the given
// number, 1 to 131,072, and the scheduler never waits for a reader: while there is no room events are
// lost, counted, and the next event that is received says how many there were. The room takes about 170
// bytes for each event at once.
//
// What is refused before it reaches the scheduler, such as an Acquire with a context that is done, is
// no event. It returns an [*InvalidError], or [ErrClosed].
//
// It costs nothing unless somebody watches. With a watcher, each event costs about as much as sending it
// over a channel, until Stop: one that is dropped without it goes on missing events for as long as the
// scheduler lives.
func (s *Scheduler) Watch(room int) (*Watcher, error) {
	if room < 1 || room > maxRoom {
		return nil, &InvalidError{"the room of Watch", room, "from 1 to 131,072"}
	}
	w := &Watcher{h: &s.handle, feed: &feed{events: make(chan Event, room)}}
	if err := s.change(verbWatch, change{feed: w.feed}); err != nil {
		return nil, err
	}
	return w, nil
}

// Events returns the channel of events, always the same. It is closed after Stop, and when the
// scheduler has ended; what was sent before can still be received.
func (w *Watcher) Events() <-chan Event { return w.feed.events }

// Missed returns how many events were lost in all, those included that no later event has told of.
func (w *Watcher) Missed() uint64 { return w.feed.missed.Load() }

// Stop ends the subscription. Stopping again, or after Close, does nothing.
func (w *Watcher) Stop() { w.h.ask(&message{verb: verbUnwatch, change: &change{feed: w.feed}}) }

// EventLog is an [Option] that keeps every event of a scheduler, for tests: it grows without bound. It
// misses none, beginning with New. Package schedulertest makes a record of tickets of it. An EventLog
// serves one scheduler. The zero EventLog is ready for use; its methods may be called from any goroutine.
type EventLog struct {
	serves atomic.Bool
	mu     sync.Mutex
	events []Event
}

// Events returns what has happened so far. The caller must not change the events.
func (l *EventLog) Events() []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events[:len(l.events):len(l.events)]
}

func (l *EventLog) apply(cfg *config) error {
	if l.serves.Swap(true) {
		return &InvalidError{"an EventLog", "one that serves another scheduler", "new"}
	}
	cfg.logs = append(cfg.logs, l)
	return nil
}

// subscriber hears of every event, from the holder of the state: its methods must return at once.
type subscriber interface {
	send(e Event)
	end() // there are no more
}

// feed is the scheduler's side of a Watcher. It does not lead to the scheduler, which could otherwise
// never be forgotten.
type feed struct {
	events chan Event
	lost   uint64        // since the last event that was sent; only the holder of the state touches it
	missed atomic.Uint64 // in all
}

func (f *feed) send(e Event) {
	e.Missed = f.lost
	select {
	case f.events <- e:
		f.lost = 0
	default:
		f.lost++
		f.missed.Add(1)
	}
}

func (f *feed) end() { close(f.events) }

func (l *EventLog) send(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

func (l *EventLog) end() {}

// subscribe begins a subscription.
func (st *state) subscribe(s subscriber) {
	st.feeds = append(st.feeds, s)
	st.watched = true
}

// unsubscribe ends a subscription, if it has not ended.
func (st *state) unsubscribe(s subscriber) {
	if i := slices.Index(st.feeds, s); i >= 0 {
		st.feeds = slices.Delete(st.feeds, i, i+1)
		s.end()
	}
	st.watched = len(st.feeds) > 0
}

// The three that follow are not inlined, or their events would be on the stack of every call that waits
// and make it twice as large.

//go:noinline
func (st *state) noteRefusal(r *request, err error) {
	st.emit(Event{Kind: EventRefused, Weight: r.weight, Flow: r.flow.Name(), Err: err})
}

//go:noinline
func (st *state) noteGrant(p *line.Place, f *line.Flow, wait time.Duration) {
	st.emit(Event{Kind: EventGranted, Number: ticket.Number(p.Number), Weight: p.Weight, Flow: f.Name(), Wait: wait})
}

// noteAtOnce tells of a ticket that was granted as it came.
func (st *state) noteAtOnce(p *line.Place, r *request) {
	st.note(EventEnqueued, p, r.flow, nil)
	st.note(EventGranted, p, r.flow, nil)
}

// note tells what happened to the ticket at p.
//
//go:noinline
func (st *state) note(what EventKind, p *line.Place, f *line.Flow, err error) {
	if st.watched {
		st.emit(Event{Kind: what, Number: ticket.Number(p.Number), Weight: p.Weight, Flow: f.Name(), Err: err})
	}
}

// emit tells all who watch.
func (st *state) emit(e Event) {
	if !st.watched {
		return
	}
	e.At = st.timeOf(st.core.now)
	for _, f := range st.feeds {
		e := e
		e.Limits = e.Limits.clone() // readers may do with it what they like
		f.send(e)
	}
}
