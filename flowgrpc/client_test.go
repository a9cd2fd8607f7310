package flowgrpc_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/flowguard-go/flowguard/flowgrpc"
	"github.com/flowguard-go/flowguard/scheduler"
)

// The table in the package's documentation.
func TestClientErrors(t *testing.T) {
	take := func(s *scheduler.Scheduler) { s.TryAcquire() }
	for _, c := range []struct {
		name   string
		limits string
		opts   []scheduler.Option
		weight int
		state  func(*scheduler.Scheduler)
		code   codes.Code
		is     error
		after  time.Duration
	}{
		{name: "the deadline cannot be met", limits: "1/h", state: take, code: codes.DeadlineExceeded, is: context.DeadlineExceeded},
		{name: "the deadline passes", limits: "burst 1", state: take, code: codes.DeadlineExceeded, is: context.DeadlineExceeded, after: time.Minute},
		{name: "non-blocking", limits: "1/h", opts: []scheduler.Option{scheduler.NonBlocking()}, state: take, code: codes.ResourceExhausted, is: scheduler.ErrNoPermit},
		{name: "a full line", limits: "1/h", opts: []scheduler.Option{scheduler.WithMaxQueue(0)}, state: take, code: codes.ResourceExhausted, is: scheduler.ErrQueueFull},
		{name: "too large", limits: "burst 1", weight: 2, code: codes.InvalidArgument, is: scheduler.ErrTooLarge},
		{name: "no weight", limits: "burst 1", weight: -1, code: codes.InvalidArgument},
		{name: "closed", limits: "burst 1", state: func(s *scheduler.Scheduler) { s.Close() }, code: codes.Unavailable, is: scheduler.ErrClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, c.limits, c.opts...)
				if c.state != nil {
					c.state(s)
				}
				calls := flowgrpc.Calls{Scheduler: flowgrpc.Always(s)}
				if c.weight != 0 {
					calls.Weight = func(context.Context, string, any) int { return c.weight }
				}
				srv := echo()
				srv.say = func(context.Context, string) (string, error) { t.Error("called"); return "", nil }
				conn := dial(t, serve(t, srv), flowgrpc.DialOptions(calls)...)
				for _, do := range []func(context.Context) error{
					func(ctx context.Context) error { _, err := ask(ctx, conn); return err },
					func(ctx context.Context) error { return talk(ctx, conn) },
				} {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					began := time.Now()
					err := do(ctx)
					if status.Code(err) != c.code || c.is != nil && !errors.Is(err, c.is) {
						t.Errorf("%v, want %v", err, c.code)
					}
					if took := time.Since(began); took != c.after {
						t.Errorf("took %v, want %v", took, c.after)
					}
					cancel()
				}
			})
		})
	}
}

func TestClientCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "burst 1")
		held, _ := s.TryAcquire()
		conn := dial(t, serve(t, echo()), calls(s)...)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := ask(ctx, conn); status.Code(err) != codes.Canceled || !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		held.Release()
		allBack(t, s)
	})
}

// Many calls and streams wait for their turn, and the server never sees more than the limits allow.
func TestClientHoldsLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "10/s burst 3")
		var mu sync.Mutex
		inside := 0
		var began []time.Time
		enter := func() {
			mu.Lock()
			defer mu.Unlock()
			began = append(began, time.Now())
			if inside++; inside > 3 {
				t.Errorf("%d calls at once", inside)
			}
		}
		leave := func() { mu.Lock(); inside--; mu.Unlock() }
		srv := echo()
		srv.say = func(_ context.Context, text string) (string, error) {
			enter()
			defer leave()
			time.Sleep(100 * time.Millisecond)
			return text, nil
		}
		once := srv.chat
		srv.chat = func(stream grpc.ServerStream) error {
			enter()
			defer leave()
			return once(stream)
		}
		conn := dial(t, serve(t, srv), calls(s)...)
		var callers sync.WaitGroup
		for i := range 60 {
			callers.Go(func() {
				var err error
				if i%2 == 0 {
					_, err = ask(t.Context(), conn)
				} else {
					err = talk(t.Context(), conn)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		allBack(t, s)
		for i, at := range began {
			if i >= 10 && at.Sub(began[i-10]) < time.Second {
				t.Errorf("11 calls within %v", at.Sub(began[i-10]))
			}
		}
	})
}

// However a stream ends, its permit comes back, and not before.
func TestClientStreamEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(5, 6))
		s := start(t, "burst 1")
		listener := serve(t, &service{chat: func(stream grpc.ServerStream) error {
			m := new(wrapperspb.StringValue)
			for stream.RecvMsg(m) == nil {
				switch m.Value {
				case "fail":
					return status.Error(codes.Internal, "as asked")
				case "end":
					return nil
				}
				stream.SendMsg(m)
			}
			return nil
		}})
		conn := dial(t, listener, calls(s)...)
		for i := range 300 {
			ctx, cancel := context.WithCancel(t.Context())
			stream, err := conn.NewStream(ctx, &chatDesc, chat)
			if err != nil {
				t.Fatal(err)
			}
			got := new(wrapperspb.StringValue)
			for range rnd.IntN(3) {
				if err := errors.Join(stream.SendMsg(wrapperspb.String("x")), stream.RecvMsg(got)); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			if got := s.Stats().InUse; got != 1 {
				t.Fatalf("stream %d: %d permits in use while it is open", i, got)
			}
			way := rnd.IntN(5)
			switch way {
			case 0:
				stream.SendMsg(wrapperspb.String("fail"))
				err = stream.RecvMsg(got)
			case 1:
				stream.SendMsg(wrapperspb.String("end"))
				err = stream.RecvMsg(got)
			case 2:
				stream.CloseSend()
				err = stream.RecvMsg(got)
			case 3:
				cancel()
			case 4:
				conn.Close()
				conn = dial(t, listener, calls(s)...)
			}
			if way < 3 && (err != io.EOF) != (way == 0) {
				t.Errorf("way %d: %v", way, err)
			}
			allBack(t, s)
			cancel()
		}
	})
}

// A stream that cannot be opened holds nothing, and neither does one whose opening panics.
func TestClientStreamNotOpened(t *testing.T) {
	s := start(t, "burst 1")
	intercept := flowgrpc.StreamClientInterceptor(flowgrpc.Calls{Scheduler: flowgrpc.Always(s)})
	_, err := intercept(t.Context(), &chatDesc, nil, chat, func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
		return nil, io.ErrUnexpectedEOF
	})
	if err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
	func() {
		defer func() { recover() }()
		intercept(t.Context(), &chatDesc, nil, chat, func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
			panic("boom")
		})
	}()
	if got := s.Stats().InUse; got != 0 {
		t.Errorf("%d permits in use", got)
	}
}

// overloaded is a server that refuses its first calls with the delay, and counts the attempts.
type overloaded struct {
	mu       sync.Mutex
	refusals int
	code     codes.Code
	delay    time.Duration
	pushback string // for a client that retries
	attempts []time.Time
}

func (o *overloaded) interceptor(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.attempts = append(o.attempts, time.Now())
	if len(o.attempts) > o.refusals {
		return handler(ctx, req)
	}
	if o.pushback != "" {
		grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", o.pushback))
	}
	st, err := status.New(o.code, "too much").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(o.delay)})
	if err != nil {
		return nil, err
	}
	return nil, st.Err()
}

// The advice that one caller gets holds all of them.
func TestRetryInfoPausesAll(t *testing.T) {
	for _, c := range []struct {
		name     string
		code     codes.Code
		delay    time.Duration
		maxPause time.Duration
		want     time.Duration
	}{
		{"exhausted", codes.ResourceExhausted, 3 * time.Second, 0, 3 * time.Second},
		{"unavailable", codes.Unavailable, 3 * time.Second, 0, 3 * time.Second},
		{"another error", codes.Internal, 3 * time.Second, 0, 0},
		{"too long", codes.ResourceExhausted, 24 * time.Hour, 0, time.Hour},
		{"longer than we bear", codes.ResourceExhausted, time.Hour, time.Minute, time.Minute},
		{"not heard", codes.ResourceExhausted, time.Hour, -1, 0},
		{"nonsense", codes.ResourceExhausted, -time.Hour, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, "100/s")
				far := &overloaded{refusals: 1, code: c.code, delay: c.delay}
				listener := serve(t, echo(), grpc.ChainUnaryInterceptor(far.interceptor))
				opts := flowgrpc.DialOptions(flowgrpc.Calls{Scheduler: flowgrpc.Always(s), MaxPause: c.maxPause})
				conn, other := dial(t, listener, opts...), dial(t, listener, opts...)
				began := time.Now()
				if _, err := ask(t.Context(), conn); status.Code(err) != c.code {
					t.Error(err)
				}
				var callers sync.WaitGroup
				for i := range 10 {
					callers.Go(func() {
						var err error
						if i%2 == 0 {
							_, err = ask(t.Context(), other)
						} else {
							err = talk(t.Context(), conn)
						}
						if took := time.Since(began); err != nil || took != c.want {
							t.Errorf("%v after %v, want it after %v", err, took, c.want)
						}
					})
				}
				callers.Wait()
				allBack(t, s)
			})
		})
	}
}

// A stream's RetryInfo is heard too, also without the handler of attempts.
func TestRetryInfoOfStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far, near := start(t, "1/5s"), start(t, "100/s")
		conn := dial(t, serve(t, echo(), limited(far)...), grpc.WithStreamInterceptor(flowgrpc.StreamClientInterceptor(flowgrpc.Calls{Scheduler: flowgrpc.Always(near)})))
		began := time.Now()
		if err := talk(t.Context(), conn); err != nil {
			t.Error(err)
		}
		if err := talk(t.Context(), conn); status.Code(err) != codes.ResourceExhausted {
			t.Error(err)
		}
		if err := talk(t.Context(), conn); err != nil || time.Since(began) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		allBack(t, near)
		allBack(t, far)
	})
}

// The same of a unary call.
func TestRetryInfoOfCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far, near := start(t, "1/5s"), start(t, "100/s")
		conn := dial(t, serve(t, echo(), limited(far)...), grpc.WithUnaryInterceptor(flowgrpc.UnaryClientInterceptor(flowgrpc.Calls{Scheduler: flowgrpc.Always(near)})))
		began := time.Now()
		for i, want := range []codes.Code{codes.OK, codes.ResourceExhausted, codes.OK} {
			if _, err := ask(t.Context(), conn); status.Code(err) != want {
				t.Errorf("call %d: %v, want %v", i, err, want)
			}
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// Calls that need no permit pass, and a nil scheduler is a mistake.
func TestClientChooses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var missing *scheduler.Scheduler
		conn := dial(t, serve(t, echo()), flowgrpc.DialOptions(flowgrpc.Calls{Scheduler: func(_ context.Context, method string) scheduler.Source {
			if method == chat {
				return nil
			}
			return missing
		}})...)
		if err := talk(t.Context(), conn); err != nil {
			t.Error(err)
		}
		if _, err := ask(t.Context(), conn); status.Code(err) != codes.InvalidArgument {
			t.Error(err)
		}
	})
}

// A handle takes permits, and cannot follow advice.
func TestClientHandle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far, near := start(t, "1/5s"), start(t, "100/s")
		conn := dial(t, serve(t, echo(), limited(far)...), append(calls(near.Handle()), retries("3"))...)
		began := time.Now()
		for range 2 {
			if _, err := ask(t.Context(), conn); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took != 5*time.Second || near.Stats().Paused || near.Stats().Granted != 2 {
			t.Errorf("took %v, %+v", took, near.Stats())
		}
		allBack(t, near)
	})
}
