package scheduler

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/flowguard-go/flowguard/internal/settings"
	"github.com/flowguard-go/flowguard/ticket"
)

// EventKind says what an [Event] tells.
type EventKind uint8

// What a [Watcher] hears of. Every ticket that is accepted is enqueued, and granted in the same instant
// if it need not wait.
const (
	EventEnqueued = EventKind(settings.Enqueued) // a ticket was accepted
	EventGranted  = EventKind(settings.Granted)  // and granted, after Wait
	EventReleased = EventKind(settings.Released) // and its permits were given back
	EventGivenUp  = EventKind(settings.GivenUp)  // it left the line without a grant; Err says why
	EventUndone   = EventKind(settings.Undone)   // its grant was taken back: its caller had gone
)

const (
	EventRefused  EventKind = iota + EventUndone + 1 // a ticket was not accepted, Err says why; it has no number
	EventPaused                                      // until Until; zero: until somebody resumes
	EventResumed                                     // by Resume. A pause that ends by itself is no event
	EventLimits                                      // SetLimits; Limits are the new ones
	EventCharged                                     // Weight permits of Window were used elsewhere
	EventRestored                                    // a snapshot was charged to the windows
)

var eventKinds = []string{"enqueued", "granted", "released", "given up", "undone", "refused", "paused", "resumed", "limits", "charged", "restored"}

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
	Weight int           // of a ticket, or charged
	Flow   string        // the key of the ticket's flow, "" if it names none
	Wait   time.Duration // how long the ticket waited for its grant
	Err    error         // why it was refused, or what it was told when it was given up
	Until  time.Time     // when a pause ends by itself
	Window Window        // what was charged
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
	s    *Scheduler
	feed *feed
}

// feed is the owner's side of a Watcher. It does not lead to the scheduler, which could otherwise never
// be forgotten.
type feed struct {
	events chan Event
	lost   uint64        // since the last event that was sent; the owner's
	missed atomic.Uint64 // in all
}

// Watch subscribes to all that happens from now on. The channel of events has room for the given
// number, at least 1, and the scheduler never waits for a reader: while there is no room events are
// lost, counted, and the next event that is received says how many there were.
//
// What is refused before it reaches the scheduler, such as an Acquire with a context that is done, is
// no event. It returns an [*InvalidError], or [ErrClosed].
//
// Nobody who does not watch pays for it. With a watcher, each event costs about as much as sending it
// over a channel, until Stop: one that is dropped without it goes on missing events for as long as the
// scheduler lives.
func (s *Scheduler) Watch(room int) (*Watcher, error) {
	if room < 1 {
		return nil, &InvalidError{"the room of Watch", room, "1 or more"}
	}
	w := &Watcher{s: s, feed: &feed{events: make(chan Event, room)}}
	if err := s.tell(message{verb: watch, feed: w.feed}); err != nil {
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
func (w *Watcher) Stop() { w.s.ask(message{verb: unwatch, feed: w.feed}) }

// send never blocks.
func (f *feed) send(e Event) {
	e.Missed, e.Limits = f.lost, e.Limits.clone() // readers may do with it what they like
	select {
	case f.events <- e:
		f.lost = 0
	default:
		f.lost++
		f.missed.Add(1)
	}
}

// observe begins or ends a subscription.
func (o *owner) observe(c *core, m *message) {
	switch i := slices.Index(c.feeds, m.feed); {
	case m.verb == watch:
		c.feeds = append(c.feeds, m.feed)
	case i >= 0:
		c.feeds = slices.Delete(c.feeds, i, i+1)
		close(m.feed.events)
	}
	c.noted = o.journal != nil || len(c.feeds) > 0
	o.answer(m, answer{})
}

// accepted notes that a ticket was accepted, or if there is an error, refused.
func (b *mailbox) accepted(c *core, p *ticket.Place, r request, err error) {
	switch {
	case !c.noted:
	case err == nil:
		b.note(c, EventEnqueued, p, r.flow, nil)
	default:
		b.noteRefusal(c, r, err)
	}
}

// The three that follow are not inlined, or their events would be on the stack of every call that waits
// and make it twice as large.

//go:noinline
func (b *mailbox) noteRefusal(c *core, r request, err error) {
	b.emit(c, Event{Kind: EventRefused, Weight: r.weight, Flow: r.flow.Name(), Err: err})
}

//go:noinline
func (b *mailbox) noteGrant(c *core, p *ticket.Place, f *ticket.Flow, wait time.Duration) {
	b.emit(c, Event{Kind: EventGranted, Number: p.Number, Weight: p.Weight, Flow: f.Name(), Wait: wait})
}

// note tells what happened to the ticket at p.
//
//go:noinline
func (b *mailbox) note(c *core, what EventKind, p *ticket.Place, f *ticket.Flow, err error) {
	b.emit(c, Event{Kind: what, Number: p.Number, Weight: p.Weight, Flow: f.Name(), Err: err})
}

// emit tells all who watch, and the journal. Where every call passes, c.noted is looked at first, so
// that nobody who does not watch pays for it.
func (b *mailbox) emit(c *core, e Event) {
	e.At = b.time(c.now)
	if b.journal != nil && e.Number > 0 {
		b.journal.Write(settings.Entry{
			Kind: settings.Kind(e.Kind), Number: uint64(e.Number), Weight: e.Weight, Flow: e.Flow, At: e.At,
		})
	}
	for _, f := range c.feeds {
		f.send(e)
	}
}
