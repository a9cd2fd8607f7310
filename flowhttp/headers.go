package flowhttp

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/scheduler"
)

// HeaderUse says which responses carry the RateLimit and RateLimit-Policy header fields of the IETF draft
// "RateLimit header fields for HTTP" (draft-ietf-httpapi-ratelimit-headers-10).
//
// Each window is a policy, named by the text that [scheduler.ParseLimits] reads:
//
//	RateLimit-Policy: "5/s";q=5;w=1, "100/min";q=100;w=60, "burst 4";q=4;qu="concurrent-requests"
//	RateLimit: "5/s";r=2;t=1, "100/min";r=71;t=12
//
// r is how many permits remain after this request, and t is in how many seconds there will be more. t is left
// out while all remain, or if a permit must be released first. Seconds are rounded up, so a client that obeys
// the headers is never too early. A MaxBurst is a policy, but is not in RateLimit, because what is in use has
// changed by the time the client reads it.
//
// A window that counts a unit, such as tokens, says so with qu in RateLimit-Policy.
//
// The fields are added to those that are there already, so if a request passes several limits, its response
// reports all of them. For a shared scheduler, they say what all of its clients together have left.
type HeaderUse uint8

const (
	// HeadersAlways puts the fields into every response except 500 and 503, which are not about what the client
	// has used.
	HeadersAlways HeaderUse = iota

	// HeadersOnRefusal puts them only into responses with 429 and 413. Served requests then cost nothing more.
	HeadersOnRefusal

	// HeadersNever leaves them out. Retry-After is still sent.
	HeadersNever
)

// The names of the fields as [http.CanonicalHeaderKey] writes them.
const (
	rateLimitField  = "Ratelimit"
	policyField     = "Ratelimit-Policy"
	retryAfterField = "Retry-After"
)

// teller writes the fields. Most often the limits have not changed since the last time, and only the numbers
// are new.
type teller struct{ last atomic.Pointer[policies] }

// policies is what the fields say of limits, whatever is used of them.
type policies struct {
	windows []scheduler.Window
	burst   int

	field string   // the value of RateLimit-Policy
	items []string // the items of RateLimit up to r, which follows
}

// tell adds the fields to h.
func (t *teller) tell(h http.Header, source scheduler.Source, name string) {
	from := source.Handle()
	now := from.Clock().Now() // before Windows, so that t is not too short
	windows := from.Windows()
	p := t.policies(name, windows, inside.MaxBurst(from))
	h[policyField] = append(h[policyField], p.field)
	if len(windows) == 0 {
		return
	}
	b := make([]byte, 0, 32*len(windows))
	for i, w := range windows {
		b = append(b, p.items[i]...)
		b = appendInteger(b, w.Remaining)
		if !w.NextFree.IsZero() {
			b = append(b, ";t="...)
			b = appendInteger(b, ceilSeconds(w.NextFree.Sub(now)))
		}
	}
	h[rateLimitField] = append(h[rateLimitField], string(b))
}

// policies returns what the fields say of the limits.
func (t *teller) policies(name string, windows []scheduler.WindowStats, burst int) *policies {
	if p := t.last.Load(); p != nil && p.describes(windows, burst) {
		return p
	}
	p := newPolicies(name, windows, burst)
	t.last.Store(p)
	return p
}

func (p *policies) describes(windows []scheduler.WindowStats, burst int) bool {
	return p.burst == burst && slices.EqualFunc(p.windows, windows, func(a scheduler.Window, b scheduler.WindowStats) bool {
		return a == b.Window
	})
}

func newPolicies(name string, windows []scheduler.WindowStats, burst int) *policies {
	p := &policies{burst: burst}
	var field []byte
	for i, w := range windows {
		p.windows = append(p.windows, w.Window)
		var item []byte
		if i > 0 {
			item = append(item, ", "...)
		}
		item = appendString(item, policyName(name, w.Window.String()))
		field = append(field, item...)
		field = append(field, ";q="...)
		field = appendInteger(field, w.Permits)
		if w.Unit != "" {
			field = append(field, ";qu="...)
			field = appendString(field, string(w.Unit))
		}
		// Whole seconds are all that the draft knows. Rounded up they promise less than there is.
		field = append(field, ";w="...)
		field = appendInteger(field, ceilSeconds(w.Per))
		p.items = append(p.items, string(item)+";r=")
	}
	if burst > 0 {
		if field != nil {
			field = append(field, ", "...)
		}
		field = appendString(field, policyName(name, "burst "+strconv.Itoa(burst)))
		field = append(field, ";q="...)
		field = appendInteger(field, burst)
		field = append(field, `;qu="concurrent-requests"`...)
	}
	p.field = string(field)
	return p
}

// policyName returns the name of a policy in the headers, which hold ASCII only.
func policyName(prefix, limit string) string {
	limit = strings.ReplaceAll(limit, "µs", "us")
	if prefix == "" {
		return limit
	}
	return prefix + " " + limit
}

// ceilSeconds rounds up to whole seconds, 0 or more.
func ceilSeconds(d time.Duration) int {
	if d <= 0 {
		return 0
	}
	return int((d-1)/time.Second) + 1
}

// wholeSeconds is what Retry-After says of a wait.
func wholeSeconds(d time.Duration) string { return strconv.Itoa(ceilSeconds(d)) }

// maxInteger is the largest Integer of structured fields (RFC 9651, section 3.3.1).
const maxInteger = 999_999_999_999_999

// appendInteger writes an Integer, 0 or more.
func appendInteger(b []byte, n int) []byte {
	return strconv.AppendInt(b, min(max(int64(n), 0), maxInteger), 10)
}

// appendString writes a String of structured fields (RFC 9651, section 3.3.3). It can hold printable ASCII
// only; anything else becomes a question mark.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c < ' ' || c > '~':
			b = append(b, '?')
		default:
			b = append(b, byte(c))
		}
	}
	return append(b, '"')
}
