package scheduler_test

import (
	"fmt"
	"log"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
)

func ExamplePer() {
	w := scheduler.Per(3, 2*time.Second)
	fmt.Println(w, "is", w.Permits, "in any", w.Per)
	// Output: 3/2s is 3 in any 2s
}

func ExamplePerSecond() {
	fmt.Println(scheduler.PerSecond(5))
	// Output: 5/s
}

func ExamplePerMinute() {
	fmt.Println(scheduler.PerMinute(100))
	// Output: 100/min
}

func ExamplePerHour() {
	fmt.Println(scheduler.PerHour(1000))
	// Output: 1000/h
}

func ExamplePerDay() {
	fmt.Println(scheduler.PerDay(5000))
	// Output: 5000/day
}

// The server counts arrivals strictly, so a permit must count until the call is over, and then for
// a second more.
func ExampleWindow() {
	w := scheduler.PerSecond(5)
	w.From = scheduler.FromRelease
	fmt.Println(w)
	// Output: 5/s from release
}

// Two calls of half a second each, under one call a second. If the window counts from grant, it forgets the
// first call after a second. If it counts from release, it does so after a second and a half.
func ExampleInstant() {
	for _, from := range []scheduler.Instant{scheduler.FromGrant, scheduler.FromRelease} {
		mock := clock.NewMock()
		w := scheduler.PerSecond(1)
		w.From = from
		s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{w}}, scheduler.WithClock(mock))
		if err != nil {
			log.Fatal(err)
		}
		call, _ := s.TryAcquire()
		mock.Add(500 * time.Millisecond)
		call.Release()
		fmt.Printf("from %v: the next may start in %v\n", from, s.WaitTime())
		s.Close()
	}
	// Output:
	// from grant: the next may start in 500ms
	// from release: the next may start in 1s
}

func ExampleInstant_String() {
	fmt.Println(scheduler.FromGrant.String(), scheduler.FromRelease.String())
	// Output: grant release
}

func ExampleLimits() {
	limits := scheduler.Limits{
		Windows:  []scheduler.Window{scheduler.Per(3, 2*time.Second), scheduler.PerMinute(15)},
		MaxBurst: 2,
	}
	fmt.Println(limits)
	// Output: 3/2s 15/min burst 2
}

func ExampleLimits_Validate() {
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(0)}}
	fmt.Println(limits.Validate())
	// Output: scheduler: Limits.Windows[0].Permits must be 1 or more, got 0
}
