package flowgrpc

import (
	"context"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
)

// Always returns a function for [Limit.Scheduler] and [Calls.Scheduler] that takes the permits of all calls from
// s. It panics if s is nil.
func Always(s scheduler.Source) func(ctx context.Context, method string) scheduler.Source {
	if s == nil {
		panic("flowgrpc: the scheduler is nil")
	}
	return func(context.Context, string) scheduler.Source { return s }
}

// Keys returns a function for [Limit.Scheduler] and [Calls.Scheduler] that gives each key of a set limits of
// its own. A key may be a user that an earlier interceptor has authenticated, a value of the client's metadata,
// or the client's address.
//
//	set, err := keyed.New(func(tenant string) scheduler.Limits { return perTenant })
//	…
//	limit := flowgrpc.Limit{Scheduler: flowgrpc.Keys(set, tenantOf)}
//
// First check what a client says, because an invalid name must not become a key of the set. If a call's key is
// new and there are too many keys, the answer is Unavailable; see [keyed.MaxKeys] and [keyed.Overflow]. Keys
// panics if an argument is nil.
func Keys[K comparable](set *keyed.Set[K], key func(ctx context.Context, method string) K) func(ctx context.Context, method string) scheduler.Source {
	if set == nil || key == nil {
		panic("flowgrpc: Keys needs a set and a key")
	}
	return func(ctx context.Context, method string) scheduler.Source { return set.Key(key(ctx, method)) }
}

// ask returns what a function that may be nil says of a call.
func ask[R any](ctx context.Context, of func(context.Context, string, any) R, method string, message any, ifNil R) R {
	if of == nil {
		return ifNil
	}
	return of(ctx, method, message)
}
