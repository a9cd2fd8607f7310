package flowhttp

import (
	"context"
	"net/http"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Transport is an [http.RoundTripper] that takes a permit for every request, and obeys what the server says of
// its limits. Most callers want [NewTransport].
//
// A request waits for its permit as [scheduler.Scheduler.Acquire] does, with the request's context. That
// includes the Timeout of an [http.Client]. If the permit is refused, RoundTrip closes the request's body and
// returns the refusal as it is, such as a [*scheduler.DeadlineError]. An http.Client wraps it in a url.Error,
// whose Timeout method returns true for a deadline.
//
// The permit is released at the first of these: the end of the response's body, an error while reading it, its
// Close, the end of the request's context, and a failure or panic in Base. If the response has no body, it is
// released at once.
//
// A request with costs (see Cost) keeps its permit until the body is closed or the request's context ends. It
// does so even if the body has been read to its end, reading has failed, or there is no body. The cost of a
// call is known only when its response has been read, and a released ticket cannot be settled. So if you set
// Cost, close every body, or give each request a context that ends. The Timeout of an [http.Client] does that.
// Or set Usage. Then the ticket is settled and released as soon as the response has been read.
//
// Every attempt takes a permit, so put a client that retries above the Transport. Every redirect takes one too,
// because an http.Client follows it as a new request, after it has closed the response before. There is one
// exception. If Base itself repeats a request, because the connection was closed before a response came, both
// attempts use one permit.
//
// Set the fields before the first request, and do not change or copy the Transport afterwards. Any number of
// goroutines may use it.
type Transport struct {
	// Base sends the requests; nil: http.DefaultTransport.
	Base http.RoundTripper

	// Scheduler returns what a request takes its permit from: a scheduler, a flow or a handle. If it returns nil,
	// the request needs no permit. Scheduler is required.
	Scheduler func(*http.Request) scheduler.Source

	// Advise returns the scheduler that follows the server's advice. If it is nil, that is the
	// *scheduler.Scheduler or keyed.Key that Scheduler returns. A handle can only take permits. So if Scheduler
	// returns handles and Advise is nil, the server's advice is ignored.
	Advise func(*http.Request) *scheduler.Scheduler

	// Weight says how many permits a request asks for; nil: 1.
	Weight func(*http.Request) int

	// Cost returns what each attempt of a request costs in units other than permits, such as tokens.Of(900). If it
	// is nil, or returns nothing, requests have no such costs. [Settle] corrects the cost once the response is
	// known. If the limits do not know a unit, the request is not sent and fails with a *scheduler.InvalidError.
	Cost func(*http.Request) []ticket.Cost

	// Usage reads from a response what the call really cost, in units that Cost named for it. If it returns
	// nothing, what Cost said counts. Set it if you cannot call [Settle], because a library reads and closes the
	// body before you see the response.
	//
	// It is called once for each response to a request with costs, even if the response refuses the request, such
	// as a 429. It is called when the body ends, reading fails, or the body is closed. body is what was read until
	// then, at most its last mebibyte, and nil if there is no body. Usage must not use resp.Body and must not keep
	// body. The permit is released right after it, without a Close. It is not called if the request's context ends
	// first, if Release is AfterHeaders, or if the connection switched protocols.
	//
	// An error of [ticket.Ticket.Settle] is ignored, so that the caller still gets the response. If Usage panics,
	// the permit is released, and the panic is not recovered.
	Usage func(resp *http.Response, body []byte) []ticket.Cost

	// Release says when a permit is released: AfterBody, the default, or AfterHeaders.
	Release Release

	// Read reads what a response says of limits. nil means Standard.
	Read Dialect

	// MaxPause caps how long advice of the server is obeyed. 0 means an hour. Below 0, all advice is ignored.
	MaxPause time.Duration

	// Ramp sends requests one at a time after a pause that the server asked for, until one succeeds. A request
	// succeeds if its response has a status below 500 and is no refusal. All others wait, in their order. While
	// they do, they are not in the scheduler's line. So Stats does not count them, and they wait even if the
	// scheduler is NonBlocking. If Scheduler returns flows, set Advise to a function that returns their scheduler.
	Ramp bool

	gates gates
}

// Release says when a [Transport] releases a permit.
type Release int

const (
	// AfterBody releases it when the response's body ends. A burst then caps the calls in progress.
	AfterBody Release = iota

	// AfterHeaders releases it when the response begins. It is for long streams, and for servers that limit how
	// many requests arrive and not how many are in progress. Costs cannot be settled then.
	AfterHeaders
)

// NewTransport returns a Transport whose requests all take their permits from s, a scheduler or one of its
// flows. Its fields can be changed until the first request. If s is a [*scheduler.Handle], set Advise too, or
// the Transport ignores what the server says of its limits.
//
// NewTransport also prepares s for the server's advice: it calls [scheduler.Scheduler.Observe] once, so that
// the first answer is treated as carefully as later ones.
func NewTransport(s scheduler.Source) *Transport {
	if advised, ok := s.(*scheduler.Scheduler); ok && advised != nil {
		for _, w := range advised.Limits().Windows {
			advised.Observe(w, 0, 0)
			break
		}
	}
	return &Transport{Scheduler: func(*http.Request) scheduler.Source { return s }}
}

// RoundTrip waits for a permit and sends the request. See [Transport].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	c := call{transport: t}
	defer c.end()
	if err := c.admit(req); err != nil {
		if req.Body != nil {
			req.Body.Close() // as every RoundTripper must
		}
		return nil, err
	}
	if c.costs {
		req = carry(req, c.ticket)
	}
	resp, err := t.base().RoundTrip(req)
	if err != nil || resp == nil {
		return resp, err
	}
	if c.costs {
		addressed(resp, req, c.ticket)
	}
	c.hear(resp)
	c.handOver(req, resp)
	return resp, nil
}

// CloseIdleConnections closes the idle connections of Base, so that [http.Client.CloseIdleConnections] works.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.base().(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (t *Transport) base() http.RoundTripper {
	if t.Base == nil {
		return http.DefaultTransport
	}
	return t.Base
}

func (t *Transport) maxPause() time.Duration {
	if t.MaxPause == 0 {
		return defaultMaxPause
	}
	return t.MaxPause
}

// call is a request in progress. It holds a permit until end, or until the end of the body to which the permit
// was handed over.
type call struct {
	transport *Transport
	advised   advised       // nil: none
	ticket    ticket.Ticket // zero if the request needs no permit
	sent      time.Time     // by the clock of advised, if there is one
	costs     bool          // the ticket has costs, which can be settled
	passage   *passage      // nil without Ramp
	succeeded bool          // as Ramp understands it
	handed    bool          // the body gives the permit back
}

// order is the weight and the costs of a request, with its scheduler.
type order struct {
	handle *scheduler.Handle
	weight int
	costs  []ticket.Cost
}

func (o *order) acquire(ctx context.Context) (ticket.Ticket, error) {
	return o.handle.AcquireN(ctx, o.weight, o.costs...)
}

// admit waits until the request may go.
func (c *call) admit(req *http.Request) (err error) {
	t := c.transport
	if t.Scheduler == nil {
		return &scheduler.InvalidError{What: "Transport.Scheduler", Want: "a function that chooses a scheduler"}
	}
	source := t.Scheduler(req)
	if source == nil {
		return nil
	}
	h := source.Handle()
	if h == nil {
		return &scheduler.InvalidError{What: "what Transport.Scheduler returns", Want: "a scheduler, or nil without a type"}
	}
	if t.Advise == nil {
		c.advised, _ = source.(advised)
	} else if s := t.Advise(req); s != nil {
		c.advised = s
	}
	o := order{handle: h, weight: 1}
	if t.Weight != nil {
		o.weight = t.Weight(req)
	}
	if t.Cost != nil {
		o.costs = t.Cost(req)
		c.costs = len(o.costs) > 0
	}
	if t.Ramp && c.advised != nil {
		c.passage = t.gates.enter(c.advised)
		c.ticket, err = c.passage.acquire(req.Context(), &o)
	} else {
		c.ticket, err = o.acquire(req.Context())
	}
	if c.advised != nil {
		c.sent = c.advised.Clock().Now()
	}
	return err
}

// hear obeys what the response says. The permit is still held.
func (c *call) hear(resp *http.Response) {
	c.succeeded = resp.StatusCode < http.StatusInternalServerError
	most := c.transport.maxPause()
	if c.advised == nil || most < 0 {
		return
	}
	read := c.transport.Read
	if read == nil {
		read = Standard
	}
	now := c.advised.Clock().Now()
	a := c.ask(read, resp, now)
	pause := a.heed(c.advised, c.ticket, most, now.Sub(c.sent))
	c.succeeded = c.succeeded && !a.Refused
	if c.passage != nil && pause > 0 {
		c.passage.hold(now.Add(pause))
	}
}

// ask asks the dialect. If that panics, no caller gets the response, so its connection is closed.
func (c *call) ask(read Dialect, resp *http.Response, now time.Time) Advice {
	answered := false
	defer func() {
		if !answered && resp.Body != nil {
			resp.Body.Close()
		}
	}()
	a := read(resp, now)
	answered = true
	return a
}

// handOver lets the response's body release the permit, if there is anything to wait for. It comes after hear,
// because from here on the end of the context may release the permit at any time.
func (c *call) handOver(req *http.Request, resp *http.Response) {
	if c.ticket.Number() == 0 || c.transport.Release == AfterHeaders {
		return
	}
	var u *usage
	if c.costs && c.transport.Usage != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		u = &usage{of: c.transport.Usage, resp: resp}
	}
	switch {
	case u != nil && (resp.Body == nil || !hasBody(req, resp)):
		u.tell(c.ticket)
		return
	case resp.Body == nil, !c.costs && !hasBody(req, resp): // with costs, headers may say what to settle
		return
	}
	resp.Body = withPermit(req.Context(), resp.Body, permit{c.ticket, u, c.costs && u == nil})
	c.handed = true
}

// hasBody reports whether the response has a body to wait for. It trusts a length of 0 only with HTTP/2 and
// later, whose empty bodies look like any other. Responses that tests make by hand seldom set their length.
func hasBody(req *http.Request, resp *http.Response) bool {
	switch {
	case resp.Body == http.NoBody, req.Method == http.MethodHead,
		resp.StatusCode == http.StatusNoContent, resp.StatusCode == http.StatusNotModified:
		return false
	}
	return resp.ContentLength != 0 || resp.ProtoMajor < 2
}

// end ends the call for the Transport, whether or not Base has panicked.
func (c *call) end() {
	if !c.handed {
		c.ticket.Release()
	}
	if c.passage != nil {
		c.passage.leave(c.succeeded)
	}
}
