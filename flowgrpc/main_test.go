package flowgrpc_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/flowguard-go/flowguard/flowgrpc"
	"github.com/flowguard-go/flowguard/scheduler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t testing.TB, limits string, opts ...scheduler.Option) *scheduler.Scheduler {
	t.Helper()
	s, err := scheduler.New(scheduler.MustParseLimits(limits), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// allBack fails the test unless all permits have come back and nobody waits.
func allBack(t testing.TB, s *scheduler.Scheduler) {
	t.Helper()
	synctest.Wait()
	if st := s.Stats(); st.InUse != 0 || st.Waiting != 0 {
		t.Errorf("%d permits in use and %d tickets waiting, want none", st.InUse, st.Waiting)
	}
}

// service is what the tests call: Say answers one message with one, Chat each of many.
type service struct {
	say  func(ctx context.Context, text string) (string, error)
	chat func(stream grpc.ServerStream) error
}

const (
	say  = "/test.Echo/Say"
	chat = "/test.Echo/Chat"
)

var chatDesc = grpc.StreamDesc{StreamName: "Chat", ServerStreams: true, ClientStreams: true,
	Handler: func(srv any, stream grpc.ServerStream) error { return srv.(*service).chat(stream) }}

var serviceDesc = grpc.ServiceDesc{
	ServiceName: "test.Echo",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Say", Handler: func(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		req := new(wrapperspb.StringValue)
		if err := decode(req); err != nil {
			return nil, err
		}
		handle := func(ctx context.Context, req any) (any, error) {
			text, err := srv.(*service).say(ctx, req.(*wrapperspb.StringValue).Value)
			if err != nil {
				return nil, err
			}
			return wrapperspb.String(text), nil
		}
		if interceptor == nil {
			return handle(ctx, req)
		}
		return interceptor(ctx, req, &grpc.UnaryServerInfo{Server: srv, FullMethod: say}, handle)
	}}},
	Streams: []grpc.StreamDesc{chatDesc},
}

// echo is a service that sends back what it gets.
func echo() *service {
	return &service{
		say: func(_ context.Context, text string) (string, error) { return text, nil },
		chat: func(stream grpc.ServerStream) error {
			for {
				m := new(wrapperspb.StringValue)
				if err := stream.RecvMsg(m); err != nil {
					return nil // the client is done
				}
				if err := stream.SendMsg(m); err != nil {
					return err
				}
			}
		},
	}
}

// serve starts a server, which ends with the test.
func serve(t testing.TB, srv *service, opts ...grpc.ServerOption) *bufconn.Listener {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(opts...)
	server.RegisterService(&serviceDesc, srv)
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	return listener
}

// dial connects to a server. The connection ends with the test.
func dial(t testing.TB, to *bufconn.Listener, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	opts = append(opts,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return to.DialContext(ctx) }))
	conn, err := grpc.NewClient("passthrough:///server", opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// ask calls Say.
func ask(ctx context.Context, conn *grpc.ClientConn, opts ...grpc.CallOption) (string, error) {
	reply := new(wrapperspb.StringValue)
	err := conn.Invoke(ctx, say, wrapperspb.String("hello"), reply, opts...)
	return reply.Value, err
}

func limited(s scheduler.Source) []grpc.ServerOption {
	return flowgrpc.ServerOptions(flowgrpc.Limit{Scheduler: flowgrpc.Always(s)})
}

func calls(s scheduler.Source) []grpc.DialOption {
	return flowgrpc.DialOptions(flowgrpc.Calls{Scheduler: flowgrpc.Always(s)})
}
