package timeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/timeline"
)

// A picture of some work.
func Example() {
	s, err := scheduler.New(scheduler.MustParseLimits("100/s burst 3"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	recording, err := timeline.Record(s)
	if err != nil {
		log.Fatal(err)
	}
	defer recording.Stop()

	g, _ := s.Group(context.Background())
	for range 10 {
		g.Go(func() error {
			time.Sleep(time.Millisecond) // the work
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		log.Fatal(err)
	}

	file := filepath.Join(os.TempDir(), "flowguard-example.svg")
	f, err := os.Create(file)
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(file)
	if err := errors.Join(recording.SVG(f), f.Close()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("lost", recording.Missed(), "events")
	// Output: lost 0 events
}

// play makes two grants in simulated time and returns the events.
func play() (scheduler.Limits, []scheduler.Event) {
	limits := scheduler.MustParseLimits("1/s")
	mock := clock.NewMock()
	var events scheduler.EventLog
	s, err := scheduler.New(limits, scheduler.WithClock(mock), &events)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	for range 2 {
		if _, err := s.Enqueue(1); err != nil {
			log.Fatal(err)
		}
	}
	mock.Set(mock.Now().Add(time.Second))
	s.Stats() // the second grant has been made
	return limits, events.Events()
}

// about returns the description of a picture, which says in words what it shows.
func about(svg string) string {
	_, svg, _ = strings.Cut(svg, "<desc")
	_, svg, _ = strings.Cut(svg, ">")
	svg, _, _ = strings.Cut(svg, "<")
	return svg
}

// An EventLog misses nothing, so that a test's picture is the same every time.
func ExampleNew() {
	limits, events := play()
	var svg bytes.Buffer
	if err := timeline.New(limits, slices.Values(events)).SVG(&svg); err != nil {
		log.Fatal(err)
	}
	fmt.Println(about(svg.String()))
	// Output: 2 tickets in 1s: 2 granted. Wait: median 1s, longest 1s. held at once: peak 2. 1/s: peak 1 of 1, full 100 % of the time.
}

// A picture for a dark slide, of a part of the run, with a note.
func ExampleTimeline_SVG() {
	limits, events := play()
	began := events[0].At
	var svg bytes.Buffer
	err := timeline.New(limits, slices.Values(events)).SVG(&svg,
		timeline.Title("What happened at half past"),
		timeline.Width(1280),
		timeline.Dark,
		timeline.Between(began, began.Add(500*time.Millisecond)),
		timeline.Mark(began.Add(200*time.Millisecond), began.Add(300*time.Millisecond), "here"),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(about(svg.String()))
	// Output: 2 tickets in 500ms: 2 granted. Wait: median 1s, longest 1s. held at once: peak 1. 1/s: peak 1 of 1, full 100 % of the time.
}

func ExampleColors() {
	fmt.Println(timeline.Auto, timeline.Light, timeline.Dark)
	// Output: auto light dark
}
