package scheduler

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/flowguard-go/flowguard/ticket"
)

// EventKind says what happened.
type EventKind uint8

// These are the events that a [Watcher] receives. Every accepted ticket is enqueued. If it need not wait, it is
// granted in the same instant.
const (
	EventEnqueued  EventKind = iota // a ticket was accepted
	EventGranted                    // a ticket was granted, after Wait
	EventReleased                   // a ticket's permits were given back
	EventGivenUp                    // a ticket left the line without a grant; Err is what its caller was told
	EventUndone                     // a grant was taken back because the caller had given up
	EventRefused                    // a ticket was not accepted; Err says why; it has no number
	EventPaused                     // grants are paused until Until; if that is zero, until Resume
	EventResumed                    // Resume ended a pause; a pause that ends by itself is no event
	EventLimits                     // SetLimits replaced the limits; Limits are the new ones
	EventCharged                    // Charge said that Weight permits of Window were used elsewhere
	EventRestored                   // a snapshot was charged to the windows
	EventObserved                   // Observe said that at most Weight permits of Window are left until Until
	EventSettled                    // a ticket's costs were settled at Costs; see ticket.Ticket.Settle
	EventQuotaLost                  // the source of a shared quota cannot be reached; Err says why; see WithQuota
	EventQuotaBack                  // the source of a shared quota can be reached again
)

var eventKinds = []string{"enqueued", "granted", "released", "given up", "undone", "refused", "paused", "resumed", "limits", "charged", "restored", "observed", "settled", "quota lost", "quota back"}

// String returns a word or two, such as "granted" or "given up".
func (k EventKind) String() string {
	if int(k) < len(eventKinds) {
		return eventKinds[k]
	}
	return fmt.Sprintf("EventKind(%d)", uint8(k))
}

// Event is one thing that happened. Its kind says which fields are set.
type Event struct {
	Kind   EventKind
	At     time.Time     // when it was decided, by the scheduler's clock
	Missed uint64        // how many events were lost between the one received before and this one
	Number ticket.Number // of a ticket that was accepted
	Weight int           // of a ticket; or the permits that were charged, or are left
	Costs  []ticket.Cost // of a ticket, in the units that it named, in the order in which the limits named them first
	Flow   string        // the key of the ticket's flow, "" if it names none
	Share  int           // of a ticket that was enqueued: its share, which its flow has from then on
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
	case e.Kind == EventSettled:
		for i, c := range e.Costs {
			text += []string{" at ", ", "}[min(i, 1)] + c.String()
		}
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

// LogValue returns the event as a group of attributes for [log/slog]: its kind, when it was decided, and the
// other fields that are set, such as
//
//	event.kind=granted event.at=2026-01-02T15:04:05.000Z event.ticket=7 event.weight=1 event.wait=2s
//
// Durations and times keep their types, and costs are a group with a member for each unit.
func (e Event) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("kind", e.Kind.String()), slog.Time("at", e.At)}
	add := func(set bool, a slog.Attr) {
		if set {
			attrs = append(attrs, a)
		}
	}
	costs := make([]any, 0, len(e.Costs))
	for _, c := range e.Costs {
		costs = append(costs, slog.Int(c.Unit, c.Amount))
	}
	add(e.Number > 0, slog.Uint64("ticket", uint64(e.Number)))
	add(e.Flow != "", slog.String("flow", e.Flow))
	add(e.Share > 1, slog.Int("share", e.Share))
	add(e.Weight != 0 && e.Kind != EventObserved, slog.Int("weight", e.Weight))
	add(e.Kind == EventObserved, slog.Int("left", e.Weight))
	add(len(costs) > 0, slog.Group("costs", costs...))
	add(e.Kind == EventGranted, slog.Duration("wait", e.Wait))
	add(e.Window != Window{}, slog.String("window", e.Window.String()))
	add(e.Kind == EventLimits, slog.String("limits", e.Limits.String()))
	add(!e.Until.IsZero(), slog.Time("until", e.Until))
	add(e.Err != nil, slog.Any("error", e.Err))
	add(e.Missed > 0, slog.Uint64("missed", e.Missed))
	return slog.GroupValue(attrs...)
}
