package flowgrpc

import (
	"context"
	"errors"
	"slices"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flowguard-go/flowguard/internal/admit"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Calls says how a client limits its calls. Only Scheduler must be set.
type Calls struct {
	// Scheduler returns what a call takes its permit from: a scheduler, one of its flows, or a handle. [Always]
	// makes it for one scheduler. The method is the full name, such as "/helloworld.Greeter/SayHello". If it
	// returns nil, the call needs no permit. The server's advice is followed for a [*scheduler.Scheduler] and its
	// flows. A [*scheduler.Handle] cannot pause anything.
	Scheduler func(ctx context.Context, method string) scheduler.Source

	// Weight returns how many permits a call takes. The request is nil for a stream. If Weight is nil, each takes 1.
	Weight func(ctx context.Context, method string, request any) int

	// Cost returns what a call costs in the units of the scheduler's windows, such as an estimate of its tokens.
	// The request is nil for a stream. If Cost is nil, calls cost only permits.
	Cost func(ctx context.Context, method string, request any) []ticket.Cost

	// Usage reads from an answer what a call really cost, in units that Cost named for it. If it returns nothing,
	// the cost does not change. It is called with the answer of a unary call, and with each message that a stream
	// receives. Each result replaces the one before, as [ticket.Ticket.Settle] does. An error of that is ignored,
	// so that the caller still gets the answer. If Usage is nil, calls cost what Cost said.
	Usage func(ctx context.Context, method string, answer any) []ticket.Cost

	// MaxPause is the longest pause that a server's advice can cause. 0 means an hour. If it is negative,
	// advice is ignored.
	MaxPause time.Duration
}

// defaultMaxPause is the longest pause that a server can make a client take unless [Calls.MaxPause] is set.
const defaultMaxPause = time.Hour

// DialOptions returns the options that keep all calls of a connection within the limits, unary and streams, and
// follow the server's advice. They chain with interceptors of others, in the order of the options. DialOptions
// panics if c.Scheduler is nil.
func DialOptions(c Calls) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(UnaryClientInterceptor(c)),
		grpc.WithChainStreamInterceptor(StreamClientInterceptor(c)),
		grpc.WithStatsHandler(AttemptHandler()),
	}
}

// UnaryClientInterceptor limits unary calls: a call waits for its permit as AcquireN does, and gives it back
// when it has been answered. Use [DialOptions], which follows the advice in answers to retried attempts too, or
// add an [AttemptHandler]. It panics if c.Scheduler is nil.
func UnaryClientInterceptor(c Calls) grpc.UnaryClientInterceptor {
	c.mustBeValid()
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		l, err := c.take(ctx, method, req)
		if err != nil {
			return err
		}
		defer l.ticket.Release()
		err = invoker(l.mark(ctx), method, req, reply, cc, opts...)
		l.heed(err)
		if err == nil {
			l.settle(ctx, c.Usage, method, reply)
		}
		return err
	}
}

// StreamClientInterceptor limits streams: opening a stream waits for a permit as AcquireN does, and the stream
// gives it back when it ends. As with every gRPC stream, you must end it: receive until an error or io.EOF, or
// cancel its context. It panics if c.Scheduler is nil.
func StreamClientInterceptor(c Calls) grpc.StreamClientInterceptor {
	c.mustBeValid()
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (stream grpc.ClientStream, err error) {
		l, err := c.take(ctx, method, nil)
		if err != nil {
			return nil, err
		}
		defer func() { // also if the streamer panics
			if stream == nil {
				l.ticket.Release()
			}
		}()
		// A stream that answers once ends before its answer is handed over.
		once := c.Usage != nil && !desc.ServerStreams
		end := grpc.OnFinish(func(err error) {
			l.heed(err)
			if err != nil || !once {
				l.ticket.Release()
			}
		})
		stream, err = streamer(l.mark(ctx), desc, cc, method, append(slices.Clip(opts), end)...)
		if err != nil {
			l.heed(err)
			return nil, err
		}
		if c.Usage != nil && l.source != nil {
			stream = &settledStream{stream, l, func(m any) { l.settle(ctx, c.Usage, method, m) }, once}
		}
		return stream, nil
	}
}

func (c *Calls) mustBeValid() {
	if c.Scheduler == nil {
		panic("flowgrpc: Calls.Scheduler is nil; for one scheduler use flowgrpc.Always(s)")
	}
}

// leave is the permission of a call: its scheduler and its ticket.
type leave struct {
	ticket   ticket.Ticket
	source   scheduler.Source // nil: the call needs no permit
	costs    []ticket.Cost
	maxPause time.Duration
}

// take waits for the permit of a call.
func (c *Calls) take(ctx context.Context, method string, message any) (l leave, err error) {
	if l.source = c.Scheduler(ctx, method); l.source == nil {
		return l, nil
	}
	l.maxPause = c.MaxPause
	if l.maxPause == 0 {
		l.maxPause = defaultMaxPause
	}
	h := l.source.Handle()
	if err = admit.Missing(h); err == nil {
		l.costs = ask(ctx, c.Cost, method, message, nil)
		l.ticket, err = h.AcquireN(ctx, ask(ctx, c.Weight, method, message, 1), l.costs...)
	}
	if err != nil {
		return l, &statusError{status.New(code(err), err.Error()), err}
	}
	return l, nil
}

// code returns the status code of an error of AcquireN.
func code(err error) codes.Code {
	var invalid *scheduler.InvalidError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		return codes.Canceled
	case errors.Is(err, scheduler.ErrNoPermit), errors.Is(err, scheduler.ErrQueueFull):
		return codes.ResourceExhausted
	case errors.Is(err, scheduler.ErrTooLarge), errors.As(err, &invalid):
		return codes.InvalidArgument
	}
	return codes.Unavailable
}

// heed follows the advice in the error of a call or of an attempt.
func (l *leave) heed(err error) {
	s, ok := l.source.(interface{ PauseFor(time.Duration) error })
	if !ok || err == nil {
		return
	}
	st, ok := status.FromError(err)
	if !ok || st.Code() != codes.ResourceExhausted && st.Code() != codes.Unavailable {
		return
	}
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			s.PauseFor(min(info.GetRetryDelay().AsDuration(), l.maxPause)) // after Close there is nothing to hold
		}
	}
}
