//go:build !race

package flowhttp_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/flowguard-go/flowguard/flowhttp"
)

// A request costs one allocation, which is its answer's body with the permit, and without one none.
func TestAllocations(t *testing.T) {
	req := request(t, background)
	resp := &http.Response{StatusCode: 200, Header: http.Header{}}
	body := io.NopCloser(strings.NewReader("hello"))
	base := far(func(*http.Request) (*http.Response, error) {
		resp.Body = body
		return resp, nil
	})
	for _, c := range []struct {
		release flowhttp.Release
		want    float64
	}{{flowhttp.AfterBody, 1}, {flowhttp.AfterHeaders, 0}} {
		client := flowhttp.NewTransport(start(t, "1000000000/s burst 9"))
		client.Base, client.Release = base, c.release
		if got := testing.AllocsPerRun(1000, func() {
			resp, err := client.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		}); got > c.want {
			t.Errorf("%v allocations, want %v", got, c.want)
		}
	}
}
