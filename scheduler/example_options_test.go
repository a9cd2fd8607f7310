package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
)

// A test moves a mock clock on instead of waiting.
func ExampleWithClock() {
	mock := clock.NewMock()
	s, err := scheduler.New(
		scheduler.Limits{Windows: []scheduler.Window{scheduler.PerHour(1)}},
		scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	for range 3 {
		_, ok := s.TryAcquire()
		fmt.Println(ok)
		mock.Add(30 * time.Minute)
	}
	// Output:
	// true
	// false
	// true
}

func ExampleWithMaxQueue() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1}, scheduler.WithMaxQueue(1))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	for range 3 {
		t, err := s.Enqueue(1)
		fmt.Println(t.Number(), err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 0 scheduler: the line is full: at most 1 may wait; come back later, or allow more with WithMaxQueue
}

func ExampleNonBlocking() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1}, scheduler.NonBlocking())
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	ctx := context.Background()
	err = s.Do(ctx, func(ctx context.Context) error {
		_, err := s.Acquire(ctx) // Do holds the only permit
		return err
	})
	fmt.Println(errors.Is(err, scheduler.ErrNoPermit))
	// Output: true
}
