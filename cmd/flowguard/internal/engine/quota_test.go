package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/items"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/process"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/screen"
	"github.com/flowguard-go/flowguard/flowredis"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// lender leases all that is asked for, for a second, unless it is away or has no more.
type lender struct {
	mu   sync.Mutex
	err  error // what it says instead
	left int   // permits that it may lease
}

func (l *lender) say(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *lender) Exchange(_ context.Context, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return scheduler.QuotaReply{}, l.err
	}
	n := min(r.Head, l.left)
	l.left -= n
	return scheduler.QuotaReply{Leased: n, For: time.Second, Beat: time.Second / 3}, nil
}

var errAway = errors.New("flowredis: quota x: connection refused")

// sharing is a run of so many lines that shares limits through the lender. Its jobs take no time.
func (l *lender) sharing(limits string, lines int) *rig {
	r := &rig{limits: limits, in: numbers(lines), options: []scheduler.Option{scheduler.WithQuota(l)}}
	r.Quota = &Quota{Name: "quota x", Server: "localhost:6379"}
	r.Work = takes(0)
	return r
}

func TestServerIsAwayForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lender{left: 100}
		r := l.sharing("1/s", 20)
		go func() {
			time.Sleep(3500 * time.Millisecond)
			l.say(errAway)
			time.Sleep(10 * time.Second)
			l.say(nil)
		}()
		r.run(t)
		r.check(t, 0, "flowguard: quota x: connection refused; waiting for localhost:6379, Ctrl-C ends the run\n"+
			"flowguard: quota x: localhost:6379 answers again after 10s\nflowguard: 20 lines in ")
		if n := strings.Count(r.said.String(), "\n"); n != 3 {
			t.Errorf("it said %d lines", n)
		}
	})
}

// An exchange that fails now and then is nothing that a person should read about.
func TestServerFailsNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lender{left: 100}
		r := l.sharing("1/s", 20)
		go func() {
			for range 9 {
				time.Sleep(1300 * time.Millisecond)
				l.say(errAway)
				time.Sleep(700 * time.Millisecond)
				l.say(nil)
			}
		}()
		r.run(t)
		r.check(t, 0, "flowguard: 20 lines in ")
		if n := strings.Count(r.said.String(), "\n"); n != 1 {
			t.Errorf("it said\n%s", r.said.String())
		}
	})
}

func TestServerNeverAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lender{err: errAway}
		r := l.sharing("1/s", 20)
		r.run(t)
		r.check(t, StatusError, "flowguard: quota x: connection refused; localhost:6379 leases nothing\nflowguard: stopped: 20 lines not run\n"+
			"flowguard: 0 lines in 6s, 0 failed\n")
	})
}

func TestServerRefusesTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lender{err: &flowredis.LimitsError{Quota: "x", Here: "1/s with a lease of 1s, Recollect", There: "2/s with a lease of 1s, Recollect"}}
		r := l.sharing("1/s", 20)
		r.run(t)
		r.check(t, StatusError, "flowguard: quota x: this run has 1/s with a lease of 1s, Recollect; the others have 2/s with a lease of 1s, Recollect; "+
			"give all the same -limits, lease and on_loss, or name another quota behind #\nflowguard: stopped: ")
	})
}

// A job that waits for another try when its turn is refused was begun, and is not forgotten.
func TestServerRefusesARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lender{left: 1}
		r := l.sharing("1/s", 1)
		r.Retry = Retry{Times: 1, Delay: time.Second}
		r.Work = work(func(process.Stop, items.Item) process.Exit {
			l.say(&flowredis.LimitsError{Quota: "x"})
			return failed(1)
		})
		r.run(t)
		r.check(t, StatusError, "or name another quota behind #\nflowguard: stopped: 1 line cut short, 0 lines not run\nflowguard: 0 lines in ")
	})
}

func TestCtrlCWhileTheServerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lender{left: 100}
		r := l.sharing("1/s", 20)
		r.interrupts = make(chan struct{})
		go func() {
			time.Sleep(3500 * time.Millisecond)
			l.say(errAway)
			time.Sleep(time.Minute)
			r.interrupts <- struct{}{}
		}()
		r.run(t)
		r.check(t, StatusInterrupted, "flowguard: interrupted: 16 lines not run\nflowguard: 4 lines in 1m4s ")
	})
}

// A command that runs for long is no reason to speak of a server that nothing waits for.
func TestServerIsAwayWhileNothingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lender{left: 1}
		r := l.sharing("1/min", 1) // the window remembers, so it goes on exchanging
		r.Work = takes(time.Minute)
		go func() {
			time.Sleep(3 * time.Second)
			l.say(errAway)
		}()
		r.run(t)
		r.check(t, 0, "flowguard: 1 line in 1m")
		if n := strings.Count(r.said.String(), "\n"); n != 1 {
			t.Errorf("it said\n%s", r.said.String())
		}
	})
}

// How many jobs of this run may be at work is counted here, and the scheduler knows nothing of it. Those that are
// tried again count too, and the run does not spin while it waits for room.
func TestAtOnce(t *testing.T) {
	for _, most := range []int64{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			var running, seen, tries atomic.Int64
			r := rig{limits: "1000/s", in: numbers(12)}
			r.AtOnce, r.Retry = int(most), Retry{Times: 1, Delay: time.Millisecond}
			r.Work = work(func(_ process.Stop, i items.Item) process.Exit {
				n := running.Add(1)
				defer running.Add(-1)
				for m := seen.Load(); n > m && !seen.CompareAndSwap(m, n); m = seen.Load() {
				}
				time.Sleep(time.Second)
				return failed(int(tries.Add(1)))
			})
			r.run(t)
			if seen.Load() != most {
				t.Errorf("%d ran at once, want %d", seen.Load(), most)
			}
			r.check(t, StatusFailures, fmt.Sprintf("flowguard: 12 lines in %ds", 24/most))
		})
	}
}

// The progress promises nothing that depends on others.
func TestProgressOfAQuota(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*run, *lender)
		want   string
	}{
		"begins": {nil, "  0% [..........] 0/20  ETA at least 9s  waiting for input"},
		"at its turn": {func(r *run, l *lender) { r.await(&job{}); synctest.Wait() },
			"  0% [..........] 0/20  ETA at least 9s  waiting for quota x"},
		"own windows are full": {func(r *run, l *lender) {
			l.left = 2
			for range 2 {
				r.await(&job{})
				<-r.ready
			}
			r.tally.Begun, r.tally.Done = 2, 2
			r.await(&job{})
		}, " 10% [#.........] 2/20  24/min  ETA at least 9s  next in at least 1s"},
		"few at once": {func(r *run, l *lender) {
			r.AtOnce = 1
			r.tally.Begun, r.tally.Done, r.tally.tries, r.tally.took = 1, 1, 1, 10*time.Second
		}, "  5% [..........] 1/20  12/min  ETA at least 3m10s  waiting for input"},
		"away": {func(r *run, l *lender) {
			l.say(errAway)
			r.server.granted = true
			r.await(&job{})
			for range 4 {
				time.Sleep(time.Second)
				r.lookAtServer()
			}
		}, "  0% [..........] 0/20  ETA at least 9s  waiting for localhost:6379 for 3s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &lender{}
				s, err := scheduler.New(scheduler.MustParseLimits("2/s"), scheduler.WithQuota(l))
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				e := &Engine{Total: 20, Work: takes(0), Screen: screen.New(io.Discard, "", false, true), Turns: s, Quota: &Quota{"quota x", "localhost:6379"}}
				if e.Input, err = items.NewReader(items.Options{}, strings.NewReader("")); err != nil {
					t.Fatal(err)
				}
				defer e.Input.Close()
				r := &run{Engine: e, began: time.Now(), running: map[*job]ticket.Ticket{}}
				time.Sleep(5 * time.Second)
				if tt.change != nil {
					tt.change(r, l)
				}
				if got := r.progress(time.Now()); got != tt.want {
					t.Errorf("%q, want %q", got, tt.want)
				}
			})
		})
	}
}
