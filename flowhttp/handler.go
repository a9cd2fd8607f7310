package flowhttp

import (
	"net/http"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
)

// Handler puts the limits of s before next. If no permit is free, a request is answered 429 with the time to
// come back. No request waits. Handler is [Middleware] with a [Limit] that has only a Scheduler. It panics if s
// is nil.
//
//	http.ListenAndServe(addr, flowhttp.Handler(s, mux))
func Handler(s scheduler.Source, next http.Handler) http.Handler {
	return Middleware(Limit{Scheduler: Always(s)})(next)
}

// Always returns a function for [Limit.Scheduler] that takes the permits of all requests from s. It panics if s
// is nil.
func Always(s scheduler.Source) func(*http.Request) scheduler.Source {
	if s == nil {
		panic("flowhttp: the scheduler is nil")
	}
	return func(*http.Request) scheduler.Source { return s }
}

// Flows returns a function for [Limit.Scheduler] that gives the requests of each key a line of their own. The
// clients share the limits of s and take turns, so one that asks for a lot does not make the others wait. Use
// [ClientAddr.Key] as key to tell clients apart by address. Lines are for requests that wait, so set
// [Limit.MaxWait] too. Bound all lines together with [scheduler.WithMaxQueue], because clients can invent keys
// and each waiting request takes memory.
//
// It does not limit each client. If only one client asks, it may use the whole limit.
func Flows(s *scheduler.Scheduler, key func(*http.Request) string) func(*http.Request) scheduler.Source {
	if s == nil || key == nil {
		panic("flowhttp: Flows needs a scheduler and a key")
	}
	return func(r *http.Request) scheduler.Source { return s.Flow(key(r), 1) }
}

// Keys returns a function for [Limit.Scheduler] and [Transport.Scheduler] that gives each key of a set limits
// of its own. A key may be an API key, the address of a client, or the host of a URL. A server may tell clients
// apart by [ClientAddr.Key]:
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
// If a host says something of its limits, that then holds for that host alone. If a key is new and there are
// too many, a server answers 503; see [keyed.MaxKeys] and [keyed.Overflow].
func Keys[K comparable](set *keyed.Set[K], key func(*http.Request) K) func(*http.Request) scheduler.Source {
	if set == nil || key == nil {
		panic("flowhttp: Keys needs a set and a key")
	}
	return func(r *http.Request) scheduler.Source { return set.Key(key(r)) }
}
