package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/ratelimiter"
	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
)

// BenchmarkTransport measures what limiting adds to a request whose permit is free: to one that costs nothing
// else, and to one of a server on the same machine. The answer's body is read to its end and closed.
func BenchmarkTransport(b *testing.B) {
	b.Run("no network", func(b *testing.B) {
		transports(b, "http://server.test/", nowhere{})
	})
	b.Run("local server", func(b *testing.B) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
		defer server.Close()
		base := server.Client().Transport
		transports(b, server.URL, base)
	})
}

// nowhere answers without a network.
type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("hello"))}, nil
}

func transports(b *testing.B, url string, base http.RoundTripper) {
	limited := func(tb testing.TB) *flowhttp.Transport {
		t := flowhttp.NewTransport(start(tb, scheduler.Limits{Windows: windows(1), MaxBurst: 4}))
		t.Base = base
		return t
	}
	for _, c := range order([]struct {
		name string
		make func(testing.TB) http.RoundTripper
		ctx  func() (context.Context, context.CancelFunc)
	}{
		{"flowguard", func(tb testing.TB) http.RoundTripper { return limited(tb) }, background},
		{"flowguard until the headers", func(tb testing.TB) http.RoundTripper {
			t := limited(tb)
			t.Release = flowhttp.AfterHeaders
			return t
		}, background},
		{"flowguard with Ramp", func(tb testing.TB) http.RoundTripper {
			t := limited(tb)
			t.Ramp = true
			return t
		}, background},
		{"flowguard with a context that can end", func(tb testing.TB) http.RoundTripper { return limited(tb) }, cancellable},
		{"failsafe limiter and bulkhead", func(testing.TB) http.RoundTripper {
			return failsafehttp.NewRoundTripper(base, bulkhead.New[*http.Response](4), ratelimiter.NewBursty[*http.Response](plenty, time.Second))
		}, background},
		{"none", func(testing.TB) http.RoundTripper { return base }, background},
		{"none with a context that can end", func(testing.TB) http.RoundTripper { return base }, cancellable},
	}...) {
		b.Run(c.name, func(b *testing.B) {
			t := c.make(b)
			ctx, cancel := c.ctx()
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				resp, err := t.RoundTrip(req)
				if err != nil {
					b.Fatal(err)
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
}

func background() (context.Context, context.CancelFunc) { return context.Background(), func() {} }

func cancellable() (context.Context, context.CancelFunc) {
	return context.WithCancel(context.Background())
}
