package flowhttp_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
)

// Two requests in any minute are served, and the third is told when to come back.
func ExampleHandler() {
	s, err := scheduler.New(scheduler.MustParseLimits("2/min burst 10"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello") })
	server := httptest.NewServer(flowhttp.Handler(s, mux))
	defer server.Close()

	for range 3 {
		resp, err := http.Get(server.URL + "/hello")
		if err != nil {
			log.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Printf("%s: %s", resp.Status, body)
		fmt.Printf("  RateLimit: %s, Retry-After: %q\n", resp.Header.Get("RateLimit"), resp.Header.Get("Retry-After"))
	}
	// Output:
	// 200 OK: hello
	//   RateLimit: "2/min";r=1;t=60, Retry-After: ""
	// 200 OK: hello
	//   RateLimit: "2/min";r=0;t=60, Retry-After: ""
	// 429 Too Many Requests: too many requests: the limit is 2/min; try again in 60 seconds
	//   RateLimit: "2/min";r=0;t=60, Retry-After: "60"
}

// A request may wait for half a second. An upload of many items takes a permit for each, and health checks
// none.
func ExampleMiddleware() {
	s, err := scheduler.New(scheduler.MustParseLimits("100/s burst 20"), scheduler.WithMaxQueue(1000))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	limit := flowhttp.Middleware(flowhttp.Limit{
		Scheduler: func(r *http.Request) scheduler.Source {
			if r.URL.Path == "/healthz" {
				return nil
			}
			return s
		},
		Weight: func(r *http.Request) int {
			if r.URL.Path == "/upload" {
				return 50
			}
			return 1
		},
		MaxWait: 500 * time.Millisecond,
	})
	served := limit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "done") }))

	for _, path := range []string{"/healthz", "/item", "/upload"} {
		w := httptest.NewRecorder()
		served.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Println(path, w.Code, w.Body)
	}
	// Output:
	// /healthz 200 done
	// /item 200 done
	// /upload 413 the request is too large: the limit is burst 20
}

// Each client has a line of its own, and the clients take turns. The server is behind proxies in 10.0.0.0/8.
func ExampleFlows() {
	s, err := scheduler.New(scheduler.MustParseLimits("100/s"), scheduler.WithMaxQueue(1000))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	clients := flowhttp.ClientAddr{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	limit := flowhttp.Middleware(flowhttp.Limit{
		Scheduler: flowhttp.Flows(s, clients.Key),
		MaxWait:   time.Second,
	})
	served := limit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("served", clients.Key(r))
	}))

	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "10.0.0.1:54321"
	r.Header.Set("X-Forwarded-For", "192.0.2.1, 2001:db8::7")
	served.ServeHTTP(httptest.NewRecorder(), r)
	// Output: served 2001:db8::/64
}

// ClientAddr trusts what the proxies add to the header, and ignores what the client wrote before.
func ExampleClientAddr() {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "10.0.0.1:54321"
	r.Header.Set("X-Forwarded-For", "192.0.2.1, 203.0.113.9") // the proxy has added the second

	direct := flowhttp.ClientAddr{}
	behind := flowhttp.ClientAddr{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	fmt.Println(direct.Key(r))
	fmt.Println(behind.Key(r))
	fmt.Println(behind.Addr(r))
	// Output:
	// 10.0.0.1
	// 203.0.113.9
	// 203.0.113.9
}

// Refusals are logged, and answered with a problem document.
func ExampleRefuseProblem() {
	s, err := scheduler.New(scheduler.MustParseLimits("1/min"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	served := flowhttp.Middleware(flowhttp.Limit{
		Scheduler: flowhttp.Always(s),
		Refuse: func(w http.ResponseWriter, r *http.Request, no flowhttp.Refusal) {
			fmt.Println(r.URL.Path, "refused with", no.Status, "because of", no.Policy)
			flowhttp.RefuseProblem(w, r, no)
		},
	})(http.NotFoundHandler())

	for range 2 {
		w := httptest.NewRecorder()
		served.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/item", nil))
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 404 404 page not found
	//
	// /item refused with 429 because of 1/min
	// 429 {"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"too many requests: the limit is 1/min; try again in 60 seconds","status":429,"violated-policies":["1/min"]}
}
