package flowhttp_test

import (
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
)

func TestFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			limits string
			calls  int // the last is looked at
			pause  time.Duration
			want   string // RateLimit
			policy string
		}{
			{limits: "5/s", calls: 1, want: `"5/s";r=4;t=1`, policy: `"5/s";q=5;w=1`},
			{limits: "5/s", calls: 3, want: `"5/s";r=2;t=1`, policy: `"5/s";q=5;w=1`},
			{limits: "2/3s 100/min burst 4", calls: 1, want: `"2/3s";r=1;t=3, "100/min";r=99;t=60`,
				policy: `"2/3s";q=2;w=3, "100/min";q=100;w=60, "burst 4";q=4;qu="concurrent-requests"`},
			{limits: "5/10s", calls: 3, pause: 2500 * time.Millisecond, want: `"5/10s";r=2;t=5`, policy: `"5/10s";q=5;w=10`},
			{limits: "2/1500ms", calls: 1, want: `"2/1.5s";r=1;t=2`, policy: `"2/1.5s";q=2;w=2`},
			{limits: "2/10ms", calls: 3, pause: 10 * time.Millisecond, want: `"2/10ms";r=1;t=1`, policy: `"2/10ms";q=2;w=1`},
			{limits: "2/100us", calls: 1, want: `"2/100us";r=1;t=1`, policy: `"2/100us";q=2;w=1`},
			{limits: "2/s from release", calls: 1, want: `"2/s from release";r=1`, policy: `"2/s from release";q=2;w=1`},
			{limits: "6/min evenly", calls: 1, want: `"6/min evenly";r=0;t=10`, policy: `"6/min evenly";q=6;w=60`},
			{limits: "9 tokens/min", calls: 1, want: `"9 tokens/min";r=9`, policy: `"9 tokens/min";q=9;qu="tokens";w=60`},
			{limits: "burst 2", calls: 1, want: "", policy: `"burst 2";q=2;qu="concurrent-requests"`},
			{limits: fmt.Sprintf("%d/day", math.MaxInt), calls: 1, want: fmt.Sprintf(`"%d/day";r=%d;t=86400`, math.MaxInt, min(math.MaxInt-1, 999_999_999_999_999)),
				policy: fmt.Sprintf(`"%d/day";q=%d;w=86400`, math.MaxInt, min(math.MaxInt, 999_999_999_999_999))},
		} {
			h := flowhttp.Handler(start(t, c.limits), hello)
			var last *http.Response
			for i := range c.calls {
				if i > 0 {
					time.Sleep(c.pause)
				}
				last = ask(h)
			}
			if got := last.Header.Get("RateLimit"); got != c.want {
				t.Errorf("%s: RateLimit: %s, want %s", c.limits, got, c.want)
			}
			if got := last.Header.Get("RateLimit-Policy"); got != c.policy {
				t.Errorf("%s: RateLimit-Policy: %s, want %s", c.limits, got, c.policy)
			}
		}
	})
}

// t is exact: after t seconds there is more, and one second before there is not.
func TestResetIsExact(t *testing.T) {
	item := regexp.MustCompile(`;r=(\d+);t=(\d+)$`)
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "7/20s")
		h := flowhttp.Handler(s, hello)
		for i := range 60 {
			answer := ask(h)
			said := item.FindStringSubmatch(answer.Header.Get("RateLimit"))
			if said == nil {
				t.Fatalf("answer %d: RateLimit %q", i, answer.Header.Get("RateLimit"))
			}
			r, _ := strconv.Atoi(said[1])
			seconds, _ := strconv.Atoi(said[2])
			if got := s.Stats().Windows[0].Remaining; got != r {
				t.Errorf("answer %d: r=%d, %d remain", i, r, got)
			}
			if i%3 > 0 {
				time.Sleep(time.Duration(i*377) * time.Millisecond % (2 * time.Second))
				continue
			}
			time.Sleep(time.Duration(seconds-1) * time.Second)
			if got := s.Stats().Windows[0].Remaining; got != r {
				t.Errorf("answer %d: r=%d;t=%d, but a second before there are %d", i, r, seconds, got)
			}
			time.Sleep(time.Second)
			if got := s.Stats().Windows[0].Remaining; got <= r {
				t.Errorf("answer %d: r=%d;t=%d, but then there are %d", i, r, seconds, got)
			}
		}
	})
}

// If a refusal has both, Retry-After is not earlier than the t of a policy that is used up.
func TestRetryAfterIsNotBeforeReset(t *testing.T) {
	exhausted := regexp.MustCompile(`;r=0;t=(\d+)`)
	synctest.Test(t, func(t *testing.T) {
		h := flowhttp.Handler(start(t, "2/1300ms 5/7s 9/31s"), hello)
		refused := 0
		for i := range 200 {
			answer := ask(h)
			if answer.StatusCode == http.StatusTooManyRequests {
				refused++
				after, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
				for _, found := range exhausted.FindAllStringSubmatch(answer.Header.Get("RateLimit"), -1) {
					if reset, _ := strconv.Atoi(found[1]); after < reset {
						t.Errorf("Retry-After %d is before RateLimit: %s", after, answer.Header.Get("RateLimit"))
					}
				}
			}
			time.Sleep(time.Duration(i*331) * time.Millisecond % (1500 * time.Millisecond))
		}
		if refused == 0 {
			t.Error("nothing was refused")
		}
	})
}

func TestHeaderUse(t *testing.T) {
	for _, c := range []struct {
		use                       flowhttp.HeaderUse
		onServed, onRefused       bool
		onClosed, retryAfterThere bool
	}{
		{flowhttp.HeadersAlways, true, true, false, true},
		{flowhttp.HeadersOnRefusal, false, true, false, true},
		{flowhttp.HeadersNever, false, false, false, true},
	} {
		s := start(t, "1/h")
		h := flowhttp.Middleware(flowhttp.Limit{Scheduler: flowhttp.Always(s), Headers: c.use})(hello)
		served, refused := ask(h), ask(h)
		s.Close()
		closed := ask(h)
		for _, a := range []struct {
			name   string
			answer *http.Response
			want   bool
		}{{"served", served, c.onServed}, {"refused", refused, c.onRefused}, {"closed", closed, c.onClosed}} {
			for _, field := range []string{"RateLimit", "RateLimit-Policy"} {
				if got := a.answer.Header.Get(field) != ""; got != a.want {
					t.Errorf("%d, %s: %s %q", c.use, a.name, field, a.answer.Header.Get(field))
				}
			}
		}
		if got := refused.Header.Get("Retry-After") != ""; got != c.retryAfterThere {
			t.Errorf("%d: Retry-After %q", c.use, refused.Header.Get("Retry-After"))
		}
	}
}

// A request that passes two limits hears of both, and so does one that the inner refuses.
func TestNestedLimits(t *testing.T) {
	all, client := start(t, "100/min"), start(t, "1/min")
	h := flowhttp.Middleware(flowhttp.Limit{Scheduler: flowhttp.Always(all), Name: "all"})(
		flowhttp.Middleware(flowhttp.Limit{Scheduler: flowhttp.Always(client), Name: `the "client"`})(hello))
	for _, want := range []struct {
		status int
		fields []string
	}{
		{200, []string{`"all 100/min";r=99;t=60`, `"the \"client\" 1/min";r=0;t=60`}},
		{429, []string{`"all 100/min";r=98;t=60`, `"the \"client\" 1/min";r=0;t=60`}},
	} {
		answer := ask(h)
		if got := answer.Header["Ratelimit"]; answer.StatusCode != want.status || strings.Join(got, " | ") != strings.Join(want.fields, " | ") {
			t.Errorf("%d, %q; want %d, %q", answer.StatusCode, got, want.status, want.fields)
		}
	}
	allBack(t, all)
}

// The fields follow limits that change, and each scheduler has its own.
func TestFieldsFollowTheLimits(t *testing.T) {
	s, other := start(t, "5/s"), start(t, "6/s")
	current := s
	h := flowhttp.Middleware(flowhttp.Limit{Scheduler: func(*http.Request) scheduler.Source { return current }})(hello)
	for _, c := range []struct {
		do   func()
		want string
	}{
		{func() {}, `"5/s";q=5;w=1`},
		{func() { current = other }, `"6/s";q=6;w=1`},
		{func() { current = s; s.SetLimits(scheduler.MustParseLimits("7/s burst 2")) }, `"7/s";q=7;w=1, "burst 2";q=2;qu="concurrent-requests"`},
		{func() { s.SetLimits(scheduler.MustParseLimits("7/s burst 3")) }, `"7/s";q=7;w=1, "burst 3";q=3;qu="concurrent-requests"`},
	} {
		c.do()
		if got := ask(h).Header.Get("RateLimit-Policy"); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// A handle tells what is left as its scheduler does.
func TestHandleHasFields(t *testing.T) {
	h := flowhttp.Handler(start(t, "1/min").Handle(), hello)
	if got := ask(h); got.StatusCode != 200 || got.Header.Get("RateLimit") != `"1/min";r=0;t=60` {
		t.Errorf("%d, %v", got.StatusCode, got.Header)
	}
	if got := ask(h); got.StatusCode != 429 || got.Header.Get("Retry-After") != "60" {
		t.Errorf("%d, %v", got.StatusCode, got.Header)
	}
}
