package ticket_test

import (
	"context"
	"fmt"
	"log"

	"github.com/flowguard-go/flowguard/scheduler"
)

func Example() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	t, err := s.Acquire(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer t.Release()
	fmt.Println("do the work of ticket", t.Number())
	// Output: do the work of ticket 1
}

// Grants follow ticket numbers, so a log of numbers shows the order in which permits were granted.
func ExampleTicket_Number() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	first, _ := s.TryAcquire()
	second, _ := s.TryAcquire()
	refused, _ := s.TryAcquire() // the zero Ticket
	fmt.Println(first.Number(), second.Number(), refused.Number())
	// Output: 1 2 0
}

func ExampleTicket_Weight() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 5})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	t, err := s.AcquireN(context.Background(), 3)
	if err != nil {
		log.Fatal(err)
	}
	defer t.Release()
	fmt.Println("holds", t.Weight(), "permits")
	// Output: holds 3 permits
}

func ExampleTicket_Ready() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	held, _ := s.TryAcquire()
	t, err := s.Enqueue(1)
	if err != nil {
		log.Fatal(err)
	}
	select {
	case <-t.Ready():
		fmt.Println("granted at once")
	default:
		fmt.Println("waiting")
	}
	held.Release()
	fmt.Println("granted:", <-t.Ready() == nil)
	t.Release()
	// Output:
	// waiting
	// granted: true
}

func ExampleTicket_Release() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	t, _ := s.TryAcquire()
	fmt.Println("in use", s.Stats().InUse)
	t.Release()
	t.Release() // harmless
	fmt.Println("in use", s.Stats().InUse)
	// Output:
	// in use 1
	// in use 0
}

// Cancel ends a ticket in whatever state it is, which makes it the call to defer after Enqueue.
func ExampleTicket_Cancel() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	held, _ := s.TryAcquire()
	t, err := s.Enqueue(1)
	if err != nil {
		log.Fatal(err)
	}
	t.Cancel()
	fmt.Println(<-t.Ready())

	next, err := s.Enqueue(1)
	if err != nil {
		log.Fatal(err)
	}
	defer next.Cancel()
	held.Release()
	fmt.Println("next granted:", <-next.Ready() == nil)
	// Output:
	// scheduler: the ticket was given up: context canceled
	// next granted: true
}
