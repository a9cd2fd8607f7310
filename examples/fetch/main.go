// Fetch crawls 200 pages of a strict server in three ways, in about 13 seconds:
//
//	go run ./examples/fetch
//	go run ./examples/fetch -way release
//
// The server runs in this program, behind a real socket. It accepts 80 requests in any second, 30 in any
// quarter of a second, and 10 at a time. It answers all others with 429 (Too Many Requests) and Retry-After. It
// counts a request when it arrives. The time on the way varies, as on any network. The crawler repeats refused
// requests after the time that Retry-After says. What to look for:
//
//   - none: without limits hundreds of requests are refused, more than are answered.
//   - grant: with the server's own limits a few are still refused. None leaves too early, but the server counts
//     arrivals, not grants. If a quick request follows a slow one, the two arrive closer together than they
//     left.
//   - release: with windows that count from release nothing is refused, however long requests are on the way.
//
// Counting from release costs the length of a call in each window, as the elapsed time beside the best possible
// shows. It is still the quickest of the three, because the others must repeat requests.
//
// What matters is when the permit is given back: fetch, in crawl.go, first reads the whole page.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

const pages = 200

// published is the limits of the server, which the crawler knows.
const published = "80/s 30/250ms burst 10"

// way is a way to crawl.
type way struct {
	name, title string
	limits      scheduler.Limits // the limits that the crawler keeps
}

func ways() []way {
	fromGrant := serverLimits()
	fromRelease := serverLimits()
	for i := range fromRelease.Windows {
		fromRelease.Windows[i].From = scheduler.FromRelease
	}
	return []way{
		// A stage needs a scheduler, and a scheduler needs a limit. This one only limits the number of connections.
		{"none", "no limit", scheduler.Limits{MaxBurst: 20}},
		{"grant", "windows from grant", fromGrant},
		{"release", "windows from release", fromRelease},
	}
}

func serverLimits() scheduler.Limits {
	limits, err := scheduler.ParseLimits(published)
	if err != nil {
		panic(err) // the text above is wrong
	}
	return limits
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("fetch: ")
	only := flag.String("way", "", "crawl in this `way` only: none, grant or release")
	flag.Parse()
	chosen := slices.DeleteFunc(ways(), func(w way) bool { return *only != "" && w.name != *only })
	if len(chosen) == 0 || flag.NArg() > 0 {
		log.Fatal("usage: fetch [-way none|grant|release]")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	fmt.Printf("The server allows %v.\n", serverLimits())
	for _, w := range chosen {
		if err := visit(ctx, w); err != nil {
			log.Fatalf("%s: %v", w.title, err)
		}
	}
	if *only == "" {
		fmt.Println("Look for: windows from release get no 429, because the server counts arrivals, and are done first.")
	}
}

// visit crawls in one way and prints the result.
func visit(ctx context.Context, w way) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	line := progress{out: os.Stderr, live: isTerminal(os.Stderr), title: w.title, began: time.Now()}
	t, err := crawl(ctx, listener, new(net.Dialer).DialContext, w.limits, rand.Uint64(), line.draw)
	line.erase()
	if err != nil {
		return err
	}
	fmt.Printf("%-20s  %d pages, %3d times 429, %.2fs (best possible: %.2fs)\n",
		w.title, t.fetched, t.refused, t.elapsed.Seconds(), best(serverLimits(), pages).Seconds())
	return nil
}

// best returns the shortest time in which n pages can be had: the way is the shortest, and each request
// arrives as soon as those before it allow.
func best(limits scheduler.Limits, n int) time.Duration {
	arrival := make([]time.Duration, n)
	for i := range arrival {
		for _, w := range limits.Windows {
			if i >= w.Permits {
				arrival[i] = max(arrival[i], arrival[i-w.Permits]+w.Per)
			}
		}
		if b := limits.MaxBurst; i >= b {
			arrival[i] = max(arrival[i], arrival[i-b]+workTime)
		}
	}
	return shortestWay + arrival[n-1] + workTime
}

// progress is a line on a terminal that is written over and over.
type progress struct {
	out   io.Writer
	live  bool // it is a terminal
	title string
	began time.Time
}

const eraseLine = "\r\x1b[K"

func (p progress) draw(t tally) {
	if p.live {
		fmt.Fprintf(p.out, eraseLine+"%s: %d of %d pages, %d times 429, %.1fs",
			p.title, t.fetched, pages, t.refused, time.Since(p.began).Seconds())
	}
}

func (p progress) erase() {
	if p.live {
		io.WriteString(p.out, eraseLine)
	}
}

// isTerminal treats every character device as a terminal. The other common one, the null device, does no harm.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
