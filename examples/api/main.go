// Api runs a limited HTTP server and its clients, in about 11 seconds:
//
//	go run ./examples/api
//
// The server is an ordinary handler behind flowhttp.Middleware. What to look for:
//
//  1. A client without limits of its own is refused again and again. Its workers obey Retry-After, as they
//     should, but then they all come back at once, and most are refused again.
//  2. A client that keeps the published limits is never refused, and is done sooner. Its windows count from
//     release, so no delay on the way can bring two of its requests too close together.
//  3. If requests wait in one line, a modest client waits behind all requests of a greedy one: about a second
//     each time.
//  4. With a line for each client the two take turns. The modest client hardly waits, and the greedy one gets
//     the rest.
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
	"time"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
)

// published is what the server allows in the first two parts.
const published = "20/s burst 4"

// shared is the limits that two clients share in the other parts. A short window spreads the permits over the
// second.
const shared = "5/100ms burst 10"

func main() {
	log.SetFlags(0)
	log.SetPrefix("api: ")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := show(ctx, os.Stdout, overNetwork); err != nil {
		log.Fatal(err)
	}
	fmt.Println("Look for: no 429 with the server's limits; with a line for each client, the modest one hardly waits.")
}

// dialer starts a server for a handler. It returns the transport of requests to it, and a function that ends
// it.
type dialer func(http.Handler) (base http.RoundTripper, stop func(), err error)

// overNetwork serves on a port of this machine.
func overNetwork(h http.Handler) (http.RoundTripper, func(), error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	server := &http.Server{Handler: h}
	go server.Serve(listener)
	transport := &http.Transport{
		MaxIdleConnsPerHost: 100,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, listener.Addr().String())
		},
	}
	return transport, func() {
		transport.CloseIdleConnections()
		server.Close()
	}, nil
}

func show(ctx context.Context, out io.Writer, dial dialer) error {
	fmt.Fprintf(out, "The server allows %s.\n", published)
	for _, way := range []struct {
		title  string
		limits string
	}{
		{"1. a client without a limit", "burst 10"},
		{"2. a client with the server's limits", "20/s from release burst 4"},
	} {
		got, err := download(ctx, dial, way.limits)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%-37s %d items, %3d times 429, %.1fs\n", way.title, items, got.refused, got.elapsed.Seconds())
	}
	fmt.Fprintf(out, "The server allows %s, and requests may wait.\n", shared)
	for _, way := range []struct {
		title string
		lines lining
	}{
		{"3. one line for all", oneLine},
		{"4. a line for each client", lineEach},
	} {
		got, err := compete(ctx, dial, way.lines)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%-37s the modest client waits %.2fs at most; the greedy one gets %.0f answers a second\n",
			way.title, got.slowest.Seconds(), got.greedy)
	}
	return nil
}

// listing is how a download went.
type listing struct {
	refused int
	elapsed time.Duration
}

// download fetches all items from a server that refuses requests above its limits.
func download(ctx context.Context, dial dialer, limits string) (got listing, err error) {
	server, err := scheduler.New(scheduler.MustParseLimits(published))
	if err != nil {
		return got, err
	}
	defer server.Close()
	base, stop, err := dial(flowhttp.Handler(server, catalogue()))
	if err != nil {
		return got, err
	}
	defer stop()

	s, err := scheduler.New(scheduler.MustParseLimits(limits))
	if err != nil {
		return got, err
	}
	defer s.Close()
	began := time.Now()
	got.refused, err = fetchAll(ctx, newClient(s, base))
	got.elapsed = time.Since(began)
	return got, err
}

// rivalry is the result of two clients that compete.
type rivalry struct {
	slowest time.Duration // the modest client's slowest answer
	greedy  float64       // answers a second
}

// compete lets a modest and a greedy client ask one server that lets requests wait.
func compete(ctx context.Context, dial dialer, lines lining) (got rivalry, err error) {
	server, err := scheduler.New(scheduler.MustParseLimits(shared), scheduler.WithMaxQueue(200))
	if err != nil {
		return got, err
	}
	defer server.Close()
	limit := flowhttp.Middleware(flowhttp.Limit{Scheduler: lines(server), MaxWait: 5 * time.Second})
	base, stop, err := dial(limit(catalogue()))
	if err != nil {
		return got, err
	}
	defer stop()
	return compare(ctx, &http.Client{Transport: base})
}
