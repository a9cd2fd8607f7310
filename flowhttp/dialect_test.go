package flowhttp

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestDialects(t *testing.T) {
	const reset = "1767366275" // 30 seconds from now
	for _, c := range []struct {
		name    string
		dialect Dialect
		status  int
		lines   []string
		body    string
		want    Advice
	}{
		{"nothing", Standard, 200, nil, "", Advice{}},
		{"refused without a time", Standard, 429, nil, "", Advice{Refused: true}},
		{"429", Standard, 429, []string{"Retry-After: 3"}, "", Advice{Refused: true, Pause: 3 * time.Second}},
		{"503", Standard, 503, []string{"Retry-After: 3"}, "", Advice{Refused: true, Pause: 3 * time.Second}},
		{"not on other statuses", Standard, 301, []string{"Retry-After: 3"}, "", Advice{}},
		{"draft", Standard, 200, []string{`RateLimit: "default";r=5;t=30`}, "", Advice{Remaining: []Remaining{{Name: "default", Left: 5, Reset: 30 * time.Second}}}},
		{"token as name", Standard, 200, []string{`RateLimit: default;r=5;t=30`}, "", Advice{Remaining: []Remaining{{Name: "default", Left: 5, Reset: 30 * time.Second}}}},
		{"policies", Standard, 200, []string{
			`RateLimit-Policy: "burst";q=10;w=2, "day";q=5000;w=86400;qu="requests"`, `RateLimit-Policy: "bytes";q=100;w=60;qu="content-bytes";pk=:aGk=:`,
			`RateLimit: "day";r=7;t=100, "burst";r=1`, `RateLimit: "bytes";r=2;t=3;pk=:aGk=:`}, "",
			Advice{Remaining: []Remaining{{Name: "day", Left: 7, Reset: 100 * time.Second, Limit: 5000, Per: 24 * time.Hour},
				{Name: "burst", Left: 1, Reset: 2 * time.Second, Limit: 10, Per: 2 * time.Second},
				{Name: "bytes", Partition: "hi", Unit: "content-bytes", Left: 2, Reset: 3 * time.Second, Limit: 100, Per: time.Minute}}}},
		{"policy of another partition", Standard, 200, []string{`RateLimit-Policy: "a";q=10;w=2;pk=:aGk=:`, `RateLimit: "a";r=1;t=1;pk=:aG8=:`}, "",
			Advice{Remaining: []Remaining{{Name: "a", Partition: "ho", Left: 1, Reset: time.Second}}}},
		{"malformed", Standard, 200, []string{`RateLimit: "default";r=5;t=30,`}, "", Advice{}},
		{"malformed policy", Standard, 200, []string{`RateLimit-Policy: "a";q=1;w=`, `RateLimit: "a";r=5;t=30`}, "", Advice{Remaining: []Remaining{{Name: "a", Left: 5, Reset: 30 * time.Second}}}},
		{"bad members", Standard, 200, []string{`RateLimit: "a";r=-1;t=30, "b";t=30, 7;r=1;t=1, ("c");r=1;t=1, "d";r=1.5;t=1, "e";r=1;t=2`}, "", Advice{Remaining: []Remaining{{Name: "e", Left: 1, Reset: 2 * time.Second}}}},
		{"for as long as can be", Standard, 200, []string{`RateLimit: "a";r=999999999999999;t=999999999999999`}, "", Advice{Remaining: []Remaining{{Name: "a", Left: min(math.MaxInt, 999_999_999_999_999), Reset: 1<<63 - 1}}}},
		{"Retry-After wins", Standard, 429, []string{"Retry-After: 3", `RateLimit: "a";r=0;t=30`}, "", Advice{Refused: true, Pause: 3 * time.Second}},
		{"Retry-After of 0 wins", Standard, 429, []string{"Retry-After: 0", `RateLimit: "a";r=0;t=30`}, "", Advice{Refused: true}},
		{"malformed Retry-After does not", Standard, 429, []string{"Retry-After: soon", `RateLimit: "a";r=0;t=30`}, "", Advice{Refused: true, Remaining: []Remaining{{Name: "a", Reset: 30 * time.Second}}}},
		{"from a cache", Standard, 200, []string{"Age: 1", `RateLimit: "a";r=0;t=30`}, "", Advice{}},
		{"of age 0", Standard, 200, []string{"Age: 0", `RateLimit: "a";r=0;t=30`}, "", Advice{Remaining: []Remaining{{Name: "a", Reset: 30 * time.Second}}}},
		{"three fields", Standard, 200, []string{"RateLimit-Limit: 100", "RateLimit-Remaining: 7", "RateLimit-Reset: 30"}, "", Advice{Remaining: []Remaining{{Left: 7, Reset: 30 * time.Second, Limit: 100}}}},
		{"three fields, malformed", Standard, 200, []string{"RateLimit-Limit: 100", "RateLimit-Remaining: -7", "RateLimit-Reset: 30"}, "", Advice{}},

		{"GitHub", GitHub, 200, []string{"X-RateLimit-Limit: 5000", "X-RateLimit-Remaining: 4999", "X-RateLimit-Reset: " + reset, "X-RateLimit-Resource: core"}, "",
			Advice{Remaining: []Remaining{{Name: "core", Left: 4999, Reset: 30 * time.Second, Limit: 5000, Per: time.Hour}}}},
		{"GitHub, its own clock", GitHub, 200, []string{"Date: Fri, 02 Jan 2026 15:04:25 GMT", "X-RateLimit-Remaining: 4999", "X-RateLimit-Reset: " + reset, "X-RateLimit-Resource: search"}, "",
			Advice{Remaining: []Remaining{{Name: "search", Left: 4999, Reset: 10 * time.Second, Per: time.Minute}}}},
		{"GitHub, used up", GitHub, 403, []string{"X-RateLimit-Remaining: 0", "X-RateLimit-Reset: " + reset}, "",
			Advice{Refused: true, Pause: 30 * time.Second, Remaining: []Remaining{{Reset: 30 * time.Second, Per: time.Hour}}}},
		{"GitHub, used up, 429", GitHub, 429, []string{"X-RateLimit-Remaining: 0", "X-RateLimit-Reset: " + reset}, "",
			Advice{Refused: true, Pause: 30 * time.Second, Remaining: []Remaining{{Reset: 30 * time.Second, Per: time.Hour}}}},
		{"GitHub, secondary limit", GitHub, 403, []string{"Retry-After: 60", "X-RateLimit-Remaining: 10", "X-RateLimit-Reset: " + reset}, "", Advice{Refused: true, Pause: time.Minute}},
		{"GitHub, secondary limit in the body", GitHub, 403, []string{"Content-Type: application/json"}, `{"message":"You have exceeded a Secondary Rate Limit"}`, Advice{Refused: true, Pause: time.Minute}},
		{"GitHub, 429 alone", GitHub, 429, nil, "", Advice{Refused: true, Pause: time.Minute}},
		{"GitHub, forbidden", GitHub, 403, []string{"Content-Type: application/json", "X-RateLimit-Remaining: 10", "X-RateLimit-Reset: " + reset}, `{"message":"Must have admin rights"}`,
			Advice{Remaining: []Remaining{{Left: 10, Reset: 30 * time.Second, Per: time.Hour}}}},
		{"GitHub, forbidden long ago", GitHub, 403, []string{"X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 1"}, "", Advice{Remaining: []Remaining{{Per: time.Hour}}}},
		{"GitHub, 503", GitHub, 503, []string{"Retry-After: 2"}, "", Advice{Refused: true, Pause: 2 * time.Second}},

		{"OpenAI", OpenAI, 200, []string{"x-ratelimit-limit-requests: 60", "x-ratelimit-remaining-requests: 59", "x-ratelimit-reset-requests: 1s",
			"x-ratelimit-limit-tokens: 150000", "x-ratelimit-remaining-tokens: 149984", "x-ratelimit-reset-tokens: 6m0s"}, "",
			Advice{Remaining: []Remaining{{Left: 59, Reset: time.Second, Limit: 60}, {Unit: "tokens", Left: 149984, Reset: 6 * time.Minute, Limit: 150000}}}},
		{"OpenAI, refused", OpenAI, 429, []string{"retry-after-ms: 250", "retry-after: 1", "x-ratelimit-remaining-requests: 0", "x-ratelimit-reset-requests: 1s"}, "", Advice{Refused: true, Pause: 250 * time.Millisecond}},
		{"OpenAI, garbage", OpenAI, 200, []string{"x-ratelimit-remaining-requests: many", "x-ratelimit-remaining-tokens: 1", "x-ratelimit-reset-tokens: soon"}, "", Advice{Remaining: []Remaining{{Unit: "tokens", Left: 1}}}},

		{"Anthropic", Anthropic, 200, []string{"anthropic-ratelimit-requests-limit: 50", "anthropic-ratelimit-requests-remaining: 49", "anthropic-ratelimit-requests-reset: 2026-01-02T15:04:35Z",
			"anthropic-ratelimit-input-tokens-limit: 30000", "anthropic-ratelimit-input-tokens-remaining: 1", "anthropic-ratelimit-input-tokens-reset: 2026-01-02T17:05:05+02:00"}, "",
			Advice{Remaining: []Remaining{{Left: 49, Reset: 30 * time.Second, Limit: 50}, {Unit: "input-tokens", Left: 1, Reset: time.Minute, Limit: 30000}}}},
		{"Anthropic, overloaded", Anthropic, 529, []string{"retry-after: 5"}, "", Advice{Refused: true, Pause: 5 * time.Second}},
		{"Anthropic, overloaded without a time", Anthropic, 529, nil, "", Advice{Refused: true}},

		{"AWS", AWS, 503, nil, "", Advice{Refused: true, Pause: time.Second}},
		{"AWS, told", AWS, 503, []string{"Retry-After: 7"}, "", Advice{Refused: true, Pause: 7 * time.Second}},
		{"AWS, in milliseconds", AWS, 503, []string{"x-amz-retry-after: 150"}, "", Advice{Refused: true, Pause: 150 * time.Millisecond}},
		{"AWS, throttled", AWS, 400, []string{"x-amzn-ErrorType: ThrottlingException:http://internal.amazon.com/"}, "", Advice{Refused: true, Pause: time.Second}},
		{"AWS, bad request", AWS, 400, []string{"x-amzn-ErrorType: ValidationException"}, "", Advice{}},
		{"AWS, fine", AWS, 200, nil, "", Advice{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp := &http.Response{StatusCode: c.status, Header: header(c.lines...), Body: io.NopCloser(strings.NewReader(c.body))}
			got := c.dialect(resp, now)
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			if left, err := io.ReadAll(resp.Body); string(left) != c.body || err != nil {
				t.Errorf("the body is now %q, %v", left, err)
			}
		})
	}
}

// A dialect makes no nonsense of any header.
func FuzzDialects(f *testing.F) {
	f.Add(429, "Retry-After", "1.5", "RateLimit", `"a";r=1;t=2`)
	f.Add(403, "X-Ratelimit-Remaining", "0", "X-Ratelimit-Reset", "99999999999999999")
	f.Add(200, "Anthropic-Ratelimit-Tokens-Remaining", "0", "Anthropic-Ratelimit-Tokens-Reset", "2026-01-02T15:04:35Z")
	f.Add(200, "X-Ratelimit-Remaining-Requests", "18446744073709551615", "X-Ratelimit-Reset-Requests", "6m0s")
	f.Fuzz(func(t *testing.T, status int, name, value, name2, value2 string) {
		h := http.Header{}
		h.Set(name, value)
		h.Set(name2, value2)
		for _, d := range []Dialect{Standard, GitHub, OpenAI, Anthropic, AWS} {
			a := d(&http.Response{StatusCode: status, Header: h, Body: http.NoBody}, now)
			if a.Pause < 0 {
				t.Errorf("%+v", a)
			}
			for _, q := range a.Remaining {
				if q.Left < 0 || q.Limit < 0 || q.Reset < 0 || q.Per < 0 {
					t.Errorf("%+v", q)
				}
			}
		}
	})
}
