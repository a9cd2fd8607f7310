package flowhttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

const tokens scheduler.Unit = "tokens"

// costing returns a Transport whose requests cost 100 tokens each.
func costing(s scheduler.Source, base http.RoundTripper) *flowhttp.Transport {
	t := flowhttp.NewTransport(s)
	t.Base = base
	t.Cost = func(*http.Request) []ticket.Cost { return []ticket.Cost{tokens.Of(100)} }
	return t
}

func wantTokens(tb testing.TB, s *scheduler.Scheduler, want int) {
	tb.Helper()
	for _, w := range s.Stats().Windows {
		if w.Window.Unit == tokens && w.Remaining != want {
			tb.Errorf("%d tokens remain, want %d", w.Remaining, want)
		}
	}
}

func wantInvalid(tb testing.TB, err error) {
	tb.Helper()
	var invalid *scheduler.InvalidError
	if !errors.As(err, &invalid) {
		tb.Errorf("%v, want an InvalidError", err)
	}
}

// The ticket is found also where the body was wrapped, and where Base names no request or one of its own.
func TestSettleAfterReading(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/from":
			http.Redirect(w, r, "/to", http.StatusFound)
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		default:
			io.WriteString(w, "hello")
		}
	}))
	defer server.Close()
	network := server.Client().Transport
	for _, c := range []struct {
		name    string
		base    http.RoundTripper
		timeout time.Duration
		path    string
		left    int
	}{
		{"plain", network, 0, "/", 970},
		{"timeout", network, time.Hour, "/", 970},
		{"redirect", network, time.Hour, "/from", 870}, // each attempt costs, the last is settled
		{"no body", network, time.Hour, "/empty", 970},
		{"no request", far(ok), time.Hour, "/", 970},
		{"another request", far(func(req *http.Request) (*http.Response, error) {
			resp := answer(200, "hello")
			resp.Request = request(t, background)
			return resp, nil
		}), 0, "/", 970},
	} {
		for _, ramp := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, ramp), func(t *testing.T) {
				s := start(t, "1000 tokens/h burst 1", scheduler.WithClock(clock.NewMock()))
				transport := costing(s, c.base)
				transport.Ramp = ramp
				resp, err := (&http.Client{Transport: transport, Timeout: c.timeout}).Get(server.URL + c.path)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadAll(resp.Body); err != nil {
					t.Error(err)
				}
				wantInUse(t, s, 1) // until it is closed
				wantTokens(t, s, c.left-70)
				for _, used := range []int{50, 30} {
					if err := flowhttp.Settle(resp, tokens.Of(used)); err != nil {
						t.Error(err)
					}
				}
				wantTokens(t, s, c.left)
				resp.Body.Close()
				wantInUse(t, s, 0)
				wantInvalid(t, flowhttp.Settle(resp, tokens.Of(1)))
				wantTokens(t, s, c.left)
			})
		}
	}
}

// Settle refuses what it cannot settle, and the estimate counts.
func TestSettleRefuses(t *testing.T) {
	s := start(t, "1000 tokens/h 9 rows/h burst 5", scheduler.WithClock(clock.NewMock()))
	wantInvalid(t, flowhttp.Settle(nil, tokens.Of(1)))
	wantInvalid(t, flowhttp.Settle(&http.Response{}, tokens.Of(1)))
	own, err := s.AcquireN(background, 1, tokens.Of(0))
	if err != nil {
		t.Fatal(err)
	}
	defer own.Release()
	for _, c := range []struct {
		name   string
		change func(*flowhttp.Transport)
		costs  []ticket.Cost
		left   int
	}{
		{"without Cost", func(t *flowhttp.Transport) { t.Cost = nil }, []ticket.Cost{tokens.Of(1)}, 1000}, // and it is not the caller's ticket
		{"empty", func(t *flowhttp.Transport) { t.Cost = func(*http.Request) []ticket.Cost { return nil } }, []ticket.Cost{tokens.Of(1)}, 1000},
		{"after the headers", func(t *flowhttp.Transport) { t.Release = flowhttp.AfterHeaders }, []ticket.Cost{tokens.Of(1)}, 900},
		{"another unit", func(*flowhttp.Transport) {}, []ticket.Cost{tokens.Of(1), scheduler.Unit("rows").Of(1)}, 800},
		{"below 0", func(*flowhttp.Transport) {}, []ticket.Cost{tokens.Of(-1)}, 700},
	} {
		transport := costing(s, far(ok))
		c.change(transport)
		resp, err := transport.RoundTrip(request(t, ticket.NewContext(background, own)))
		if err != nil {
			t.Fatal(c.name, err)
		}
		wantInvalid(t, flowhttp.Settle(resp, c.costs...))
		wantTokens(t, s, c.left)
		resp.Body.Close()
		wantInUse(t, s, 1)
	}
}

// Without a Close the end of the context gives the permit back, such as by the Timeout of a client.
func TestCostsEndWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "1000 tokens/h burst 1")
		defer s.Close()
		client := &http.Client{Transport: costing(s, far(ok)), Timeout: time.Minute}
		resp, err := client.Get("http://far.test/")
		if err != nil {
			t.Fatal(err)
		}
		io.ReadAll(resp.Body)
		wantInUse(t, s, 1)
		time.Sleep(time.Minute)
		synctest.Wait()
		wantInUse(t, s, 0)
		wantInvalid(t, flowhttp.Settle(resp, tokens.Of(1)))
	})
}

// What needs no close without costs needs one with: after a read error, too, its caller knows what it has read.
func TestCostsAfterAReadError(t *testing.T) {
	s := start(t, "1000 tokens/h burst 1", scheduler.WithClock(clock.NewMock()))
	resp, err := costing(s, far(func(*http.Request) (*http.Response, error) {
		resp := answer(200, "")
		resp.Body = faulty{}
		return resp, nil
	})).RoundTrip(request(t, background))
	if err != nil {
		t.Fatal(err)
	}
	io.ReadAll(resp.Body)
	if err := flowhttp.Settle(resp, tokens.Of(40)); err != nil {
		t.Error(err)
	}
	wantTokens(t, s, 960)
	resp.Body.Close()
	wantInUse(t, s, 0)
}

// Failures and panics leave nothing in use, and what is refused costs nothing.
func TestCostsOfWhatFails(t *testing.T) {
	for _, c := range []struct {
		name string
		far  far
		cost func(*http.Request) []ticket.Cost
		left int
	}{
		{"failure", func(*http.Request) (*http.Response, error) { return nil, errReset }, nil, 900},
		{"panic", func(*http.Request) (*http.Response, error) { panic("broken") }, nil, 900},
		{"nil body", func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil }, nil, 900},
		{"unknown unit", ok, func(*http.Request) []ticket.Cost { return []ticket.Cost{{Unit: "rows", Amount: 1}} }, 1000},
		{"too large", ok, func(*http.Request) []ticket.Cost { return []ticket.Cost{tokens.Of(1001)} }, 1000},
		{"below 0", ok, func(*http.Request) []ticket.Cost { return []ticket.Cost{tokens.Of(-1)} }, 1000},
		{"panic of Cost", ok, func(*http.Request) []ticket.Cost { panic("broken") }, 1000},
	} {
		for _, ramp := range []bool{false, true} {
			s := start(t, "1000 tokens/h burst 1", scheduler.WithClock(clock.NewMock()))
			sent := false
			client := costing(s, far(func(req *http.Request) (*http.Response, error) { sent = true; return c.far(req) }))
			client.Ramp = ramp
			if c.cost != nil {
				client.Cost = c.cost
			}
			req := request(t, background)
			body := &closeNoting{Reader: strings.NewReader("x")}
			req.Body = body
			var err error
			panicked := func() (p any) {
				defer func() { p = recover() }()
				_, err = client.RoundTrip(req)
				return nil
			}()
			if refused := c.cost != nil; sent == refused || refused && panicked == nil && (err == nil || body.closed != 1) {
				t.Errorf("%s: sent %v, %v, the body was closed %d times", c.name, sent, err, body.closed)
			}
			wantInUse(t, s, 0)
			wantTokens(t, s, c.left)
		}
	}
}

// Where Transports stand one above the other, the lowest that has costs is settled.
func TestSettleWithTheLowest(t *testing.T) {
	upper := start(t, "1000 tokens/h", scheduler.WithClock(clock.NewMock()))
	lower := start(t, "1000 tokens/h", scheduler.WithClock(clock.NewMock()))
	below := costing(lower, far(ok))
	resp, err := costing(upper, below).RoundTrip(request(t, background))
	if err != nil {
		t.Fatal(err)
	}
	if err := flowhttp.Settle(resp, tokens.Of(1)); err != nil {
		t.Error(err)
	}
	wantTokens(t, upper, 900)
	wantTokens(t, lower, 999)
	resp.Body.Close()

	below.Cost = nil
	if resp, err = costing(upper, below).RoundTrip(request(t, background)); err != nil {
		t.Fatal(err)
	}
	if err := flowhttp.Settle(resp, tokens.Of(1)); err != nil {
		t.Error(err)
	}
	wantTokens(t, upper, 899)
	resp.Body.Close()
	wantInUse(t, upper, 0)
	wantInUse(t, lower, 0)
}

// A request's own context and its fields are as they were for whoever made it.
func TestCostsLeaveTheRequestAlone(t *testing.T) {
	s := start(t, "1000 tokens/h")
	type key struct{}
	ctx := context.WithValue(background, key{}, 1)
	req := request(t, ctx)
	resp, err := costing(s, far(func(got *http.Request) (*http.Response, error) {
		if got == req || got.Context().Value(key{}) != 1 {
			t.Error("the request of the caller was handed on, or its context was lost")
		}
		return answer(200, "hello"), nil
	})).RoundTrip(req)
	if err != nil || req.Context() != ctx {
		t.Error(err, req.Context())
	}
	resp.Body.Close()
}

// What is left in a unit goes to the window of that unit, and what the call itself costs is taken off once.
func TestQuotaOfTokensGoesToItsWindow(t *testing.T) {
	anthropic := func(kind string, left int) []string {
		return []string{fmt.Sprintf("Anthropic-Ratelimit-%s-Remaining: %d", kind, left), fmt.Sprintf("Anthropic-Ratelimit-%s-Reset: 1970-01-01T00:01:00Z", kind)}
	}
	openAI := []string{"X-Ratelimit-Remaining-Requests: 5", "X-Ratelimit-Reset-Requests: 1m", "X-Ratelimit-Remaining-Tokens: 700", "X-Ratelimit-Reset-Tokens: 1m"}
	for _, c := range []struct {
		name   string
		limits string
		unit   scheduler.Unit
		read   flowhttp.Dialect
		lines  []string
		want   string
	}{
		{"OpenAI", "60/min 10000 tokens/min", "tokens", flowhttp.OpenAI, openAI, "5 700 "},
		{"OpenAI, no window of requests", "10000 tokens/min", "tokens", flowhttp.OpenAI, openAI, "700 "},
		{"OpenAI, no window of tokens", "60/min 10000 rows/min", "rows", flowhttp.OpenAI, openAI, "5 9900 "},
		{"input", "9000 input-tokens/min", "input-tokens", flowhttp.Anthropic, anthropic("Input-Tokens", 700), "700 "},
		{"output, counted later", "9000 output-tokens/min", "output-tokens", flowhttp.Anthropic, anthropic("Output-Tokens", 700), "600 "},
		{"both, counted later", "9000 tokens/min", "tokens", flowhttp.Anthropic, anthropic("Tokens", 700), "600 "},
		{"not another's", "9000 tokens/min", "tokens", flowhttp.Anthropic, anthropic("Input-Tokens", 700), "8900 "},
		{"draft", "60/min 9000 bytes/min", "bytes", nil, []string{`RateLimit-Policy: "a";q=9000;w=60;qu="bytes"`, `RateLimit: "a";r=7;t=30`}, "59 7 "},
	} {
		s := start(t, c.limits, scheduler.WithClock(clock.NewMock()))
		client := costing(s, far(func(*http.Request) (*http.Response, error) { return answer(200, "", c.lines...), nil }))
		client.Cost = func(*http.Request) []ticket.Cost { return []ticket.Cost{c.unit.Of(100)} }
		client.Read = c.read
		get(t, client)
		got := ""
		for _, w := range s.Stats().Windows {
			got += fmt.Sprint(w.Remaining, " ")
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}
