package main

// promises says of each peer what it does not promise and Flowguard does. A peer is named as the
// contenders are.
var promises = map[string]string{
	"rate.Allow":        bucket,
	"rate.Wait":         bucket,
	"rate.Wait in turn": "one decision: the first limiter is charged while the next makes wait; exact windows",
	"semaphore and rate.Wait": "one decision: the slot is held while the limiter makes wait; exact windows; " +
		"one line; giving back all that was charged when a wait is given up",
	"rate.Wait range loop":     bucket + "; to end with its context while it receives or sends",
	"rate.Wait select loop":    bucket,
	"rate.Wait with burst 100": bucket,
	"rate.Wait with burst 1":   "using up a window at once, or catching up after a pause",

	"semaphore": "any rate; refusing early what cannot succeed; an end that tells all who wait; to tell how long",
	"channel":   "any rate; weights; refusing early; a documented order",

	"ratelimit.Take":               evenly,
	"ratelimit.Take range loop":    evenly + "; to end with its context while it receives or sends",
	"ratelimit.Take select loop":   evenly,
	"ratelimit.Take without slack": "using up a window at once; a wait that can be given up; trying; weights; a cap on what is in progress",

	"failsafe limiter":        fixed,
	"failsafe bursty limiter": fixed,
	"failsafe smooth limiter": "using up a window at once; several windows; giving back what a cancelled wait reserved",
	"failsafe bulkhead":       "any rate; weights; refusing early; a documented order",

	"channels alone, range loop":  "any limit; to end with its context",
	"channels alone, select loop": "any limit",

	"no limit":         "any limit",
	"failsafe handler": fixed + "; Retry-After; what is left; 503 for what is not the client's fault",
	"httprate": "an exact window: what it counts is interpolated between fixed periods; several windows or a cap on what is in " +
		"progress; a wait; order",

	"flowguard WaitN":     "nothing less: it takes and gives back in one step what the row beside it holds in between",
	"rate.Allow in a map": bucket + "; forgetting a key; a bound on their number",
	"go-limiter":          keyedFixed,
	"ulule limiter":       keyedFixed,
}

const (
	bucket = "an exact window: a bucket of n lets up to 2n−1 through in one; several windows or a cap on what is in " +
		"progress; moving others up when a wait is given up"
	evenly = "using up a window at once; an exact count: up to ten more make up for a pause; a wait that can be given " +
		"up; trying; weights; a cap on what is in progress"
	fixed = "an exact window: periods are fixed, so twice the permits fit around the edge of two; several windows; " +
		"giving back what a cancelled wait reserved"
	keyedFixed = "an exact window: periods are fixed, so twice the permits fit around the edge of two; several windows or a " +
		"cap on what is in progress; a wait; order"
)
