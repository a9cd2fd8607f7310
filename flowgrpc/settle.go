package flowgrpc

import (
	"context"

	"google.golang.org/grpc"

	"github.com/flowguard-go/flowguard/ticket"
)

// settle settles a call with the cost that its answer reports.
func (l *leave) settle(ctx context.Context, of func(context.Context, string, any) []ticket.Cost, method string, answer any) {
	if l.source == nil {
		return
	}
	if costs := ask(ctx, of, method, answer, nil); len(costs) > 0 {
		_ = l.ticket.Settle(costs...) // see Calls.Usage
	}
}

// settledStream settles its call with each message that it receives.
type settledStream struct {
	grpc.ClientStream
	leave  leave
	settle func(message any)
	once   bool // it gives its permit back with its only answer
}

func (s *settledStream) RecvMsg(message any) error {
	err := s.ClientStream.RecvMsg(message)
	if s.once {
		defer s.leave.ticket.Release()
	}
	if err == nil {
		s.settle(message)
	}
	return err
}
