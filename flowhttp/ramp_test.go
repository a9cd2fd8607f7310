package flowhttp_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
)

// ramped is a server that answers after a second with the next of a list, then with 200, and notes when
// requests came and which.
type ramped struct {
	*flowhttp.Transport
	s       *scheduler.Scheduler
	began   time.Time
	answers []int
	sent    []string
	mu      sync.Mutex
	wg      sync.WaitGroup
}

type callerKey struct{}

func ramp(t *testing.T, limits string, tell func(r *ramped), answers ...int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &ramped{s: start(t, limits), began: time.Now(), answers: answers}
		defer r.s.Close()
		r.Transport = toFar(r.s, func(req *http.Request) (*http.Response, error) {
			r.mu.Lock()
			r.sent = append(r.sent, fmt.Sprint(req.Context().Value(callerKey{}), "@", time.Since(r.began).Seconds()))
			status := 200
			if len(r.answers) > 0 {
				status, r.answers = r.answers[0], r.answers[1:]
			}
			r.mu.Unlock()
			time.Sleep(time.Second)
			switch {
			case status == 0:
				return nil, errReset
			case status == 429:
				return answer(429, "", "Retry-After: 9"), nil
			}
			return answer(status, ""), nil
		})
		r.Ramp = true
		tell(r)
		r.wg.Wait()
		wantInUse(t, r.s, 0)
	})
}

// call begins a call in the name of a caller.
func (r *ramped) call(caller int) { r.callWith(background, caller, nil) }

func (r *ramped) callWith(ctx context.Context, caller int, err *error) {
	req, _ := http.NewRequestWithContext(context.WithValue(ctx, callerKey{}, caller), "GET", "http://far.test/", nil)
	r.wg.Go(func() {
		_, e := r.RoundTrip(req)
		if err != nil {
			*err = e
		}
	})
	synctest.Wait()
}

func (r *ramped) until(d time.Duration) { time.Sleep(d - time.Since(r.began)); synctest.Wait() }

func (r *ramped) want(t *testing.T, want string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if got := fmt.Sprint(r.sent); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRamp(t *testing.T) {
	ramp(t, "100/h", func(r *ramped) {
		r.call(1)
		r.until(1500 * time.Millisecond)
		for caller := 2; caller <= 6; caller++ {
			r.call(caller)
		}
		r.until(time.Minute)
		// Those behind the first wait until one succeeds: 2 is refused, 3 fails, 4 is answered.
		slices.Sort(r.sent[3:])
		r.want(t, "[1@0 2@10 3@20 4@21 5@22 6@22]")
	}, 429, 429, 0, 200)
}

// So do those who were in the scheduler's line when the pause began, in the order of their coming.
func TestRampRecallsThoseInLine(t *testing.T) {
	ramp(t, "100/h burst 2", func(r *ramped) {
		r.call(1)
		r.until(500 * time.Millisecond)
		for caller := 2; caller <= 6; caller++ {
			r.call(caller)
		}
		r.until(time.Minute)
		slices.Sort(r.sent[4:])
		// 2 was under way when the pause began, so its success opens nothing.
		r.want(t, "[1@0 2@0.5 3@10 4@11 5@12 6@12]")
	}, 429, 200, 500, 200)
}

// A newcomer stands behind those who wait.
func TestRampKeepsTheOrder(t *testing.T) {
	ramp(t, "100/h", func(r *ramped) {
		r.call(1)
		r.until(2 * time.Second)
		r.call(2)
		r.call(3)
		r.until(10500 * time.Millisecond)
		r.call(4)
		r.until(time.Minute)
		r.want(t, "[1@0 2@10 3@11 4@12]")
	}, 429, 500, 500, 200)
}

// Whose turn it is may give up; the turn goes on.
func TestRampWithCallersWhoGiveUp(t *testing.T) {
	ramp(t, "100/h", func(r *ramped) {
		ctx, cancel := context.WithCancel(background)
		r.call(1)
		r.until(2 * time.Second)
		var first, third error
		r.callWith(ctx, 2, &first)
		r.call(3)
		r.callWith(ctx, 4, &third)
		r.call(5)
		r.until(3 * time.Second)
		cancel()
		synctest.Wait()
		if !errors.Is(first, context.Canceled) || !errors.Is(third, context.Canceled) {
			t.Errorf("%v, %v", first, third)
		}
		r.until(time.Minute)
		r.want(t, "[1@0 3@10 5@11]")
	}, 429)
}

// What cannot be in time is refused at once, whether or not it is its turn.
func TestRampRefusesEarly(t *testing.T) {
	ramp(t, "100/h", func(r *ramped) {
		r.call(1)
		r.until(2 * time.Second)
		r.call(2)
		ctx, cancel := context.WithTimeout(background, 7*time.Second)
		defer cancel()
		var err error
		r.callWith(ctx, 3, &err)
		var late *scheduler.DeadlineError
		if !errors.As(err, &late) || late.Wait != 8*time.Second || late.Left != 7*time.Second {
			t.Errorf("%v", err)
		}
		r.Weight = func(*http.Request) int { return 101 }
		r.callWith(background, 4, &err)
		if !errors.Is(err, scheduler.ErrTooLarge) {
			t.Errorf("%v", err)
		}
		r.Weight = nil
		r.until(time.Minute)
		r.want(t, "[1@0 2@10]")
	}, 429)
	// The window needs longer than the pause.
	ramp(t, "1/h", func(r *ramped) {
		r.call(1)
		r.until(2 * time.Second)
		enough, cancel := context.WithTimeout(background, 2*time.Hour)
		defer cancel()
		r.callWith(enough, 2, nil)
		ctx, cancel := context.WithTimeout(background, time.Minute)
		defer cancel()
		var err error
		r.callWith(ctx, 3, &err)
		var late *scheduler.DeadlineError
		if !errors.As(err, &late) || late.Left != time.Minute || late.Wait < time.Hour-2*time.Second {
			t.Errorf("%v", err)
		}
	}, 429)
}

func TestRampOfAClosedScheduler(t *testing.T) {
	ramp(t, "100/h", func(r *ramped) {
		var errs [3]error
		r.call(1)
		r.until(2 * time.Second)
		for i := range errs {
			r.callWith(background, i, &errs[i])
		}
		r.s.Close()
		synctest.Wait()
		for _, err := range errs {
			if err != scheduler.ErrClosed {
				t.Errorf("%v", err)
			}
		}
	}, 429)
}

func TestRampOfANonBlockingScheduler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "100/h", scheduler.NonBlocking())
		defer s.Close()
		client := toFar(s, func(*http.Request) (*http.Response, error) { return answer(429, "", "Retry-After: 9"), nil })
		client.Ramp = true
		get(t, client)
		for range 3 {
			if _, err := client.RoundTrip(request(t, background)); !errors.Is(err, scheduler.ErrNoPermit) {
				t.Errorf("%v", err)
			}
		}
	})
}

// Random calls against a server that refuses at random: while it ramps up, one request at a time is under
// way of those sent after the pause, nobody is left behind, and nothing is left.
func TestRampAtRandom(t *testing.T) {
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			var mu sync.Mutex
			random := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return r.IntN(n)
			}
			s := start(t, []string{"1000/s", "20/s burst 5", "burst 3"}[seed%3])
			defer s.Close()

			// What an observer sees: from the first refusal on until a success of a request that was sent after
			// it, at most one request sent after it is under way.
			ramping, underWay := false, 0
			var since time.Time
			client := toFar(s, func(*http.Request) (*http.Response, error) {
				sent := time.Now()
				mu.Lock()
				after := ramping && sent.After(since)
				if after {
					if underWay++; underWay > 1 {
						t.Errorf("%d under way while ramping up", underWay)
					}
				}
				mu.Unlock()
				time.Sleep(time.Duration(1 + random(int(time.Second))))
				status := []int{200, 200, 200, 429, 500, 0}[random(6)]
				mu.Lock()
				defer mu.Unlock()
				if after {
					underWay--
					ramping = ramping && status != 200
				}
				switch status {
				case 0:
					return nil, errReset
				case 429:
					if !ramping {
						ramping, since, underWay = true, time.Now(), 0
					}
					return answer(429, "", "Retry-After: 2"), nil
				}
				return answer(status, ""), nil
			})
			client.Ramp = true
			var wg sync.WaitGroup
			var done atomic.Int32
			for range 10 {
				wg.Go(func() {
					for range 8 {
						time.Sleep(time.Duration(random(3_000_000)) * time.Microsecond)
						ctx, cancel := background, context.CancelFunc(func() {})
						if random(3) == 0 {
							ctx, cancel = context.WithTimeout(ctx, time.Duration(1+random(5_000_000))*time.Microsecond)
						}
						client.RoundTrip(request(t, ctx))
						cancel()
						done.Add(1)
					}
				})
			}
			wg.Wait()
			if got := s.Stats(); got.InUse != 0 || got.Waiting != 0 {
				t.Errorf("%+v", got)
			}
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
