package main

import (
	"container/heap"
	"slices"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
	"github.com/flowguard-go/flowguard/timeline"
)

// run plays what happens to a scheduler in simulated time, in one goroutine.
type run struct {
	s      *scheduler.Scheduler
	limits scheduler.Limits
	events scheduler.EventLog
	clock  *steppedClock
	agenda agenda
	made   int // entries so far
	lines  map[string]*tenant
	order  []*tenant // by first use, so that all runs are the same
}

// tenant is a flow and its jobs that wait.
type tenant struct {
	s     *scheduler.Scheduler
	queue []job
}

// job holds its permit for a while.
type job struct {
	ticket ticket.Ticket
	takes  time.Duration
}

// steppedClock moves only when the run moves it. Its timers never fire: the run asks the scheduler when it will
// act next, and looks then. The scheduler's goroutine may read it at any time.
type steppedClock struct {
	*clock.Mock
	passed atomic.Int64 // nanoseconds since the beginning
}

func (c *steppedClock) Now() time.Time                  { return began.Add(time.Duration(c.passed.Load())) }
func (c *steppedClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }
func (c *steppedClock) moveTo(t time.Time)              { c.passed.Store(int64(t.Sub(began))) }

var began = time.Date(2026, time.January, 5, 9, 0, 0, 0, time.UTC)

func newRun(limits string, opts ...scheduler.Option) (*run, error) {
	parsed, err := scheduler.ParseLimits(limits)
	if err != nil {
		return nil, err
	}
	r := &run{limits: parsed, clock: &steppedClock{Mock: clock.NewMock()}, lines: map[string]*tenant{}}
	r.s, err = scheduler.New(parsed, append(opts, scheduler.WithClock(r.clock), &r.events)...)
	return r, err
}

// at does something at an instant of the run.
func (r *run) at(d time.Duration, do func()) {
	r.made++
	heap.Push(&r.agenda, entry{began.Add(d), r.made, do})
}

// submit puts a job of a flow in line, if the scheduler takes it.
func (r *run) submit(flow string, share, weight int, takes time.Duration) (ticket.Ticket, bool) {
	t, ok := r.lines[flow]
	if !ok {
		t = &tenant{s: r.s.Flow(flow, share)}
		r.lines[flow], r.order = t, append(r.order, t)
	}
	place, err := t.s.Enqueue(weight)
	if err != nil {
		return place, false
	}
	t.queue = append(t.queue, job{place, takes})
	return place, true
}

// giveUp takes a job of a flow out of the line.
func (r *run) giveUp(flow string, place ticket.Ticket) {
	place.Cancel()
	t := r.lines[flow]
	t.queue = slices.DeleteFunc(t.queue, func(j job) bool { return j.ticket.Number() == place.Number() })
}

// play goes from instant to instant until nothing is left to do.
func (r *run) play() {
	defer r.s.Close()
	for {
		wake := r.s.Stats().NextWake // and all grants that were due have been made
		r.start()
		switch {
		case len(r.agenda) > 0 && (wake.IsZero() || !r.agenda[0].at.After(wake)):
			next := heap.Pop(&r.agenda).(entry)
			r.clock.moveTo(next.at)
			if next.at.Equal(wake) {
				r.s.Stats() // the grant comes first, every time
				r.start()
			}
			next.do()
		case !wake.IsZero():
			r.clock.moveTo(wake)
		default:
			return
		}
	}
}

// start lets the jobs run that have their permits.
func (r *run) start() {
	for _, t := range r.order {
		for len(t.queue) > 0 {
			j := t.queue[0]
			select {
			case err := <-j.ticket.Ready():
				if err == nil {
					r.at(r.clock.Now().Sub(began)+j.takes, j.ticket.Release)
				}
				t.queue = t.queue[1:]
				continue
			default:
			}
			break
		}
	}
}

func (r *run) timeline() *timeline.Timeline {
	return timeline.New(r.limits, slices.Values(r.events.Events()))
}

// entry is something to do. Of those at one instant the earlier made comes first.
type entry struct {
	at  time.Time
	seq int
	do  func()
}

type agenda []entry

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	if !a[i].at.Equal(a[j].at) {
		return a[i].at.Before(a[j].at)
	}
	return a[i].seq < a[j].seq
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(e any)   { *a = append(*a, e.(entry)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}
