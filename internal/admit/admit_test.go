package admit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, limits string, opts ...scheduler.Option) *scheduler.Scheduler {
	t.Helper()
	s, err := scheduler.New(scheduler.MustParseLimits(limits), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Each row puts a scheduler into a state and asks it for a permit.
func TestReasons(t *testing.T) {
	for _, c := range []struct {
		name    string
		limits  string
		opts    []scheduler.Option
		weight  int
		maxWait time.Duration
		state   func(s *scheduler.Scheduler)
		want    string // the reason, the wait, the limit; "granted"
		after   time.Duration
	}{
		{name: "free", limits: "1/s", want: "granted"},
		{name: "a full window", limits: "1/2s", state: take, want: "busy 2s 1/2s"},
		{name: "a full window, a short wait", limits: "1/2s", maxWait: time.Second, state: take, want: "busy 2s 1/2s"},
		{name: "a full window, a wait that is long enough", limits: "1/2s", maxWait: 2 * time.Second, state: take, want: "granted", after: 2 * time.Second},
		{name: "a full burst", limits: "burst 1", state: take, want: "busy 0s burst 1"},
		{name: "a full burst, a wait in vain", limits: "burst 1", maxWait: time.Second, state: take, want: "busy 0s burst 1", after: time.Second},
		{name: "a full burst that frees a permit", limits: "burst 1", maxWait: 3 * time.Second, state: takeFor(2 * time.Second), want: "granted", after: 2 * time.Second},
		{name: "a full window from release", limits: "1/2s from release", state: takeFor(0), want: "busy 2s 1/2s from release"},
		{name: "others wait", limits: "2/2s", state: queue, want: "busy 4s 2/2s"},
		{name: "non-blocking", limits: "1/2s", opts: []scheduler.Option{scheduler.NonBlocking()}, maxWait: time.Minute, state: take, want: "busy 2s 1/2s"},
		{name: "non-blocking, no wait", limits: "1/2s", opts: []scheduler.Option{scheduler.NonBlocking()}, state: take, want: "busy 2s 1/2s"},
		{name: "a full line", limits: "2/2s", opts: []scheduler.Option{scheduler.WithMaxQueue(2)}, maxWait: time.Minute, state: queue, want: "unavailable 2s "},
		{name: "a full line, no wait", limits: "2/2s", opts: []scheduler.Option{scheduler.WithMaxQueue(2)}, state: queue, want: "busy 4s 2/2s"},
		{name: "no line", limits: "1/2s", opts: []scheduler.Option{scheduler.WithMaxQueue(0)}, maxWait: time.Minute, state: take, want: "unavailable 2s "},
		{name: "too large", limits: "5/s burst 3", weight: 4, want: "too large 0s burst 3"},
		{name: "too large, may wait", limits: "5/s burst 3", weight: 4, maxWait: time.Minute, want: "too large 0s burst 3"},
		{name: "no weight", limits: "5/s", weight: -1, want: "invalid 0s "},
		{name: "closed", limits: "5/s", state: func(s *scheduler.Scheduler) { s.Close() }, want: "unavailable 0s "},
		{name: "closed, may wait", limits: "5/s", maxWait: time.Minute, state: func(s *scheduler.Scheduler) { s.Close() }, want: "unavailable 0s "},
		{name: "a pause", limits: "5/s", state: func(s *scheduler.Scheduler) { s.PauseFor(time.Hour) }, want: "unavailable 1h0m0s "},
		{name: "a pause, a wait that is too short", limits: "5/s", maxWait: time.Minute, state: func(s *scheduler.Scheduler) { s.PauseFor(time.Hour) }, want: "unavailable 1h0m0s "},
		{name: "a pause without an end", limits: "5/s", state: func(s *scheduler.Scheduler) { s.Pause() }, want: "unavailable 0s "},
		{name: "a pause without an end, a wait in vain", limits: "5/s", maxWait: time.Second, state: func(s *scheduler.Scheduler) { s.Pause() }, want: "unavailable 0s ", after: time.Second},
		{name: "closed while it waits", limits: "burst 1", maxWait: time.Minute, state: closeIn(time.Second), want: "unavailable 0s ", after: time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, c.limits, c.opts...)
				if c.state != nil {
					c.state(s)
					synctest.Wait()
				}
				weight := c.weight
				if weight == 0 {
					weight = 1
				}
				before := s.Stats()
				began := time.Now()
				tk, no := Take(t.Context(), s, weight, c.maxWait)
				if got := describe(tk, no); got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
				if took := time.Since(began); took != c.after {
					t.Errorf("took %v, want %v", took, c.after)
				}
				if no == nil {
					tk.Release()
				} else if after := s.Stats(); after.Granted != before.Granted {
					t.Errorf("a refusal left %d grants, there were %d", after.Granted, before.Granted)
				}
				time.Sleep(time.Hour) // all that the row has started ends
			})
		})
	}
}

func describe(tk ticket.Ticket, no *Refusal) string {
	if no == nil {
		if tk.Number() == 0 {
			return "neither a ticket nor a refusal"
		}
		return "granted"
	}
	if tk.Number() != 0 || no.Err == nil {
		return fmt.Sprintf("ticket %d with a refusal, error %v", tk.Number(), no.Err)
	}
	reason := map[Reason]string{ReasonGone: "gone", ReasonBusy: "busy", ReasonTooLarge: "too large", ReasonUnavailable: "unavailable", ReasonInvalid: "invalid"}[no.Reason]
	return fmt.Sprintf("%s %v %s", reason, no.Wait, no.Limit)
}

func take(s *scheduler.Scheduler) { s.TryAcquire() }

func takeFor(d time.Duration) func(*scheduler.Scheduler) {
	return func(s *scheduler.Scheduler) {
		held, _ := s.TryAcquire()
		if d == 0 {
			held.Release()
		} else {
			time.AfterFunc(d, held.Release)
		}
	}
}

// queue fills two permits and puts two tickets in line.
func queue(s *scheduler.Scheduler) {
	s.TryAcquireN(2)
	s.Enqueue(1)
	s.Enqueue(1)
}

func closeIn(d time.Duration) func(*scheduler.Scheduler) {
	return func(s *scheduler.Scheduler) {
		s.TryAcquire()
		time.AfterFunc(d, func() { s.Close() })
	}
}

func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "burst 1")
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for _, maxWait := range []time.Duration{0, time.Second} {
			if tk, no := Take(gone, s.Handle(), 1, maxWait); describe(tk, no) != "gone 0s " || !errors.Is(no.Err, context.Canceled) {
				t.Errorf("waiting %v: %s", maxWait, describe(tk, no))
			}
		}

		held, _ := s.TryAcquire()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if tk, no := Take(ctx, s.Handle(), 1, time.Minute); describe(tk, no) != "gone 0s " {
			t.Error(describe(tk, no))
		}
		if st := s.Stats(); st.Waiting != 0 {
			t.Errorf("%d wait", st.Waiting)
		}

		// A deadline of the request's own that is too early is known at once, and it has not gone.
		held.Release()
		hour := start(t, "1/h")
		hour.TryAcquire()
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if tk, no := Take(ctx, hour.Handle(), 1, 2*time.Hour); describe(tk, no) != "busy 1h0m0s 1/h" {
			t.Error(describe(tk, no))
		}
	})
}

// A refusal is one decision: it is counted once.
func TestRefusalsCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "1/h burst 1")
		s.TryAcquire()
		for _, maxWait := range []time.Duration{0, time.Second} {
			Take(t.Context(), s, 1, maxWait)
		}
		if got, want := s.Stats().Totals.Refused, (scheduler.Refusals{NoPermit: 1, Deadline: 1}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

// Costs are decided together with the permits, and a refusal names the limit of the unit.
func TestCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tokens scheduler.Unit = "tokens"
		s := start(t, "9/s 10 tokens/2s")
		for _, c := range []struct {
			cost    ticket.Cost
			maxWait time.Duration
			want    string
		}{
			{tokens.Of(7), 0, "granted"},
			{tokens.Of(4), 0, "busy 2s 10 tokens/2s"},
			{tokens.Of(4), time.Second, "busy 2s 10 tokens/2s"},
			{tokens.Of(3), 0, "granted"},
			{tokens.Of(11), time.Minute, "too large 0s 10 tokens/2s"},
			{scheduler.Unit("stamps").Of(1), 0, "invalid 0s "},
			{tokens.Of(10), time.Minute, "granted"},
		} {
			if tk, no := Take(t.Context(), s, 1, c.maxWait, c.cost); describe(tk, no) != c.want {
				t.Errorf("%v within %v: %s, want %s", c.cost, c.maxWait, describe(tk, no), c.want)
			}
		}
	})
}

// A nil scheduler is a mistake, and lets nothing through.
func TestNilScheduler(t *testing.T) {
	for _, s := range []Source{(*scheduler.Scheduler)(nil), (*scheduler.Handle)(nil)} {
		if tk, no := Take(t.Context(), s, 1, 0); describe(tk, no) != "invalid 0s " {
			t.Errorf("%T: %s", s, describe(tk, no))
		}
	}
}

// Whatever comes in between, a request is granted or refused with a reason, a grant is never lost, and the
// limits hold.
func TestManyAtOnce(t *testing.T) {
	s := start(t, "1000000/s burst 3", scheduler.WithMaxQueue(5))
	var granted, refused, inside atomic.Int64
	done := make(chan struct{})
	for g := range 8 {
		go func() {
			defer func() { done <- struct{}{} }()
			rnd := rand.New(rand.NewPCG(uint64(g), 1))
			for range 500 {
				tk, no := Take(t.Context(), s.Handle(), 1, time.Duration(rnd.IntN(2))*time.Minute)
				if no != nil {
					if no.Err == nil || no.Reason != ReasonBusy && no.Reason != ReasonUnavailable {
						t.Errorf("%+v", no)
					}
					refused.Add(1)
					continue
				}
				if n := inside.Add(1); n > 3 {
					t.Errorf("%d hold permits of 3", n)
				}
				granted.Add(1)
				inside.Add(-1)
				tk.Release()
			}
		}()
	}
	for range 8 {
		<-done
	}
	if st := s.Stats(); st.Granted != uint64(granted.Load()) || st.InUse != 0 || st.Waiting != 0 {
		t.Errorf("%d granted and %d refused, but %+v", granted.Load(), refused.Load(), st)
	}
}
