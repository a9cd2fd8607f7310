package scheduler_test

import (
	"fmt"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
)

// A server whose limit is a rate alone serves a request or refuses it, and has nothing to release.
func ExampleScheduler_Allow() {
	mock := clock.NewMock()
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(2)}}, scheduler.WithClock(mock))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	for range 4 {
		fmt.Println(mock.Now().UTC().Format("05.0"), s.Allow())
		mock.Add(400 * time.Millisecond)
	}
	// Output:
	// 00.0 true
	// 00.4 true
	// 00.8 false
	// 01.2 true
}

// A log that writes at most 20 bytes a second leaves out the lines that would be too much.
func ExampleScheduler_AllowN() {
	const bytes scheduler.Unit = "bytes"
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(10), bytes.PerSecond(20)}},
		scheduler.WithClock(clock.NewMock()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	for _, line := range []string{"disk is full", "disk is full", "retrying"} {
		if s.AllowN(1, bytes.Of(len(line))) {
			fmt.Println(line)
		}
	}
	fmt.Println(s.Stats().Totals.Refused.NoPermit, "left out")
	// Output:
	// disk is full
	// retrying
	// 1 left out
}

// A handle allows what its scheduler allows.
func ExampleHandle_Allow() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerHour(3)}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	h := s.Handle()
	fmt.Println(h.Allow(), h.AllowN(2), h.Allow())
	// Output:
	// true true false
}
