package realserver

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
)

// Inside a TimeoutHandler the permit is held for as long as the handler runs, even if the client was told
// long before that it took too long.
func TestInsideTimeoutHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "burst 1")
		slow := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(3 * time.Second) })
		h := http.TimeoutHandler(flowhttp.Handler(s, slow), time.Second, "too slow")
		ask := func() int {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			return w.Code
		}
		if got := ask(); got != http.StatusServiceUnavailable {
			t.Errorf("a handler that is too slow: %d", got)
		}
		inUse(t, s, 1)
		if got := ask(); got != http.StatusTooManyRequests {
			t.Errorf("while it still runs: %d", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		inUse(t, s, 0)
	})
}

// A request whose time is over while it waits leaves the line. TimeoutHandler answers for it.
func TestTimeoutWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hour, burst := start(t, "1/h"), start(t, "burst 1")
		hour.TryAcquire()
		held, _ := burst.TryAcquire()
		ask := func(s *scheduler.Scheduler) (w *httptest.ResponseRecorder, took time.Duration) {
			w = httptest.NewRecorder()
			began := time.Now()
			inner := limit(s, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("served") }))
			http.TimeoutHandler(inner, time.Second, "too slow").ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			return w, time.Since(began)
		}
		// The hour is known to be longer than the time that is left, so it is refused at once.
		if w, took := ask(hour); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "3600" || took != 0 {
			t.Errorf("%d, %v, after %v", w.Code, w.Header(), took)
		}
		// When a permit of a burst is given back is not known, so the request waits.
		if w, took := ask(burst); w.Code != http.StatusServiceUnavailable || w.Body.String() != "too slow" || took != time.Second {
			t.Errorf("%d, %q, after %v", w.Code, w.Body, took)
		}
		synctest.Wait()
		inUse(t, burst, 1)
		held.Release()
		inUse(t, burst, 0)
	})
}
