package realtest

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/go-chi/httprate"
)

// inMemory serves a request by a handler, without a network.
type inMemory struct{ http.Handler }

func (m inMemory) RoundTrip(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	m.ServeHTTP(w, req)
	return w.Result(), nil
}

// refusals counts how many of 30 calls an httprate server of 10 in 2 seconds refuses. Its client begins at the
// given instant of the server's period.
func refusals(t *testing.T, limits string, at time.Duration, heed bool) (refused int, took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := httprate.LimitBy(10, 2*time.Second, httprate.Key("*"))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		s, err := scheduler.New(scheduler.MustParseLimits(limits))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		transport := flowhttp.NewTransport(s)
		transport.Base = inMemory{server}
		if !heed {
			transport.MaxPause = -1
		}
		time.Sleep(time.Until(time.Now().Truncate(2 * time.Second).Add(2*time.Second + at)))
		began := time.Now()
		for range 30 {
			req, err := http.NewRequest("GET", "http://server.test/", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode == http.StatusTooManyRequests {
				refused++
			}
		}
		took = time.Since(began)
	})
	return refused, took
}

// httprate keeps two counts, of this period and the one before, and adds a share of the latter as if its
// requests had come evenly. Requests that come all at once look later than they were, so a client that is exact
// is refused. A margin and even spacing make the estimate true.
func TestInterpolatingServer(t *testing.T) {
	for _, c := range []struct {
		limits string
		heed   bool
		none   bool
	}{
		{"10/2s", false, false},
		{"10/2s", true, false},
		{"10/2s 1/200ms", false, false},
		{"9/2s", false, false},
		{"9/2s 1/220ms", false, true},
		{"9/2s 1/220ms", true, true},
	} {
		least, most, slowest := 30, 0, time.Duration(0)
		for at := time.Duration(0); at < 2*time.Second; at += 10 * time.Millisecond {
			n, took := refusals(t, c.limits, at, c.heed)
			least, most, slowest = min(least, n), max(most, n), max(slowest, took)
		}
		t.Logf("%s, advice heeded: %v: %d to %d of 30 calls refused, at most %v", c.limits, c.heed, least, most, slowest)
		if c.none != (most == 0) {
			t.Errorf("%s: %d to %d refused", c.limits, least, most)
		}
	}
}
