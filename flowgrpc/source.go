package flowgrpc

import (
	"context"

	"github.com/flowguard-go/flowguard/ticket"
)

// Source is what calls take their permits from: a [*scheduler.Scheduler], one of its flows, or a
// [*scheduler.Handle].
type Source interface {
	AcquireN(ctx context.Context, weight int) (ticket.Ticket, error)
	TryAcquireN(weight int) (ticket.Ticket, bool)
}

// Chooser returns what a call takes its permit from. The method is the full name, such as
// "/helloworld.Greeter/SayHello". If it returns nil, the call needs no permit. It may choose by method, by
// peer or by metadata, and give each client a line of its own with [scheduler.Scheduler.Flow].
type Chooser func(ctx context.Context, method string) Source

// Always returns a Chooser that takes the permits of all calls from s. It panics if s is nil.
func Always(s Source) Chooser {
	if s == nil {
		panic("flowgrpc: the scheduler is nil")
	}
	return func(context.Context, string) Source { return s }
}

// Weigher returns how many permits a call takes. The message is the request of a unary call, and nil for a
// stream.
type Weigher func(ctx context.Context, method string, message any) int

func (w Weigher) weigh(ctx context.Context, method string, message any) int {
	if w == nil {
		return 1
	}
	return w(ctx, method, message)
}
