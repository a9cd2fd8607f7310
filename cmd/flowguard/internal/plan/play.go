// Package plan says how long work takes within limits, without doing it.
package plan

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Work is what is to be done.
type Work struct {
	Jobs  int           // at least 1
	Takes time.Duration // each job; 0 or more
	Costs []ticket.Cost // of each job, in the units that limits count
}

// Outcome is how it went. Times count from the beginning.
type Outcome struct {
	Start             time.Time     // when it began
	First, Half, Last time.Duration // when so many jobs were done
	AtOnce            int           // the most jobs that ran at once
	Bound             []Binding     // in the order in which they first held up a job
}

// Binding is a limit that held up the work.
type Binding struct {
	Limit string        // such as "100/min" or "burst 3"
	For   time.Duration // how long, in all
	Jobs  int           // how many jobs it held up
}

// Play does the work with a real scheduler. Its clock does not move while the scheduler decides, and then jumps
// to the next instant at which something can happen. It calls began, in order, with when each job begins. It
// costs less than a microsecond a job, and some more for each job that waits; its memory does not grow with the
// jobs.
func Play(limits scheduler.Limits, work Work, began func(at time.Duration)) (Outcome, error) {
	c := &jumpingClock{Clock: clock.New(), begin: time.Now().Round(0)}
	s, err := scheduler.New(limits, scheduler.WithClock(c), scheduler.NonBlocking())
	if err != nil {
		return Outcome{}, err
	}
	defer s.Close()
	p := player{scheduler: s, clock: c, work: work, began: began, bound: map[string]int{}}
	err = p.play()
	p.outcome.Start = c.begin
	return p.outcome, err
}

// jumpingClock is a clock that the plan moves. The scheduler's timer is that of a real clock. No ticket ever
// waits here, so the scheduler does not set it. Even if it did, a timer is only a hint.
type jumpingClock struct {
	clock.Clock
	begin  time.Time
	passed atomic.Int64 // the owner of the scheduler may look at any time
}

func (c *jumpingClock) Now() time.Time                  { return c.begin.Add(time.Duration(c.passed.Load())) }
func (c *jumpingClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

type player struct {
	scheduler *scheduler.Scheduler
	clock     *jumpingClock
	work      Work
	began     func(at time.Duration)
	now       time.Duration

	running []running // in the order in which they end, because all take the same time
	done    int
	bound   map[string]int // where in outcome.Bound a limit is
	outcome Outcome
}

type running struct {
	end    time.Duration
	ticket interface{ Release() }
}

func (p *player) play() error {
	for range p.work.Jobs {
		if err := p.begin(); err != nil {
			return err
		}
	}
	for len(p.running) > 0 {
		p.jump(p.running[0].end)
	}
	return nil
}

// begin lets time pass until the next job can begin, and begins it. The whole wait counts for the limit that
// had room last, because that limit alone would have made the job wait as long.
func (p *player) begin() error {
	from, last := p.now, ""
	for {
		p.endJobs()
		t, err := p.scheduler.AcquireN(context.Background(), 1, p.work.Costs...)
		if err == nil {
			if p.now > from {
				b := p.binding(last)
				b.For += p.now - from
				b.Jobs++
			}
			p.began(p.now)
			p.running = append(p.running, running{p.now + p.work.Takes, t})
			p.outcome.AtOnce = max(p.outcome.AtOnce, len(p.running))
			return nil
		}
		var no *scheduler.NoPermitError
		if !errors.As(err, &no) {
			return err
		}
		next := scheduler.Forever
		if no.Wait < scheduler.Forever {
			next = p.now + no.Wait
		}
		if len(p.running) > 0 {
			next = min(next, p.running[0].end)
		}
		if next == scheduler.Forever {
			return err // nothing will ever happen
		}
		last = no.Limit
		p.jump(next)
	}
}

func (p *player) binding(limit string) *Binding {
	i, ok := p.bound[limit]
	if !ok {
		i = len(p.outcome.Bound)
		p.bound[limit] = i
		p.outcome.Bound = append(p.outcome.Bound, Binding{Limit: limit})
	}
	return &p.outcome.Bound[i]
}

func (p *player) jump(to time.Duration) {
	p.now = to
	p.clock.passed.Store(int64(to))
	p.endJobs()
}

// endJobs ends the jobs that are over by now.
func (p *player) endJobs() {
	n := 0
	for ; n < len(p.running) && p.running[n].end <= p.now; n++ {
		p.running[n].ticket.Release()
		p.done++
		end := p.running[n].end
		if p.done == 1 {
			p.outcome.First = end
		}
		if p.done == (p.work.Jobs+1)/2 {
			p.outcome.Half = end
		}
		if p.done == p.work.Jobs {
			p.outcome.Last = end
		}
	}
	p.running = p.running[n:]
}
