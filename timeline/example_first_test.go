package timeline_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/timeline"
)

// A service does not know how long it will run. The picture has its first 10,000 tickets, and the recording costs nothing
// after that.
func ExampleRecordFirst() {
	s, err := scheduler.New(scheduler.MustParseLimits("1000/s"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	recording, err := timeline.RecordFirst(s, 10_000)
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		if err := s.Do(context.Background(), func(context.Context) error { return nil }); err != nil {
			log.Fatal(err)
		}
	}
	recording.Stop()
	var svg bytes.Buffer
	if err := recording.SVG(&svg); err != nil {
		log.Fatal(err)
	}
	fmt.Println(bytes.Contains(svg.Bytes(), []byte("3 granted")))
	// Output: true
}

// Events come from a log one by one, and are not kept.
func ExampleNew_log() {
	limits, kept := costs()
	events := func(yield func(scheduler.Event) bool) {
		for _, e := range kept {
			if !yield(e) {
				return
			}
		}
	}
	var svg bytes.Buffer
	if err := timeline.New(limits, events).SVG(&svg); err != nil {
		log.Fatal(err)
	}
	fmt.Println(bytes.Contains(svg.Bytes(), []byte("5 granted")))
	// Output: true
}
