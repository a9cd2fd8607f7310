package ticket_test

import (
	"context"
	"fmt"
	"log"
	"slices"

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

// A line keeps the order of arrival. Whoever leaves it, wherever they stand, leaves the others as they
// were.
func ExampleLine() {
	var line ticket.Line
	a, b, c := ticket.NewPlace(), ticket.NewPlace(), ticket.NewPlace()
	a.Number, b.Number, c.Number = 1, 2, 3
	line.Push(a)
	line.Push(b)
	line.Push(c)
	line.Remove(b)

	fmt.Println(line.Len(), "in line, first is number", line.First().Number)
	for p := range line.All() {
		fmt.Println("number", p.Number)
	}
	// Output:
	// 2 in line, first is number 1
	// number 1
	// number 3
}

func ExampleLine_Len() {
	var line ticket.Line
	line.Push(ticket.NewPlace())
	fmt.Println(line.Len())
	// Output: 1
}

func ExampleLine_First() {
	var line ticket.Line
	fmt.Println(line.First() == nil)
	line.Push(&ticket.Place{Weight: 4})
	fmt.Println(line.First().Weight)
	// Output:
	// true
	// 4
}

func ExampleLine_All() {
	var line ticket.Line
	line.Push(&ticket.Place{Weight: 4})
	line.Push(&ticket.Place{Weight: 5})
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
	line.Push(p)
	fmt.Println(p.State == ticket.Queued)
	// Output: true
}

func ExampleLine_Remove() {
	var line ticket.Line
	p := ticket.NewPlace()
	line.Push(p)
	line.Remove(p)
	fmt.Println(line.Len(), p.State == ticket.Idle)
	// Output: 0 true
}

// Flows take turns in proportion to their shares, however long their lines are.
func ExampleLines() {
	var lines ticket.Lines
	for range 100 {
		lines.Push(ticket.NewPlace(), 1, &ticket.Flow{Key: "greedy", Share: 1})
	}
	for range 4 {
		lines.Push(ticket.NewPlace(), 1, &ticket.Flow{Key: "paying", Share: 2})
	}
	for range 9 {
		p, f := lines.First()
		fmt.Print(f.Key, " ", p.Number, ", ")
		lines.Serve()
	}
	fmt.Println("…")
	// Output: paying 101, greedy 1, paying 102, paying 103, greedy 2, paying 104, greedy 3, greedy 4, greedy 5, …
}

// A place that serves again gets a new number, which is how a ticket that is over is told from the
// one that follows it.
func ExampleLines_Push() {
	var lines ticket.Lines
	p := ticket.NewPlace()
	lines.Push(p, 1, nil)
	lines.Remove(p, nil)
	lines.Push(p, 1, nil)
	fmt.Println(p.Number)
	// Output: 2
}

func ExampleLines_Issue() {
	var lines ticket.Lines
	p := ticket.NewPlace()
	lines.Issue(p, 3)
	fmt.Println(p.Number, p.Weight, lines.Len())
	// Output: 1 3 0
}

func ExampleLines_First() {
	var lines ticket.Lines
	p, f := lines.First()
	fmt.Println(p, f)
	// Output: <nil> <nil>
}

func ExampleLines_Serve() {
	var lines ticket.Lines
	lines.Push(ticket.NewPlace(), 1, nil)
	lines.Serve()
	fmt.Println(lines.Len())
	// Output: 0
}

func ExampleLines_Remove() {
	var lines ticket.Lines
	a, b := ticket.NewPlace(), ticket.NewPlace()
	f := &ticket.Flow{Key: "a tenant", Share: 1}
	lines.Push(a, 1, f)
	lines.Push(b, 1, f)
	lines.Remove(a, f)
	p, _ := lines.First()
	fmt.Println(p == b)
	// Output: true
}

func ExampleLines_All() {
	var lines ticket.Lines
	lines.Push(ticket.NewPlace(), 4, nil)
	lines.Push(ticket.NewPlace(), 5, nil)
	for p, f := range lines.All() {
		fmt.Printf("%q: number %d, weight %d\n", f.Name(), p.Number, p.Weight)
	}
	// Output:
	// "": number 1, weight 4
	// "": number 2, weight 5
}

func ExampleLines_Len() {
	var lines ticket.Lines
	lines.Push(ticket.NewPlace(), 1, nil)
	lines.Push(ticket.NewPlace(), 1, &ticket.Flow{Key: "a tenant", Share: 1})
	fmt.Println(lines.Len())
	// Output: 2
}

func ExampleLines_LenOf() {
	var lines ticket.Lines
	tenant := &ticket.Flow{Key: "a tenant", Share: 1}
	lines.Push(ticket.NewPlace(), 1, tenant)
	fmt.Println(lines.LenOf(tenant), lines.LenOf(nil))
	// Output: 1 0
}

func ExampleLines_Flows() {
	var lines ticket.Lines
	tenant := &ticket.Flow{Key: "a tenant", Share: 1}
	lines.Push(ticket.NewPlace(), 1, tenant)
	lines.Push(ticket.NewPlace(), 1, tenant)
	fmt.Println(lines.Flows())
	lines.Serve()
	lines.Serve()
	fmt.Println(lines.Flows())
	// Output:
	// 1
	// 0
}

// Who comes now is served before most of those who came first, because they are all of one flow.
func ExampleLines_Ahead() {
	var lines ticket.Lines
	for range 5 {
		lines.Push(ticket.NewPlace(), 1, &ticket.Flow{Key: "greedy", Share: 1})
	}
	ahead := slices.Collect(lines.Ahead(2, &ticket.Flow{Key: "modest", Share: 1}))
	fmt.Println(len(ahead), "ahead")
	// Output: 1 ahead
}

func ExampleLines_Alone() {
	var lines ticket.Lines
	tenant := &ticket.Flow{Key: "a tenant", Share: 1}
	lines.Push(ticket.NewPlace(), 1, tenant)
	fmt.Println(lines.Alone(tenant), lines.Alone(nil))
	// Output: true false
}

func ExampleFlow_Name() {
	var none *ticket.Flow
	fmt.Printf("%q %q\n", none.Name(), (&ticket.Flow{Key: "a tenant", Share: 1}).Name())
	// Output: "" "a tenant"
}

// bell is a listener.
type bell struct{ rung int }

func (b *bell) Told(error)     { b.rung++ }
func (b *bell) TakeBack() bool { return false }

func ExamplePlaceFor() {
	var b bell
	p := ticket.PlaceFor(&b)
	p.Tell(nil)
	fmt.Println(b.rung, p.Ready() == nil)
	// Output: 1 true
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
	var lines ticket.Lines
	p := ticket.NewPlace()
	lines.Push(p, 1, nil)

	var d ticket.Desk = counter{}
	t := ticket.Waiting(d, p, p.Number, 1)
	t.Cancel()
	// Output: cancelled 1
}

func ExampleWaiting() {
	var lines ticket.Lines
	p := ticket.NewPlace()
	lines.Push(p, 1, nil)
	t := ticket.Waiting(counter{}, p, p.Number, 1)

	lines.Serve()
	p.Tell(nil)
	fmt.Println("granted", t.Number(), <-t.Ready() == nil)
	t.Release()
	// Output:
	// granted 1 true
	// released 1
}

func ExampleGranted() {
	var lines ticket.Lines
	p := ticket.NewPlace()
	lines.Push(p, 2, nil)
	lines.Serve()

	t := ticket.Granted(counter{}, p)
	fmt.Println("weight", t.Weight())
	t.Release()
	// Output:
	// weight 2
	// released 1
}
