package flowgrpc_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flowguard-go/flowguard/flowgrpc"
)

// retries makes grpc-go retry by itself. Its own backoff is a day, so that a call which is back earlier has
// followed the server's pushback.
func retries(attempts string) grpc.DialOption {
	return grpc.WithDefaultServiceConfig(`{"methodConfig": [{"name": [{}], "retryPolicy": {
		"maxAttempts": ` + attempts + `, "initialBackoff": "86400s", "maxBackoff": "86400s", "backoffMultiplier": 1,
		"retryableStatusCodes": ["RESOURCE_EXHAUSTED", "UNAVAILABLE"]}}]}`)
}

// seen counts what reaches a server, before any limit.
type seen struct {
	mu       sync.Mutex
	attempts int
}

func (s *seen) interceptor(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	s.mu.Lock()
	s.attempts++
	s.mu.Unlock()
	return handler(ctx, req)
}

// grpc-go's own retry policy comes back exactly when our server says, so one retry is enough.
func TestRetryPolicyFollowsPushback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "2/3s")
		var far seen
		conn := dial(t, serve(t, echo(), append([]grpc.ServerOption{grpc.ChainUnaryInterceptor(far.interceptor)}, limited(s)...)...), retries("5"))
		began := time.Now()
		for i := range 7 {
			if _, err := ask(t.Context(), conn); err != nil {
				t.Fatal(err)
			}
			if took, want := time.Since(began), time.Duration(i/2)*3*time.Second; took != want {
				t.Errorf("call %d after %v, want %v", i, took, want)
			}
		}
		if far.attempts != 7+3 {
			t.Errorf("%d attempts, want 7 calls and 3 retries", far.attempts)
		}
	})
}

// Many callers at once, each with its own retries: all are served, the limit holds, and nothing is lost.
func TestRetryPolicyUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "4/s burst 2")
		conn := dial(t, serve(t, echo(), flowgrpc.ServerOptions(flowgrpc.Limit{Scheduler: flowgrpc.Always(s), MaxWait: time.Second})...), retries("5"))
		var callers sync.WaitGroup
		for range 16 {
			callers.Go(func() {
				if _, err := ask(t.Context(), conn); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		allBack(t, s)
		if got := s.Stats().Granted; got != 16 {
			t.Errorf("%d granted", got)
		}
	})
}

// What can never succeed is not tried again, and neither is what cannot succeed before the deadline.
func TestRetryPolicyGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "5/h")
		var far seen
		weight := 6
		conn := dial(t, serve(t, echo(), append([]grpc.ServerOption{grpc.ChainUnaryInterceptor(far.interceptor)}, flowgrpc.ServerOptions(flowgrpc.Limit{
			Scheduler: flowgrpc.Always(s),
			Weight:    func(context.Context, string, any) int { return weight },
		})...)...), retries("5"))
		if _, err := ask(t.Context(), conn); status.Code(err) != codes.ResourceExhausted || far.attempts != 1 {
			t.Errorf("too large: %v after %d attempts", err, far.attempts)
		}
		weight = 5
		if _, err := ask(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
		far.attempts = 0
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := ask(ctx, conn); status.Code(err) != codes.ResourceExhausted || far.attempts != 1 || time.Since(began) != 0 {
			t.Errorf("beyond the deadline: %v after %d attempts and %v", err, far.attempts, time.Since(began))
		}
	})
}

// The interceptors see one call where grpc-go makes several attempts. The advice in the answer to an attempt
// holds all others while it is tried again, and the attempts beyond the first are charged.
func TestAttemptsAreHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "5/h")
		far := &overloaded{refusals: 2, code: codes.ResourceExhausted, delay: 3 * time.Second, pushback: "4000"}
		conn := dial(t, serve(t, echo(), grpc.ChainUnaryInterceptor(far.interceptor)), append(calls(s), retries("5"))...)
		began := time.Now()
		var callers sync.WaitGroup
		callers.Go(func() {
			if _, err := ask(t.Context(), conn); err != nil || time.Since(began) != 4*time.Second {
				t.Errorf("the call that is tried again: %v after %v", err, time.Since(began))
			}
		})
		synctest.Wait()
		callers.Go(func() { // waits 3 s, is refused too, and comes back 4 s after that
			if _, err := ask(t.Context(), conn); err != nil || time.Since(began) != 7*time.Second {
				t.Errorf("another call: %v after %v", err, time.Since(began))
			}
		})
		synctest.Wait()
		if st := s.Stats(); !st.Paused || st.Waiting != 1 || st.Resumes.Sub(began) != 3*time.Second {
			t.Errorf("after the first attempt: %+v", st)
		}
		callers.Wait()
		if got, want := s.Stats().Windows[0].Used, 4; got != want || len(far.attempts) != want {
			t.Errorf("%d charged for %d attempts, want %d", got, len(far.attempts), want)
		}
		allBack(t, s)
	})
}

// An attempt that is made again costs once more, in each unit.
func TestAttemptsCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "9/h 500 tokens/h")
		far := &overloaded{refusals: 2, code: codes.ResourceExhausted, pushback: "1000"}
		opts := flowgrpc.DialOptions(flowgrpc.Calls{Scheduler: flowgrpc.Always(s), Cost: sixty})
		conn := dial(t, serve(t, echo(), grpc.ChainUnaryInterceptor(far.interceptor)), append(opts, retries("5"))...)
		if _, err := ask(t.Context(), conn); err != nil {
			t.Error(err)
		}
		if got := s.Stats().Windows; got[0].Used != 3 || got[1].Used != 180 {
			t.Errorf("charged for 3 attempts: %v, %v", got[0], got[1])
		}
	})
}

// Without retries every call is charged once.
func TestAttemptsOfOrdinaryCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "50/h")
		conn := dial(t, serve(t, echo()), calls(s)...)
		for range 10 {
			if _, err := ask(t.Context(), conn); err != nil {
				t.Error(err)
			}
			if err := talk(t.Context(), conn); err != nil {
				t.Error(err)
			}
		}
		if got := s.Stats().Windows[0].Used; got != 20 {
			t.Errorf("%d charged for 20 calls", got)
		}
	})
}
