package main

import (
	"bufio"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"time"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/plan"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
	"github.com/flowguard-go/flowguard/timeline"
)

// mostDrawn is how many tickets a picture has. With the drawing they take some 120 MB, however many lines there are; a few
// thousand of them fill a picture.
const mostDrawn = 200_000

// recordPicture begins to record what a scheduler does. It makes the file at once, so that a mistake in its name does
// not show at the end of a long run. Draw ends the recording and writes the file.
func recordPicture(s *scheduler.Scheduler, name string, opts ...timeline.Option) (draw func() error, err error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	t, err := timeline.RecordFirst(s, mostDrawn)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		t.Stop()
		return writePicture(f, t, opts...)
	}, nil
}

func writePicture(f *os.File, t *timeline.Timeline, opts ...timeline.Option) error {
	w := bufio.NewWriter(f)
	return errors.Join(t.SVG(w, opts...), w.Flush(), f.Close())
}

// drawPlan draws what a plan says. The jobs that begin first begin so long after start.
func drawPlan(name string, limits scheduler.Limits, work plan.Work, start time.Time, first []time.Duration) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	var opts []timeline.Option
	if work.Jobs > len(first) {
		opts = append(opts, timeline.Title(fmt.Sprintf("Limits %v: the first %d of %d jobs", limits, len(first), work.Jobs)))
	}
	return writePicture(f, timeline.New(limits, eventsOf(work, start, first)), opts...)
}

// eventsOf returns the events that a scheduler would have sent. All jobs come at the beginning, and each is
// granted and released when the plan says so.
func eventsOf(work plan.Work, start time.Time, began []time.Duration) iter.Seq[scheduler.Event] {
	return func(yield func(scheduler.Event) bool) {
		tell := func(kind scheduler.EventKind, job int, at time.Duration) bool {
			e := scheduler.Event{Kind: kind, Number: ticket.Number(job + 1), Weight: 1, Costs: work.Costs, At: start.Add(at)}
			if kind == scheduler.EventGranted {
				e.Wait = at
			}
			return yield(e)
		}
		for job := range began {
			if !tell(scheduler.EventEnqueued, job, 0) {
				return
			}
		}
		granted, released := 0, 0
		for released < len(began) {
			next := time.Duration(math.MaxInt64)
			if granted < len(began) {
				next = began[granted]
			}
			// At one instant, ends come before beginnings, except for a job that begins and ends at that instant.
			if released < granted && began[released]+work.Takes <= next {
				if !tell(scheduler.EventReleased, released, began[released]+work.Takes) {
					return
				}
				released++
				continue
			}
			if !tell(scheduler.EventGranted, granted, next) {
				return
			}
			granted++
		}
	}
}
