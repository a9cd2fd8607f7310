package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
)

func Example() {
	limits, err := scheduler.ParseLimits("3/10ms 100/s burst 2")
	if err != nil {
		log.Fatal(err)
	}
	s, err := scheduler.New(limits)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	var calls sync.WaitGroup
	for range 7 {
		calls.Go(func() {
			t, err := s.Acquire(context.Background())
			if err != nil {
				log.Print(err)
				return
			}
			defer t.Release()
			// Call the server here.
		})
	}
	calls.Wait()
	fmt.Println("granted", s.Stats().Granted)
	// Output: granted 7
}

func ExampleNew() {
	s, err := scheduler.New(scheduler.Limits{
		Windows:  []scheduler.Window{scheduler.PerSecond(10)},
		MaxBurst: 4,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	t, err := s.Acquire(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("granted ticket", t.Number())
	t.Release()
	// Output: granted ticket 1
}

func ExampleScheduler_Acquire() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	call := func(ctx context.Context) error {
		t, err := s.Acquire(ctx)
		if err != nil {
			return err // ctx ended, or the scheduler is closed
		}
		defer t.Release()
		fmt.Println("calling with", s.Stats().InUse, "permit in use")
		return nil
	}
	if err := call(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("afterwards", s.Stats().InUse)
	// Output:
	// calling with 1 permit in use
	// afterwards 0
}

// A batch call counts as many times as it has items.
func ExampleScheduler_AcquireN() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerMinute(10)}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	batch := []string{"a", "b", "c"}
	t, err := s.AcquireN(context.Background(), len(batch))
	if err != nil {
		log.Fatal(err)
	}
	defer t.Release()
	fmt.Println("left this minute:", s.Stats().Windows[0].Remaining)
	// Output: left this minute: 7
}

func ExampleScheduler_TryAcquire() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerHour(1)}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	for range 2 {
		if t, ok := s.TryAcquire(); ok {
			fmt.Println("sent")
			t.Release()
		} else {
			fmt.Println("dropped")
		}
	}
	// Output:
	// sent
	// dropped
}

func ExampleScheduler_TryAcquireN() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 3})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	_, two := s.TryAcquireN(2)
	_, twoMore := s.TryAcquireN(2)
	_, one := s.TryAcquireN(1)
	fmt.Println(two, twoMore, one)
	// Output: true false true
}

// A program can select on a ticket and on other events at once.
func ExampleScheduler_Enqueue() {
	mock := clock.NewMock()
	s, err := scheduler.New(
		scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(1, 2*time.Second)}},
		scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	stop := make(chan struct{}) // closed when the program is to end
	for range 2 {
		t, err := s.Enqueue(1)
		if err != nil {
			log.Fatal(err)
		}
		mock.Add(2 * time.Second)
		select {
		case err := <-t.Ready():
			fmt.Println("ticket", t.Number(), "granted:", err == nil)
			t.Release()
		case <-stop:
			t.Cancel()
		}
	}
	// Output:
	// ticket 1 granted: true
	// ticket 2 granted: true
}

// A caller that has waited long enough cancels. The ticket leaves the line without a trace.
func ExampleScheduler_Enqueue_timeout() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	held, _ := s.TryAcquire()
	defer held.Release()

	t, err := s.Enqueue(1)
	if err != nil {
		log.Fatal(err)
	}
	select {
	case err := <-t.Ready():
		fmt.Println("granted:", err == nil)
		t.Release()
	case <-time.After(time.Millisecond):
		t.Cancel()
		fmt.Println("gave up, still waiting:", s.Stats().Waiting)
	}
	// Output: gave up, still waiting: 0
}

func ExampleScheduler_Do() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	errLost := errors.New("connection lost")
	err = s.Do(context.Background(), func(context.Context) error {
		fmt.Println("in use", s.Stats().InUse)
		return errLost
	})
	fmt.Println(err)
	fmt.Println("in use", s.Stats().InUse)
	// Output:
	// in use 1
	// connection lost
	// in use 0
}

func ExampleWrap() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(100)}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	lookUp := func(_ context.Context, name string) (int, error) { return len(name), nil }
	limited := scheduler.Wrap(s, lookUp) // has the type of lookUp

	for _, name := range []string{"Ada", "Grace"} {
		n, err := limited(context.Background(), name)
		fmt.Println(n, err)
	}
	fmt.Println("granted", s.Stats().Granted)
	// Output:
	// 3 <nil>
	// 5 <nil>
	// granted 2
}
