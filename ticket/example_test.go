package ticket_test

import (
	"context"
	"fmt"
	"log"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
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

// The rest of this file is for those who build a scheduler.

// A line gives numbers in the order of arrival. Whoever leaves it, wherever they stand, leaves the
// others as they were.
func ExampleLine() {
	var line ticket.Line
	a, b, c := ticket.NewPlace(), ticket.NewPlace(), ticket.NewPlace()
	line.Push(a, 1)
	line.Push(b, 2)
	line.Push(c, 1)
	line.Remove(b)

	fmt.Println(line.Len(), "in line, first is number", line.First().Number)
	for p := range line.All() {
		fmt.Println("number", p.Number, "weight", p.Weight)
	}
	// Output:
	// 2 in line, first is number 1
	// number 1 weight 1
	// number 3 weight 1
}

func ExampleLine_Len() {
	var line ticket.Line
	line.Push(ticket.NewPlace(), 1)
	fmt.Println(line.Len())
	// Output: 1
}

func ExampleLine_First() {
	var line ticket.Line
	fmt.Println(line.First() == nil)
	line.Push(ticket.NewPlace(), 4)
	fmt.Println(line.First().Weight)
	// Output:
	// true
	// 4
}

func ExampleLine_All() {
	var line ticket.Line
	line.Push(ticket.NewPlace(), 4)
	line.Push(ticket.NewPlace(), 5)
	total := 0
	for p := range line.All() {
		total += p.Weight
	}
	fmt.Println(total, "permits wanted")
	// Output: 9 permits wanted
}

func ExampleLine_Push() {
	var line ticket.Line
	p := ticket.NewPlace()
	line.Push(p, 1)
	fmt.Println(p.Number, p.State == ticket.Queued)
	// Output: 1 true
}

// A place that serves again gets a new number, which is how a ticket that is over is told from the
// one that follows it.
func ExampleLine_Remove() {
	var line ticket.Line
	p := ticket.NewPlace()
	line.Push(p, 1)
	line.Remove(p)
	line.Push(p, 1)
	fmt.Println(p.Number)
	// Output: 2
}

func ExampleNewPlace() {
	p := ticket.NewPlace()
	fmt.Println(p.State == ticket.Idle, p.Number)
	// Output: true 0
}

func ExamplePlace_Ready() {
	p := ticket.NewPlace()
	p.Tell(nil)
	fmt.Println(<-p.Ready())
	// Output: <nil>
}

func ExamplePlace_Tell() {
	p := ticket.NewPlace()
	p.Tell(context.Canceled) // does not block, whether or not anybody listens
	fmt.Println(<-p.Ready())
	// Output: context canceled
}

// What nobody has received yet can be taken back, and something else told in its place.
func ExamplePlace_TakeBack() {
	p := ticket.NewPlace()
	p.Tell(nil)
	fmt.Println(p.TakeBack())
	p.Tell(context.Canceled)
	fmt.Println(<-p.Ready())
	fmt.Println(p.TakeBack())
	// Output:
	// true
	// context canceled
	// false
}

// counter is a desk that says what it was asked to do.
type counter struct{}

func (counter) Release(_ *ticket.Place, n ticket.Number) { fmt.Println("released", n) }
func (counter) Cancel(_ *ticket.Place, n ticket.Number)  { fmt.Println("cancelled", n) }

// A desk is what a ticket's Release and Cancel call.
func ExampleDesk() {
	var line ticket.Line
	p := ticket.NewPlace()
	line.Push(p, 1)

	var d ticket.Desk = counter{}
	t := ticket.Waiting(d, p, p.Number, 1)
	t.Cancel()
	// Output: cancelled 1
}

func ExampleWaiting() {
	var line ticket.Line
	p := ticket.NewPlace()
	line.Push(p, 1)
	t := ticket.Waiting(counter{}, p, p.Number, 1)

	line.Remove(p)
	p.Tell(nil)
	fmt.Println("granted", t.Number(), <-t.Ready() == nil)
	t.Release()
	// Output:
	// granted 1 true
	// released 1
}

func ExampleGranted() {
	var line ticket.Line
	p := ticket.NewPlace()
	line.Push(p, 2)
	line.Remove(p)

	t := ticket.Granted(counter{}, p)
	fmt.Println("weight", t.Weight())
	t.Release()
	// Output:
	// weight 2
	// released 1
}
