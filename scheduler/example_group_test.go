package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/flowguard-go/flowguard/scheduler"
)

// Jobs begin in the order in which they were given, as their permits are granted.
func ExampleScheduler_Group() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	g, ctx := s.Group(context.Background())
	for _, city := range []string{"Lima", "Oslo", "Pune"} {
		g.Go(func() error {
			fmt.Println("asking about", city)
			return ctx.Err() // of the call to the server, which uses ctx
		})
	}
	if err := g.Wait(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// asking about Lima
	// asking about Oslo
	// asking about Pune
}

func ExampleGroup_Go() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(100)}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	g, _ := s.Group(context.Background())
	g.Go(func() error {
		fmt.Println("one job")
		g.Go(func() error { // jobs may find more to do
			fmt.Println("makes another")
			return nil
		})
		return nil
	})
	fmt.Println(g.Wait())
	// Output:
	// one job
	// makes another
	// <nil>
}

func ExampleGroup_GoN() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 8})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	g, _ := s.Group(context.Background())
	g.GoN(6, func() error { return nil })
	g.GoN(9, func() error { return nil })
	fmt.Println(g.Wait())
	// Output: scheduler: weight 9 exceeds limit burst 8; ask for at most 8
}

// The first job that fails ends the others before they have begun.
func ExampleGroup_Wait() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	g, ctx := s.Group(context.Background())
	for i := range 1_000 {
		g.Go(func() error {
			if i == 2 {
				return errors.New("the server is gone")
			}
			return ctx.Err()
		})
	}
	fmt.Println(g.Wait())
	fmt.Println(g.Withdrawn(), "never began")
	// Output:
	// the server is gone
	// 997 never began
}

func ExampleGroup_Withdrawn() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	g, _ := s.Group(ctx)
	for range 3 {
		g.Go(func() error { cancel(); return nil })
	}
	fmt.Println(g.Wait())
	fmt.Println(g.Withdrawn(), "withdrawn")
	// Output:
	// scheduler: the group's context ended before all its jobs had begun: context canceled
	// 2 withdrawn
}

// If a job panics, Wait panics too, with the value and the stack of the job.
func ExamplePanicError() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	defer func() {
		p := recover().(*scheduler.PanicError)
		fmt.Println("recovered:", p.Value)
	}()
	g, _ := s.Group(context.Background())
	g.Go(func() error { panic("out of tea") })
	g.Wait()
	// Output: recovered: out of tea
}

func ExamplePanicError_Error() {
	fmt.Println((&scheduler.PanicError{Value: "out of tea", Stack: []byte("goroutine 7 …")}).Error())
	// Output:
	// scheduler: a job panicked: out of tea
	//
	// goroutine 7 …
}

func ExamplePanicError_Unwrap() {
	p := &scheduler.PanicError{Value: context.DeadlineExceeded}
	fmt.Println(errors.Is(p, context.DeadlineExceeded))
	// Output: true
}
