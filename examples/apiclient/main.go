// Apiclient calls a strict API from 20 goroutines, in three ways:
//
//	go run ./examples/apiclient
//
// The API grants 10 requests in any 200 ms. Others have just used its limit, so it refuses everything for the
// first 300 ms. Every client must get 60 answers, and tries again after each refusal. What to look for:
//
//   - Without limits most requests are refused. Each caller obeys Retry-After for itself, so all of them come
//     back at the same time.
//   - With a Transport that has no limits but obeys the advice, a refusal makes all callers wait. The next
//     refusal comes as soon as more of them go on together than the API grants.
//   - With a Transport that has the limits, only the first call is refused.
//
// The window counts from release, so that latency cannot bring the API more than it grants.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
)

func main() {
	api := newAPI(10, 200*time.Millisecond)
	server := httptest.NewServer(api)
	defer server.Close()
	base := server.Client().Transport
	if err := compare(os.Stdout, api, base, server.URL); err != nil {
		log.Fatal(err)
	}
	fmt.Println("Look for: with limits, only the first call is refused, because others have used the API just before.")
}

// way is one way to call the API.
type way struct {
	name   string
	limits string // "": without a Transport of ours
}

var ways = []way{
	{"without limits", ""},
	{"advice alone", "burst 20"},
	{"advice and limits", "10/200ms from release burst 20"},
}

// compare calls the API in all ways and prints a table.
func compare(out io.Writer, api *api, base http.RoundTripper, url string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "way\tanswers\trefusals\ttook")
	for _, way := range ways {
		api.reset(300 * time.Millisecond)
		began := time.Now()
		answers, refusals, err := way.run(base, url)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%v\n", way.name, answers, refusals, time.Since(began).Round(100*time.Millisecond))
	}
	return w.Flush()
}

// run gets 60 answers: the first alone, the others by 20 callers.
func (way way) run(base http.RoundTripper, url string) (answers, refusals int, err error) {
	client := &http.Client{Transport: base}
	if way.limits != "" {
		s, err := scheduler.New(scheduler.MustParseLimits(way.limits))
		if err != nil {
			return 0, 0, err
		}
		defer s.Close()
		limited := flowhttp.NewTransport(s)
		limited.Base = base
		client.Transport = limited
	}
	var refused, answered atomic.Int64
	get := func() error {
		n, err := getPatiently(client, url, way.limits == "")
		refused.Add(int64(n))
		if err == nil {
			answered.Add(1)
		}
		return err
	}
	if err := get(); err != nil {
		return 0, 0, err
	}
	errs := make(chan error, 59)
	jobs := make(chan struct{}, 59)
	for range cap(jobs) {
		jobs <- struct{}{}
	}
	close(jobs)
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			for range jobs {
				errs <- get()
			}
		})
	}
	callers.Wait()
	close(errs)
	for e := range errs {
		if e != nil {
			err = e
		}
	}
	return int(answered.Load()), int(refused.Load()), err
}

// getPatiently tries until it is not refused, and returns how often it was. A client without a Transport of ours
// must sleep for itself.
func getPatiently(client *http.Client, url string, sleeps bool) (refusals int, err error) {
	for {
		req, err := http.NewRequestWithContext(context.Background(), "GET", url, nil)
		if err != nil {
			return refusals, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return refusals, err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode == http.StatusOK {
			return refusals, err
		}
		refusals++
		if sleeps {
			after, err := strconv.ParseFloat(resp.Header.Get("Retry-After"), 64)
			if err != nil {
				return refusals, err
			}
			time.Sleep(time.Duration(after * float64(time.Second)))
		}
	}
}

// api grants at most limit requests in any interval of length per, and says when to come back.
type api struct {
	limit int
	per   time.Duration

	mu      sync.Mutex
	closed  time.Time // until then it refuses everything
	granted []time.Time
}

func newAPI(limit int, per time.Duration) *api { return &api{limit: limit, per: per} }

// reset forgets all requests and refuses everything for d.
func (a *api) reset(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed, a.granted = time.Now().Add(d), nil
}

// ServeHTTP implements [http.Handler].
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if wait := a.admit(time.Now()); wait > 0 {
		w.Header().Set("Retry-After", strconv.FormatFloat(wait.Seconds(), 'f', 9, 64))
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	io.WriteString(w, "here you are")
}

// admit returns 0 if the request is granted, else how long to wait.
func (a *api) admit(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.granted) > 0 && now.Sub(a.granted[0]) >= a.per {
		a.granted = a.granted[1:]
	}
	switch {
	case now.Before(a.closed):
		return a.closed.Sub(now)
	case len(a.granted) == a.limit:
		return a.per - now.Sub(a.granted[0])
	}
	a.granted = append(a.granted, now)
	return 0
}
