package flowhttp_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
)

// keys makes a set in which all keys have the limits, closed with the test.
func keys(tb testing.TB, limits string, opts ...keyed.Option) *keyed.Set[string] {
	tb.Helper()
	l := scheduler.MustParseLimits(limits)
	set, err := keyed.New(func(string) scheduler.Limits { return l }, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { set.Close() })
	return set
}

// Each client has limits of its own: one IPv4 address, one IPv6 network, whatever it writes into
// X-Forwarded-For.
func TestKeysOfClients(t *testing.T) {
	set := keys(t, "2/h")
	behind := flowhttp.ClientAddr{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	served := flowhttp.Middleware(flowhttp.Limit{Scheduler: flowhttp.Keys(set, behind.Key)})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for i, c := range []struct {
		from, forwarded string
		want            int
		left            string
	}{
		{"10.0.0.1:80", "203.0.113.9", 200, `"2/h";r=1;t=3600`},
		{"10.0.0.1:80", "1.2.3.4, 203.0.113.9", 200, `"2/h";r=0;t=3600`},
		{"10.0.0.2:80", "5.6.7.8, 203.0.113.9", 429, `"2/h";r=0;t=3600`},
		{"10.0.0.1:80", "203.0.113.10", 200, `"2/h";r=1;t=3600`},
		{"[2001:db8::1]:80", "", 200, `"2/h";r=1;t=3600`},
		{"[2001:db8::2]:80", "", 200, `"2/h";r=0;t=3600`},
		{"[2001:db8::ffff:3]:80", "9.9.9.9", 429, `"2/h";r=0;t=3600`},
		{"[2001:db8:0:1::3]:80", "9.9.9.9", 200, `"2/h";r=1;t=3600`},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.from
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		w := httptest.NewRecorder()
		served.ServeHTTP(w, r)
		if got := w.Header().Get("RateLimit"); w.Code != c.want || got != c.left {
			t.Errorf("request %d from %s for %q: %d %s, want %d %s", i, c.from, c.forwarded, w.Code, got, c.want, c.left)
		}
	}
	if n := set.Len(); n != 4 {
		t.Errorf("%d keys, want 4", n)
	}
}

// A request that may wait does so in the line of its key, and keys beyond MaxKeys are refused or share.
func TestTooManyKeysOfClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ask := func(h http.Handler, key string) int {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("X-Api-Key", key)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Code
		}
		ofHeader := func(r *http.Request) string { return r.Header.Get("X-Api-Key") }
		for _, c := range []struct {
			opts []keyed.Option
			want string
		}{
			{[]keyed.Option{keyed.MaxKeys(1)}, "200 200 503 503"},
			{[]keyed.Option{keyed.MaxKeys(1), keyed.Overflow(scheduler.MustParseLimits("1/h"))}, "200 200 200 429"},
		} {
			set := keys(t, "1/s", c.opts...)
			limit := flowhttp.Limit{Scheduler: flowhttp.Keys(set, ofHeader), MaxWait: time.Minute}
			h := flowhttp.Middleware(limit)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			start := time.Now()
			if got := fmt.Sprint(ask(h, "a"), ask(h, "a"), ask(h, "b"), ask(h, "c")); "["+got+"]" != fmt.Sprintf("[%s]", c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
			if waited := time.Since(start); waited != time.Second {
				t.Errorf("the second request of a key waited %v, want 1s", waited)
			}
			set.Close()
		}
	})
}

// What a host says of its limits holds for that host and no other, with and without a ramp.
func TestKeysOfHosts(t *testing.T) {
	for _, ramp := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			set := keys(t, "100/s")
			var refused atomic.Bool
			tr := &flowhttp.Transport{
				Scheduler: flowhttp.Keys(set, func(r *http.Request) string { return r.URL.Host }),
				Ramp:      ramp,
				Base: far(func(r *http.Request) (*http.Response, error) {
					if r.URL.Host == "a.test" && !refused.Swap(true) {
						return answer(429, "", "Retry-After: 30"), nil
					}
					return answer(200, "", "RateLimit: \"x\";r=0;t=7"), nil
				}),
			}
			get := func(host string) (status int, waited time.Duration) {
				start := time.Now()
				resp, err := tr.RoundTrip(httptest.NewRequest("GET", "http://"+host+"/", nil))
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				return resp.StatusCode, time.Since(start)
			}
			for i, c := range []struct {
				host   string
				status int
				waited time.Duration
			}{
				{"a.test", 429, 0},
				{"b.test", 200, 0},
				{"c.test", 200, 0},
				{"a.test", 200, 30 * time.Second},
				{"a.test", 200, 7 * time.Second},
				{"b.test", 200, 0}, // the observation has ended meanwhile
			} {
				if status, waited := get(c.host); status != c.status || waited != c.waited {
					t.Errorf("ramp %v, request %d to %s: %d after %v, want %d after %v", ramp, i, c.host, status, waited, c.status, c.waited)
				}
			}
			set.Close()
		})
	}
}

// A key whose host asks for pauses forever leaves nothing behind.
func TestGatesOfKeysAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := keys(t, "100/s")
		defer set.Close()
		tr := &flowhttp.Transport{
			Scheduler: flowhttp.Keys(set, func(r *http.Request) string { return r.URL.Host }),
			Ramp:      true,
			Base:      far(func(*http.Request) (*http.Response, error) { return answer(429, "", "Retry-After: 1"), nil }),
		}
		most := 0
		for i := range 5000 {
			resp, err := tr.RoundTrip(httptest.NewRequest("GET", fmt.Sprintf("http://host-%d.test/", i), nil))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			time.Sleep(10 * time.Millisecond)
			most = max(most, tr.Gates())
		}
		if most > 500 { // 100 of them pause at a time
			t.Errorf("there were %d gates", most)
		}
	})
}

// Each client may ask twice a minute.
func ExampleKeys() {
	perClient := scheduler.MustParseLimits("2/min")
	set, err := keyed.New(func(string) scheduler.Limits { return perClient }, keyed.MaxKeys(1_000_000))
	if err != nil {
		log.Fatal(err)
	}
	defer set.Close()
	limited := flowhttp.Middleware(flowhttp.Limit{
		Scheduler: flowhttp.Keys(set, func(r *http.Request) string { return r.Header.Get("X-Api-Key") }),
	})
	server := httptest.NewServer(limited(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	defer server.Close()

	for _, key := range []string{"ann", "ann", "ann", "bob"} {
		req, err := http.NewRequest("GET", server.URL, nil)
		if err != nil {
			log.Fatal(err)
		}
		req.Header.Set("X-Api-Key", key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
		fmt.Println(key, resp.Status, resp.Header.Get("RateLimit"))
	}
	// Output:
	// ann 200 OK "2/min";r=1;t=60
	// ann 200 OK "2/min";r=0;t=60
	// ann 429 Too Many Requests "2/min";r=0;t=60
	// bob 200 OK "2/min";r=1;t=60
}
