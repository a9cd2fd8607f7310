package flowhttp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/internal/memnet"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// allBack fails the test unless all permits have come back and nobody waits.
func allBack(t testing.TB, s *scheduler.Scheduler) {
	t.Helper()
	if st := s.Stats(); st.InUse != 0 || st.Waiting != 0 {
		t.Errorf("%d permits in use and %d tickets waiting, want none", st.InUse, st.Waiting)
	}
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello\n") })

// ask asks a handler and returns the answer.
func ask(h http.Handler) *http.Response { return askWith(context.Background(), h) }

func askWith(ctx context.Context, h http.Handler) *http.Response {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	return rec.Result()
}

// Each row puts a scheduler into a state and asks once: it is the table in the documentation of Limit.
func TestAnswers(t *testing.T) {
	take := func(s *scheduler.Scheduler) { s.TryAcquire() }
	queue := func(s *scheduler.Scheduler) { s.TryAcquire(); s.Enqueue(1) }
	for _, c := range []struct {
		name       string
		limits     string
		opts       []scheduler.Option
		weight     int
		maxWait    time.Duration
		state      func(*scheduler.Scheduler)
		status     int
		retryAfter string
		body       string
		after      time.Duration
	}{
		{name: "free", limits: "1/s", status: 200, body: "hello\n"},
		{name: "becomes free in time", limits: "1/2s", maxWait: 2 * time.Second, state: take, status: 200, body: "hello\n", after: 2 * time.Second},
		{name: "full", limits: "1/2s", state: take, status: 429, retryAfter: "2", body: "too many requests: the limit is 1/2s; try again in 2 seconds\n"},
		{name: "full for less than a second", limits: "1/10ms", state: take, status: 429, retryAfter: "1", body: "too many requests: the limit is 1/10ms; try again in 1 second\n"},
		{name: "full for a little more than a second", limits: "1/1001ms", state: take, status: 429, retryAfter: "2", body: "too many requests: the limit is 1/1.001s; try again in 2 seconds\n"},
		{name: "full for longer than it may wait", limits: "1/h", maxWait: time.Minute, state: take, status: 429, retryAfter: "3600", body: "too many requests: the limit is 1/h; try again in 3600 seconds\n"},
		{name: "as many as may be are served", limits: "burst 1", state: take, status: 429, body: "too many requests: the limit is burst 1; try again later\n"},
		{name: "as many as may be are served all the time", limits: "burst 1", maxWait: time.Minute, state: take, status: 429, body: "too many requests: the limit is burst 1; try again later\n", after: time.Minute},
		{name: "the line is full", limits: "1/2s", opts: []scheduler.Option{scheduler.WithMaxQueue(1)}, maxWait: time.Minute, state: queue, status: 503, retryAfter: "2", body: "the service is not available now; try again in 2 seconds\n"},
		{name: "the line is full, and it may not wait", limits: "1/2s", opts: []scheduler.Option{scheduler.WithMaxQueue(1)}, state: queue, status: 429, retryAfter: "4", body: "too many requests: the limit is 1/2s; try again in 4 seconds\n"},
		{name: "paused", limits: "1/s", state: func(s *scheduler.Scheduler) { s.PauseFor(90 * time.Second) }, status: 503, retryAfter: "90", body: "the service is not available now; try again in 90 seconds\n"},
		{name: "paused until resumed", limits: "1/s", state: func(s *scheduler.Scheduler) { s.Pause() }, status: 503, body: "the service is not available now; try again later\n"},
		{name: "closed", limits: "1/s", maxWait: time.Minute, state: func(s *scheduler.Scheduler) { s.Close() }, status: 503, body: "the service is not available now; try again later\n"},
		{name: "draining", limits: "burst 1", state: func(s *scheduler.Scheduler) {
			take(s)
			ctx, cancel := context.WithTimeout(context.Background(), 1)
			defer cancel()
			s.Drain(ctx)
		}, status: 503, body: "the service is not available now; try again later\n"},
		{name: "too large", limits: "9/s burst 2", weight: 3, maxWait: time.Minute, status: 413, body: "the request is too large: the limit is burst 2\n"},
		{name: "no weight", limits: "9/s", weight: -1, status: 500, body: "internal server error\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, c.limits, c.opts...)
				if c.state != nil {
					c.state(s)
				}
				l := flowhttp.Limit{Scheduler: flowhttp.Always(s), MaxWait: c.maxWait}
				if c.weight != 0 {
					l.Weight = func(*http.Request) int { return c.weight }
				}
				before := s.Stats().InUse
				began := time.Now()
				got := ask(flowhttp.Middleware(l)(hello))
				body, _ := io.ReadAll(got.Body)
				if got.StatusCode != c.status || got.Header.Get("Retry-After") != c.retryAfter || string(body) != c.body {
					t.Errorf("answered %d, Retry-After %q, %q\nwant %d, %q, %q", got.StatusCode, got.Header.Get("Retry-After"), body, c.status, c.retryAfter, c.body)
				}
				if took := time.Since(began); took != c.after {
					t.Errorf("took %v, want %v", took, c.after)
				}
				if now := s.Stats().InUse; now != before {
					t.Errorf("%d permits in use, %d before", now, before)
				}
			})
		})
	}
}

// Who comes back after Retry-After, and not before, is not too early.
func TestRetryAfterIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, limits := range []string{"3/2s", "1/300ms 4/5s", "7/1500ms from release", "2/999ms 5/3s"} {
			h := flowhttp.Handler(start(t, limits), hello)
			for range 50 {
				answer := ask(h)
				if answer.StatusCode == http.StatusOK {
					continue
				}
				seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
				if err != nil || seconds < 1 {
					t.Fatalf("%s: Retry-After %q", limits, answer.Header.Get("Retry-After"))
				}
				time.Sleep(time.Duration(seconds) * time.Second)
				if again := ask(h); again.StatusCode != http.StatusOK {
					t.Errorf("%s: after %d s still %d", limits, seconds, again.StatusCode)
				}
			}
		}
	})
}

func TestClientGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "burst 1")
		held, _ := s.TryAcquire()
		h := flowhttp.Middleware(flowhttp.Limit{
			Scheduler: flowhttp.Always(s),
			MaxWait:   time.Minute,
			Refuse:    func(http.ResponseWriter, *http.Request, flowhttp.Refusal) { t.Error("an answer to nobody") },
		})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("served") }))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if got := askWith(ctx, h); len(got.Header) != 0 {
			t.Errorf("headers for nobody: %v", got.Header)
		}
		held.Release()
		askWith(ctx, h) // one that is gone before it comes takes no free permit either
		allBack(t, s)
	})
}

func TestReleasedAfterPanic(t *testing.T) {
	s := start(t, "burst 1")
	h := flowhttp.Handler(s, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	for range 3 {
		func() {
			defer func() {
				if got := recover(); got != http.ErrAbortHandler {
					t.Errorf("recovered %v", got)
				}
			}()
			ask(h)
		}()
	}
	allBack(t, s)
}

// While the handler runs, the permit is held.
func TestHeldWhileServed(t *testing.T) {
	s := start(t, "burst 3")
	ask(flowhttp.Middleware(flowhttp.Limit{
		Scheduler: flowhttp.Always(s),
		Weight:    func(*http.Request) int { return 2 },
	})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if got := s.Stats().InUse; got != 2 {
			t.Errorf("%d permits in use, want 2", got)
		}
	})))
	allBack(t, s)
}

func TestUnlimitedRequest(t *testing.T) {
	s := start(t, "1/h")
	h := flowhttp.Middleware(flowhttp.Limit{Scheduler: func(r *http.Request) scheduler.Source {
		if r.URL.Path == "/healthz" {
			return nil
		}
		return s
	}})(hello)
	for _, want := range []struct {
		path   string
		status int
	}{{"/healthz", 200}, {"/", 200}, {"/", 429}, {"/healthz", 200}} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, want.path, nil))
		if rec.Code != want.status {
			t.Errorf("%s: %d, want %d", want.path, rec.Code, want.status)
		}
		if limited := rec.Header().Get("RateLimit") != ""; limited != (want.path == "/") {
			t.Errorf("%s: headers %v", want.path, rec.Header())
		}
	}
}

// A map that lacks the key gives a nil scheduler. The request must not pass for an unlimited one.
func TestMissingSchedulerFailsClosed(t *testing.T) {
	byKey := map[string]*scheduler.Scheduler{}
	h := flowhttp.Middleware(flowhttp.Limit{Scheduler: func(*http.Request) scheduler.Source { return byKey["nobody"] }})(hello)
	if got := ask(h); got.StatusCode != http.StatusInternalServerError {
		t.Errorf("answered %d", got.StatusCode)
	}
}

func TestRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "1/2s")
		s.TryAcquire()
		var no flowhttp.Refusal
		h := flowhttp.Middleware(flowhttp.Limit{
			Scheduler: flowhttp.Always(s),
			Name:      "client",
			Refuse: func(w http.ResponseWriter, r *http.Request, got flowhttp.Refusal) {
				no = got
				w.WriteHeader(http.StatusTeapot)
			},
		})(hello)
		answer := ask(h)
		if answer.StatusCode != http.StatusTeapot || answer.Header.Get("Retry-After") != "2" {
			t.Errorf("%d, %v", answer.StatusCode, answer.Header)
		}
		var err *scheduler.NoPermitError
		if no.Status != 429 || no.RetryAfter != 2*time.Second || no.Policy != "client 1/2s" || !errors.As(no.Err, &err) || err.Limit != "1/2s" {
			t.Errorf("%+v", no)
		}
	})
}

// The handler gets the very writer of the server.
func TestWriterIsPassedOn(t *testing.T) {
	w := httptest.NewRecorder()
	flowhttp.Handler(start(t, "1/s"), http.HandlerFunc(func(got http.ResponseWriter, _ *http.Request) {
		if got != http.ResponseWriter(w) {
			t.Errorf("got a %T", got)
		}
	})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
}

func TestMistakes(t *testing.T) {
	for name, do := range map[string]func(){
		"no scheduler": func() { flowhttp.Middleware(flowhttp.Limit{}) },
		"nil":          func() { flowhttp.Handler(nil, hello) },
		"no key":       func() { flowhttp.Flows(start(t, "1/s"), nil) },
		"no flows":     func() { flowhttp.Flows(nil, flowhttp.ClientAddr{}.Key) },
	} {
		func() {
			defer func() {
				if text, _ := recover().(string); !strings.HasPrefix(text, "flowhttp: ") {
					t.Errorf("%s: %q", name, text)
				}
			}()
			do()
		}()
	}
}

// The permits of the burst are the handlers at work, whatever the clients do: some wait, some leave, some
// handlers panic. In the end all permits are back.
func TestManyClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "20/s burst 3", scheduler.WithMaxQueue(8))
		var mu sync.Mutex
		inside, statuses := 0, map[int]int{}
		var served []time.Time
		h := flowhttp.Middleware(flowhttp.Limit{
			Scheduler: flowhttp.Flows(s, func(r *http.Request) string { return r.Header.Get("Client") }),
			MaxWait:   500 * time.Millisecond,
		})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			served = append(served, time.Now())
			n := len(served)
			if inside++; inside > 3 {
				t.Errorf("%d handlers at once", inside)
			}
			mu.Unlock()
			defer func() { mu.Lock(); inside--; mu.Unlock() }()
			time.Sleep(time.Duration(n%7) * 30 * time.Millisecond)
			if n%5 == 0 {
				panic(http.ErrAbortHandler)
			}
		}))
		var clients sync.WaitGroup
		for c := range 12 {
			clients.Go(func() {
				for i := range 40 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+(c*i)%9)*100*time.Millisecond)
					func() {
						defer func() { recover() }()
						rec := httptest.NewRecorder()
						r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
						r.Header.Set("Client", fmt.Sprint(c))
						h.ServeHTTP(rec, r)
						mu.Lock()
						statuses[rec.Code]++
						mu.Unlock()
					}()
					cancel()
					time.Sleep(time.Duration((c+i)%4) * 50 * time.Millisecond)
				}
			})
		}
		clients.Wait()
		allBack(t, s)
		slices.SortFunc(served, time.Time.Compare)
		for i, at := range served {
			if i >= 20 && at.Sub(served[i-20]) < time.Second {
				t.Errorf("21 requests served within %v", at.Sub(served[i-20]))
			}
		}
		for _, status := range []int{200, 429, 503} {
			if statuses[status] == 0 {
				t.Errorf("no answer of %d among %v: the test shows less than it should", status, statuses)
			}
		}
	})
}

// A request is charged what it is expected to cost, and settled by the handler for what it has cost.
func TestCost(t *testing.T) {
	const tokens scheduler.Unit = "tokens"
	s := start(t, "9/h 100 tokens/h")
	used := 30
	h := flowhttp.Middleware(flowhttp.Limit{
		Scheduler: flowhttp.Always(s),
		Cost:      func(*http.Request) []ticket.Cost { return []ticket.Cost{tokens.Of(60)} },
	})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := s.Stats().Windows[1].Remaining; got > 40 {
			t.Errorf("%d remain while it runs", got)
		}
		tk, ok := ticket.FromContext(r.Context())
		if !ok {
			t.Error("the handler has no ticket")
		}
		if err := tk.Settle(tokens.Of(used)); err != nil {
			t.Error(err)
		}
	}))
	for _, want := range []struct{ status, remain int }{{200, 70}, {200, 40}, {429, 40}} {
		answer := ask(h)
		if got := s.Stats().Windows[1].Remaining; answer.StatusCode != want.status || got != want.remain {
			t.Errorf("%d, and %d remain; want %d and %d", answer.StatusCode, got, want.status, want.remain)
		}
	}
	allBack(t, s)
}

// A drain serves those who wait and refuses those who come.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "burst 1")
		h := flowhttp.Middleware(flowhttp.Limit{Scheduler: flowhttp.Always(s), MaxWait: time.Minute})(
			http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Second) }))
		began := time.Now()
		var clients sync.WaitGroup
		for range 3 {
			clients.Go(func() {
				if got := ask(h); got.StatusCode != http.StatusOK {
					t.Errorf("one that was there before: %d", got.StatusCode)
				}
			})
		}
		synctest.Wait()
		clients.Go(func() {
			if err := s.Drain(t.Context()); err != nil || time.Since(began) != 3*time.Second {
				t.Errorf("drained with %v after %v", err, time.Since(began))
			}
		})
		synctest.Wait()
		if got := ask(h); got.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("one that comes later: %d", got.StatusCode)
		}
		clients.Wait()
	})
}

// Over a connection: a client that hangs up while it waits leaves the line, and one that is refused can use
// its connection again.
func TestConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "burst 1")
		listener := memnet.Listen("x:80")
		server := &http.Server{Handler: flowhttp.Middleware(flowhttp.Limit{Scheduler: flowhttp.Always(s), MaxWait: time.Second})(hello)}
		go server.Serve(listener)
		defer server.Close()

		held, _ := s.TryAcquire()
		leaves, err := listener.Dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(leaves, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		synctest.Wait()
		if got := s.Stats().Waiting; got != 1 {
			t.Fatalf("%d wait, want 1", got)
		}
		leaves.Close()
		synctest.Wait()
		if got := s.Stats().Waiting; got != 0 {
			t.Errorf("%d wait for nobody", got)
		}

		stays, err := listener.Dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer stays.Close()
		answers := bufio.NewReader(stays)
		for _, want := range []int{429, 200} {
			io.WriteString(stays, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			got, err := http.ReadResponse(answers, nil)
			if err != nil || got.StatusCode != want {
				t.Fatalf("%v, %v; want %d", got, err, want)
			}
			io.Copy(io.Discard, got.Body)
			held.Release()
		}
		allBack(t, s)
	})
}
