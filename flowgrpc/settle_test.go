package flowgrpc_test

import (
	"context"
	"io"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/flowguard-go/flowguard/flowgrpc"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// counted are calls whose answers say how many tokens they took; an answer that is no number says nothing.
func counted(s scheduler.Source) []grpc.DialOption {
	return flowgrpc.DialOptions(flowgrpc.Calls{
		Scheduler: flowgrpc.Always(s),
		Cost:      sixty,
		Usage: func(_ context.Context, _ string, answer any) []ticket.Cost {
			n, err := strconv.Atoi(answer.(*wrapperspb.StringValue).Value)
			if err != nil {
				return nil
			}
			return []ticket.Cost{tokens.Of(n)}
		},
	})
}

func TestCallsAreSettled(t *testing.T) {
	for _, c := range []struct {
		name string
		call func(ctx context.Context, conn *grpc.ClientConn, answers []string) error
		says []string
		want int
	}{
		{"a call", single, []string{"7"}, 7},
		{"a call for more", single, []string{"80"}, 80},
		{"a call whose answer does not say", single, []string{"hello"}, 60},
		{"a call that is refused", single, []string{"-1"}, 60},
		{"a stream", many, []string{"3", "5", "hello", "9"}, 9},
		{"a stream that is left", left, []string{"3", "5"}, 3},
		{"a stream that answers once", once, []string{"7"}, 7},
		{"a stream that answers once and does not say", once, []string{"hello"}, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, "100 tokens/min burst 1")
				srv := echo()
				srv.say = func(context.Context, string) (string, error) { return c.says[0], nil }
				srv.chat = func(stream grpc.ServerStream) error {
					for stream.RecvMsg(new(wrapperspb.StringValue)) == nil {
					}
					for _, text := range c.says {
						if err := stream.SendMsg(wrapperspb.String(text)); err != nil {
							return err
						}
					}
					return nil
				}
				conn := dial(t, serve(t, srv), counted(s)...)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := c.call(ctx, conn, c.says); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				allBack(t, s)
				if got := s.Stats().Windows[0].Used; got != c.want {
					t.Errorf("%d tokens used, want %d", got, c.want)
				}
			})
		})
	}
}

func single(ctx context.Context, conn *grpc.ClientConn, _ []string) error {
	_, err := ask(ctx, conn)
	return err
}

// many receives all messages of a stream.
func many(ctx context.Context, conn *grpc.ClientConn, _ []string) error {
	stream, err := conn.NewStream(ctx, &chatDesc, chat)
	if err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		switch err := stream.RecvMsg(new(wrapperspb.StringValue)); err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}

// left receives the first message of a stream and goes.
func left(ctx context.Context, conn *grpc.ClientConn, _ []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := conn.NewStream(ctx, &chatDesc, chat)
	if err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return stream.RecvMsg(new(wrapperspb.StringValue))
}

// once receives the only answer of a stream, as CloseAndRecv does.
func once(ctx context.Context, conn *grpc.ClientConn, _ []string) error {
	desc := chatDesc
	desc.ServerStreams = false
	stream, err := conn.NewStream(ctx, &desc, chat)
	if err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return stream.RecvMsg(new(wrapperspb.StringValue))
}

// A stream that answers once gives its permit back also if it fails, or if its answer is never received.
func TestStreamThatAnswersOnceFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "burst 1 100 tokens/min")
		srv := echo()
		srv.chat = func(stream grpc.ServerStream) error { return context.DeadlineExceeded }
		conn := dial(t, serve(t, srv), counted(s)...)
		if err := once(t.Context(), conn, nil); err == nil {
			t.Error("no error")
		}
		allBack(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		desc := chatDesc
		desc.ServerStreams = false
		if _, err := conn.NewStream(ctx, &desc, chat); err == nil {
			t.Error("a stream is opened without tokens")
		}
		time.Sleep(time.Minute)
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := conn.NewStream(ctx, &desc, chat); err != nil {
			t.Error(err)
		}
		<-ctx.Done()
		synctest.Wait()
		allBack(t, s)
	})
}
