package schedulertest_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/scheduler/schedulertest"
)

// A record that breaks a limit, and a picture of it.
func ExamplePicture() {
	limits := scheduler.MustParseLimits("1/s")
	began := time.Date(2026, time.January, 2, 15, 4, 5, 0, time.UTC)
	record := schedulertest.Tickets{
		{Number: 1, Weight: 1, Turn: 1, Enqueued: began, Granted: began},
		{Number: 2, Weight: 1, Turn: 2, Enqueued: began, Granted: began.Add(900 * time.Millisecond)},
	}
	found := schedulertest.Check(limits, record, 0)
	var broken *schedulertest.BrokenError
	if errors.As(found, &broken) {
		fmt.Println(broken)
		fmt.Println("between", broken.From.Format("15:04:05.0"), "and", broken.To.Format("15:04:05.0"))
	}
	if err := schedulertest.Picture(io.Discard, limits, record, found); err != nil {
		log.Fatal(err)
	}
	// Output:
	// limit 1/s: with ticket 2, granted at 15:04:05.9, 2 permits counted
	// between 15:04:04.9 and 15:04:05.9
}
