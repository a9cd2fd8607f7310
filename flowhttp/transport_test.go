package flowhttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
)

func TestEveryRequestTakesAPermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "2/s")
		defer s.Close()
		began := time.Now()
		var sent []time.Duration
		client := toFar(s, func(*http.Request) (*http.Response, error) {
			sent = append(sent, time.Since(began))
			return answer(200, "hello"), nil
		})
		for range 5 {
			get(t, client)
		}
		if got := fmt.Sprint(sent); got != "[0s 0s 1s 1s 2s]" {
			t.Errorf("sent at %s", got)
		}
	})
}

func TestBurstCapsCallsInProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "burst 3")
		defer s.Close()
		var mu sync.Mutex
		inProgress, most := 0, 0
		client := toFar(s, func(*http.Request) (*http.Response, error) {
			mu.Lock()
			inProgress++
			most = max(most, inProgress)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			inProgress--
			mu.Unlock()
			return answer(204, ""), nil
		})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { get(t, client) })
		}
		wg.Wait()
		if most != 3 {
			t.Errorf("%d in progress, want 3", most)
		}
		wantInUse(t, s, 0)
	})
}

// faulty is a body that fails.
type faulty struct{ io.Reader }

func (f faulty) Read(p []byte) (int, error) { return 0, errReset }
func (f faulty) Close() error               { return nil }

func TestPermitIsGivenBack(t *testing.T) {
	type step = func(tb testing.TB, resp *http.Response, cancel func())
	readAll := func(tb testing.TB, resp *http.Response, _ func()) { io.ReadAll(resp.Body) }
	for _, c := range []struct {
		name    string
		release flowhttp.Release
		far     far
		atOnce  bool // before the body is touched
		step    step
	}{
		{"at the end of the body", flowhttp.AfterBody, ok, false, readAll},
		{"at Close", flowhttp.AfterBody, ok, false, func(tb testing.TB, resp *http.Response, _ func()) { resp.Body.Close() }},
		{"at Close, half read", flowhttp.AfterBody, ok, false, func(tb testing.TB, resp *http.Response, _ func()) {
			resp.Body.Read(make([]byte, 2))
			resp.Body.Close()
		}},
		{"at a read error", flowhttp.AfterBody, func(*http.Request) (*http.Response, error) {
			resp := answer(200, "")
			resp.Body = faulty{}
			return resp, nil
		}, false, readAll},
		{"at the end of the context", flowhttp.AfterBody, ok, false, func(tb testing.TB, _ *http.Response, cancel func()) {
			cancel()
			synctest.Wait()
		}},
		{"at once without a body", flowhttp.AfterBody, func(*http.Request) (*http.Response, error) { return answer(204, ""), nil }, true, nil},
		{"at once with a nil body", flowhttp.AfterBody, func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200}, nil
		}, true, nil},
		{"at the headers", flowhttp.AfterHeaders, ok, true, nil},
		{"at a failure", flowhttp.AfterBody, func(*http.Request) (*http.Response, error) { return nil, errReset }, true, nil},
		{"at a failure with an answer", flowhttp.AfterBody, func(*http.Request) (*http.Response, error) { return answer(200, "x"), errReset }, true, nil},
		{"at no answer at all", flowhttp.AfterBody, func(*http.Request) (*http.Response, error) { return nil, nil }, true, nil},
		{"at a panic", flowhttp.AfterBody, func(*http.Request) (*http.Response, error) { panic("broken") }, true, nil},
		{"at a panic of the dialect", flowhttp.AfterBody, func(*http.Request) (*http.Response, error) { return answer(599, "x"), nil }, true, nil},
	} {
		for _, ramp := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, ramp), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := start(t, "5/s burst 2")
					defer s.Close()
					ctx, cancel := context.WithCancel(background)
					defer cancel()
					client := toFar(s, c.far)
					client.Release, client.Ramp = c.release, ramp
					client.Read = func(resp *http.Response, now time.Time) flowhttp.Advice {
						if resp.StatusCode == 599 {
							panic("dialect")
						}
						return flowhttp.Standard(resp, now)
					}
					var resp *http.Response
					func() {
						defer func() { recover() }()
						resp, _ = client.RoundTrip(request(t, ctx))
					}()
					if c.atOnce {
						wantInUse(t, s, 0)
						return
					}
					wantInUse(t, s, 1)
					c.step(t, resp, cancel)
					wantInUse(t, s, 0)
					other, _ := s.TryAcquire() // and is not given back again
					c.step(t, resp, cancel)
					resp.Body.Close()
					wantInUse(t, s, 1)
					other.Release()
				})
			})
		}
	}
}

// The answer itself is what Base returned.
func TestAnswerIsPassedOn(t *testing.T) {
	s := start(t, "5/s")
	want := answer(201, "hello", "X-Test: 1")
	resp, err := toFar(s, func(*http.Request) (*http.Response, error) { return want, nil }).RoundTrip(request(t, background))
	if err != nil || resp != want {
		t.Fatal(resp, err)
	}
	if b, err := io.ReadAll(resp.Body); string(b) != "hello" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

type closeNoting struct {
	io.Reader
	closed int
}

func (c *closeNoting) Close() error { c.closed++; return nil }

// What is refused is not sent, costs nothing, and its body is closed.
func TestRefused(t *testing.T) {
	past, cancel := context.WithCancel(background)
	cancel()
	for _, c := range []struct {
		name   string
		ctx    context.Context
		change func(s *scheduler.Scheduler, t *flowhttp.Transport)
		want   error
	}{
		{"closed", background, func(s *scheduler.Scheduler, t *flowhttp.Transport) { s.Close() }, scheduler.ErrClosed},
		{"too large", background, func(s *scheduler.Scheduler, t *flowhttp.Transport) {
			t.Weight = func(*http.Request) int { return 6 }
		}, scheduler.ErrTooLarge},
		{"weight 0", background, func(s *scheduler.Scheduler, t *flowhttp.Transport) {
			t.Weight = func(*http.Request) int { return 0 }
		}, &scheduler.InvalidError{}},
		{"context", past, func(s *scheduler.Scheduler, t *flowhttp.Transport) {}, context.Canceled},
		{"no function", background, func(s *scheduler.Scheduler, t *flowhttp.Transport) { t.Scheduler = nil }, &scheduler.InvalidError{}},
		{"nil of a type", background, func(s *scheduler.Scheduler, t *flowhttp.Transport) {
			t.Scheduler = func(*http.Request) scheduler.Source { return (*scheduler.Scheduler)(nil) }
		}, &scheduler.InvalidError{}},
	} {
		for _, ramp := range []bool{false, true} {
			s := start(t, "5/s")
			client := toFar(s, func(*http.Request) (*http.Response, error) {
				t.Errorf("%s: sent", c.name)
				return nil, errReset
			})
			client.Ramp = ramp
			c.change(s, client)
			req := request(t, c.ctx)
			body := &closeNoting{Reader: strings.NewReader("x")}
			req.Body = body
			_, err := client.RoundTrip(req)
			var invalid *scheduler.InvalidError
			if _, is := c.want.(*scheduler.InvalidError); is && !errors.As(err, &invalid) || !is && !errors.Is(err, c.want) {
				t.Errorf("%s: %v", c.name, err)
			}
			if body.closed != 1 {
				t.Errorf("%s: the body was closed %d times", c.name, body.closed)
			}
			if got := s.Stats(); got.InUse != 0 || got.Granted != 0 {
				t.Errorf("%s: %+v", c.name, got)
			}
		}
	}
}

// A deadline that cannot be met fails at once and is a timeout for those who ask.
func TestDeadlineIsATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "1/h")
		defer s.Close()
		client := &http.Client{Transport: toFar(s, ok), Timeout: time.Minute}
		resp, err := client.Get("http://far.test/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		began := time.Now()
		_, err = client.Get("http://far.test/")
		var late *scheduler.DeadlineError
		var u *url.Error
		if !errors.As(err, &late) || !errors.As(err, &u) || !u.Timeout() || !os.IsTimeout(err) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if time.Since(began) != 0 {
			t.Errorf("after %v", time.Since(began))
		}
	})
}

// So is a deadline that passes while it waits for a permit to be released.
func TestDeadlineThatPassesIsATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "burst 1")
		defer s.Close()
		held, _ := s.TryAcquire()
		defer held.Release()
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		_, err := (&http.Client{Transport: toFar(s, ok)}).Do(request(t, ctx))
		if !os.IsTimeout(err) {
			t.Errorf("%v", err)
		}
	})
}

// Nobody gets the answer, so nobody else could close its body.
func TestPanicOfADialectClosesTheBody(t *testing.T) {
	body := &closeNoting{Reader: strings.NewReader("hello")}
	client := toFar(start(t, "5/s"), func(*http.Request) (*http.Response, error) {
		resp := answer(200, "")
		resp.Body = body
		return resp, nil
	})
	client.Read = func(*http.Response, time.Time) flowhttp.Advice { panic("dialect") }
	defer func() {
		if recover() != "dialect" || body.closed != 1 {
			t.Errorf("closed %d times", body.closed)
		}
	}()
	client.RoundTrip(request(t, background))
}

func TestWithoutASchedulerRequestsGo(t *testing.T) {
	client := &flowhttp.Transport{Base: far(ok), Scheduler: func(*http.Request) scheduler.Source { return nil }}
	if got := get(t, client); got != 200 {
		t.Errorf("status %d", got)
	}
}

func TestSchedulerForEachHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := start(t, "5/s"), start(t, "5/s")
		defer a.Close()
		defer b.Close()
		client := &flowhttp.Transport{
			Base: far(func(req *http.Request) (*http.Response, error) { return answer(429, "", "Retry-After: 9"), nil }),
			Scheduler: func(req *http.Request) scheduler.Source {
				if req.URL.Host == "b.test" {
					return b
				}
				return a
			},
		}
		get(t, client)
		if !a.Stats().Paused || b.Stats().Paused {
			t.Errorf("paused: %v, %v", a.Stats().Paused, b.Stats().Paused)
		}
	})
}

// Whoever has a handle cannot pause its scheduler, so the Transport is told whom to advise.
func TestAdvise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "5/s")
		defer s.Close()
		refuse := func(*http.Request) (*http.Response, error) { return answer(429, "", "Retry-After: 9"), nil }
		client := toFar(s.Handle(), refuse)
		get(t, client)
		if s.Stats().Paused {
			t.Error("a handle was heeded")
		}
		client = toFar(s.Handle(), refuse)
		client.Advise = func(*http.Request) *scheduler.Scheduler { return s }
		get(t, client)
		if !s.Stats().Paused {
			t.Error("Advise was not heeded")
		}
	})
}

func TestFlowsPauseTheirScheduler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "5/s")
		defer s.Close()
		get(t, toFar(s.Flow("tenant", 1), func(*http.Request) (*http.Response, error) { return answer(503, "", "Retry-After: 9"), nil }))
		if !s.Stats().Paused {
			t.Error("not paused")
		}
	})
}

func TestWeight(t *testing.T) {
	s := start(t, "5/s")
	client := toFar(s, ok)
	client.Weight = func(*http.Request) int { return 3 }
	resp, err := client.RoundTrip(request(t, background))
	if err != nil {
		t.Fatal(err)
	}
	wantInUse(t, s, 3)
	resp.Body.Close()
	wantInUse(t, s, 0)
}

func TestAdviceHoldsAllCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "100/s")
		defer s.Close()
		var calls atomic.Int32
		client := toFar(s, func(*http.Request) (*http.Response, error) {
			if calls.Add(1) == 1 {
				return answer(429, "slow down", "Retry-After: 30"), nil
			}
			return answer(200, "hello"), nil
		})
		began := time.Now()
		resp, err := client.RoundTrip(request(t, background))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				get(t, client)
				if got := time.Since(began); got != 30*time.Second {
					t.Errorf("sent after %v", got)
				}
			})
		}
		wg.Wait()
		resp.Body.Close()
	})
}

func TestMaxPause(t *testing.T) {
	for _, c := range []struct {
		most  time.Duration
		lines []string
		want  time.Duration
	}{
		{0, []string{"Retry-After: 60"}, time.Minute},
		{0, []string{"Retry-After: 99999999999999999999"}, time.Hour},
		{time.Second, []string{"Retry-After: 60"}, time.Second},
		{time.Second, []string{`RateLimit: "a";r=0;t=60`}, time.Second},
		{scheduler.Forever, []string{"Retry-After: 86400"}, 24 * time.Hour},
		{-1, []string{"Retry-After: 60"}, 0},
		{-1, []string{`RateLimit: "a";r=0;t=60`}, 0},
	} {
		mock := clock.NewMock()
		s := start(t, "100/s", scheduler.WithClock(mock))
		client := toFar(s, func(*http.Request) (*http.Response, error) { return answer(429, "", c.lines...), nil })
		client.MaxPause = c.most
		get(t, client)
		if got := s.WaitTime(); got != c.want {
			t.Errorf("%v of %v: the next waits %v, want %v", c.most, c.lines, got, c.want)
		}
	}
}

// By the mock clock it is 1970, and the server's date is what counts.
func TestDateOfTheServer(t *testing.T) {
	mock := clock.NewMock()
	s := start(t, "100/s", scheduler.WithClock(mock))
	get(t, toFar(s, func(*http.Request) (*http.Response, error) {
		return answer(503, "", "Date: Fri, 02 Jan 2026 15:04:05 GMT", "Retry-After: Fri, 02 Jan 2026 15:04:35 GMT"), nil
	}))
	if got := s.WaitTime(); got != 30*time.Second {
		t.Errorf("the next waits %v", got)
	}
}

type idle struct {
	far
	closed bool
}

func (i *idle) CloseIdleConnections() { i.closed = true }

func TestCloseIdleConnections(t *testing.T) {
	base := &idle{far: ok}
	client := flowhttp.NewTransport(start(t, "5/s"))
	client.Base = base
	(&http.Client{Transport: client}).CloseIdleConnections()
	if !base.closed {
		t.Error("not passed on")
	}
	client.Base = far(ok)
	client.CloseIdleConnections() // there are none
}
