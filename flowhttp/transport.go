package flowhttp

import (
	"context"
	"net/http"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Transport is an [http.RoundTripper] that takes a permit for every request and heeds what the far side says
// of its limits. Most callers want [NewTransport].
//
// A request waits for its permit as [scheduler.Scheduler.Acquire] does, with its own context, which includes
// the Timeout of an [http.Client]. A refusal is returned as it is, such as a [*scheduler.DeadlineError], and
// the request's body is closed. It is a url.Error for users of an http.Client, whose Timeout method returns
// true for a deadline.
//
// The permit is given back at the first of: the end of the answer's body, an error while reading it, its
// Close, the end of the request's context, a failure or panic in Base. An answer without a body gives it
// back at once.
//
// A request with costs (see Cost) keeps its permit until the body is closed or the request's context ends, also
// when the body has been read to its end, reading has failed, or there is no body. What a call cost is known only
// when its answer has been read, and a ticket cannot be settled once it is released. So whoever sets Cost must
// close every body, give each request a context that ends, such as by the Timeout of an [http.Client], or set Settle,
// which settles and gives the permit back as soon as the answer has been read.
//
// Every attempt takes a permit, so a client that retries belongs above the Transport. So do redirects, which
// an http.Client follows after it has closed the answer before. Only a request that Base itself repeats,
// because the connection was closed before an answer came, goes under one permit.
//
// Set the fields before the first request and do not change or copy the Transport then. It may be used by
// any number of goroutines.
type Transport struct {
	// Base sends the requests; nil: http.DefaultTransport.
	Base http.RoundTripper

	// Scheduler chooses what a request takes its permit from: a scheduler, a flow or a handle. If it returns
	// nil, the request goes without. It is required.
	Scheduler func(*http.Request) scheduler.Source

	// Advise chooses the scheduler that is told what the far side says; nil: what Scheduler returns, if that
	// is a *scheduler.Scheduler or a keyed.Key. A handle takes permits and can do nothing else, so where Scheduler
	// returns handles nothing is heeded without Advise.
	Advise func(*http.Request) *scheduler.Scheduler

	// Weight says how many permits a request asks for; nil: 1.
	Weight func(*http.Request) int

	// Cost says what a request costs in other units than permits, such as tokens.Of(900), with each attempt; nil,
	// or an empty list: nothing. [Settle] corrects it when the answer is known. A unit that the limits do not
	// know is a *scheduler.InvalidError, and the request is not sent.
	Cost func(*http.Request) []ticket.Cost

	// Settle returns what a call really cost, as its answer says, in units that Cost named for it; nil or an empty
	// list: the answer does not say, and what Cost said counts. It is for callers who cannot call [Settle], because a
	// library reads and closes the body before they see the answer.
	//
	// It is called once for each answer to a request with costs, also for one that refuses the request, such as a 429. body is what
	// was read when the body ended, reading failed or the body was closed; at most the last mebibyte of it. It is
	// nil if there is no body. The body of resp must be left alone, and body must not be kept. The permit is given back right
	// after it, without a Close. It is not called if the request's context ends first, if Release is AfterHeaders,
	// or for a connection that switched protocols.
	//
	// What [ticket.Ticket.Settle] refuses is ignored, because the answer is worth more. If it panics, the permit is
	// given back and the panic goes on up.
	Settle func(resp *http.Response, body []byte) []ticket.Cost

	// Release says when a permit is given back: AfterBody, the default, or AfterHeaders.
	Release Release

	// Read reads what an answer says of limits; nil: Standard.
	Read Dialect

	// MaxPause caps for how long anything that the far side says is heeded; 0: DefaultMaxPause, an hour. Less
	// than 0: nothing is heeded.
	MaxPause time.Duration

	// Ramp lets requests go one at a time after a pause that the far side asked for, until one of them
	// succeeds: until its answer has a status below 500 and is no refusal. All others wait, in their order.
	// While they wait for that request they are in no line of the scheduler, so Stats does not count them, and
	// they wait even if the scheduler is NonBlocking. If Scheduler returns flows, set Advise to a function that
	// returns their scheduler.
	Ramp bool

	gates gates
}

// Release says when a [Transport] gives a permit back.
type Release int

const (
	// AfterBody: when the body of the answer ends. A burst then caps the calls in progress.
	AfterBody Release = iota

	// AfterHeaders: when the answer begins. It is for long streams, and for a far side that limits how many
	// requests arrive and not how many are in progress. Costs cannot be settled then.
	AfterHeaders
)

// NewTransport returns a Transport for which all requests take permits from s: a scheduler, or one of its
// flows. The fields can still be set before the first request. If s is a [*scheduler.Handle], set Advise too,
// or what the far side says is not heeded.
//
// A scheduler begins to count what is under way, see [scheduler.Scheduler.Observe].
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
		return DefaultMaxPause
	}
	return t.MaxPause
}

// call is a request under way. It holds a permit until end or until the body that it was handed over to ends.
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

// order is what a request asks its scheduler for.
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

// hear heeds what the answer says. The permit is still held.
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

// ask asks the dialect. If that panics, nobody gets the answer, so its connection is given up.
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

// handOver leaves it to the answer's body to give the permit back, if there is anything to wait for. It comes
// after hear: from here on the end of the context may give the permit back at any time.
func (c *call) handOver(req *http.Request, resp *http.Response) {
	if c.ticket.Number() == 0 || c.transport.Release == AfterHeaders {
		return
	}
	var u *usage
	if c.costs && c.transport.Settle != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		u = &usage{settle: c.transport.Settle, resp: resp}
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

// hasBody reports whether the answer has a body to wait for. A length of 0 is believed only of HTTP/2 and later,
// whose empty bodies look like any other: answers that were made by hand, for tests, seldom say their length.
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
