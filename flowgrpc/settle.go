package flowgrpc

import (
	"context"

	"google.golang.org/grpc"
)

// settle says what a call really cost, as its answer says.
func (l *leave) settle(ctx context.Context, of Settler, method string, answer any) {
	if of == nil || l.source == nil {
		return
	}
	if costs := of(ctx, method, answer); len(costs) > 0 {
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
