package scheduler_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

func ExampleParseLimits() {
	limits, err := scheduler.ParseLimits("3/2s 15/min burst 2")
	if err != nil {
		log.Fatal(err)
	}
	for _, w := range limits.Windows {
		fmt.Println(w.Permits, "in any", w.Per)
	}
	fmt.Println(limits.MaxBurst, "at once")
	// Output:
	// 3 in any 2s
	// 15 in any 1m0s
	// 2 at once
}

func ExampleWindow_String() {
	fmt.Println(scheduler.Window{Permits: 10, Per: 90 * time.Minute}.String())
	// Output: 10/1h30m
}

func ExampleLimits_String() {
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(5)}, MaxBurst: 1}
	fmt.Println(limits.String())
	// Output: 5/s burst 1
}

func ExampleLimits_MarshalText() {
	config := map[string]scheduler.Limits{
		"search": {Windows: []scheduler.Window{scheduler.PerMinute(30)}},
		"upload": {MaxBurst: 2},
	}
	text, err := json.Marshal(config)
	fmt.Println(string(text), err)
	// Output: {"search":"30/min","upload":"burst 2"} <nil>
}

// Limits load from JSON as the text that ParseLimits reads.
func ExampleLimits_UnmarshalText() {
	var config struct{ Limits scheduler.Limits }
	err := json.Unmarshal([]byte(`{"limits": "5/s 100/min burst 3"}`), &config)
	fmt.Println(config.Limits.Windows[1].Permits, config.Limits.MaxBurst, err)
	// Output: 100 3 <nil>
}

// [flag.TextVar] makes Limits a command-line flag.
func ExampleLimits_UnmarshalText_flag() {
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(1)}}
	flags := flag.NewFlagSet("fetch", flag.ContinueOnError)
	flags.TextVar(&limits, "limits", limits, "how fast to fetch")

	err := flags.Parse([]string{"-limits", "5/2s burst 3"})
	fmt.Println(limits, err)
	// Output: 5/2s burst 3 <nil>
}

func ExampleMustParseLimits() {
	limits := map[string]scheduler.Limits{
		"search": scheduler.MustParseLimits("30/min"),
		"upload": scheduler.MustParseLimits("5/s burst 2"),
	}
	fmt.Println(limits["upload"].MaxBurst)

	defer func() { fmt.Println(recover()) }()
	scheduler.MustParseLimits("5/Min")
	// Output:
	// 2
	// scheduler: limits: after "5/": expected a length such as "s", "2s", "min", "1h30m" or "day", got "Min"; lengths are lower case: "min"
}

func ExampleWindow_UnmarshalText() {
	var w scheduler.Window
	err := w.UnmarshalText([]byte("5/2s from release"))
	fmt.Println(w.Permits, "in any", w.Per, "from", w.From, err)
	fmt.Println(w.UnmarshalText([]byte("5/s burst 2")))
	// Output:
	// 5 in any 2s from release <nil>
	// scheduler: limits: after "5/s": expected one window and nothing else, got "burst"
}
