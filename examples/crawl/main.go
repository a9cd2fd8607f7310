// Crawl fetches 480 pages of 24 hosts, in about 8 seconds:
//
//	go run ./examples/crawl
//
// The hosts are servers in this program, each behind a socket of its own. Each accepts 5 requests in any second
// and 2 at a time, and answers all others with 429. The crawler keeps that limit for each host, and 100
// requests a second and 16 at a time for all hosts together. What to look for:
//
//   - No host refuses anything, and there are never more than 16 requests in progress, whatever their order.
//   - For that the crawler needs one line of code: a [keyed.Set] within a scheduler, in an ordinary
//     http.Client. No code chooses the next host. A page waits for its host, and while that is full the others
//     go on.
//   - When the crawl is over, the set has forgotten all hosts by itself.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
)

const (
	hosts        = 24
	pagesPerHost = 20
)

// The limits of a host count from release, because the host counts requests when they arrive.
var (
	perHost = scheduler.MustParseLimits("5/s from release burst 2")
	inAll   = scheduler.MustParseLimits("100/s burst 16")
)

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var listeners []net.Listener
	for range hosts {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		listeners = append(listeners, l)
	}
	got, err := crawl(ctx, listeners, (&net.Dialer{}).DialContext)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d pages of %d hosts in %.1f s, %d refused, at most %d at once; the set remembers %d hosts, and a second later %d\n",
		got.fetched, hosts, got.elapsed.Seconds(), got.refused, got.mostOpen, got.known, got.knownLater)
	fmt.Println("Look for: 0 refused, though each host allows 5 requests a second and 2 at once, and 16 at once in all.")
}

// tally is the result of a crawl.
type tally struct {
	fetched, refused  int
	mostOpen          int // requests in progress at once, as the servers saw it
	elapsed           time.Duration
	known, knownLater int // keys of the set when the crawl ended, and a second later
}

type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// crawl starts a server on each listener, fetches all their pages, and stops the servers.
func crawl(ctx context.Context, listeners []net.Listener, dial dialer) (got tally, err error) {
	var all gauge
	var pages []string
	for page := range pagesPerHost {
		for _, l := range listeners {
			pages = append(pages, fmt.Sprintf("http://%v/%d", l.Addr(), page))
		}
	}
	for _, l := range listeners {
		server := &http.Server{Handler: newHost(&all)}
		go server.Serve(l)
		defer server.Shutdown(context.WithoutCancel(ctx))
	}

	total, err := scheduler.New(inAll)
	if err != nil {
		return got, err
	}
	defer total.Close()
	set, err := keyed.New(func(string) scheduler.Limits { return perHost }, keyed.Within(total))
	if err != nil {
		return got, err
	}
	defer set.Close()
	base := &http.Transport{DialContext: dial}
	defer base.CloseIdleConnections()
	client := &http.Client{Transport: &flowhttp.Transport{
		Base:      base,
		Scheduler: flowhttp.Keys(set, func(r *http.Request) string { return r.URL.Host }),
	}}

	began := time.Now()
	var mu sync.Mutex
	var fetches sync.WaitGroup
	for _, page := range pages {
		fetches.Go(func() {
			status, failed := fetch(ctx, client, page)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case failed != nil:
				err = failed
			case status == http.StatusOK:
				got.fetched++
			default:
				got.refused++
			}
		})
	}
	fetches.Wait()
	got.elapsed, got.mostOpen, got.known = time.Since(began), all.highest(), set.Len()
	time.Sleep(time.Second)
	got.knownLater = set.Len()
	return got, err
}

// fetch reads one page.
func fetch(ctx context.Context, client *http.Client, page string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}
