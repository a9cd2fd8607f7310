package flowhttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// api starts an API for the examples.
func api(h http.HandlerFunc) *httptest.Server { return httptest.NewServer(h) }

func ExampleNewTransport() {
	server := api(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })
	defer server.Close()

	s, err := scheduler.New(scheduler.MustParseLimits("100/s burst 4"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	client := &http.Client{Transport: flowhttp.NewTransport(s)}
	defer client.CloseIdleConnections()

	resp, err := client.Get(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println("in use:", s.Stats().InUse) // the answer has begun
	text, _ := io.ReadAll(resp.Body)
	fmt.Println(string(text))
	fmt.Println("in use:", s.Stats().InUse) // it has ended
	// Output:
	// in use: 1
	// hello
	// in use: 0
}

// A refusal pauses all callers of the scheduler.
func ExampleTransport() {
	server := api(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	defer server.Close()

	s, err := scheduler.New(scheduler.MustParseLimits("100/s"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	client := &http.Client{Transport: &flowhttp.Transport{
		Scheduler: func(*http.Request) scheduler.Source { return s },
		MaxPause:  10 * time.Minute,
		Ramp:      true,
	}}
	defer client.CloseIdleConnections()

	resp, err := client.Get(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	fmt.Println(resp.Status)

	// A request that cannot wait that long fails at once.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", server.URL, nil)
	_, err = client.Do(req)
	var late *scheduler.DeadlineError
	if errors.As(err, &late) {
		fmt.Println("come back in", late.Wait.Round(time.Second))
	}
	// Output:
	// 429 Too Many Requests
	// come back in 1m0s
}

// A call is charged its largest possible cost, and settled with the cost in its answer.
func ExampleSettle() {
	server := api(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"usage":{"total_tokens":120}}`) })
	defer server.Close()

	const tokens scheduler.Unit = "tokens"
	s, err := scheduler.New(scheduler.MustParseLimits("60/min 10000 tokens/min"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	transport := flowhttp.NewTransport(s)
	transport.Cost = func(*http.Request) []ticket.Cost { return []ticket.Cost{tokens.Of(900)} }
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	defer client.CloseIdleConnections()

	resp, err := client.Get(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close() // required where there are costs
	fmt.Println(s.Stats().Windows[1].Remaining, "tokens remain")
	var answer struct {
		Usage struct {
			Total int `json:"total_tokens"`
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		log.Fatal(err)
	}
	if err := flowhttp.Settle(resp, tokens.Of(answer.Usage.Total)); err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Stats().Windows[1].Remaining, "tokens remain")
	// Output:
	// 9100 tokens remain
	// 9880 tokens remain
}

// Each host has a scheduler of its own.
func ExampleTransport_hosts() {
	search, err := scheduler.New(scheduler.MustParseLimits("30/min"))
	if err != nil {
		log.Fatal(err)
	}
	defer search.Close()
	transport := &flowhttp.Transport{
		Base: far(ok),
		Scheduler: func(req *http.Request) scheduler.Source {
			if req.URL.Host == "search.example.com" {
				return search
			}
			return nil // no limit
		},
		Read: flowhttp.GitHub,
	}
	client := &http.Client{Transport: transport}
	for _, host := range []string{"search.example.com", "example.com"} {
		resp, err := client.Get("http://" + host)
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
		fmt.Println(host, search.Stats().Granted)
	}
	// Output:
	// search.example.com 1
	// example.com 1
}

// Each tenant has a line of its own. The handle of a flow cannot pause the scheduler, so Advise names the
// scheduler that follows the server's advice.
func ExampleTransport_tenants() {
	s, err := scheduler.New(scheduler.MustParseLimits("100/s"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	client := &http.Client{Transport: &flowhttp.Transport{
		Base:      far(func(*http.Request) (*http.Response, error) { return answer(503, "", "Retry-After: 9"), nil }),
		Scheduler: func(req *http.Request) scheduler.Source { return s.Flow(req.Header.Get("Tenant"), 1).Handle() },
		Advise:    func(*http.Request) *scheduler.Scheduler { return s },
	}}
	req, _ := http.NewRequest("GET", "http://example.com", nil)
	req.Header.Set("Tenant", "blue")
	resp, err := client.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	fmt.Println("paused:", s.Stats().Paused)
	// Output: paused: true
}

// A dialect of your own reads the headers that it knows, and leaves the rest to Standard.
func ExampleDialect() {
	quota := func(resp *http.Response, now time.Time) flowhttp.Advice {
		a := flowhttp.Standard(resp, now)
		if resp.Header.Get("X-Quota-Exhausted") != "" {
			a.Refused, a.Pause = true, time.Minute
		}
		return a
	}
	s, err := scheduler.New(scheduler.MustParseLimits("100/s"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	transport := flowhttp.NewTransport(s)
	transport.Read = quota
	transport.Base = far(func(*http.Request) (*http.Response, error) { return answer(200, "", "X-Quota-Exhausted: yes"), nil })
	resp, err := (&http.Client{Transport: transport}).Get("http://example.com")
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	fmt.Println("paused:", s.Stats().Paused)
	// Output: paused: true
}

func exampleAdvice(d flowhttp.Dialect, status int, lines ...string) {
	a := d(answer(status, "", lines...), time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC))
	fmt.Println("refused:", a.Refused, "pause:", a.Pause)
	for _, q := range a.Remaining {
		unit := q.Unit
		if unit == "" {
			unit = "requests"
		}
		fmt.Printf("%d of %d %s left for %v\n", q.Left, q.Limit, unit, q.Reset)
	}
}

func ExampleStandard() {
	exampleAdvice(flowhttp.Standard, 429, "Retry-After: 1.5")
	exampleAdvice(flowhttp.Standard, 200, `RateLimit-Policy: "default";q=100;w=60`, `RateLimit: "default";r=7;t=30`)
	// Output:
	// refused: true pause: 1.5s
	// refused: false pause: 0s
	// 7 of 100 requests left for 30s
}

func ExampleGitHub() {
	exampleAdvice(flowhttp.GitHub, 403, "X-RateLimit-Limit: 5000", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 1767366275")
	// Output:
	// refused: true pause: 30s
	// 0 of 5000 requests left for 30s
}

func ExampleOpenAI() {
	exampleAdvice(flowhttp.OpenAI, 200, "X-RateLimit-Limit-Requests: 60", "X-RateLimit-Remaining-Requests: 59", "X-RateLimit-Reset-Requests: 6m0s",
		"X-RateLimit-Limit-Tokens: 150000", "X-RateLimit-Remaining-Tokens: 149984", "X-RateLimit-Reset-Tokens: 7ms")
	// Output:
	// refused: false pause: 0s
	// 59 of 60 requests left for 6m0s
	// 149984 of 150000 tokens left for 7ms
}

func ExampleAnthropic() {
	exampleAdvice(flowhttp.Anthropic, 529, "Retry-After: 5")
	exampleAdvice(flowhttp.Anthropic, 200, "Anthropic-RateLimit-Requests-Limit: 50", "Anthropic-RateLimit-Requests-Remaining: 49", "Anthropic-RateLimit-Requests-Reset: 2026-01-02T15:04:35Z")
	// Output:
	// refused: true pause: 5s
	// refused: false pause: 0s
	// 49 of 50 requests left for 30s
}

func ExampleAWS() {
	exampleAdvice(flowhttp.AWS, 503)
	// Output: refused: true pause: 1s
}

// A library that calls a model closes the body before its caller sees what the answer used. So the Transport settles.
func ExampleTransport_settle() {
	server := api(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"text":"hello","usage":{"total_tokens":120}}`)
	})
	defer server.Close()

	const tokens scheduler.Unit = "tokens"
	s, err := scheduler.New(scheduler.MustParseLimits("60/min 10000 tokens/min"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	transport := flowhttp.NewTransport(s)
	transport.Cost = func(*http.Request) []ticket.Cost { return []ticket.Cost{tokens.Of(900)} } // at most
	transport.Usage = func(resp *http.Response, body []byte) []ticket.Cost {
		if resp.StatusCode == http.StatusTooManyRequests {
			return []ticket.Cost{tokens.Of(0)}
		}
		var answer struct {
			Usage *struct {
				Total int `json:"total_tokens"`
			} `json:"usage"`
		}
		if json.Unmarshal(body, &answer) != nil || answer.Usage == nil {
			return nil // what Cost said counts
		}
		return []ticket.Cost{tokens.Of(answer.Usage.Total)}
	}

	client := &http.Client{Transport: transport} // give it to the library
	defer client.CloseIdleConnections()
	resp, err := client.Get(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	fmt.Println(s.Stats().Windows[1])
	// Output: 10000 tokens/min: 120 used, 9880 remaining
}
