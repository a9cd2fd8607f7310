package flowgrpc

import (
	"context"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Chooser returns what a call takes its permit from: a scheduler, one of its flows, or a handle. The method is the full name, such as
// "/helloworld.Greeter/SayHello". If it returns nil, the call needs no permit. It may choose by method, by
// peer or by metadata, and give each client a line of its own with [scheduler.Scheduler.Flow].
type Chooser func(ctx context.Context, method string) scheduler.Source

// Always returns a Chooser that takes the permits of all calls from s. It panics if s is nil.
func Always(s scheduler.Source) Chooser {
	if s == nil {
		panic("flowgrpc: the scheduler is nil")
	}
	return func(context.Context, string) scheduler.Source { return s }
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

// Coster returns what a call costs in the units of the scheduler's windows, such as an estimate of its tokens. The
// message is the request of a unary call, and nil for a stream.
type Coster func(ctx context.Context, method string, message any) []ticket.Cost

func (c Coster) costs(ctx context.Context, method string, message any) []ticket.Cost {
	if c == nil {
		return nil
	}
	return c(ctx, method, message)
}

// Settler returns what a call cost in the units of the scheduler's windows, as its answer says, such as the tokens that
// a model counted. The message is the answer of a unary call, or one that a stream received.
type Settler func(ctx context.Context, method string, message any) []ticket.Cost

// Keys returns a Chooser that gives each key of a set limits of its own, for [Limit.Scheduler]: a key may be the user
// whom an interceptor before has found, what a client says in its metadata, its address.
//
//	set, err := keyed.New(func(tenant string) scheduler.Limits { return perTenant })
//	…
//	limit := flowgrpc.Limit{Scheduler: flowgrpc.Keys(set, tenantOf)}
//
// Check what a client says first: one that is not yours must not become a key of the set. A call whose key is new
// where there are too many is answered with Unavailable; see [keyed.MaxKeys] and [keyed.Overflow]. It panics if an
// argument is nil.
func Keys[K comparable](set *keyed.Set[K], key func(ctx context.Context, method string) K) Chooser {
	if set == nil || key == nil {
		panic("flowgrpc: Keys needs a set and a key")
	}
	return func(ctx context.Context, method string) scheduler.Source { return set.Key(key(ctx, method)) }
}
