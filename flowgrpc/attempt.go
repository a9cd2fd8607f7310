package flowgrpc

import (
	"context"
	"sync/atomic"

	"github.com/flowguard-go/flowguard/scheduler"
	"google.golang.org/grpc/stats"
)

// AttemptHandler returns a handler that watches the attempts of calls that passed the client interceptors.
// Interceptors do not see the attempts that grpc-go itself repeats. It follows the advice in the answer to each
// attempt, and charges each attempt beyond the first to the windows of the call's scheduler. [DialOptions]
// includes it. If you use the interceptors alone, pass it to [grpc.WithStatsHandler]. It ignores all other
// calls.
func AttemptHandler() stats.Handler { return attempts{} }

type attempts struct{}

// callKey is the key of a *call in the context of a call.
type callKey struct{}

// call is a call whose attempts are watched.
type call struct {
	leave
	sent atomic.Int64 // attempts
}

// mark puts the call into its context, where the handler finds it.
func (l *leave) mark(ctx context.Context) context.Context {
	if l.source == nil {
		return ctx
	}
	return context.WithValue(ctx, callKey{}, &call{leave: *l})
}

// HandleRPC implements [stats.Handler].
func (attempts) HandleRPC(ctx context.Context, event stats.RPCStats) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return
	}
	switch event := event.(type) {
	case *stats.OutHeader: // it goes out to the server
		if c.sent.Add(1) > 1 {
			c.chargeAgain()
		}
	case *stats.End:
		c.heed(event.Error)
	}
}

// chargeAgain charges an attempt that took no permit.
func (c *call) chargeAgain() {
	s, ok := c.source.(interface {
		Limits() scheduler.Limits
		Charge(scheduler.Window, int) error
	})
	if !ok {
		return
	}
	for _, w := range s.Limits().Windows {
		if n := c.amount(w.Unit); n > 0 {
			s.Charge(w, n) // an error means that the limits have changed, and then there is nothing to charge
		}
	}
}

// amount returns what the call takes of a unit.
func (c *call) amount(u scheduler.Unit) (n int) {
	if u == "" {
		return c.ticket.Weight()
	}
	for _, cost := range c.costs {
		if cost.Unit == string(u) {
			n += cost.Amount
		}
	}
	return n
}

// TagRPC implements [stats.Handler].
func (attempts) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn implements [stats.Handler].
func (attempts) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements [stats.Handler].
func (attempts) HandleConn(context.Context, stats.ConnStats) {}
