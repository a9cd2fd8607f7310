//go:build !race

package flowhttp_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/flowguard-go/flowguard/flowhttp"
)

// Without headers a request that is served costs no memory.
func TestServedRequestAllocatesNothing(t *testing.T) {
	s := start(t, "1000000000/s burst 5")
	h := flowhttp.Middleware(flowhttp.Limit{Scheduler: flowhttp.Always(s), Headers: flowhttp.HeadersOnRefusal})(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	if n := testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) }); n != 0 {
		t.Errorf("allocates %v times", n)
	}
}
