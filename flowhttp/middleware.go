package flowhttp

import (
	"fmt"
	"net/http"
	"time"

	"github.com/flowguard-go/flowguard/internal/admit"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Limit says how [Middleware] limits the requests of a server. Only Scheduler must be set. The zero value of
// every other field is what most servers want.
//
// A request is answered as follows:
//
//	a permit is free, or becomes free within MaxWait   the handler runs
//	no permit is free                                  429, Retry-After if the time is known
//	the request may wait, but the line is full         503, Retry-After if the time is known
//	the scheduler is paused                            503, Retry-After if the end is known
//	the scheduler is closed or draining                503
//	weight or cost is more than a limit can ever hold  413
//	the weight is below 1, the unit of a cost is not
//	one of the scheduler's, or the scheduler is nil    500
//	the client went while the request waited           nothing
//
// Retry-After is in whole seconds, rounded up, so a client that obeys it is not too early.
type Limit struct {
	// Scheduler returns what a request takes its permit from. [Always] makes such a function for one scheduler,
	// and [Flows] for one line per client. A function of your own may choose by path or by key. If it returns nil,
	// such as for a health check, the request is served without a permit. (A nil *scheduler.Scheduler is a mistake
	// and is answered 500.)
	Scheduler func(*http.Request) scheduler.Source

	// Weight returns how many permits a request takes. If it is nil, each takes 1.
	Weight func(*http.Request) int

	// Cost returns what a request costs in the units of the scheduler's windows, such as an estimate of its
	// tokens. If it is nil, requests cost only permits. If it is set, the handler finds the ticket with
	// [ticket.FromContext], and can settle what the request really cost. (If limits are nested, it finds the
	// ticket of the inner one.)
	Cost func(*http.Request) []ticket.Cost

	// MaxWait is how long a request may wait for its permit. With 0 none waits. If a full window means that a
	// request cannot be granted in time, it is refused at once. If a permit must be released first, it is refused
	// when the time is over. With [scheduler.Forever] a request waits as long as its client does.
	//
	// net/http notices that a client has gone only if the request has no body or the body has been read. Otherwise
	// the request keeps its place in line until its turn or until MaxWait.
	MaxWait time.Duration

	// Headers says which responses tell the client how much is left. The zero value is [HeadersAlways].
	Headers HeaderUse

	// Name is put before the names of the policies in the headers. For example, "client" makes "5/s" into "client
	// 5/s". Set it if a request passes several limits.
	Name string

	// Refuse writes the response to a request that gets no permit. Headers that say when to come back are set
	// already. Refuse writes the status, usually [Refusal.Status], and the body. If it is nil, [RefuseText] writes
	// one line of text. It is not called if the client has gone.
	Refuse func(http.ResponseWriter, *http.Request, Refusal)
}

// Middleware returns a function that puts the limit before a handler. It fits chi's Use and every router whose
// middleware is a func(http.Handler) http.Handler. See [Handler] for the short form.
//
// A request takes its permit before the handler runs, and releases it when the handler returns or panics. So
// MaxBurst caps the handlers that run at once. A websocket, or another connection that the handler takes over,
// holds its permit until the handler returns.
//
// The handler gets the [http.ResponseWriter] unchanged, so Flusher, Hijacker, [http.ResponseController] and the
// like keep working.
//
// Put it inside [http.TimeoutHandler], as http.TimeoutHandler(limited, …). Outside, the permit would be
// released at the timeout, while the handler may still run.
//
// Middleware panics if Limit.Scheduler is nil. Without headers it costs what the scheduler's TryAcquire and
// Release cost, and allocates only if a request may wait. Headers also cost a call of Windows. See [HeadersOnRefusal].
func Middleware(l Limit) func(http.Handler) http.Handler {
	if l.Scheduler == nil {
		panic("flowhttp: Limit.Scheduler is nil; for one scheduler use flowhttp.Always(s)")
	}
	at := &limiter{Limit: l}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { at.serve(w, r, next) })
	}
}

// limiter applies a Limit.
type limiter struct {
	Limit
	teller teller
}

func (l *limiter) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	source := l.Scheduler(r)
	if source == nil {
		next.ServeHTTP(w, r)
		return
	}
	weight := 1
	if l.Weight != nil {
		weight = l.Weight(r)
	}
	var costs []ticket.Cost
	if l.Cost != nil {
		costs = l.Cost(r)
	}
	t, no := admit.Take(r.Context(), source.Handle(), weight, l.MaxWait, costs...)
	if no != nil {
		l.refuse(w, r, source, no)
		return
	}
	defer t.Release()
	if l.Headers == HeadersAlways {
		l.teller.tell(w.Header(), source, l.Name)
	}
	if l.Cost != nil {
		r = r.WithContext(ticket.NewContext(r.Context(), t))
	}
	next.ServeHTTP(w, r)
}

// Refusal says why a request was not served, and what to answer.
type Refusal struct {
	Status     int           // what to answer: 413, 429, 500 or 503
	RetryAfter time.Duration // until it is worth asking again; 0 if no time can be given
	Policy     string        // the exhausted policy, as named in the headers; "" if there is none
	Err        error         // what the scheduler said, such as a *scheduler.NoPermitError
}

func (l *limiter) refuse(w http.ResponseWriter, r *http.Request, source scheduler.Source, why *admit.Refusal) {
	no := Refusal{RetryAfter: why.Wait, Err: why.Err}
	switch why.Reason {
	case admit.ReasonGone:
		return
	case admit.ReasonBusy:
		no.Status = http.StatusTooManyRequests
	case admit.ReasonTooLarge:
		no.Status = http.StatusRequestEntityTooLarge
	case admit.ReasonInvalid:
		no.Status = http.StatusInternalServerError
	default:
		no.Status = http.StatusServiceUnavailable
	}
	if why.Limit != "" {
		no.Policy = policyName(l.Name, why.Limit)
	}
	if no.RetryAfter > 0 {
		w.Header().Set(retryAfterField, wholeSeconds(no.RetryAfter))
	}
	if l.Headers != HeadersNever && no.Status < http.StatusInternalServerError {
		l.teller.tell(w.Header(), source, l.Name)
	}
	if l.Refuse != nil {
		l.Refuse(w, r, no)
	} else {
		RefuseText(w, r, no)
	}
}

// RefuseText answers a refused request with its status and one line of text, such as
//
//	too many requests: the limit is 5/s; try again in 2 seconds
//
// It is the default of [Limit.Refuse].
func RefuseText(w http.ResponseWriter, _ *http.Request, no Refusal) {
	http.Error(w, no.sentence(), no.Status)
}

// sentence tells the client what it can do. It does not quote Err, which is for the server's log.
func (no Refusal) sentence() string {
	switch no.Status {
	case http.StatusTooManyRequests:
		return "too many requests" + no.limit() + no.advice()
	case http.StatusRequestEntityTooLarge:
		return "the request is too large" + no.limit()
	case http.StatusServiceUnavailable:
		return "the service is not available now" + no.advice()
	}
	return "internal server error"
}

func (no Refusal) limit() string {
	if no.Policy == "" {
		return ""
	}
	return ": the limit is " + no.Policy
}

func (no Refusal) advice() string {
	switch s := wholeSeconds(no.RetryAfter); {
	case no.RetryAfter <= 0:
		return "; try again later"
	case s == "1":
		return "; try again in 1 second"
	default:
		return fmt.Sprintf("; try again in %s seconds", s)
	}
}
