package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// promises says of each peer what it does not promise and Flowguard does. A peer is named as the
// contenders are.
var promises = map[string]string{
	"rate.Allow":        bucket,
	"rate.Wait":         bucket,
	"rate.Wait in turn": "one decision: it charges the first limiter while it waits for the next; exact windows",
	"semaphore and rate.Wait": "one decision: it holds the slot while it waits for the limiter; exact windows; one line; " +
		"giving back all charges when a wait is given up",
	"rate.Wait range loop":     bucket + "; ending with its context while it receives or sends",
	"rate.Wait select loop":    bucket,
	"rate.Wait with burst 100": bucket,
	"rate.Wait with burst 1":   "using up a window at once, or catching up after a pause",

	"semaphore": "rates; refusing at once what cannot succeed; a Close that ends all waits; forecasts of the wait",
	"channel":   "rates; weights; refusing at once what cannot succeed; a documented order",

	"ratelimit.Take":               evenly,
	"ratelimit.Take range loop":    evenly + "; ending with its context while it receives or sends",
	"ratelimit.Take select loop":   evenly,
	"ratelimit.Take without slack": "using up a window at once; waits that can be given up; tries; weights; a cap on permits held at once",

	"failsafe limiter":        fixed,
	"failsafe bursty limiter": fixed,
	"failsafe smooth limiter": "using up a window at once; several windows; giving back what a cancelled wait reserved",
	"failsafe bulkhead":       "rates; weights; refusing at once what cannot succeed; a documented order",

	"channels alone, range loop":  "limits; ending with its context",
	"channels alone, select loop": "limits",

	"no limit":         "limits",
	"failsafe handler": fixed + "; Retry-After; headers with the remaining amount; status 503 if the server is the cause",
	"httprate": "exact windows: it estimates the count from fixed periods; several windows or a cap on permits held at once; " +
		"waits; order",

	"rate.Allow in a map": bucket + "; forgetting keys; a bound on their number",
	"go-limiter":          keyedFixed,
	"ulule limiter":       keyedFixed,
}

const (
	bucket = "exact windows: a bucket of n lets up to 2n−1 through in one window; several windows or a cap on permits held at " +
		"once; moving others up when a wait is given up"
	evenly = "using up a window at once; an exact count: up to ten extra make up for a pause; waits that can be given up; tries; " +
		"weights; a cap on permits held at once"
	fixed = "exact windows: periods are fixed, so up to twice the permits fit around the end of one; several windows; giving " +
		"back what a cancelled wait reserved"
	keyedFixed = "exact windows: periods are fixed, so up to twice the permits fit around the end of one; several windows or a cap " +
		"on permits held at once; waits; order"
)

// legend returns a Markdown table of what the peers do not promise.
func legend() string {
	peers := make(map[string][]string) // that leave the same open
	for _, peer := range slices.Sorted(maps.Keys(promises)) {
		peers[promises[peer]] = append(peers[promises[peer]], peer)
	}
	var rows []string
	for missing, names := range peers {
		rows = append(rows, fmt.Sprintf("| %s | %s |\n", strings.Join(names, "; "), missing))
	}
	slices.Sort(rows)
	return "\n### What the others do not promise\n\n| instead | does not promise |\n| --- | --- |\n" + strings.Join(rows, "")
}
