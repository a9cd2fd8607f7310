package scheduler_test

import (
	"context"
	"fmt"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
)

// Code that is limited by rate alone has nothing to release.
func ExampleScheduler_Wait() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(100)}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	for i := range 3 {
		if err := s.Wait(context.Background()); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("event", i)
	}
	// Output:
	// event 0
	// event 1
	// event 2
}

// A line of n bytes takes n permits.
func ExampleScheduler_WaitN() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(10)}},
		scheduler.WithClock(clock.NewMock()), scheduler.NonBlocking())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	for _, line := range []string{"hello", "world", "!"} {
		if err := s.WaitN(context.Background(), len(line)); err != nil {
			fmt.Println(scheduler.RetryAfter(err))
			return
		}
		fmt.Println(line)
	}
	// Output:
	// hello
	// world
	// 1s true
}

// A handle waits as its scheduler does.
func ExampleHandle_Wait() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(1)}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	h := s.Handle()
	fmt.Println(h.Wait(ctx))
	fmt.Println(h.WaitN(ctx, 1) != nil)
	// Output:
	// <nil>
	// true
}
