package flowhttp_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/internal/memnet"
	"github.com/flowguard-go/flowguard/ticket"
)

var soak = flag.Duration("soak", time.Second, "for how long, by the time of its bubble, TestSoak runs")

// 64 clients meet a server that answers with every mix of status, header, delay, reset connection and
// garbage. By the server's own log the limits hold, and all permits come back.
func TestSoak(t *testing.T) {
	log.SetOutput(io.Discard) // package net/http reports garbage
	defer log.SetOutput(os.Stderr)
	for _, ramp := range []bool{false, true} {
		for _, keepAlive := range []bool{false, true} {
			for _, costs := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) { soakOnce(t, ramp, keepAlive, costs) })
			}
		}
	}
}

func soakOnce(t *testing.T, ramp, keepAlive, costs bool) {
	const limit, per, burst = 40, 50 * time.Millisecond, 16
	arrived := &arrivals{}
	listener := memnet.Listen("server.test:80")
	server := &http.Server{Handler: http.HandlerFunc(arrived.serve)}
	go server.Serve(listener)
	defer server.Close()
	s := start(t, fmt.Sprintf("%d/%v 1000000 tokens/s burst %d", limit, per, burst))
	defer s.Close()
	base := &http.Transport{DialContext: listener.Dial, DisableKeepAlives: !keepAlive, MaxIdleConnsPerHost: burst}
	defer base.CloseIdleConnections()
	transport := flowhttp.NewTransport(s)
	transport.Base, transport.Ramp, transport.MaxPause = base, ramp, 20*time.Millisecond
	if costs {
		transport.Cost = func(*http.Request) []ticket.Cost { return []ticket.Cost{tokens.Of(rand.IntN(100))}[rand.IntN(2):] }
		transport.Usage = func(_ *http.Response, body []byte) []ticket.Cost {
			return []ticket.Cost{tokens.Of(len(body) - 1)}[rand.IntN(2):]
		}
	}
	client := &http.Client{Transport: transport}
	dialects := []flowhttp.Dialect{flowhttp.Standard, flowhttp.GitHub, flowhttp.OpenAI, flowhttp.Anthropic, flowhttp.AWS}
	transport.Read = func(resp *http.Response, now time.Time) flowhttp.Advice {
		return dialects[rand.IntN(len(dialects))](resp, now)
	}

	// Without a deadline, or calls that cannot be in time would be refused at once, again and again.
	ctx, stop := context.WithCancel(background)
	defer time.AfterFunc(*soak, stop).Stop()
	var clients sync.WaitGroup
	for range 64 {
		clients.Go(func() {
			for ctx.Err() == nil {
				arrived.call(ctx, client, "http://server.test/")
			}
		})
	}
	clients.Wait()
	time.Sleep(time.Second) // the server goes on with what was cut short
	if got := s.Stats(); got.InUse != 0 || got.Waiting != 0 || got.Granted == 0 {
		t.Errorf("%+v", got)
	}
	arrived.mu.Lock()
	defer arrived.mu.Unlock()
	t.Logf("ramp %v, connections kept %v, costs %v: %d calls arrived, %d of them were cut short", ramp, keepAlive, costs, len(arrived.at), arrived.cut)
	if keepAlive {
		return // package net/http repeats requests whose connection turns out to be closed, under the same permit
	}
	for i := limit; i < len(arrived.at); i++ {
		if got := arrived.at[i].Sub(arrived.at[i-limit]); got < per {
			t.Errorf("%d requests arrived within %v, at most %d may within %v", limit+1, got, limit, per)
			return
		}
	}
}

// arrivals is the server's log.
type arrivals struct {
	mu  sync.Mutex
	at  []time.Time
	cut int
}

// call makes a call and ends it in some way.
func (a *arrivals) call(ctx context.Context, client *http.Client, url string) {
	defer func() { recover() }()
	if rand.IntN(4) == 0 {
		short, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(int(20*time.Millisecond))))
		defer cancel()
		ctx = short
	}
	var body io.Reader
	if rand.IntN(3) == 0 {
		body = strings.NewReader(strings.Repeat("x", rand.IntN(100_000)))
	}
	req, err := http.NewRequestWithContext(ctx, []string{"GET", "POST", "HEAD"}[rand.IntN(3)], url, body)
	if err != nil {
		panic(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return
	}
	switch rand.IntN(4) {
	case 0: // without Close
		if _, err := io.ReadAll(resp.Body); err == nil {
			return
		}
	case 1:
		resp.Body.Read(make([]byte, 10))
	case 2:
		defer resp.Body.Close()
		panic("in the caller's work")
	default:
		io.Copy(io.Discard, resp.Body)
	}
	resp.Body.Close()
}

func (a *arrivals) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.at = append(a.at, time.Now())
	a.mu.Unlock()
	if rand.IntN(3) == 0 {
		time.Sleep(time.Duration(rand.IntN(int(5 * time.Millisecond))))
	}
	h := w.Header()
	for range rand.IntN(3) {
		values := map[string][]string{
			"Retry-After":                        {"0", "0.005", "1", "-1", "soon", "99999999999999999999", time.Now().UTC().Format(http.TimeFormat)},
			"Retry-After-Ms":                     {"3", "x"},
			"RateLimit":                          {`"a";r=3;t=1`, `"a";r=0;t=1`, `"a";r=`, `;;;`, `"a";r=999999999999999;t=0`, `"a";r=1, "b";r=0;t=1`},
			"RateLimit-Policy":                   {`"a";q=40;w=1`, `"b";q=1;w=1;pk=:aGk=:`, `(`},
			"X-RateLimit-Remaining":              {"0", "1", "-5", "many"},
			"X-RateLimit-Reset":                  {"0", "99999999999", "x", fmt.Sprint(time.Now().Unix() + 1)},
			"X-RateLimit-Remaining-Requests":     {"0", "2"},
			"X-RateLimit-Reset-Requests":         {"5ms", "1d", "-1s"},
			"Anthropic-Ratelimit-Requests-Reset": {time.Now().Format(time.RFC3339), "never"},
			"Content-Type":                       {"application/json"},
			"Date":                               {"never"},
			"Age":                                {"1"},
		}
		for name, of := range values { // in random order
			h.Set(name, of[rand.IntN(len(of))])
			break
		}
	}
	status := []int{200, 200, 201, 204, 301, 304, 400, 403, 404, 429, 500, 503, 529}[rand.IntN(13)]
	switch rand.IntN(12) {
	case 0:
		a.reset(w, "")
	case 1:
		a.reset(w, "garbage\r\n\r\n")
	case 2:
		a.reset(w, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
	case 3:
		a.reset(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxx")
	case 4:
		w.WriteHeader(status)
		panic(http.ErrAbortHandler)
	default:
		w.WriteHeader(status)
		io.WriteString(w, strings.Repeat("y", rand.IntN(2)*rand.IntN(50_000)))
	}
}

// reset writes some text to the connection and cuts it.
func (a *arrivals) reset(w http.ResponseWriter, text string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	a.mu.Lock()
	a.cut++
	a.mu.Unlock()
	io.WriteString(conn, text)
	conn.Close()
}
