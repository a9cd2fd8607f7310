package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// What a refusal says of the wait: time where time alone makes room in the limit that binds, Forever
// where somebody must first release or resume.
func TestNoPermitSaysWhenToComeBack(t *testing.T) {
	const none = "scheduler: no permit is free now "
	for _, c := range []struct {
		name, limits string
		before       func(s *story)
		wait         time.Duration
		limit, text  string
	}{
		{"window", "1/2s", func(s *story) { s.acquire() },
			2 * time.Second, "1/2s", "(limit 1/2s); come back in 2s"},
		{"burst", "burst 1", func(s *story) { s.acquire() },
			scheduler.Forever, "burst 1", "(limit burst 1); come back when a permit has been released"},
		{"burst with room in the window", "1/2s burst 1", func(s *story) { s.acquire(); s.until(2 * time.Second) },
			scheduler.Forever, "burst 1", "(limit burst 1); come back when a permit has been released"},
		{"window and burst", "1/2s burst 1", func(s *story) { s.acquire() },
			2 * time.Second, "1/2s", "(limit 1/2s); come back in 2s"},
		{"held in a window from release", "1/2s from release", func(s *story) { s.acquire() },
			2 * time.Second, "1/2s from release", "(limit 1/2s from release); come back in 2s"},
		{"released in a window from release", "1/2s from release", func(s *story) { s.acquire().Release(); s.until(time.Second) },
			time.Second, "1/2s from release", "(limit 1/2s from release); come back in 1s"},
		{"held behind a longer window", "1/2s from release 1/5s", func(s *story) { s.acquire() },
			5 * time.Second, "1/5s", "(limit 1/5s); come back in 5s"},
		{"line that waits for a release", "2/2s from release", func(s *story) { s.acquire(); s.enqueue(2) },
			4 * time.Second, "2/2s from release", "(limit 2/2s from release); come back in 4s"},
		{"line that waits for time", "1/2s", func(s *story) { s.acquire(); s.enqueue(1) },
			4 * time.Second, "1/2s", "(limit 1/2s); come back in 4s"},
		{"pause without an end", "1/2s", func(s *story) { s.Pause() },
			scheduler.Forever, "pause", "(paused); come back when it is resumed"},
		{"pause without an end and a full window", "1/2s", func(s *story) { s.acquire(); s.Pause() },
			scheduler.Forever, "pause", "(paused); come back when it is resumed"},
		{"pause without an end and a full burst", "burst 1", func(s *story) { s.acquire(); s.Pause() },
			scheduler.Forever, "pause", "(paused); come back when it is resumed"},
		{"pause that ends", "1/2s", func(s *story) { s.PauseFor(3 * time.Second) },
			3 * time.Second, "pause", "(paused); come back in 3s"},
		{"pause that ends before the window", "1/2s", func(s *story) { s.acquire(); s.PauseFor(time.Second) },
			2 * time.Second, "1/2s", "(limit 1/2s); come back in 2s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, c.limits, func(s *story) {
				c.before(s)
				_, err := s.Acquire(background)
				var refused *scheduler.NoPermitError
				if !errors.As(err, &refused) || *refused != (scheduler.NoPermitError{Wait: c.wait, Limit: c.limit}) {
					s.Fatalf("got %#v", err)
				}
				if got := err.Error(); got != none+c.text {
					s.Errorf("got  %s\nwant %s", got, none+c.text)
				}
				wantRetry(s.T, err, c.wait)
			}, scheduler.NonBlocking())
		})
	}
}

// wantRetry checks the advice of RetryAfter, which is none where the wait is Forever.
func wantRetry(t *testing.T, err error, wait time.Duration) {
	t.Helper()
	d, ok := scheduler.RetryAfter(err)
	if want := wait != scheduler.Forever; ok != want || ok && d != wait || !ok && d != 0 {
		t.Errorf("RetryAfter returns %v, %v for %v", d, ok, err)
	}
}

func TestQueueFullSaysWhenToComeBack(t *testing.T) {
	for _, c := range []struct {
		name, limits string
		max          int
		before       func(s *story)
		wait         time.Duration
		text         string
	}{
		{"window", "1/2s", 1, func(s *story) { s.acquire(); s.enqueue(1); s.until(time.Second / 2) },
			1500 * time.Millisecond, "at most 1 may wait; come back in 1.5s"},
		{"heavy head", "2/2s", 1, func(s *story) { s.acquire(); s.until(time.Second); s.acquire(); s.enqueue(2) },
			2 * time.Second, "at most 1 may wait; come back in 2s"},
		{"burst", "burst 1", 1, func(s *story) { s.acquire(); s.enqueue(1) },
			scheduler.Forever, "at most 1 may wait; come back later"},
		{"window and burst", "1/2s burst 1", 1, func(s *story) { s.acquire(); s.enqueue(1) },
			scheduler.Forever, "at most 1 may wait; come back later"},
		{"window from release", "1/2s from release", 1, func(s *story) { s.acquire(); s.enqueue(1) },
			scheduler.Forever, "at most 1 may wait; come back later"},
		{"no line", "1/2s", 0, func(s *story) { s.acquire() },
			2 * time.Second, "no ticket may wait; come back in 2s"},
		{"no line for a burst", "burst 1", 0, func(s *story) { s.acquire() },
			scheduler.Forever, "no ticket may wait; come back later"},
		{"pause without an end", "1/2s", 0, func(s *story) { s.Pause() },
			scheduler.Forever, "no ticket may wait; come back later"},
		{"pause that ends", "1/2s", 1, func(s *story) { s.PauseFor(time.Minute); s.enqueue(1) },
			time.Minute, "at most 1 may wait; come back in 1m0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, c.limits, func(s *story) {
				c.before(s)
				_, err := s.Acquire(background)
				var full *scheduler.QueueFullError
				if !errors.As(err, &full) || *full != (scheduler.QueueFullError{Max: c.max, Wait: c.wait}) {
					s.Fatalf("got %#v", err)
				}
				if want := "scheduler: the line is full: " + c.text + ", or allow more with WithMaxQueue"; err.Error() != want {
					s.Errorf("got  %v\nwant %s", err, want)
				}
				wantRetry(s.T, err, c.wait)
			}, scheduler.WithMaxQueue(c.max))
		})
	}
}

func TestDeadlineErrorSaysWhenToComeBack(t *testing.T) {
	for _, c := range []struct {
		name, limits string
		before       func(s *story)
		wait         time.Duration
		limit, text  string
	}{
		{"window", "1/2s", func(s *story) { s.acquire() },
			2 * time.Second, "1/2s", "the earliest grant is in 2s (limit 1/2s) but the deadline is in 1s: context deadline exceeded; allow more time"},
		{"pause that ends", "1/2s", func(s *story) { s.PauseFor(time.Minute) },
			time.Minute, "pause", "the earliest grant is in 1m0s (paused) but the deadline is in 1s: context deadline exceeded; allow more time"},
		{"held in a window from release", "1/2s from release", func(s *story) { s.acquire() },
			2 * time.Second, "1/2s from release", "the earliest grant is in 2s (limit 1/2s from release) but the deadline is in 1s: context deadline exceeded; allow more time"},
		{"full window and a pause without an end", "1/2s", func(s *story) { s.acquire(); s.Pause() },
			scheduler.Forever, "pause", "no permit can be granted before the deadline in 1s (paused): context deadline exceeded; come back when it is resumed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, c.limits, func(s *story) {
				c.before(s)
				ctx, cancel := context.WithTimeout(background, time.Second)
				defer cancel()
				_, err := s.Acquire(ctx)
				var late *scheduler.DeadlineError
				if !errors.As(err, &late) || *late != (scheduler.DeadlineError{Wait: c.wait, Left: time.Second, Limit: c.limit}) {
					s.Fatalf("got %#v", err)
				}
				if got, want := err.Error(), "scheduler: "+c.text; got != want {
					s.Errorf("got  %s\nwant %s", got, want)
				}
				wantRetry(s.T, err, c.wait)
			})
		})
	}
}

// Callers of package net and net/http ask errors for Timeout and do not look through wrapped ones.
func TestErrorsOfDeadlinesAreTimeouts(t *testing.T) {
	bubble(t, "burst 1", func(s *story) {
		s.acquire()
		cancelled, cancel := context.WithCancelCause(background)
		cancel(context.DeadlineExceeded)
		soon, cancelSoon := context.WithTimeout(background, time.Second)
		defer cancelSoon()
		_, ended := s.Acquire(soon) // the permit might have been released in time
		_, passed := s.Acquire(soon)
		s.PauseFor(time.Minute)
		short, cancelShort := context.WithTimeout(background, time.Second)
		defer cancelShort()
		_, refused := s.Acquire(short)
		_, gaveUp := s.Acquire(cancelled)
		for _, c := range []struct {
			name string
			err  error
			want bool
		}{
			{"refused", refused, true}, {"ended", ended, true}, {"passed", passed, true}, {"cancelled", gaveUp, false},
		} {
			if got := os.IsTimeout(c.err); got != c.want {
				s.Errorf("%s: os.IsTimeout is %v of %v", c.name, got, c.err)
			}
			if got := (&url.Error{Op: "Get", URL: "/", Err: c.err}).Timeout(); got != c.want {
				s.Errorf("%s: url.Error.Timeout is %v of %v", c.name, got, c.err)
			}
		}
	})
}

func TestRetryAfter(t *testing.T) {
	ended, cancel := context.WithCancelCause(background)
	cancel(&scheduler.NoPermitError{Wait: time.Second})
	s := start(t, scheduler.MustParseLimits("1/h burst 1"))
	_, gaveUp := s.Acquire(ended)
	_, tooLarge := s.Enqueue(2)
	_, invalid := s.Enqueue(0)
	s.Close()
	_, closed := s.Enqueue(1)
	const none = scheduler.Forever
	for _, c := range []struct {
		err  error
		wait time.Duration
	}{
		{&scheduler.NoPermitError{Wait: time.Second}, time.Second},
		{&scheduler.NoPermitError{Wait: none}, none},
		{&scheduler.NoPermitError{}, none}, // a loop would spin
		{&scheduler.QueueFullError{Wait: time.Minute}, time.Minute},
		{&scheduler.QueueFullError{Wait: none}, none},
		{&scheduler.QueueFullError{Max: 1}, none},
		{&scheduler.DeadlineError{Wait: time.Hour, Left: time.Minute}, time.Hour},
		{&scheduler.DeadlineError{Wait: time.Hour, Left: -1}, none}, // the context has ended
		{&scheduler.DeadlineError{Wait: none, Left: time.Minute}, none},
		{fmt.Errorf("fetching: %w", &scheduler.NoPermitError{Wait: time.Second}), time.Second},
		{fmt.Errorf("fetching: %w", fmt.Errorf("page 1: %w", &scheduler.DeadlineError{Wait: 2})), 2},
		{errors.Join(errors.New("first"), &scheduler.QueueFullError{Wait: 3}), 3},
		{gaveUp, none},
		{fmt.Errorf("fetching: %w", gaveUp), none},
		{tooLarge, none},
		{invalid, none},
		{closed, none},
		{nil, none},
		{errors.New("another"), none},
		{scheduler.ErrNoPermit, none},
		{scheduler.ErrQueueFull, none},
		{context.DeadlineExceeded, none},
	} {
		wantRetry(t, c.err, c.wait)
	}
	var cause *scheduler.NoPermitError
	if !errors.Is(gaveUp, context.Canceled) || !errors.As(gaveUp, &cause) {
		t.Errorf("%v does not wrap the end of the context and its cause", gaveUp)
	}
}

// A loop that sleeps for what RetryAfter says is granted at the first instant at which the windows have
// room, found here by looking at all grants, and asks no more than once in between.
func TestRetryAfterIsExact(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	type grant struct {
		at     time.Duration
		weight int
	}
	synctest.Test(t, func(t *testing.T) {
		for run := range 200 {
			r := rand.New(rand.NewPCG(seed, uint64(run)))
			var l scheduler.Limits
			for range 1 + r.IntN(3) {
				l.Windows = append(l.Windows, scheduler.Per(2+r.IntN(5), time.Duration(1+r.IntN(40))))
			}
			s, err := scheduler.New(l, scheduler.NonBlocking())
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			var grants []grant
			fits := func(n int) bool {
				for _, w := range l.Windows {
					used := n
					for _, g := range grants {
						if g.at > time.Since(began)-w.Per {
							used += g.weight
						}
					}
					if used > w.Permits {
						return false
					}
				}
				return true
			}
			for range 30 {
				weight := 1 + r.IntN(2)
				slept := 0
				for {
					_, err := s.AcquireN(background, weight)
					if err == nil {
						break
					}
					wait, ok := scheduler.RetryAfter(err)
					if slept++; !ok || wait <= 0 || slept > 1 {
						t.Fatalf("seed %d, run %d, limits %v: refusal %d is %v; RetryAfter returns %v, %v", seed, run, l, slept, err, wait, ok)
					}
					time.Sleep(wait - 1)
					if fits(weight) {
						t.Fatalf("seed %d, run %d, limits %v: %d permits fitted before %v had passed", seed, run, l, weight, wait)
					}
					time.Sleep(time.Nanosecond)
				}
				grants = append(grants, grant{time.Since(began), weight})
				time.Sleep(time.Duration(r.IntN(10)))
			}
			s.Close()
		}
	})
}

func TestTooLargeReads(t *testing.T) {
	s := start(t, scheduler.MustParseLimits("10000/min"))
	_, err := s.Enqueue(20_000)
	if got, want := fmt.Sprint(err), "scheduler: weight 20000 exceeds limit 10000/min; ask for at most 10000"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A wait that is too long for a time is Forever in all that tells it.
func TestForeverIsTheLongestWait(t *testing.T) {
	s := start(t, scheduler.MustParseLimits("1/36500day"))
	s.TryAcquire()
	for range 3 {
		if _, err := s.Enqueue(1); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.WaitTime(); got != scheduler.Forever {
		t.Errorf("wait time %v", got)
	}
	if got := s.WaitTimeN(2); got != scheduler.Forever {
		t.Errorf("wait time of a weight that is too large: %v", got)
	}
}
