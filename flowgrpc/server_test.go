package flowgrpc_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/flowguard-go/flowguard/flowgrpc"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// describe writes down what a client is told: the code, RetryInfo, the limit, and the pushback.
func describe(err error, trailer metadata.MD) string {
	st, ok := status.FromError(err)
	if !ok {
		return "no status"
	}
	text := st.Code().String()
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.RetryInfo:
			text += fmt.Sprint(" retry ", d.GetRetryDelay().AsDuration())
		case *errdetails.QuotaFailure:
			text += " " + d.GetViolations()[0].GetDescription()
		}
	}
	for _, p := range trailer.Get("grpc-retry-pushback-ms") {
		text += " pushback " + p
	}
	return text
}

// The table in the package's documentation, for unary calls and for streams.
func TestServerAnswers(t *testing.T) {
	take := func(s *scheduler.Scheduler) { s.TryAcquire() }
	for _, c := range []struct {
		name     string
		limits   string
		opts     []scheduler.Option
		weight   int
		maxWait  time.Duration
		deadline time.Duration
		state    func(*scheduler.Scheduler)
		want     string
		after    time.Duration
	}{
		{name: "free", limits: "1/s", want: "OK"},
		{name: "becomes free in time", limits: "1/2s", maxWait: 2 * time.Second, state: take, want: "OK", after: 2 * time.Second},
		{name: "full", limits: "1/1500ms", state: take, want: "ResourceExhausted retry 1.5s limit 1/1.5s pushback 1500"},
		{name: "full for a part of a millisecond", limits: "1/1500us", state: take, want: "ResourceExhausted retry 1.5ms limit 1/1.5ms pushback 2"},
		{name: "full for longer than a pushback can say", limits: "1/30day", state: take, want: "ResourceExhausted retry 720h0m0s limit 1/30day pushback 2147483647"},
		{name: "full until after the deadline", limits: "1/h", deadline: time.Minute, state: take, want: "ResourceExhausted retry 1h0m0s limit 1/h pushback -1"},
		{name: "full until after the deadline, and it may wait", limits: "1/h", maxWait: 2 * time.Hour, deadline: time.Minute, state: take, want: "ResourceExhausted retry 1h0m0s limit 1/h pushback -1"},
		{name: "a call must first end", limits: "burst 1", state: take, want: "ResourceExhausted limit burst 1"},
		{name: "too large", limits: "9/s burst 2", weight: 3, want: "ResourceExhausted limit burst 2 pushback -1"},
		{name: "the line is full", limits: "1/2s", opts: []scheduler.Option{scheduler.WithMaxQueue(0)}, maxWait: time.Minute, state: take, want: "Unavailable retry 2s pushback 2000"},
		{name: "paused", limits: "1/s", state: func(s *scheduler.Scheduler) { s.PauseFor(time.Minute) }, want: "Unavailable retry 1m0s pushback 60000"},
		{name: "paused until resumed", limits: "1/s", state: func(s *scheduler.Scheduler) { s.Pause() }, want: "Unavailable"},
		{name: "closed", limits: "1/s", state: func(s *scheduler.Scheduler) { s.Close() }, want: "Unavailable"},
		{name: "no weight", limits: "1/s", weight: -1, want: "Internal"},
	} {
		for _, method := range []string{say, chat} {
			t.Run(c.name+method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := start(t, c.limits, c.opts...)
					if c.state != nil {
						c.state(s)
					}
					held := s.Stats().InUse
					l := flowgrpc.Limit{Scheduler: flowgrpc.Always(s), MaxWait: c.maxWait}
					if c.weight != 0 {
						l.Weight = func(context.Context, string, any) int { return c.weight }
					}
					conn := dial(t, serve(t, echo(), flowgrpc.ServerOptions(l)...))
					ctx := t.Context()
					if c.deadline > 0 {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, c.deadline)
						defer cancel()
					}
					began := time.Now()
					var err error
					var trailer metadata.MD
					if method == say {
						_, err = ask(ctx, conn, grpc.Trailer(&trailer))
					} else {
						err = talk(ctx, conn, grpc.Trailer(&trailer))
					}
					if got := describe(err, trailer); got != c.want {
						t.Errorf("got %s (%v)\nwant %s", got, err, c.want)
					}
					if took := time.Since(began); took != c.after {
						t.Errorf("took %v, want %v", took, c.after)
					}
					synctest.Wait()
					if got := s.Stats().InUse; got != held {
						t.Errorf("%d permits in use, %d before", got, held)
					}
				})
			})
		}
	}
}

// talk opens a stream, sends one message, gets it back, and ends the stream.
func talk(ctx context.Context, conn *grpc.ClientConn, opts ...grpc.CallOption) error {
	stream, err := conn.NewStream(ctx, &chatDesc, chat, opts...)
	if err != nil {
		return err
	}
	stream.SendMsg(wrapperspb.String("hello"))
	stream.CloseSend()
	for got := new(wrapperspb.StringValue); ; {
		switch err := stream.RecvMsg(got); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// A stream holds its permit from its beginning to its end, and a handler that panics gives it back.
func TestServerStreamHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "burst 1")
		conn := dial(t, serve(t, echo(), limited(s)...))
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := conn.NewStream(ctx, &chatDesc, chat)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := stream.SendMsg(wrapperspb.String("x")); err != nil {
				t.Fatal(err)
			}
			if err := stream.RecvMsg(new(wrapperspb.StringValue)); err != nil {
				t.Fatal(err)
			}
			if _, err := ask(t.Context(), conn); status.Code(err) != codes.ResourceExhausted {
				t.Errorf("beside a stream: %v", err)
			}
		}
		cancel()
		allBack(t, s)
		if _, err := ask(t.Context(), conn); err != nil {
			t.Errorf("after the stream: %v", err)
		}
	})
}

// A unary call holds its permit while its handler runs.
func TestServerUnaryHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "burst 1")
		srv := echo()
		srv.say = func(context.Context, string) (string, error) {
			if got := s.Stats().InUse; got != 1 {
				t.Errorf("%d permits in use", got)
			}
			return "", nil
		}
		if _, err := ask(t.Context(), dial(t, serve(t, srv, limited(s)...))); err != nil {
			t.Error(err)
		}
		allBack(t, s)
	})
}

// Calls and streams are charged what they are expected to cost, and settled by the handler.
func TestServerCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "9/h 100 tokens/h")
		settle := func(ctx context.Context) {
			tk, ok := ticket.FromContext(ctx)
			if !ok {
				t.Error("the handler has no ticket")
			}
			if err := tk.Settle(tokens.Of(30)); err != nil {
				t.Error(err)
			}
		}
		srv := echo()
		srv.say = func(ctx context.Context, text string) (string, error) { settle(ctx); return text, nil }
		srv.chat = func(stream grpc.ServerStream) error { settle(stream.Context()); return nil }
		conn := dial(t, serve(t, srv, flowgrpc.ServerOptions(flowgrpc.Limit{Scheduler: flowgrpc.Always(s), Cost: sixty})...))
		if _, err := ask(t.Context(), conn); err != nil {
			t.Error(err)
		}
		if err := talk(t.Context(), conn); err != nil {
			t.Error(err)
		}
		if got := s.Stats().Windows[1].Used; got != 60 {
			t.Errorf("%d tokens used, want twice 30", got)
		}
		if _, err := ask(t.Context(), conn); describe(err, nil) != "ResourceExhausted retry 1h0m0s limit 100 tokens/h" {
			t.Error(err)
		}
		allBack(t, s)
	})
}

const tokens scheduler.Unit = "tokens"

// sixty is what the tests' calls cost.
func sixty(context.Context, string, any) []ticket.Cost { return []ticket.Cost{tokens.Of(60)} }

func TestServerPanic(t *testing.T) {
	s := start(t, "burst 1")
	boom := func(context.Context, any) (any, error) { panic("boom") }
	l := flowgrpc.Limit{Scheduler: flowgrpc.Always(s)}
	for range 2 {
		func() {
			defer func() {
				if got := recover(); got != "boom" {
					t.Errorf("recovered %v", got)
				}
			}()
			flowgrpc.UnaryServerInterceptor(l)(t.Context(), nil, &grpc.UnaryServerInfo{}, boom)
		}()
	}
	if got := s.Stats().InUse; got != 0 {
		t.Errorf("%d permits in use", got)
	}
}

// A call that is cancelled while it waits leaves the line.
func TestServerClientGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "burst 1")
		held, _ := s.TryAcquire()
		conn := dial(t, serve(t, echo(), flowgrpc.ServerOptions(flowgrpc.Limit{Scheduler: flowgrpc.Always(s), MaxWait: scheduler.Forever})...))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { _, err := ask(ctx, conn); done <- err }()
		synctest.Wait()
		if got := s.Stats().Waiting; got != 1 {
			t.Fatalf("%d wait", got)
		}
		cancel()
		if err := <-done; status.Code(err) != codes.Canceled {
			t.Error(err)
		}
		held.Release()
		allBack(t, s)
	})
}

func TestServerChoosesByMethod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "1/h")
		var missing *scheduler.Scheduler
		conn := dial(t, serve(t, echo(), flowgrpc.ServerOptions(flowgrpc.Limit{Scheduler: func(ctx context.Context, method string) scheduler.Source {
			md, _ := metadata.FromIncomingContext(ctx)
			switch {
			case method == chat:
				return nil
			case len(md.Get("stranger")) > 0:
				return missing
			}
			return s
		}})...))
		ask(t.Context(), conn)
		if _, err := ask(t.Context(), conn); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("the second call: %v", err)
		}
		for range 3 {
			if err := talk(t.Context(), conn); err != nil {
				t.Errorf("a method without a limit: %v", err)
			}
		}
		if _, err := ask(metadata.AppendToOutgoingContext(t.Context(), "stranger", "1"), conn); status.Code(err) != codes.Internal {
			t.Errorf("a nil scheduler: %v", err)
		}
	})
}

func TestMistakes(t *testing.T) {
	for name, do := range map[string]func(){
		"server": func() { flowgrpc.ServerOptions(flowgrpc.Limit{}) },
		"client": func() { flowgrpc.DialOptions(flowgrpc.Calls{}) },
		"nil":    func() { flowgrpc.Always(nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			do()
		}()
	}
}
