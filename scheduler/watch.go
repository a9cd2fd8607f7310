package scheduler

import (
	"sync"
	"sync/atomic"
)

// Watcher receives the events of a scheduler. [Scheduler.Watch] makes one. All methods may be called from any
// goroutine.
type Watcher struct {
	h    *Handle
	feed *feed
}

// maxRoom is how many events a Watcher can hold: some 22 MiB.
const maxRoom = 131_072

// Watch subscribes to all events from now on. The channel of events has room for the given number, 1 to
// 131,072. The scheduler never waits for a reader. If the channel is full, an event is lost and counted, and
// the next event that is received says how many were lost. The channel takes about 170 bytes for each event of
// room from the beginning.
//
// A call that is refused before it reaches the scheduler makes no event, such as an Acquire whose context is
// done. Stats.Totals counts it. Watch returns an [*InvalidError] if room is out of range, and [ErrClosed] after
// Close.
//
// It costs nothing unless somebody watches. With a watcher, each event costs about as much as sending it over a
// channel. Call Stop in the end. Otherwise the scheduler goes on making events for the watcher until it is
// closed.
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

// Events returns the channel of events, always the same one. It is closed after Stop, and when the scheduler
// has ended. Events that were sent before can still be received.
func (w *Watcher) Events() <-chan Event { return w.feed.events }

// Missed returns how many events were lost in all, including those that no later event has reported.
func (w *Watcher) Missed() uint64 { return w.feed.missed.Load() }

// Stop ends the subscription. Stopping again, or after Close, does nothing.
func (w *Watcher) Stop() { w.h.ask(&message{verb: verbUnwatch, change: &change{feed: w.feed}}) }

// EventLog is an [Option] that keeps every event of a scheduler from New on. It is for tests, because it grows
// without bound. It misses no event. Package schedulertest turns it into a record of tickets. An EventLog
// serves one scheduler. The zero EventLog is ready for use. Its methods may be called from any goroutine.
type EventLog struct {
	serves atomic.Bool
	mu     sync.Mutex
	events []Event
}

// Events returns the events so far. The caller must not change them.
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
