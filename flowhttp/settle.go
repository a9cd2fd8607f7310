package flowhttp

import (
	"context"
	"fmt"
	"net/http"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Settle says what the call that resp answers really cost, in units that [Transport.Cost] named for it. Call
// it once the answer says so, and before the body is closed:
//
//	defer resp.Body.Close()
//	answer, err := io.ReadAll(resp.Body)
//	…
//	return flowhttp.Settle(resp, tokens.Of(used(answer)))
//
// It does what [ticket.Ticket.Settle] does, and may be called several times: what it says replaces what it
// said before. Where one Transport stands above another, it settles with the lowest that has costs. It finds
// the ticket through resp.Request, so it also works if the body was wrapped or replaced, as an [http.Client]
// with a Timeout does.
//
// It returns a [*scheduler.InvalidError], and changes nothing, if the body was closed or the request's context
// has ended, if Release is AfterHeaders, if the call has no costs or did not name the unit, or if an amount is
// below 0. What Cost said is then what counts.
func Settle(resp *http.Response, costs ...ticket.Cost) error {
	if resp != nil && resp.Request != nil {
		if t, ok := settleable(resp.Request.Context()); ok {
			return t.Settle(costs...)
		}
	}
	return &scheduler.InvalidError{What: "the answer of Settle", Got: fmt.Sprintf("%T without costs", resp), Want: "one to a request for which Transport.Cost named a unit"}
}

// settleKey is not the key of ticket.NewContext: work of a pipeline may make a request with the context that
// carries its own ticket, which is not the one of the request.
type settleKey struct{}

func settleable(ctx context.Context) (t ticket.Ticket, ok bool) {
	t, ok = ctx.Value(settleKey{}).(ticket.Ticket)
	return t, ok
}

// carry returns the request with a context in which Settle finds the ticket.
func carry(req *http.Request, t ticket.Ticket) *http.Request {
	return req.WithContext(context.WithValue(req.Context(), settleKey{}, t))
}

// addressed makes Settle find the ticket of the answer to req, which carries it. Not every Base says which
// request its answer is to, and some name another.
func addressed(resp *http.Response, req *http.Request, t ticket.Ticket) {
	if resp.Request == nil {
		resp.Request = req
	} else if _, ok := settleable(resp.Request.Context()); !ok {
		resp.Request = carry(resp.Request, t)
	}
}
