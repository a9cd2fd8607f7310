package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// strictServer is the server. It does its own counting, strictly and without Flowguard's code. Requests that it
// refuses do not count.
type strictServer struct {
	limits scheduler.Limits
	seed   uint64 // of how long requests are on their way

	mu       sync.Mutex
	arrivals []time.Time // of all accepted requests
	open     int         // accepted requests that are not yet answered
}

func newStrictServer(limits scheduler.Limits, seed uint64) *strictServer {
	return &strictServer{limits: limits, seed: seed}
}

// A request is on its way for shortestWay and up to jitter more, then in work for workTime.
const (
	shortestWay = 10 * time.Millisecond
	jitter      = 60 * time.Millisecond
	workTime    = 50 * time.Millisecond
)

// ServeHTTP answers with a page: one half at once, and the other when the work is done.
func (f *strictServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	time.Sleep(f.way(page)) // here the request has not arrived yet
	if !f.enter() {
		w.Header().Set("Retry-After", "1") // in seconds; there is no smaller unit, and no longer window
		http.Error(w, "too many requests", http.StatusTooManyRequests)
		return
	}
	defer f.leave()
	fmt.Fprintf(w, "page %d, ", page)
	http.NewResponseController(w).Flush()
	time.Sleep(workTime)
	fmt.Fprintln(w, "the end")
}

// way returns how long the request for a page is on its way. Only the page and the seed decide it, so a test
// always gets the same value, whichever goroutine comes first.
func (f *strictServer) way(page int) time.Duration {
	rnd := rand.New(rand.NewPCG(f.seed, uint64(page)))
	return shortestWay + time.Duration(rnd.Int64N(int64(jitter)))
}

// enter lets in a request that arrives now, or returns false.
func (f *strictServer) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now() // under the lock, so that arrivals are in order
	if f.open >= f.limits.MaxBurst {
		return false
	}
	for _, w := range f.limits.Windows {
		first := len(f.arrivals) - w.Permits // the first of a full window
		if first >= 0 && now.Sub(f.arrivals[first]) < w.Per {
			return false
		}
	}
	f.arrivals = append(f.arrivals, now)
	f.open++
	return true
}

func (f *strictServer) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open--
}
