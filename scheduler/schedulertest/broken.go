package schedulertest

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
	"github.com/flowguard-go/flowguard/timeline"
)

// BrokenError is one promise that tickets break. [Check] returns several of them, joined. errors.As finds the
// first.
type BrokenError struct {
	Ticket   ticket.Number // whose grant breaks it
	Limit    string        // the limit that is broken; "" for a grant out of order or too late
	From, To time.Time     // when: of a window, the interval of its length that ends with the grant
	text     string
}

// Error says what is broken, by which ticket and when.
func (e *BrokenError) Error() string { return e.text }

// Verify checks the tickets of a Recorder as [Check] does. If a promise is broken, it calls tb.Errorf and
// leaves a picture of the interval in the folder of temporary files. The message says where. The picture is
// named after the test, and replaces that of the previous run.
func Verify(tb testing.TB, rec *Recorder, limits scheduler.Limits, late time.Duration) {
	tb.Helper()
	found := Check(limits, rec.Tickets(), late)
	if found == nil {
		return
	}
	file := filepath.Join(os.TempDir(), "flowguard-"+fileName(tb.Name())+".svg")
	if err := leavePicture(file, limits, rec.Events(), found); err != nil {
		tb.Errorf("%v\nthere is no picture of it: %v", found, err)
		return
	}
	tb.Errorf("%v\na picture of it: %s", found, file)
}

// fileName is the name of a test without what cannot be in the name of a file.
func fileName(test string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '-'
	}, test)
}

func leavePicture(file string, limits scheduler.Limits, events []scheduler.Event, found error) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(draw(f, limits, events, found), f.Close())
}

// Picture writes a picture of tickets, as package timeline draws it. found is an error of [Check]. The picture
// shows the first broken interval in red, and some time before and after. If found is nil, it shows all tickets.
//
// Tickets do not show pauses, refusals and new limits. For a picture with those, pass the Events of a
// [Recorder] to [timeline.New].
func Picture(w io.Writer, limits scheduler.Limits, tickets Tickets, found error) error {
	return draw(w, limits, tickets.events(), found)
}

func draw(w io.Writer, limits scheduler.Limits, events []scheduler.Event, found error) error {
	var opts []timeline.Option
	var broken *BrokenError
	if errors.As(found, &broken) && len(events) > 0 {
		from, to := broken.From, broken.To
		around := max(to.Sub(from), events[len(events)-1].At.Sub(events[0].At)/20, time.Millisecond)
		opts = append(opts,
			timeline.Title("Broken: "+broken.text),
			timeline.Mark(from, to, broken.Limit),
			timeline.Between(latest(from.Add(-around), events[0].At), to.Add(around)))
	}
	return timeline.New(limits, slices.Values(events)).SVG(w, opts...)
}

// events returns what happened to the tickets, in order.
func (tickets Tickets) events() []scheduler.Event {
	var events []scheduler.Event
	for _, t := range tickets {
		add := func(kind scheduler.EventKind, at time.Time) {
			if at.IsZero() {
				return
			}
			e := scheduler.Event{Kind: kind, At: at, Number: t.Number, Weight: t.Weight, Flow: t.Flow}
			if kind == scheduler.EventGranted {
				e.Wait = at.Sub(t.Enqueued)
			}
			events = append(events, e)
		}
		add(scheduler.EventEnqueued, t.Enqueued)
		add(scheduler.EventGranted, t.Granted)
		add(scheduler.EventReleased, t.Released)
		add(scheduler.EventGivenUp, t.GivenUp)
		add(scheduler.EventUndone, t.Undone)
	}
	slices.SortStableFunc(events, func(a, b scheduler.Event) int { return a.At.Compare(b.At) })
	return events
}
