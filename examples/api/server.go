package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
)

// workTime is how long the server works for an item.
const workTime = 50 * time.Millisecond

// catalogue is an ordinary handler, without any limit.
func catalogue() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(workTime):
			fmt.Fprintf(w, "item %s\n", r.PathValue("id"))
		case <-r.Context().Done(): // the client has gone
		}
	})
	return mux
}

// lining says in which line of a scheduler a request waits.
type lining func(*scheduler.Scheduler) func(*http.Request) scheduler.Source

func oneLine(s *scheduler.Scheduler) func(*http.Request) scheduler.Source { return flowhttp.Always(s) }

func lineEach(s *scheduler.Scheduler) func(*http.Request) scheduler.Source {
	return flowhttp.Flows(s, clientName)
}

// clientName is the key of the server's lines. A real server uses a name that it has authenticated, or
// flowhttp.ClientAddr, because a client must not be able to invent names.
func clientName(r *http.Request) string { return r.Header.Get("Client") }
