package scheduler_test

import (
	"fmt"
	"log"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
)

// A tenant with a long line does not hold up one with a short one.
func ExampleScheduler_Flow() {
	mock := clock.NewMock()
	s, err := scheduler.New(
		scheduler.Limits{Windows: []scheduler.Window{scheduler.PerMinute(1)}},
		scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	greedy, modest, paying := s.Flow("greedy", 1), s.Flow("modest", 1), s.Flow("paying", 3)
	for range 100 {
		if _, err := greedy.Enqueue(1); err != nil {
			log.Fatal(err)
		}
	}
	for name, tenant := range map[string]*scheduler.Scheduler{"greedy": greedy, "modest": modest, "paying": paying} {
		defer fmt.Println(name, "would wait", tenant.WaitTime())
	}
	fmt.Println(s.Stats().Waiting, "wait")
	// Unordered output:
	// 99 wait
	// greedy would wait 1h40m0s
	// modest would wait 2m0s
	// paying would wait 1m0s
}
