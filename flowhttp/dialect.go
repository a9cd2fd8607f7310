package flowhttp

import (
	"bytes"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/flowguard-go/flowguard/internal/structured"
)

// Standard reads the standard header fields. It is the default of a [Transport]. It reads:
//
//   - Retry-After on 429 and 503: seconds, with or without a fraction, or an HTTP date, relative to the
//     response's Date. Retry-After-Ms is read before it.
//   - RateLimit and RateLimit-Policy of the IETF draft, on every answer: parameters r, t, q, w, qu and pk.
//     Without t, r holds for the policy's w.
//   - RateLimit-Limit, RateLimit-Remaining and RateLimit-Reset of earlier drafts, if there is no RateLimit.
//
// If there is a Retry-After, the remaining amounts in the same response are ignored. They are also ignored in a
// response from a cache, which has an Age. A malformed field is ignored.
func Standard(resp *http.Response, now time.Time) Advice {
	return advise(resp, now, refusesByStatus(resp), standardQuotas)
}

// advise reads what all dialects share. It calls quotas unless the response has a better Retry-After.
func advise(resp *http.Response, now time.Time, refused bool, quotas func(http.Header, time.Time) []Remaining) Advice {
	a := Advice{Refused: refused}
	if refused {
		if d, ok := retryAfter(resp.Header, now); ok {
			a.Pause = d
			return a
		}
	}
	if a.Remaining = quotas(resp.Header, now); a.Remaining == nil {
		return a
	}
	if age, ok := count(resp.Header.Get("Age")); ok && age > 0 {
		a.Remaining = nil
	}
	return a
}

func refusesByStatus(resp *http.Response) bool {
	return resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable
}

// exhausted returns the longest reset of the quotas that have nothing left, 0 if there is none.
func (a *Advice) exhausted() (longest time.Duration) {
	for i := range a.Remaining {
		if a.Remaining[i].Left == 0 {
			longest = max(longest, a.Remaining[i].Reset)
		}
	}
	return longest
}

// standardQuotas reads the fields of the draft. A header without any of them costs two lookups.
func standardQuotas(h http.Header, _ time.Time) []Remaining {
	lines := h["Ratelimit"]
	if len(lines) == 0 {
		if q, ok := threeFields(h, "Ratelimit-Limit", "Ratelimit-Remaining"); ok {
			q.Reset, _ = parseDecimal(h.Get("Ratelimit-Reset"), time.Second)
			return []Remaining{q}
		}
		return nil
	}
	limits, _ := structured.ParseList(lines)
	policies, _ := structured.ParseList(h["Ratelimit-Policy"])
	var quotas []Remaining
	for i := range limits {
		if q, ok := quotaOf(&limits[i], policies); ok {
			quotas = append(quotas, q)
		}
	}
	return quotas
}

// quotaOf reads a member of RateLimit, and the policy that it names.
func quotaOf(limit *structured.Item, policies []structured.Item) (q Remaining, ok bool) {
	left, ok := limit.Count("r")
	if !ok {
		return q, false
	}
	q.Name, ok = nameOf(limit)
	if !ok {
		return q, false
	}
	key, hasKey := limit.Param("pk").([]byte)
	q.Left, q.Partition = saturated(left), string(key)
	for i := range policies {
		p := &policies[i]
		if name, ok := nameOf(p); !ok || name != q.Name {
			continue
		}
		if k, has := p.Param("pk").([]byte); has && hasKey && string(k) != string(key) {
			continue
		}
		most, _ := p.Count("q")
		per, _ := p.Count("w")
		q.Limit, q.Per = saturated(most), seconds(per)
		if unit, _ := p.Param("qu").(string); unit != "requests" {
			q.Unit = unit
		}
		break
	}
	if t, ok := limit.Count("t"); ok {
		q.Reset = seconds(t)
	} else {
		q.Reset = q.Per
	}
	return q, true
}

// nameOf returns what a member is called. Drafts differ in whether that is a String or a Token.
func nameOf(i *structured.Item) (string, bool) {
	switch v := i.Value.(type) {
	case string:
		return v, true
	case structured.Token:
		return string(v), true
	}
	return "", false
}

// threeFields reads a quota from two fields of whole numbers. The caller reads the third field, the reset. The
// names must be in canonical form.
func threeFields(h http.Header, limit, remaining string) (q Remaining, ok bool) {
	if len(h[remaining]) == 0 {
		return q, false
	}
	left, ok := count(h.Get(remaining))
	if !ok {
		return q, false
	}
	most, _ := count(h.Get(limit))
	return Remaining{Left: left, Limit: most}, true
}

// count parses a whole number of 0 or more.
func count(text string) (int, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, false
	}
	return int(min(n, math.MaxInt)), true
}

func saturated(n int64) int { return int(min(n, math.MaxInt)) }

// GitHub reads responses of GitHub's REST and GraphQL APIs:
//
//   - X-RateLimit-Limit, -Remaining, -Reset (seconds since 1970) and -Resource, on every answer.
//   - 403 or 429 with nothing remaining: a pause until the reset.
//   - 403 or 429 of a secondary limit: a pause as Retry-After says, or of a minute, as GitHub advises.
//     A 403 counts as one if it has a Retry-After or its body speaks of a secondary limit.
//   - 503 as [Standard] does.
//
// Resources such as core, search and graphql have quotas of their own. If you use several, let
// Transport.Scheduler return a scheduler for each.
func GitHub(resp *http.Response, now time.Time) Advice {
	forbidden := resp.StatusCode == http.StatusForbidden
	refused := refusesByStatus(resp) || forbidden && resp.Header.Get("Retry-After") != ""
	a := advise(resp, now, refused, githubQuotas)
	if refused && a.Pause > 0 || !forbidden && resp.StatusCode != http.StatusTooManyRequests {
		return a
	}
	if reset := a.exhausted(); reset > 0 {
		a.Refused, a.Pause = true, reset
	} else if !forbidden || bodySays(resp, "secondary rate limit", "secondary-rate-limit", "abuse detection") {
		a.Refused, a.Pause = true, time.Minute
	}
	return a
}

func githubQuotas(h http.Header, now time.Time) []Remaining {
	q, ok := threeFields(h, "X-Ratelimit-Limit", "X-Ratelimit-Remaining")
	if !ok {
		return nil
	}
	if epoch, ok := count(h.Get("X-Ratelimit-Reset")); ok {
		q.Reset = until(time.Unix(int64(epoch), 0), h, now)
	}
	q.Name, q.Per = h.Get("X-Ratelimit-Resource"), time.Hour
	if q.Name == "search" || q.Name == "code_search" {
		q.Per = time.Minute
	}
	return []Remaining{q}
}

// bodySays reports whether the start of a JSON body contains one of the texts. It puts back what it read.
func bodySays(resp *http.Response, texts ...string) bool {
	if resp.Body == nil || !strings.Contains(resp.Header.Get("Content-Type"), "json") {
		return false
	}
	start, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	resp.Body = &putBack{ReadCloser: resp.Body, start: start, err: err}
	lower := bytes.ToLower(start)
	for _, t := range texts {
		if bytes.Contains(lower, []byte(t)) {
			return true
		}
	}
	return false
}

// putBack is a body whose start has been read already.
type putBack struct {
	io.ReadCloser
	start []byte
	err   error // of reading the start
}

func (b *putBack) Read(p []byte) (int, error) {
	if len(b.start) > 0 {
		n := copy(p, b.start)
		b.start = b.start[n:]
		return n, nil
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.ReadCloser.Read(p)
}

// OpenAI reads responses of OpenAI's API, and of APIs that imitate it. It reads Retry-After and Retry-After-Ms
// on 429 and 503. On every response it reads x-ratelimit-limit-, -remaining- and -reset- of requests and of
// tokens, with resets such as 6m0s. The remaining amount of tokens has the unit "tokens".
//
// At a reset the whole limit is free again. The API frees parts of it earlier, so the scheduler may hold back a
// little more than necessary.
func OpenAI(resp *http.Response, now time.Time) Advice {
	return advise(resp, now, refusesByStatus(resp), openAIQuotas)
}

func openAIQuotas(h http.Header, _ time.Time) (quotas []Remaining) {
	for _, kind := range [...]struct{ unit, limit, remaining, reset string }{
		{"", "X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests"},
		{"tokens", "X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens"},
	} {
		if q, ok := threeFields(h, kind.limit, kind.remaining); ok {
			q.Unit = kind.unit
			q.Reset, _ = parseDuration(h.Get(kind.reset))
			quotas = append(quotas, q)
		}
	}
	return quotas
}

// Anthropic reads responses of Anthropic's API. It reads Retry-After on 429, 503 and 529 (overloaded). On every
// response it reads anthropic-ratelimit-…-limit, -remaining and -reset (RFC 3339). The remaining amounts of
// tokens have the units "tokens", "input-tokens" and "output-tokens". The API counts output tokens while it
// writes them, so the amounts of "tokens" and "output-tokens" are marked as Later.
//
// At a reset the whole limit is free again. The API frees parts of it earlier, so the scheduler may hold back a
// little more than necessary.
func Anthropic(resp *http.Response, now time.Time) Advice {
	const overloaded = 529
	return advise(resp, now, refusesByStatus(resp) || resp.StatusCode == overloaded, anthropicQuotas)
}

func anthropicQuotas(h http.Header, now time.Time) (quotas []Remaining) {
	for _, kind := range [...]struct{ unit, limit, remaining, reset string }{
		{"", "Anthropic-Ratelimit-Requests-Limit", "Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Requests-Reset"},
		{"tokens", "Anthropic-Ratelimit-Tokens-Limit", "Anthropic-Ratelimit-Tokens-Remaining", "Anthropic-Ratelimit-Tokens-Reset"},
		{"input-tokens", "Anthropic-Ratelimit-Input-Tokens-Limit", "Anthropic-Ratelimit-Input-Tokens-Remaining", "Anthropic-Ratelimit-Input-Tokens-Reset"},
		{"output-tokens", "Anthropic-Ratelimit-Output-Tokens-Limit", "Anthropic-Ratelimit-Output-Tokens-Remaining", "Anthropic-Ratelimit-Output-Tokens-Reset"},
	} {
		if q, ok := threeFields(h, kind.limit, kind.remaining); ok {
			q.Unit, q.Later = kind.unit, kind.unit == "tokens" || kind.unit == "output-tokens"
			if t, err := time.Parse(time.RFC3339, strings.TrimSpace(h.Get(kind.reset))); err == nil {
				q.Reset = until(t, h, now)
			}
			quotas = append(quotas, q)
		}
	}
	return quotas
}

// AWS reads the responses with which AWS and similar services throttle: 503 (SlowDown of S3), 429, and 400 if
// X-Amzn-Errortype names throttling. They seldom say for how long to wait. All callers pause for a second,
// unless Retry-After, or X-Amz-Retry-After in milliseconds, says otherwise. They do not say what is left.
func AWS(resp *http.Response, now time.Time) Advice {
	throttled := refusesByStatus(resp)
	if resp.StatusCode == http.StatusBadRequest {
		kind := resp.Header.Get("X-Amzn-Errortype")
		throttled = strings.Contains(kind, "Throttl") || strings.Contains(kind, "TooManyRequests") ||
			strings.Contains(kind, "RequestLimitExceeded") || strings.Contains(kind, "ProvisionedThroughputExceeded")
	}
	if !throttled {
		return Advice{}
	}
	d, ok := parseDecimal(resp.Header.Get("X-Amz-Retry-After"), time.Millisecond)
	if !ok {
		d, ok = retryAfter(resp.Header, now)
	}
	if !ok {
		d = time.Second
	}
	return Advice{Refused: true, Pause: d}
}
