package flowhttp

import (
	"context"
	"fmt"
	"net/http"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Settle says what the call of resp really cost, in units that [Transport.Cost] named for it. Call it when you
// have read the cost from the response, and before you close the body:
//
//	defer resp.Body.Close()
//	answer, err := io.ReadAll(resp.Body)
//	…
//	return flowhttp.Settle(resp, tokens.Of(used(answer)))
//
// It does what [ticket.Ticket.Settle] does. It may be called several times, and each call replaces the costs of
// the one before. If one Transport is the Base of another, Settle settles the ticket of the lowest one that has
// costs. It finds the ticket through resp.Request. So it also works if the body was wrapped or replaced, as an
// [http.Client] with a Timeout does.
//
// It returns a [*scheduler.InvalidError], and changes nothing, in these cases: the body was closed, the
// request's context has ended, Release is AfterHeaders, the call has no costs or did not name the unit, or an
// amount is below 0. Then the cost stays as it was.
func Settle(resp *http.Response, costs ...ticket.Cost) error {
	if resp != nil && resp.Request != nil {
		if t, ok := settleable(resp.Request.Context()); ok {
			return t.Settle(costs...)
		}
	}
	return &scheduler.InvalidError{What: "the answer of Settle", Got: fmt.Sprintf("%T without costs", resp), Want: "one to a request for which Transport.Cost named a unit"}
}

// settleKey differs from the key of ticket.NewContext. The work of a pipeline may make a request with a context
// that carries the work's ticket, which is not the request's.
type settleKey struct{}

func settleable(ctx context.Context) (t ticket.Ticket, ok bool) {
	t, ok = ctx.Value(settleKey{}).(ticket.Ticket)
	return t, ok
}

// carry returns the request with a context in which Settle finds the ticket.
func carry(req *http.Request, t ticket.Ticket) *http.Request {
	return req.WithContext(context.WithValue(req.Context(), settleKey{}, t))
}

// addressed makes Settle find the ticket, which req carries, through the response. Some Bases do not set
// Request in their responses, and some set another one.
func addressed(resp *http.Response, req *http.Request, t ticket.Ticket) {
	if resp.Request == nil {
		resp.Request = req
	} else if _, ok := settleable(resp.Request.Context()); !ok {
		resp.Request = carry(resp.Request, t)
	}
}
