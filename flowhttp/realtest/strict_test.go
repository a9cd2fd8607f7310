package realtest

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/internal/memnet"
	"github.com/flowguard-go/flowguard/scheduler"
)

// strict is a server that grants at most limit requests in any interval of length per, counted when they
// arrive. It refuses everything up to an instant, because others have used its limit up.
type strict struct {
	limit   int
	per     time.Duration
	until   time.Time
	refuse  func(http.ResponseWriter, time.Duration) // the answer to a request that comes too early, and by how much
	handler http.Handler

	mu      sync.Mutex
	arrived []time.Time // the granted ones of the last per
	served  int
	refused int
}

func (s *strict) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if early := s.admit(); early > 0 {
		s.refuse(w, early)
		return
	}
	s.handler.ServeHTTP(w, r)
}

func (s *strict) admit() (early time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for len(s.arrived) > 0 && now.Sub(s.arrived[0]) >= s.per {
		s.arrived = s.arrived[1:]
	}
	if now.Before(s.until) {
		early = s.until.Sub(now)
	} else if len(s.arrived) >= s.limit {
		early = s.per - now.Sub(s.arrived[0])
	}
	if early > 0 {
		s.refused++
		return early
	}
	s.arrived = append(s.arrived, now)
	s.served++
	return 0
}

// against runs a client in a bubble against a strict server that first refuses for three seconds.
func against(t *testing.T, read flowhttp.Dialect, server *strict, run func(t *testing.T, hc *http.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server.until = time.Now().Add(3 * time.Second)
		listener := memnet.Listen("server.test:80")
		hs := &http.Server{Handler: server}
		go hs.Serve(listener)
		base := &http.Transport{DialContext: listener.Dial, MaxIdleConnsPerHost: 10}
		s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(server.limit, server.per)}, MaxBurst: 3})
		if err != nil {
			t.Fatal(err)
		}
		transport := flowhttp.NewTransport(s)
		transport.Base, transport.Read = base, read
		run(t, &http.Client{Transport: transport})

		time.Sleep(time.Minute) // the server goes on with what was cancelled
		if server.refused != 1 {
			t.Errorf("%d of %d requests were refused, want the first alone", server.refused, server.refused+server.served)
		}
		if got := s.Stats(); got.InUse != 0 || got.Waiting != 0 {
			t.Errorf("at the end %+v", got)
		}
		if got := s.Stats().Granted; int(got) < server.served {
			t.Errorf("%d granted, %d served", got, server.served)
		}
		s.Close()
		base.CloseIdleConnections()
		hs.Close()
	})
}

// together runs calls in n goroutines. A panic of one is its own.
func together(n int, call func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			defer func() { recover() }()
			call(i)
		})
	}
	wg.Wait()
}

// endsSoon returns a context that ends in the middle of a call.
func endsSoon() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	return ctx, cancel
}
