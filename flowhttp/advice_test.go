package flowhttp_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
)

// Which window is told of what is left.
func TestQuotaGoesToItsWindow(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits string
		lines  []string
		want   string // what remains of each window, and how long the next waits
	}{
		{"the only window", "100/h", []string{`RateLimit: "a";r=7;t=60`}, "7 0s"},
		{"more than the window has left", "5/h", []string{`RateLimit: "a";r=70;t=60`}, "4 0s"},
		{"used up", "100/h", []string{`RateLimit: "a";r=0;t=60`}, "0 1m0s"},
		{"by length", "100/h 50/min", []string{`RateLimit-Policy: "a";q=60;w=60`, `RateLimit: "a";r=7;t=60`}, "99 7 0s"},
		{"by length and permits", "60/min 50/min", []string{`RateLimit-Policy: "a";q=50;w=60`, `RateLimit: "a";r=7;t=60`}, "59 7 0s"},
		{"by permits", "100/h 50/min", []string{"RateLimit-Limit: 50", "RateLimit-Remaining: 7", "RateLimit-Reset: 60"}, "99 7 0s"},
		{"the longest", "10/s 100/h 50/min", []string{`RateLimit: "a";r=7;t=60`}, "9 7 49 0s"},
		{"several", "10/s 100/h", []string{`RateLimit-Policy: "a";q=10;w=1, "b";q=100;w=3600`, `RateLimit: "a";r=3;t=1, "b";r=7;t=60`}, "3 7 0s"},
		{"one of several", "10/s", []string{`RateLimit-Policy: "a";q=10;w=1, "b";q=100;w=3600`, `RateLimit: "a";r=3;t=1, "b";r=7;t=60`}, "3 0s"},
		{"one of several, used up", "10/s", []string{`RateLimit-Policy: "a";q=10;w=1, "b";q=100;w=3600`, `RateLimit: "a";r=3;t=1, "b";r=0;t=60`}, "3 1m0s"},
		{"no window, used up", "burst 3", []string{`RateLimit: "a";r=0;t=60`}, "1m0s"},
		{"no window, something left", "burst 3", []string{`RateLimit: "a";r=1;t=60`}, "0s"},
		{"another unit", "100/h", []string{`RateLimit-Policy: "a";q=50;w=3600;qu="content-bytes"`, `RateLimit: "a";r=0;t=60`}, "99 0s"},
		{"no reset", "100/h", []string{`RateLimit: "a";r=0`}, "99 0s"},
		{"reset of 0", "100/h", []string{`RateLimit: "a";r=0;t=0`}, "99 0s"},
	} {
		mock := clock.NewMock()
		s := start(t, c.limits, scheduler.WithClock(mock))
		get(t, toFar(s, func(*http.Request) (*http.Response, error) { return answer(200, "", c.lines...), nil }))
		got := ""
		for _, w := range s.Stats().Windows {
			got += fmt.Sprint(w.Remaining, " ")
		}
		if got += s.WaitTime().String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// Retry-After goes before the reset of a quota, in both directions.
func TestRetryAfterWins(t *testing.T) {
	for _, after := range []int{3, 90} {
		mock := clock.NewMock()
		s := start(t, "100/h", scheduler.WithClock(mock))
		get(t, toFar(s, func(*http.Request) (*http.Response, error) {
			return answer(429, "", fmt.Sprint("Retry-After: ", after), `RateLimit: "a";r=0;t=60`), nil
		}))
		if got, want := s.WaitTime(), time.Duration(after)*time.Second; got != want {
			t.Errorf("the next waits %v, want %v", got, want)
		}
	}
}

// Advice reaches a scheduler whose limits change, or that closes, without harm.
func TestAdviceTooLate(t *testing.T) {
	s := start(t, "100/h")
	client := toFar(s, func(*http.Request) (*http.Response, error) {
		return answer(429, "bye", "Retry-After: 1"), nil
	})
	client.Read = func(resp *http.Response, now time.Time) flowhttp.Advice {
		s.Close()
		return flowhttp.Advice{Pause: time.Second, Remaining: []flowhttp.Remaining{{Left: -1, Reset: 1}, {Left: 1, Reset: -1}, {Left: 1, Reset: time.Second}}}
	}
	if got := get(t, client); got != 429 {
		t.Errorf("status %d", got)
	}
}

// An answer that was under way for longer than its period may be of one that is over, and then takes nothing
// back of what was said of the present one. If it says that less is left, it counts.
func TestLateAnswerLoosensNothing(t *testing.T) {
	for _, c := range []struct {
		late string
		want string
	}{
		{`RateLimit: "a";r=50;t=5`, "0 51s"}, // 9 seconds ago nothing was left for 60
		{`RateLimit: "a";r=50;t=10`, "0 51s"},
		{`RateLimit: "a";r=50;t=11`, "49 0s"}, // was given in a period that goes on, perhaps before the other call
	} {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, "100/h")
			defer s.Close()
			calls := 0
			client := toFar(s, func(*http.Request) (*http.Response, error) {
				if calls++; calls == 1 {
					time.Sleep(10 * time.Second)
					return answer(200, "", c.late), nil
				}
				time.Sleep(time.Second)
				return answer(200, "", `RateLimit: "a";r=0;t=60`), nil
			})
			var late sync.WaitGroup
			late.Go(func() { get(t, client) })
			synctest.Wait()
			get(t, client)
			late.Wait()
			if got := fmt.Sprint(s.Stats().Windows[0].Remaining, s.WaitTime()); got != c.want {
				t.Errorf("%s: got %s, want %s", c.late, got, c.want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "100/h")
		defer s.Close()
		get(t, toFar(s, func(*http.Request) (*http.Response, error) {
			time.Sleep(10 * time.Second)
			return answer(200, "", `RateLimit: "a";r=0;t=5`), nil
		}))
		if got := s.WaitTime(); got != 5*time.Second {
			t.Errorf("the next waits %v", got)
		}
	})
}

// exact is a server with a fixed window that counts a request when it arrives, and tells in each answer
// what is left. Others use up some of it as soon as a period begins.
type exact struct {
	limit  int
	period time.Duration
	others int

	mu      sync.Mutex
	index   int64
	used    int
	arrived []arrival
}

type arrival struct {
	sent, arrived time.Time
	left          int       // of the period, after it
	ends          time.Time // the period
	told          time.Time // when the caller had the answer; zero: never
}

func (e *exact) arrive(sent time.Time) (n int, a arrival) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if index := now.UnixNano() / int64(e.period); index != e.index {
		e.index, e.used = index, e.others
	}
	e.used++
	a = arrival{sent: sent, arrived: now, left: max(0, e.limit-e.used), ends: time.Unix(0, (e.index+1)*int64(e.period))}
	e.arrived = append(e.arrived, a)
	return len(e.arrived) - 1, a
}

func (e *exact) tell(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.arrived[n].told = time.Now()
}

// Answers are under way for any time and overtake each other, many calls are in progress, and some answers
// get lost. Yet no request is sent against what its sender had been told, and what is left is not charged
// twice.
func TestObservedCounts(t *testing.T) {
	runs := 400
	if testing.Short() {
		runs = 80
	}
	for seed := range uint64(runs) {
		synctest.Test(t, func(t *testing.T) { observeCounts(t, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func observeCounts(t *testing.T, seed uint64) {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 1))
	random := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n)
	}
	upTo := func(d time.Duration) time.Duration {
		return time.Duration(random(int(d/time.Microsecond))) * time.Microsecond
	}

	side := &exact{limit: 20, period: 10 * time.Second}
	texts := []string{"1000/10s burst 6", "20/10s", "1000/10s from release burst 9", "20/10s from release"}
	s := start(t, texts[seed%4])
	defer s.Close()
	type key struct{}
	client := toFar(s, func(req *http.Request) (*http.Response, error) {
		sent := time.Now()
		time.Sleep(upTo(time.Second))
		n, a := side.arrive(sent)
		*req.Context().Value(key{}).(*int) = n
		time.Sleep(upTo(3 * time.Second))
		switch random(8) {
		case 0:
			return nil, errReset
		case 1:
			return answer(200, "without"), nil
		}
		reset := (a.ends.Sub(a.arrived) + time.Second - 1) / time.Second
		return answer(200, strings.Repeat("x", random(3)), fmt.Sprintf(`RateLimit: "p";r=%d;t=%d`, a.left, reset)), nil
	})
	call := func() {
		n := -1
		resp, err := client.RoundTrip(request(t, context.WithValue(background, key{}, &n)))
		if err != nil {
			return
		}
		if resp.Header.Get("RateLimit") != "" {
			side.tell(n)
		}
		if random(2) == 0 {
			time.Sleep(upTo(2 * time.Second))
		}
		resp.Body.Close()
	}
	// The scheduler counts what is under way from the first observation on, so that is made by a call alone.
	for len(side.arrived) == 0 || side.arrived[len(side.arrived)-1].told.IsZero() {
		call()
	}
	var wg sync.WaitGroup
	for range 3 + random(12) {
		wg.Go(func() {
			for range 10 {
				call()
				if random(3) == 0 {
					time.Sleep(upTo(4 * time.Second))
				}
			}
		})
	}
	wg.Wait()
	checkNeverEarly(t, side)

	// Alone, with nothing else under way, what is left is what the server says, also if others use its limit.
	side.others = 12
	time.Sleep(25 * time.Second)
	for {
		call()
		last := side.arrived[len(side.arrived)-1]
		if last.told.IsZero() || last.left == 0 || last.left > 10 || time.Until(last.ends) <= 0 {
			time.Sleep(time.Second)
			continue
		}
		if got := s.Stats().Windows[0].Remaining; got != last.left {
			t.Errorf("%d remain, the server said %d", got, last.left)
		}
		break
	}
	wantInUse(t, s, 0)
}

// checkNeverEarly checks each answer against all requests that were sent after it was told: up to the end of
// its period no more of them may arrive, with those that were under way, than it said are left.
func checkNeverEarly(t *testing.T, side *exact) {
	told := 0
	for i, a := range side.arrived {
		if a.told.IsZero() {
			continue
		}
		for n, x := range side.arrived[i+1:] {
			if !x.arrived.Before(a.ends) {
				break
			}
			if x.sent.After(a.told) {
				told++
				if n+1 > a.left {
					t.Errorf("told at %v that %d are left until %v, the scheduler let request %d go at %v", a.told, a.left, a.ends, n+1, x.sent)
					return
				}
			}
		}
	}
	if told == 0 && len(side.arrived) > 50 {
		t.Error("nothing was checked")
	}
}

// The first answer, too, is read with what was under way together with its call in mind, even if that has failed.
func TestFirstAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "100/min burst 2")
		defer s.Close()
		failed := make(chan struct{})
		client := toFar(s, func(req *http.Request) (*http.Response, error) {
			if req.Method == "POST" {
				return nil, errReset
			}
			<-failed
			return answer(200, "", `RateLimit: "a";r=5;t=60`), nil
		})
		go get(t, client)
		synctest.Wait()
		req := request(t, background)
		req.Method = "POST"
		if _, err := client.RoundTrip(req); !errors.Is(err, errReset) {
			t.Error(err)
		}
		close(failed)
		synctest.Wait()
		if got := s.Stats().Windows[0].Remaining; got != 4 {
			t.Errorf("%d remain, want 4: the failed call may not have been counted yet", got)
		}
	})
	flowhttp.NewTransport((*scheduler.Scheduler)(nil)) // is refused when it is used
}
