package flowhttp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
)

var background = context.Background()

// start makes a scheduler that is closed with the test.
func start(tb testing.TB, limits string, opts ...scheduler.Option) *scheduler.Scheduler {
	tb.Helper()
	l, err := scheduler.ParseLimits(limits)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := scheduler.New(l, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

// far is a server that is a function.
type far func(*http.Request) (*http.Response, error)

func (f far) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// toFar returns a Transport to it.
func toFar(s scheduler.Source, f far) *flowhttp.Transport {
	t := flowhttp.NewTransport(s)
	t.Base = f
	return t
}

// answer makes an answer with a body and lines of header.
func answer(status int, body string, lines ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody}
	if body != "" {
		resp.Body = io.NopCloser(strings.NewReader(body))
	}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		resp.Header.Add(name, value)
	}
	return resp
}

func ok(*http.Request) (*http.Response, error) { return answer(200, "hello"), nil }

func request(tb testing.TB, ctx context.Context) *http.Request {
	tb.Helper()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://far.test/", nil)
	if err != nil {
		tb.Fatal(err)
	}
	return req
}

// get makes a request and reads the answer to its end.
func get(tb testing.TB, t http.RoundTripper) int {
	tb.Helper()
	resp, err := t.RoundTrip(request(tb, background))
	if err != nil {
		tb.Error(err)
		return 0
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func wantInUse(tb testing.TB, s *scheduler.Scheduler, want int) {
	tb.Helper()
	if got := s.Stats().InUse; got != want {
		tb.Errorf("%d permits are in use, want %d", got, want)
	}
}

var errReset = errors.New("connection reset")
