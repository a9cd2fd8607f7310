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

func ExampleScheduler_WaitTime() {
	mock := clock.NewMock()
	s, err := scheduler.New(
		scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(1, 2*time.Second)}},
		scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	fmt.Println(s.WaitTime())
	s.TryAcquire()
	fmt.Println(s.WaitTime())
	mock.Add(1500 * time.Millisecond)
	fmt.Println(s.WaitTime())
	// Output:
	// 0s
	// 2s
	// 500ms
}

func ExampleScheduler_WaitTimeN() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerHour(5)}}, scheduler.WithClock(clock.NewMock()))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	s.TryAcquireN(3)
	fmt.Println("2 permits:", s.WaitTimeN(2))
	fmt.Println("4 permits:", s.WaitTimeN(4))
	// Output:
	// 2 permits: 0s
	// 4 permits: 1h0m0s
}

func ExampleScheduler_Stats() {
	mock := clock.NewMock()
	limits, err := scheduler.ParseLimits("2/s 100/min burst 3")
	if err != nil {
		log.Fatal(err)
	}
	s, err := scheduler.New(limits, scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	for range 3 {
		if _, err := s.Enqueue(1); err != nil {
			log.Fatal(err)
		}
	}
	stats := s.Stats()
	fmt.Println("granted", stats.Granted, "in use", stats.InUse, "waiting", stats.Waiting)
	fmt.Println("next grant in", stats.NextWake.Sub(mock.Now()))
	for _, w := range stats.Windows {
		fmt.Println(w.Window, "used", w.Used, "remaining", w.Remaining)
	}

	mock.Add(time.Second)
	fmt.Println("granted", s.Stats().Granted) // every grant that was due has been made
	// Output:
	// granted 2 in use 2 waiting 1
	// next grant in 1s
	// 2/s used 2 remaining 0
	// 100/min used 2 remaining 98
	// granted 3
}

func ExampleScheduler_Limits() {
	limits, err := scheduler.ParseLimits("5/s burst 3")
	if err != nil {
		log.Fatal(err)
	}
	s, err := scheduler.New(limits)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	workers := s.Limits().MaxBurst // more would only wait
	fmt.Println(workers, "workers under", s.Limits())
	// Output: 3 workers under 5/s burst 3
}

// Code that measures time beside a scheduler uses the same clock, so that a test moves both.
func ExampleScheduler_Clock() {
	mock := clock.NewMock()
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1}, scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	start := s.Clock().Now()
	mock.Add(time.Hour)
	fmt.Println(s.Clock().Now().Sub(start))
	// Output: 1h0m0s
}

func ExampleScheduler_Close() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	held, _ := s.TryAcquire()
	waiting, err := s.Enqueue(1)
	if err != nil {
		log.Fatal(err)
	}

	s.Close()
	fmt.Println(<-waiting.Ready())
	held.Release() // harmless
	_, err = s.Acquire(context.Background())
	fmt.Println(errors.Is(err, scheduler.ErrClosed))
	// Output:
	// scheduler: closed
	// true
}

// Drain serves the waiting tickets, and waits until all permits are released.
func ExampleScheduler_Drain() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close() // does nothing after a Drain that went well

	held, _ := s.TryAcquire()
	waiting, err := s.Enqueue(1)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		held.Release()
		fmt.Println("in line before the drain, refused:", <-waiting.Ready())
		waiting.Release()
	}()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fmt.Println("drained:", s.Drain(ctx))
	_, err = s.Acquire(ctx)
	fmt.Println("newcomer:", err)
	// Output:
	// in line before the drain, refused: <nil>
	// drained: <nil>
	// newcomer: scheduler: closed
}

// Give a handle to code that only needs permits. It can take permits, but not close or change the scheduler.
func ExampleScheduler_Handle() {
	s, err := scheduler.New(scheduler.MustParseLimits("2/h"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	work := func(h *scheduler.Handle) {
		err := h.Do(context.Background(), func(context.Context) error {
			fmt.Println("called")
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	work(s.Handle())
	work(s.Flow("tenant", 1).Handle())
	fmt.Println(s.Stats().Windows[0])
	// Output:
	// called
	// called
	// 2/h: 2 used, 0 remaining
}

func ExampleHandle_TryAcquire() {
	s, err := scheduler.New(scheduler.MustParseLimits("burst 1"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	h := s.Handle()
	t, ok := h.TryAcquire()
	fmt.Println("granted:", ok)
	_, ok = h.TryAcquire()
	fmt.Println("granted:", ok)
	t.Release()
	_, ok = h.TryAcquire()
	fmt.Println("granted:", ok)
	// Output:
	// granted: true
	// granted: false
	// granted: true
}
