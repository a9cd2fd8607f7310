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

func ExampleDeadlineError() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerHour(1)}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	s.TryAcquire()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err = s.Acquire(ctx) // fails at once, not in a minute

	var refused *scheduler.DeadlineError
	if errors.As(err, &refused) {
		fmt.Println(refused.Limit, "would take", refused.Wait.Round(time.Minute))
	}
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// 1/h would take 1h0m0s
	// true
}

func ExampleNoPermitError() {
	mock := clock.NewMock()
	s, err := scheduler.New(
		scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(1, 2*time.Second)}},
		scheduler.NonBlocking(), scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	s.TryAcquire()

	_, err = s.Acquire(context.Background())
	var busy *scheduler.NoPermitError
	if errors.As(err, &busy) {
		fmt.Println("come back in", busy.Wait, "because of", busy.Limit)
	}
	fmt.Println(errors.Is(err, scheduler.ErrNoPermit))
	// Output:
	// come back in 2s because of 1/2s
	// true
}

func ExampleTooLargeError() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(10)}, MaxBurst: 4})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	_, err = s.AcquireN(context.Background(), 6)
	var tooLarge *scheduler.TooLargeError
	if errors.As(err, &tooLarge) {
		fmt.Println("at most", tooLarge.Most, "because of", tooLarge.Limit)
	}
	fmt.Println(errors.Is(err, scheduler.ErrTooLarge))
	// Output:
	// at most 4 because of burst 4
	// true
}

func ExampleQueueFullError() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1}, scheduler.WithMaxQueue(0))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	s.TryAcquire()

	_, err = s.Acquire(context.Background())
	var full *scheduler.QueueFullError
	if errors.As(err, &full) {
		fmt.Println(full.Max, "may wait")
	}
	fmt.Println(errors.Is(err, scheduler.ErrQueueFull))
	// Output:
	// 0 may wait
	// true
}

func ExampleInvalidError() {
	_, err := scheduler.New(scheduler.Limits{MaxBurst: -1})
	var invalid *scheduler.InvalidError
	if errors.As(err, &invalid) {
		fmt.Println(invalid.What, invalid.Got)
	}
	fmt.Println(err)
	// Output:
	// Limits.MaxBurst -1
	// scheduler: Limits.MaxBurst must be 0 (no cap) or more, got -1
}

func ExampleParseError() {
	_, err := scheduler.ParseLimits("3/2s 15/fortnight")
	var wrong *scheduler.ParseError
	if errors.As(err, &wrong) {
		fmt.Println(wrong.Text[:wrong.Offset], "<-- as far as it makes sense")
	}
	fmt.Println(err)
	// Output:
	// 3/2s 15/ <-- as far as it makes sense
	// scheduler: limits: after "3/2s 15/": expected a length such as "s", "2s", "min", "1h30m" or "day", got "fortnight"
}

// Ask again only when that can succeed.
func ExampleRetryAfter() {
	mock := clock.NewMock()
	began := mock.Now()
	s, err := scheduler.New(scheduler.MustParseLimits("2/3s"), scheduler.NonBlocking(), scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	sleep := mock.Add // or time.Sleep

	call := func(weight int) error {
		for {
			_, err := s.AcquireN(context.Background(), weight)
			wait, again := scheduler.RetryAfter(err)
			if !again {
				return err // nil, or no time makes it right
			}
			fmt.Println("refused; asking again in", wait)
			sleep(wait)
		}
	}
	for _, weight := range []int{1, 1, 1, 3} {
		err := call(weight)
		fmt.Println("after", mock.Now().Sub(began), "weight", weight, "result", err)
	}
	// Output:
	// after 0s weight 1 result <nil>
	// after 0s weight 1 result <nil>
	// refused; asking again in 3s
	// after 3s weight 1 result <nil>
	// after 3s weight 3 result scheduler: weight 3 exceeds limit 2/3s; ask for at most 2
}

// A permit that somebody holds comes back when they release it; no time can be given.
func ExampleRetryAfter_held() {
	s, err := scheduler.New(scheduler.MustParseLimits("burst 1"), scheduler.NonBlocking())
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	s.TryAcquire()

	_, err = s.Acquire(context.Background())
	_, ok := scheduler.RetryAfter(err)
	fmt.Println(ok, err)
	// Output: false scheduler: no permit is free now (limit burst 1); come back when a permit has been released
}

func ExampleQueueFullError_Error() {
	fmt.Println(&scheduler.QueueFullError{Max: 100, Wait: 2 * time.Second})
	// Output: scheduler: the line is full: at most 100 may wait; come back in 2s, or allow more with WithMaxQueue
}

// A server answers at once, and tells the client when to come back.
func ExampleScheduler_AcquireNow() {
	mock := clock.NewMock()
	s, err := scheduler.New(scheduler.MustParseLimits("1/30s"), scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	for range 2 {
		t, err := s.AcquireNow(1)
		if err != nil {
			wait, _ := scheduler.RetryAfter(err)
			fmt.Println("come back in", wait)
			continue
		}
		fmt.Println("served")
		t.Release()
	}
	fmt.Println(s.Windows()[0])
	// Output:
	// served
	// come back in 30s
	// 1/30s: 1 used, 0 remaining
}
