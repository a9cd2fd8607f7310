package scheduler

import (
	"sync"
	"sync/atomic"
)

// Watcher hears what happens in a scheduler. [Scheduler.Watch] makes one; all methods may be called
// from any goroutine.
type Watcher struct {
	h    *Handle
	feed *feed
}

// maxRoom is how many events a Watcher can hold: some 22 MiB.
const maxRoom = 131_072

// Watch subscribes to all that happens from now on. The channel of events has room for the given number, 1 to
// 131,072. The scheduler never waits for a reader: if there is no room, an event is lost and counted, and
// the next event that is received says how many were lost. The room takes about 170 bytes for each event,
// at once.
//
// What is refused before it reaches the scheduler, such as an Acquire with a context that is done, is
// no event; Stats.Totals counts it. Watch returns an [*InvalidError], or [ErrClosed].
//
// It costs nothing unless somebody watches. With a watcher, each event costs about as much as sending it over a
// channel. Call Stop in the end: a watcher that is dropped without it goes on missing events for as long as
// the scheduler lives.
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

// Missed returns how many events were lost in all. It includes those that no later event has told of.
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
	cfg.subscribers = append(cfg.subscribers, l)
	return nil
}

func (l *EventLog) send(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

func (l *EventLog) end() {}
