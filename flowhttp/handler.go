package flowhttp

import (
	"net/http"

	"github.com/flowguard-go/flowguard/keyed"
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

// Keys returns a function that gives each key of a set limits of its own, for [Limit.Scheduler] and
// [Transport.Scheduler]: a key may be an API key, the address of a client, the host of a URL. A server may tell
// clients apart by [ClientAddr.Key]:
//
//	set, err := keyed.New(func(string) scheduler.Limits { return perClient })
//	…
//	limit := flowhttp.Limit{Scheduler: flowhttp.Keys(set, flowhttp.ClientAddr{Trusted: proxies}.Key)}
//
// and a crawler the hosts that it visits:
//
//	client.Transport = &flowhttp.Transport{
//		Scheduler: flowhttp.Keys(set, func(r *http.Request) string { return r.URL.Host }),
//	}
//
// What a host says of its limits is then heeded for that host alone. A server answers 503 where a key is new and
// there are too many; see [keyed.MaxKeys] and [keyed.Overflow].
func Keys[K comparable](set *keyed.Set[K], key func(*http.Request) K) func(*http.Request) scheduler.Source {
	if set == nil || key == nil {
		panic("flowhttp: Keys needs a set and a key")
	}
	return func(r *http.Request) scheduler.Source { return set.Key(key(r)) }
}
