package scheduler_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
)

func ExampleScheduler_Watch() {
	mock := clock.NewMock()
	s, err := scheduler.New(
		scheduler.Limits{Windows: []scheduler.Window{scheduler.PerMinute(1)}},
		scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	w, err := s.Watch(100)
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		if _, err := s.Enqueue(1); err != nil {
			log.Fatal(err)
		}
	}
	mock.Add(time.Minute)
	s.Close()
	for e := range w.Events() { // ends with the scheduler
		fmt.Println(e)
	}
	// Output:
	// ticket 1 enqueued
	// ticket 1 granted after 0s
	// ticket 2 enqueued
	// ticket 2 granted after 1m0s
}

// Events counts grants by tenant until the scheduler ends.
func ExampleWatcher_Events() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 9})
	if err != nil {
		log.Fatal(err)
	}
	w, err := s.Watch(100)
	if err != nil {
		log.Fatal(err)
	}
	for _, tenant := range []string{"a", "b", "a"} {
		s.Flow(tenant, 1).TryAcquire()
	}
	s.Close()
	granted := map[string]int{}
	for e := range w.Events() {
		if e.Kind == scheduler.EventGranted {
			granted[e.Flow] += e.Weight
		}
	}
	fmt.Println(granted)
	// Output: map[a:2 b:1]
}

// A reader that is too slow misses events. Missed counts them.
func ExampleWatcher_Missed() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	w, err := s.Watch(1)
	if err != nil {
		log.Fatal(err)
	}
	for range 10 {
		if t, ok := s.TryAcquire(); ok {
			t.Release()
		}
	}
	fmt.Println(<-w.Events())
	fmt.Println("missed", w.Missed())
	// Output:
	// ticket 1 enqueued
	// missed 29
}

func ExampleWatcher_Stop() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	w, err := s.Watch(1)
	if err != nil {
		log.Fatal(err)
	}
	w.Stop()
	_, open := <-w.Events()
	fmt.Println(open)
	// Output: false
}

func ExampleEvent_String() {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	fmt.Println(scheduler.Event{Kind: scheduler.EventGranted, Number: 7, Flow: "a tenant", Wait: 2 * time.Second})
	fmt.Println(scheduler.Event{Kind: scheduler.EventPaused, At: at, Until: at.Add(time.Minute)})
	// Output:
	// ticket 7 of "a tenant" granted after 2s
	// scheduler paused for 1m0s
}

func ExampleEventKind_String() {
	fmt.Println(scheduler.EventGivenUp)
	// Output: given up
}

// A test looks at everything that happened to the scheduler of the code it tests.
func ExampleEventLog() {
	var events scheduler.EventLog
	s, err := scheduler.New(scheduler.MustParseLimits("1/h"), &events, scheduler.NonBlocking(), scheduler.WithClock(clock.NewMock()))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	for range 2 {
		if t, err := s.Acquire(context.Background()); err == nil {
			t.Release()
		}
	}
	for _, e := range events.Events() {
		fmt.Println(e)
	}
	// Output:
	// ticket 1 enqueued
	// ticket 1 granted after 0s
	// ticket 1 released
	// ticket of weight 1 refused: scheduler: no permit is free now (limit 1/h); come back in 1h0m0s
}
