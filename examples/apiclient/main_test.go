package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inMemory serves requests by the API, without a network, so that all of it fits into a bubble.
type inMemory struct{ *api }

func (m inMemory) RoundTrip(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	m.ServeHTTP(w, req)
	return w.Result(), nil
}

// With limits and advice the first call alone is refused, and the limit is used up: 60 answers take the 300 ms,
// and after the first ten five times 200 ms.
func TestWays(t *testing.T) {
	var refused []int
	for _, way := range ways {
		synctest.Test(t, func(t *testing.T) {
			api := newAPI(10, 200*time.Millisecond)
			api.reset(300 * time.Millisecond)
			began := time.Now()
			answers, refusals, err := way.run(inMemory{api}, "http://api.test/")
			if err != nil || answers != 60 {
				t.Errorf("%s: %d answers, %v", way.name, answers, err)
			}
			refused = append(refused, refusals)
			if got := time.Since(began); got < 1300*time.Millisecond || way.name == "advice and limits" && got != 1300*time.Millisecond {
				t.Errorf("%s: took %v", way.name, got)
			}
		})
	}
	if refused[2] != 1 || refused[1] <= 10 || refused[0] <= 10 {
		t.Errorf("refused %v", refused)
	}
}

func TestTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newAPI(10, 200*time.Millisecond)
		var out strings.Builder
		if err := compare(&out, api, inMemory{api}, "http://api.test/"); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 4 || !strings.HasPrefix(lines[3], "advice and limits") || strings.Fields(lines[3])[4] != "1" {
			t.Errorf("got\n%s", out.String())
		}
	})
}
