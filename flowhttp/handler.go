package flowhttp

import (
	"net/http"

	"github.com/flowguard-go/flowguard/scheduler"
)

// Handler returns next behind the limits of s: a request that finds no permit free is answered 429 and
// told when to come back, and none waits. It is [Middleware] with a [Limit] that has only a Scheduler, and
// panics if s is nil.
//
//	http.ListenAndServe(addr, flowhttp.Handler(s, mux))
func Handler(s scheduler.Source, next http.Handler) http.Handler {
	return Middleware(Limit{Scheduler: Always(s)})(next)
}

// Always returns a function that takes the permits of all requests from s, for [Limit.Scheduler]. It
// panics if s is nil.
func Always(s scheduler.Source) func(*http.Request) scheduler.Source {
	if s == nil {
		panic("flowhttp: the scheduler is nil")
	}
	return func(*http.Request) scheduler.Source { return s }
}

// Flows returns a function that gives the requests of each key a line of their own, for
// [Limit.Scheduler]: the clients share the limits of s and take turns, so that one that asks for a lot does
// not make the others wait. [ClientAddr.Key] is a key. Lines are for requests that wait, so set
// [Limit.MaxWait] too, and bound all of them together with [scheduler.WithMaxQueue]: clients can make up
// keys, and each that waits costs memory.
//
// It is no limit per client: a client alone may use all that there is.
func Flows(s *scheduler.Scheduler, key func(*http.Request) string) func(*http.Request) scheduler.Source {
	if s == nil || key == nil {
		panic("flowhttp: Flows needs a scheduler and a key")
	}
	return func(r *http.Request) scheduler.Source { return s.Flow(key(r), 1) }
}
