package realserver

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t testing.TB, limits string, opts ...scheduler.Option) *scheduler.Scheduler {
	t.Helper()
	s, err := scheduler.New(scheduler.MustParseLimits(limits), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// counted tells on a channel each time that the handler has returned, and so the permit is back.
func counted(h http.Handler) (http.Handler, <-chan struct{}) {
	returned := make(chan struct{}, 1000)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { returned <- struct{}{} }()
		h.ServeHTTP(w, r)
	}), returned
}

// serve starts a server for h.
func serve(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// get asks the server and returns the answer with its body read.
func get(t testing.TB, server *httptest.Server, path string) (*http.Response, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // only a fault takes so long
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func inUse(t testing.TB, s *scheduler.Scheduler, want int) {
	t.Helper()
	if st := s.Stats(); st.InUse != want || st.Waiting != 0 {
		t.Errorf("%d permits in use and %d tickets waiting, want %d and none", st.InUse, st.Waiting, want)
	}
}

// limit is a Middleware whose requests wait as long as it takes.
func limit(s *scheduler.Scheduler, h http.Handler) http.Handler {
	return flowhttp.Middleware(flowhttp.Limit{Scheduler: flowhttp.Always(s), MaxWait: scheduler.Forever})(h)
}
