package scheduler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	"github.com/flowguard-go/flowguard/scheduler"
)

// A day's window goes on counting when the program is started again.
func ExampleScheduler_Snapshot() {
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerDay(1000)}}
	s, err := scheduler.New(limits)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := s.AcquireN(context.Background(), 300); err != nil {
		log.Fatal(err)
	}
	s.Close()
	saved, err := json.Marshal(s.Snapshot())
	if err != nil {
		log.Fatal(err)
	}

	// Later, in another process:
	if s, err = scheduler.New(limits); err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	var snap scheduler.Snapshot
	if err := json.Unmarshal(saved, &snap); err != nil {
		log.Fatal(err)
	}
	if err := s.Restore(snap); err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Stats().Windows[0])
	// Output: 1000/day: 300 used, 700 remaining
}

// Restore refuses a snapshot that cannot be right, and takes over nothing of it.
func ExampleScheduler_Restore() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerDay(1000)}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	var snap scheduler.Snapshot
	if err := json.Unmarshal([]byte(`{"version":7}`), &snap); err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Restore(snap))
	// Output: scheduler: Snapshot.Version must be 1, got 7
}
