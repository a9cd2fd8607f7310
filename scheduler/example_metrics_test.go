package scheduler_test

import (
	"context"
	"expvar"
	"fmt"
	"log"
	"log/slog"
	"os"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
)

// Package expvar shows Stats at /debug/vars.
func ExampleStats_expvar() {
	s, err := scheduler.New(scheduler.MustParseLimits("3/h burst 2"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	expvar.Publish("github", expvar.Func(func() any { return s.Stats() }))

	s.TryAcquire()
	fmt.Println(s.Stats().Totals.Enqueued, "ticket so far")
	// Output: 1 ticket so far
}

// What was refused, and how long the others waited.
func ExampleTotals() {
	mock := clock.NewMock()
	s, err := scheduler.New(scheduler.MustParseLimits("1/s"), scheduler.WithClock(mock), scheduler.WithMaxQueue(1))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	for range 3 {
		s.Enqueue(1) // granted, waits, refused
	}
	mock.Add(time.Second)

	t := s.Stats().Totals
	fmt.Println(t.Enqueued, "accepted, waited for", t.Waited, "seconds in all")
	for reason, n := range t.Refused.All() {
		if n > 0 {
			fmt.Println(n, "refused:", reason)
		}
	}
	for i, n := range t.Waits {
		if n > 0 {
			fmt.Println(n, "waited less than", time.Duration(1)<<i)
		}
	}
	// Output:
	// 2 accepted, waited for 1 seconds in all
	// 1 refused: queue_full
	// 1 waited less than 1ns
	// 1 waited less than 1.073741824s
}

// A watcher writes a log line for each event.
func ExampleEvent_LogValue() {
	mock := clock.NewMock()
	s, err := scheduler.New(scheduler.MustParseLimits("1/s"), scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	w, err := s.Watch(100)
	if err != nil {
		log.Fatal(err)
	}
	if t, err := s.Flow("search", 1).Acquire(context.Background()); err == nil {
		t.Release()
	}
	s.TryAcquire()
	s.Close()

	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "at" { // times differ from run to run
				return slog.Attr{}
			}
			return a
		},
	}))
	for e := range w.Events() {
		logger.Info("limits", "event", e)
	}
	// Output:
	// level=INFO msg=limits event.kind=enqueued event.ticket=1 event.flow=search event.weight=1
	// level=INFO msg=limits event.kind=granted event.ticket=1 event.flow=search event.weight=1 event.wait=0s
	// level=INFO msg=limits event.kind=released event.ticket=1 event.flow=search event.weight=1
	// level=INFO msg=limits event.kind=refused event.weight=1 event.error="scheduler: no permit is free now"
}
