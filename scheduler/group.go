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

// Group runs jobs that belong together, each in a goroutine of its own that is started when its ticket
// is granted. Until then a job is a place in line: about 100 bytes beside its function, where a
// goroutine that waits takes some 2,500.
//
// It works as the Group of golang.org/x/sync/errgroup does: [Group.Go], then [Group.Wait]. Tickets are in
// the order of the calls of Go, but goroutines that are started together may run in any. Make a group
// with [Scheduler.Group]; the zero Group panics. All methods may be called from any goroutine, but Go and
// GoN only before Wait or from within jobs. Call Wait: until then the group keeps its scheduler from being
// forgotten.
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

// Group returns a new group whose jobs take their permits from s, and the context for them: it is
// cancelled when a job returns an error or panics, when Wait returns, and with ctx. The cause is the
// error. Groups of a [Scheduler.Flow] have their jobs in its line.
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

// GoN takes a ticket of the given weight for f and returns at once. When the ticket is granted f is
// called in a new goroutine, and when it returns the permits are given back.
//
// The first f that returns an error ends the group: its context is cancelled, the jobs that have not
// begun are withdrawn and never will be, and Wait returns the error. A ticket that is refused, because
// the scheduler is closed, the line full, or the weight too large, is such an error. An f that panics
// also ends the group, and the panic reaches Wait. Once the context is done GoN counts the job as
// withdrawn and does nothing else.
//
// The costs are as in [Scheduler.AcquireN]. A job that is to settle them is started by [Group.GoTicket].
func (g *Group) GoN(weight int, f func() error, costs ...ticket.Cost) {
	g.start(&job{do: f, group: g}, weight, costs)
}

// GoTicket is [Group.GoN] for a job that is to get at its ticket, so that it can call its Settle. The job
// need not release it.
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

// Wait waits until every job has ended or been withdrawn, and returns the first error. If there was
// none but the context that the group was made with ended before all jobs had begun, it returns an
// error that wraps ctx.Err(). If a job panicked, Wait panics with a [*PanicError].
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

// Withdrawn returns how many jobs have not begun and never will. After Wait all others have run.
func (g *Group) Withdrawn() int { return int(g.withdrawn.Load()) }

// PanicError is what [Group.Wait] panics with when a job panicked. If the job panicked with an error,
// it unwraps to that.
type PanicError struct {
	Value any    // what the job panicked with
	Stack []byte // of the job's goroutine
}

// Error says what the job panicked with and where.
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
		// A panic is recovered even where it is nil; only a goroutine that exits has nothing to recover.
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

// withdraw takes a grant back that came when the group had ended.
func (j *job) withdraw() {
	g := j.group
	if _, ok := g.h.ask(&message{verb: verbWithdraw, place: &j.Place, err: gaveUp(g.ctx)}); !ok {
		g.withdrawn.Add(1) // the owner has ended and tells nothing
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

// withdrawAll withdraws all jobs that are in line, some in each turn so that others get theirs.
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
	// What the end of the group's context sets off must not hold up the holder of the state.
	g.waiting.refused = true
	go func() {
		defer g.unfinished.Done()
		g.fail(err)
	}()
}

// TakeBack implements [line.Listener].
func (j *job) TakeBack() bool { return true }
