// Tokens calls an API that limits requests a minute, tokens a minute and calls at once, in five ways, in
// about six seconds:
//
//	go run ./examples/tokens
//
// The server runs in this program, behind a real socket. It allows 60 requests and 10,000 tokens in any minute,
// and 6 calls at once, and answers all others with 429 (Too Many Requests). A minute lasts 600 ms here. In nine
// such minutes about 800 calls come, which is more than the limits allow. A caller waits for at most a quarter
// of a minute, and gives up at once if the wait would be longer. The length of an answer is known only when it
// ends. What to look for:
//
//   - In turn: one limiter for requests and one for tokens. If a call gives up while it waits for the second
//     limiter, the first has already charged it. The last two columns show what was charged for calls that
//     never ran: a fifth of all requests, or a tenth of all tokens.
//   - Together: one scheduler decides about all limits at once. A call that never runs is charged to none.
//   - Settled: each call says afterwards what it really used, and the rest of its estimate is free for others.
//     So about two thirds of the tokens are used instead of less than half. There is no 429, because each
//     estimate is an upper bound: the prompt and max_tokens.
//   - Guessed: the estimate uses an average answer instead of the longest possible one. Some calls are refused.
//
// The windows count from release. So a call counts from its grant until a minute after its end, and the server
// may count it at any instant before its end. This costs the length of a call in each minute, so no share
// reaches 100 %.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// published is what the API allows.
const published = "60/min 10000 tokens/min burst 6"

const (
	minute   = 600 * time.Millisecond // how long a minute lasts here
	minutes  = 9                      // how long calls come
	patience = minute / 4             // how long a caller waits
)

// limits returns the limits that the client keeps: the published ones, from release, with our short minutes.
func limits() scheduler.Limits {
	l := scheduler.MustParseLimits(published)
	for i := range l.Windows {
		l.Windows[i].Per = minute
		l.Windows[i].From = scheduler.FromRelease
	}
	return l
}

// way is a way to keep to the limits.
type way struct {
	name     string
	open     func(scheduler.Limits) (limiter, error)
	estimate func(request) int
	settles  bool

	serverKeeps bool // whether the server counts max_tokens even if the answer was shorter
}

func ways() []way {
	requestsFirst := func(l scheduler.Limits) (limiter, error) { return newInTurn(l, false) }
	tokensFirst := func(l scheduler.Limits) (limiter, error) { return newInTurn(l, true) }
	return []way{
		{name: "in turn, requests first", open: requestsFirst, estimate: atMost},
		{name: "in turn, tokens first", open: tokensFirst, estimate: atMost},
		{name: "together", open: newTogether, estimate: atMost},
		{name: "together, settled", open: newTogether, estimate: atMost, settles: true},
		{name: "together, guessed and settled", open: newTogether, estimate: typically, settles: true},
	}
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("tokens: ")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := compare(ctx, os.Stdout, sockets, rand.Uint64()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("Look for: together, no call that gives up is charged; settled, more tokens are used, and there is no 429.")
}

// network makes a connection between a client and a server.
type network func() (net.Listener, dialer, error)

type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

func sockets() (net.Listener, dialer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	return listener, new(net.Dialer).DialContext, err
}

// compare goes all ways at the same time, each with a server of its own, and prints a table.
func compare(ctx context.Context, out io.Writer, connect network, seed uint64) error {
	fmt.Fprintf(out, "The API allows %s. A minute lasts %v here; %d calls come in %d of them.\n", published, minute, len(load(seed)), minutes)
	tallies := make([]tally, len(ways()))
	errs := make([]error, len(tallies))
	var running sync.WaitGroup
	for i, w := range ways() {
		running.Go(func() { tallies[i], errs[i] = run(ctx, w, connect, seed) })
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	printTable(out, tallies)
	return nil
}

// tally is the result of one way.
type tally struct {
	way                      way
	answered, refused        int
	gaveUp                   int
	requests, tokens         float64 // the share of the quota that was used, after the first minute
	lostRequests, lostTokens int     // charged for calls that were never made
}

// run makes all calls of the load in one way.
func run(ctx context.Context, w way, connect network, seed uint64) (tally, error) {
	listener, dial, err := connect()
	if err != nil {
		return tally{}, err
	}
	api := newStrictServer(scheduler.MustParseLimits(published), minute, seed)
	api.keeps = w.serverKeeps
	server := &http.Server{Handler: api}
	go server.Serve(listener)
	defer server.Shutdown(context.WithoutCancel(ctx))

	l, err := w.open(limits())
	if err != nil {
		return tally{}, err
	}
	defer l.Close()
	transport := &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 100}
	defer transport.CloseIdleConnections()
	c := &client{l, w.estimate, w.settles, &http.Client{Transport: transport}, "http://" + listener.Addr().String()}

	began := time.Now()
	answered, refused, gaveUp, err := callAll(ctx, c, load(seed))
	t := tally{way: w, answered: answered, refused: refused, gaveUp: gaveUp}
	t.lostRequests, t.lostTokens = l.lost()
	// In the first minute there is nothing yet that must expire.
	calls, used := api.used(began.Add(minute), began.Add(minutes*minute))
	t.requests = float64(calls) / float64((minutes-1)*api.requests)
	t.tokens = float64(used) / float64((minutes-1)*api.tokens)
	return t, err
}

// callAll makes each call when it comes, and returns when all have ended.
func callAll(ctx context.Context, c *client, calls []call) (answered, refused, gaveUp int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var ok, no, gone atomic.Int64
	var open sync.WaitGroup
	began := time.Now()
	for _, call := range calls {
		select {
		case <-time.After(time.Until(began.Add(call.comes))):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		open.Go(func() {
			waiting, stop := context.WithTimeout(ctx, patience)
			defer stop()
			err := c.ask(ctx, waiting, call.request)
			var refused *refusal
			switch {
			case err == nil:
				ok.Add(1)
			case errors.As(err, &refused):
				no.Add(1)
			case errors.Is(err, context.DeadlineExceeded):
				gone.Add(1)
			default:
				cancel(err)
			}
		})
	}
	open.Wait()
	return int(ok.Load()), int(no.Load()), int(gone.Load()), context.Cause(ctx)
}

// call is a request, and when it comes.
type call struct {
	request
	comes time.Duration
}

// load returns what callers want. In one minute many ask short questions, and there are too few requests. In
// the next, every other call brings a long text, and there are too few tokens.
func load(seed uint64) (calls []call) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	const perMinute = 90
	for at := time.Duration(0); ; {
		at += time.Duration(rnd.ExpFloat64() * float64(minute) / perMinute)
		if at >= minutes*minute {
			return calls
		}
		words, most := 10+rnd.IntN(40), 50+rnd.IntN(100)
		if at/minute%2 == 1 && rnd.IntN(2) == 0 {
			words, most = 200+rnd.IntN(400), 400+rnd.IntN(400)
		}
		calls = append(calls, call{request{len(calls), strings.Repeat("word ", words), most}, at})
	}
}

func printTable(out io.Writer, tallies []tally) {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "way\tanswered\tgave up\t429\trequests used\ttokens used\trequests lost\ttokens lost\t")
	for _, t := range tallies {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%.0f %%\t%.0f %%\t%d\t%d\t\n", t.way.name, t.answered, t.gaveUp, t.refused,
			100*t.requests, 100*t.tokens, t.lostRequests, t.lostTokens)
	}
	w.Flush()
}
