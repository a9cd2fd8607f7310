package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/ratelimiter"
	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/go-chi/httprate"
)

// Case 9: a request of a limited server. The handler alone does next to nothing, so what the others take
// more is their own.
func BenchmarkMiddleware(b *testing.B) {
	plain := limited("no limit", func(testing.TB, int) wrap { return func(h http.Handler) http.Handler { return h } })
	told, silent := limited("flowguard", flowguardHandler(flowhttp.HeadersAlways)), limited("flowguard", flowguardHandler(flowhttp.HeadersNever))
	failsafe, chi := limited("failsafe handler", failsafeHandler), limited("httprate", httprateHandler)
	b.Run("served", func(b *testing.B) {
		alone(b, silent(plenty, http.StatusOK), plain(plenty, http.StatusOK), failsafe(plenty, http.StatusOK))
	})
	b.Run("served and told what is left", func(b *testing.B) {
		alone(b, told(plenty, http.StatusOK), plain(plenty, http.StatusOK), chi(plenty, http.StatusOK))
	})
	b.Run("refused", func(b *testing.B) {
		alone(b, silent(0, http.StatusTooManyRequests), failsafe(0, http.StatusTooManyRequests))
	})
	b.Run("refused and told what is left", func(b *testing.B) {
		alone(b, told(0, http.StatusTooManyRequests), chi(0, http.StatusTooManyRequests))
	})
	b.Run("served over a connection", func(b *testing.B) {
		alone(b, connected(told), connected(plain), connected(failsafe), connected(chi))
	})
}

type wrap = func(http.Handler) http.Handler

// limitedBy makes a contender of a middleware that allows so many requests, and expects the status.
type limitedBy func(permits, status int) contender

// limited makes a contender of a middleware. With 0 permits it allows a single request, which is not measured.
func limited(name string, middleware func(tb testing.TB, permits int) wrap) limitedBy {
	return func(permits, status int) contender {
		return contender{name, func(tb testing.TB) func(context.Context) error {
			h := middleware(tb, max(permits, 1))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
			r := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/", nil)
			w := &answer{header: http.Header{}}
			if permits == 0 {
				h.ServeHTTP(w, r)
			}
			return func(context.Context) error {
				clear(w.header)
				if h.ServeHTTP(w, r); w.status != status {
					return fmt.Errorf("answered %d", w.status)
				}
				return nil
			}
		}}
	}
}

// answer is a ResponseWriter that keeps only the status.
type answer struct {
	header http.Header
	status int
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(p []byte) (int, error) { return len(p), nil }
func (a *answer) WriteHeader(status int)      { a.status = status }

// connected asks the same handler over a connection of this machine that stays open.
func connected(l limitedBy) contender {
	c := l(plenty, http.StatusOK)
	return contender{c.name, func(tb testing.TB) func(context.Context) error {
		call := c.op(tb)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := call(r.Context()); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		}))
		tb.Cleanup(server.Close)
		return func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
			if err != nil {
				return err
			}
			resp, err := server.Client().Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, err = io.Copy(io.Discard, resp.Body)
			if err == nil && resp.StatusCode != http.StatusOK {
				err = fmt.Errorf("answered %s", resp.Status)
			}
			return err
		}
	}}
}

// window is long, so that none of the permits comes back while it is measured.
const window = 24 * time.Hour

func flowguardHandler(headers flowhttp.HeaderUse) func(testing.TB, int) wrap {
	return func(tb testing.TB, permits int) wrap {
		s := start(tb, scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(permits, window)}})
		return flowhttp.Middleware(flowhttp.Limit{Scheduler: flowhttp.Always(s), Headers: headers})
	}
}

func failsafeHandler(_ testing.TB, permits int) wrap {
	limiter := ratelimiter.NewBursty[*http.Response](uint(permits), window)
	return func(h http.Handler) http.Handler { return failsafehttp.NewHandler(h, limiter) }
}

func httprateHandler(_ testing.TB, permits int) wrap {
	return httprate.LimitBy(permits, window, httprate.Key("*"))
}
