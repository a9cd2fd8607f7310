package flowgrpc

import (
	"context"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/flowguard-go/flowguard/internal/admit"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Limit says how a server limits the calls that it serves. Only Scheduler must be set.
type Limit struct {
	// Scheduler returns what a call takes its permit from: a scheduler, one of its flows, or a handle. [Always]
	// makes it for one scheduler. The method is the full name, such as "/helloworld.Greeter/SayHello". If it
	// returns nil, the call needs no permit. It may choose by method, by peer or by metadata, and give each client
	// a line of its own with [scheduler.Scheduler.Flow].
	Scheduler func(ctx context.Context, method string) scheduler.Source

	// Weight returns how many permits a call takes. The request is nil for a stream. If Weight is nil, each takes 1.
	Weight func(ctx context.Context, method string, request any) int

	// Cost returns what a call costs in the units of the scheduler's windows, such as an estimate of its tokens.
	// The request is nil for a stream. If Cost is nil, calls cost only permits. If it is set, the handler finds the
	// ticket with [ticket.FromContext], and can settle what the call really cost.
	Cost func(ctx context.Context, method string, request any) []ticket.Cost

	// MaxWait is how long a call may wait for its permit. With 0 none waits. With [scheduler.Forever] a
	// call waits for as long as its client does.
	MaxWait time.Duration
}

// ServerOptions returns the options that put the limit before all calls of a server, unary and streams. They
// chain with interceptors of others, in the order of the options. ServerOptions panics if l.Scheduler is nil.
func ServerOptions(l Limit) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(UnaryServerInterceptor(l)),
		grpc.ChainStreamInterceptor(StreamServerInterceptor(l)),
	}
}

// UnaryServerInterceptor limits unary calls: a call takes its permit before the handler runs, and gives it back
// when the handler returns or panics. It panics if l.Scheduler is nil.
func UnaryServerInterceptor(l Limit) grpc.UnaryServerInterceptor {
	l.mustBeValid()
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		t, no := l.take(ctx, info.FullMethod, req)
		if no != nil {
			trailer, err := refuse(ctx, no)
			grpc.SetTrailer(ctx, trailer)
			return nil, err
		}
		defer t.Release()
		if l.Cost != nil {
			ctx = ticket.NewContext(ctx, t)
		}
		return handler(ctx, req)
	}
}

// StreamServerInterceptor limits streams: a stream takes its permit before the handler runs, and gives it back
// when the handler returns or panics, which is the end of the stream. It panics if l.Scheduler is nil.
func StreamServerInterceptor(l Limit) grpc.StreamServerInterceptor {
	l.mustBeValid()
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		ctx := stream.Context()
		t, no := l.take(ctx, info.FullMethod, nil)
		if no != nil {
			trailer, err := refuse(ctx, no)
			stream.SetTrailer(trailer)
			return err
		}
		defer t.Release()
		if l.Cost != nil {
			stream = &costlyStream{stream, ticket.NewContext(ctx, t)}
		}
		return handler(srv, stream)
	}
}

// costlyStream is a stream whose handler can settle its cost.
type costlyStream struct {
	grpc.ServerStream
	ctx context.Context // has the ticket
}

func (s *costlyStream) Context() context.Context { return s.ctx }

func (l *Limit) mustBeValid() {
	if l.Scheduler == nil {
		panic("flowgrpc: Limit.Scheduler is nil; for one scheduler use flowgrpc.Always(s)")
	}
}

// take takes the permit of a call. For a call that needs none it returns the zero ticket.
func (l *Limit) take(ctx context.Context, method string, message any) (t ticket.Ticket, no *admit.Refusal) {
	source := l.Scheduler(ctx, method)
	if source == nil {
		return t, nil
	}
	return admit.Take(ctx, source.Handle(), ask(ctx, l.Weight, method, message, 1), l.MaxWait, ask(ctx, l.Cost, method, message, nil)...)
}

// pushback is the trailer that tells a client's retry policy when to try again, in milliseconds, or by a
// negative number not to. See "Server pushback" in gRPC proposal A6, client retries.
const pushback = "grpc-retry-pushback-ms"

const doNotRetry = -1

// refuse returns the trailer and the status of a call that gets no permit.
func refuse(ctx context.Context, no *admit.Refusal) (trailer metadata.MD, err error) {
	code := codes.ResourceExhausted
	switch no.Reason {
	case admit.ReasonGone:
		return nil, &statusError{status.FromContextError(ctx.Err()), no.Err}
	case admit.ReasonUnavailable:
		code = codes.Unavailable
	case admit.ReasonInvalid:
		// The mistake is the server's, and its details are not for the client.
		return nil, &statusError{status.New(codes.Internal, "internal error"), no.Err}
	}
	st := status.New(code, no.Err.Error())
	var details []protoadapt.MessageV1
	if no.Reason == admit.ReasonTooLarge {
		trailer = pushBack(doNotRetry)
	}
	if no.Wait > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(no.Wait)})
		// A retry that cannot begin before the deadline would only keep the caller waiting for it.
		if end, ok := ctx.Deadline(); ok && time.Until(end) <= no.Wait {
			trailer = pushBack(doNotRetry)
		} else {
			trailer = pushBack(ceilMilliseconds(no.Wait))
		}
	}
	if no.Limit != "" {
		details = append(details, &errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{{Description: "limit " + no.Limit}}})
	}
	if with, err := st.WithDetails(details...); err == nil {
		st = with
	}
	return trailer, &statusError{st, no.Err}
}

func pushBack(ms int64) metadata.MD { return metadata.Pairs(pushback, strconv.FormatInt(ms, 10)) }

// ceilMilliseconds rounds up, so that a retry is not too early. Clients read a pushback as an int of 32 bits
// or more, so it is a little over 24 days at most.
func ceilMilliseconds(d time.Duration) int64 {
	return min(int64((d-1)/time.Millisecond)+1, 1<<31-1)
}

// statusError is an error of package scheduler with the status that a caller of gRPC expects.
type statusError struct {
	status *status.Status
	err    error
}

func (e *statusError) Error() string              { return e.status.Err().Error() }
func (e *statusError) GRPCStatus() *status.Status { return e.status }
func (e *statusError) Unwrap() error              { return e.err }
