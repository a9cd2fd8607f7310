package scheduler

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/ticket"
)

// Group runs jobs that belong together. Each runs in a goroutine of its own, which starts when the job's ticket
// is granted. A waiting job is only a place in line. It takes about 100 bytes plus its function, while a
// waiting goroutine takes about 2,500.
//
// It works like the Group of golang.org/x/sync/errgroup: call [Group.Go], then [Group.Wait]. Tickets are
// numbered in the order of the calls of Go. Goroutines that are started together may run in any order. Make a
// group with [Scheduler.Group]; the zero Group panics. All methods may be called from any goroutine, but Go,
// GoN and GoTicket only before Wait or from within jobs. Always call Wait. Until then the scheduler is not
// garbage collected.
type Group struct {
	h      *Handle
	ctx    context.Context
	cancel context.CancelCauseFunc
	stop   func() bool // stops waiting for the end of ctx

	unfinished sync.WaitGroup
	withdrawn  atomic.Int64

	mu       sync.Mutex
	err      error       // the first
	panicked *PanicError // the first

	waiting members
}

// job is a function that waits for its permit, and then runs.
type job struct {
	member
	do    func() error
	group *Group
}

// Group returns a new group, whose jobs take their permits from s, and a context for the jobs. The context is
// cancelled when a job returns an error or panics, when Wait returns, and when ctx ends. Its cause is the
// error. The jobs of a group of a [Scheduler.Flow] wait in the line of that flow.
func (s *Scheduler) Group(ctx context.Context) (*Group, context.Context) {
	return s.handle.Group(ctx)
}

// Group is [Scheduler.Group].
func (h *Handle) Group(ctx context.Context) (*Group, context.Context) {
	g := &Group{h: h}
	g.ctx, g.cancel = context.WithCancelCause(ctx)
	g.stop = context.AfterFunc(g.ctx, g.withdrawAll)
	return g, g.ctx
}

// Go takes a ticket of weight 1 for f and returns. See [Group.GoN].
func (g *Group) Go(f func() error) { g.GoN(1, f) }

// GoN takes a ticket of the given weight for f and returns at once. When the ticket is granted, f is called in
// a new goroutine. When f returns, the permits are released.
//
// The first error that an f returns ends the group. The context is cancelled, jobs that have not begun are
// withdrawn, and Wait returns the error. A refused ticket is such an error too. Reasons are a closed scheduler,
// a full line, and a weight that is too large. An f that panics also ends the group, and Wait panics. Once the
// context is done, GoN counts the job as withdrawn and does nothing else.
//
// The costs are those of [Scheduler.AcquireN]. Use [Group.GoTicket] for a job that settles them.
func (g *Group) GoN(weight int, f func() error, costs ...ticket.Cost) {
	g.start(&job{do: f, group: g}, weight, costs)
}

// GoTicket is [Group.GoN] for a job that needs its ticket, for instance to settle it. The job need not release
// the ticket.
func (g *Group) GoTicket(weight int, f func(ticket.Ticket) error, costs ...ticket.Cost) {
	j := &job{group: g}
	if f != nil {
		j.do = func() error { return f(j.ticket()) }
	}
	g.start(j, weight, costs)
}

// ticket returns the job's own, which is granted.
func (j *job) ticket() (t ticket.Ticket) {
	(*line.Handle)(&t).Grant(&j.group.h.desk, &j.Place)
	return t
}

// start takes a ticket for a job.
func (g *Group) start(j *job, weight int, costs []ticket.Cost) {
	g.unfinished.Add(1)
	j.Place = line.PlaceFor(j)
	if err := g.join(j, weight, costs); err != nil {
		if g.ctx.Err() == nil {
			g.fail(err)
		}
		g.withdrawn.Add(1)
		g.unfinished.Done()
	}
}

// join puts a job in line, or returns why not.
func (g *Group) join(j *job, weight int, costs []ticket.Cost) error {
	switch {
	case j.do == nil:
		return errNilFunc("Group.Go")
	case g.h.other != nil:
		return errNoGroup
	case g.h.invalid != nil:
		return g.h.shared.refused.refuse(g.h.invalid)
	case g.ctx.Err() != nil:
		return errGivenUp
	}
	list := line.ListOf(costs)
	defer list.Recycle()
	a, ok := g.h.ask(&message{verb: verbEnqueueMember, member: &j.member, members: &g.waiting,
		request: request{weight: weight, deadline: never, costs: list}})
	if !ok {
		return g.h.shared.refused.refuse(ErrClosed)
	}
	return a.err
}

// Wait waits until every job has ended or been withdrawn, and returns the first error. If no job failed, but
// the context of the group ended before all jobs had begun, Wait returns an error that wraps ctx.Err(). If a
// job panicked, Wait panics with a [*PanicError].
func (g *Group) Wait() error {
	g.unfinished.Wait()
	g.stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil && g.withdrawn.Load() > 0 {
		g.err = ended(g.ctx, "the group's context ended before all its jobs had begun")
	}
	g.cancel(g.err)
	if g.panicked != nil {
		panic(g.panicked)
	}
	return g.err
}

// Withdrawn returns the number of jobs that will never run. After Wait all others have run.
func (g *Group) Withdrawn() int { return int(g.withdrawn.Load()) }

// PanicError is the value with which [Group.Wait] panics if a job panicked. If the job panicked with an error,
// PanicError unwraps to it.
type PanicError struct {
	Value any    // what the job panicked with
	Stack []byte // of the job's goroutine
}

// Error returns the job's panic value and its stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("scheduler: a job panicked: %v\n\n%s", e.Value, e.Stack)
}

// Unwrap returns Value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

var errExited = errors.New("scheduler: a job ended its goroutine by runtime.Goexit")

// run is the goroutine of a job whose ticket was granted.
func (j *job) run() {
	g := j.group
	if g.ctx.Err() != nil {
		j.withdraw()
		return
	}
	defer g.unfinished.Done()
	defer (*desk)(g.h).Release(&j.Place, j.Number)
	returned := false
	defer func() {
		if returned {
			return
		}
		// recover returns a value even for panic(nil). It returns nil only if the goroutine exits.
		if v := recover(); v != nil {
			g.failWithPanic(&PanicError{v, debug.Stack()})
		} else {
			g.fail(errExited)
		}
	}()
	err := j.do()
	returned = true
	if err != nil {
		g.fail(err)
	}
}

// withdraw undoes a grant that came after the group had ended.
func (j *job) withdraw() {
	g := j.group
	if _, ok := g.h.ask(&message{verb: verbWithdraw, place: &j.Place, err: gaveUp(g.ctx)}); !ok {
		g.withdrawn.Add(1) // the owner has ended and will not tell the job
		g.unfinished.Done()
	}
}

// fail ends the group with an error, if it has not ended yet.
func (g *Group) fail(err error) {
	g.mu.Lock()
	if g.err == nil {
		g.err = err
	}
	g.mu.Unlock()
	g.cancel(err)
}

// failWithPanic ends the group with a panic.
func (g *Group) failWithPanic(p *PanicError) {
	g.mu.Lock()
	if g.panicked == nil {
		g.panicked = p
	}
	g.mu.Unlock()
	g.fail(p)
}

// withdrawAll withdraws all jobs that are in line, some in each turn, so that other callers are served in
// between.
func (g *Group) withdrawAll() {
	if g.h.other != nil {
		return // no job was accepted
	}
	why := gaveUp(g.ctx)
	for more := true; more; {
		a, ok := g.h.ask(&message{verb: verbWithdrawMembers, members: &g.waiting, err: why})
		more = ok && a.more
	}
}

// Told implements [line.Listener]. The holder of the state calls it.
func (j *job) Told(err error) {
	g := j.group
	g.waiting.remove(&j.member)
	if err == nil {
		go j.run()
		return
	}
	g.withdrawn.Add(1)
	if _, gone := err.(*endedError); gone || g.waiting.refused {
		g.unfinished.Done()
		return
	}
	// Ending the group's context may run other code, which must not hold up the holder of the state.
	g.waiting.refused = true
	go func() {
		defer g.unfinished.Done()
		g.fail(err)
	}()
}

// TakeBack implements [line.Listener].
func (j *job) TakeBack() bool { return true }
