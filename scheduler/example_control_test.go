package scheduler_test

import (
	"fmt"
	"log"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
)

func ExampleScheduler_SetLimits() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerHour(1)}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	s.TryAcquire()
	t, err := s.Enqueue(1)
	if err != nil {
		log.Fatal(err)
	}
	defer t.Cancel()
	fmt.Println("waiting:", s.Stats().Waiting)

	// The server allows more from now on. A ticket in line is granted as soon as it fits.
	if err := s.SetLimits(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerHour(100)}}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("told:", <-t.Ready())
	// Output:
	// waiting: 1
	// told: <nil>
}

func ExampleScheduler_Pause() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 5})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	s.Pause() // an operator's switch
	_, ok := s.TryAcquire()
	fmt.Println("granted:", ok)
	s.Resume()
	_, ok = s.TryAcquire()
	fmt.Println("granted:", ok)
	// Output:
	// granted: false
	// granted: true
}

func ExampleScheduler_PauseFor() {
	mock := clock.NewMock()
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 5}, scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	// Two workers were told to come back later; the longer pause holds.
	for _, retryAfter := range []time.Duration{30 * time.Second, 10 * time.Second} {
		if err := s.PauseFor(retryAfter); err != nil {
			log.Fatal(err)
		}
	}
	_, ok := s.TryAcquire()
	fmt.Println("granted:", ok, "wait:", s.WaitTime())
	mock.Add(30 * time.Second)
	_, ok = s.TryAcquire()
	fmt.Println("granted:", ok)
	// Output:
	// granted: false wait: 30s
	// granted: true
}

func ExampleScheduler_PauseUntil() {
	mock := clock.NewMock()
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 5}, scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	maintenance := mock.Now().Add(time.Hour)
	if err := s.PauseUntil(maintenance); err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Stats().Paused, s.Stats().Resumes.Equal(maintenance))
	// Output: true true
}

func ExampleScheduler_Resume() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 5})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	s.PauseFor(time.Hour)
	s.Resume()
	fmt.Println("paused:", s.Stats().Paused)
	// Output: paused: false
}

func ExampleScheduler_Charge() {
	minute := scheduler.PerMinute(60)
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{minute}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	// Another process that shares the limit says what it has used.
	if err := s.Charge(minute, 48); err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Stats().Windows[0])
	// Output: 60/min: 48 used, 12 remaining
}

// A response says "RateLimit-Remaining: 2" and "RateLimit-Reset: 20": others use the same limit.
func ExampleScheduler_Observe() {
	mock := clock.NewMock()
	minute := scheduler.PerMinute(60)
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{minute}}, scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	if t, ok := s.TryAcquire(); ok {
		// Make the call. Pass on what the response says before Release.
		if err := s.Observe(minute, 2, 20*time.Second); err != nil {
			log.Fatal(err)
		}
		t.Release()
	}
	fmt.Println(s.Stats().Windows[0])
	s.TryAcquireN(2)
	fmt.Println("wait:", s.WaitTime())
	mock.Add(20 * time.Second)
	fmt.Println(s.Stats().Windows[0])
	// Output:
	// 60/min: 1 used, 2 remaining
	// wait: 20s
	// 60/min: 3 used, 57 remaining
}
