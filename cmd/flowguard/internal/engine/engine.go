package engine

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/items"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/joblog"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/process"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/screen"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/state"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Engine is what a run is made of.
type Engine struct {
	Work   Work
	Turns  *scheduler.Scheduler
	Input  *items.Reader
	Screen *screen.Screen

	// Costs says what an item costs in the units that limits count; nil: nothing.
	Costs func(items.Item) ([]ticket.Cost, error)

	Retry       Retry
	Halt        Halt
	KeepOrder   bool        // publish in the order of the items
	Log         *joblog.Log // nil: none
	RetryFailed bool        // jobs that failed according to the log are run again
	State       *state.File // nil: none
	Total       int         // how many items there are, if the user knows; 0: not
	Trace       bool        // show each command that begins
	Shared      bool        // other programs write to the terminal at any time
	AtOnce      int         // how many jobs of this run may be at work, besides what Turns allows; 0: any number
	Quota       *Quota      // what Turns shares; nil: nothing
	Grace       time.Duration

	// Interrupts is received from when a person wants the run to end. The first time commands are asked to
	// end, the second time they are killed.
	Interrupts <-chan struct{}
}

// mostUnpublished is how many jobs may have ended whose output has not been written, because the output is
// stuck or an earlier item takes long. No further item is begun then.
const mostUnpublished = 1000

// run is the state of a run. Only its loop uses it. Jobs run in goroutines of their own and report back.
type run struct {
	*Engine
	began time.Time

	incoming <-chan items.Item // nil while a job waits for its turn, and when none is to follow
	over     bool              // the input has no more items
	due      due               // jobs to be tried again
	head     *job              // the job that waits for its turn; nil: none
	turn     ticket.Ticket     // its ticket
	ready    <-chan error      // that of its ticket; nil unless a job waits

	running  map[*job]ticket.Ticket
	finished chan *job
	order    order
	publish  publisher

	ask, kill chan struct{} // closed when commands are to end
	asked     bool
	killed    int              // commands that had to be killed
	interrupt int              // how often
	giveUp    <-chan time.Time // on output that is stuck
	stopped   bool             // no further item is begun
	status    int
	tally     Tally
	costless  int // items that did not say what they cost
	server    server
	forecast  forecast
}

// Tally counts jobs by what became of them.
type Tally struct {
	Begun   int // a job that is tried again counts once
	Done    int // ended, whether they failed or not
	Failed  int
	Cut     int           // made to end, or not tried again, because the run was stopped
	Skipped int           // done in an earlier run
	took    time.Duration // of all attempts that have ended
	tries   int           // that have ended
	priced  int           // tickets taken
	costs   []ticket.Cost // of all of them
}

// price adds what a ticket costs. All have the same units in the same order.
func (t *Tally) price(costs []ticket.Cost) {
	t.priced++
	if t.costs == nil {
		t.costs = make([]ticket.Cost, len(costs))
	}
	for i, c := range costs {
		sum := &t.costs[i]
		sum.Unit = c.Unit
		sum.Amount += min(c.Amount, math.MaxInt-sum.Amount)
	}
}

// average returns what a ticket costs on average, rounded up.
func (t *Tally) average() (costs []ticket.Cost) {
	for _, c := range t.costs {
		whole := c.Amount / t.priced
		if c.Amount%t.priced > 0 {
			whole++
		}
		c.Amount = whole
		costs = append(costs, c)
	}
	return costs
}

// mostCostless is how many items may fail at the beginning because they do not say what they cost. If none
// does, the mistake is in the command line and not in the items.
const mostCostless = 10

// Run returns the exit status when all items are done, or the run was stopped and what was running has
// ended.
//
// Only one job at a time has a ticket. If jobs took tickets ahead, then after a delay of the output all tickets
// granted meanwhile would be used at once.
func (e *Engine) Run(ctx context.Context) int {
	r := &run{
		Engine: e, began: time.Now(),
		running: map[*job]ticket.Ticket{}, finished: make(chan *job),
		order: newOrder(e.KeepOrder), publish: publisher{work: e.Work, done: make(chan error, 1)},
		ask: make(chan struct{}), kill: make(chan struct{}),
	}
	ctx, stopReading := context.WithCancel(ctx)
	defer stopReading()
	go r.Input.Run(ctx)
	tick, stopTick := r.Screen.Ticks()
	defer stopTick()
	look, stopLook := r.Quota.looks()
	defer stopLook()

	for r.next(); !r.complete(); r.next() {
		select {
		case i, ok := <-r.incoming:
			r.receive(i, ok)
		case <-r.due.wake(r.mayAwait()):
		case err := <-r.ready:
			r.begin(err)
		case j := <-r.finished:
			r.finish(j)
		case err := <-r.publish.done:
			r.published(err)
		case <-tick:
			r.draw()
			continue
		case <-look:
			r.lookAtServer()
		case <-r.Interrupts:
			r.interrupted()
		case <-r.giveUp:
			r.publish.abandonIfStuck()
			r.giveUp = time.After(moment)
		}
		if r.Shared {
			r.draw()
		}
	}
	return r.sumUp()
}

// complete reports whether there is nothing left to do.
func (r *run) complete() bool {
	more := !r.stopped && (!r.over || r.head != nil || len(r.due) > 0)
	return !more && len(r.running) == 0 && r.publish.current == nil && (r.publish.abandoned || len(r.order.ready) == 0)
}

// next lets another job wait for its turn, if it may: first one that is to be tried again, then an item.
func (r *run) next() {
	if r.stopped && len(r.running) == 0 {
		r.order.flush()
	}
	r.publishNext()
	r.incoming = nil
	if !r.mayAwait() {
		return
	}
	if j := r.due.take(time.Now()); j != nil {
		r.await(j)
	} else if !r.over {
		r.incoming = r.Input.Items()
	}
}

// mayAwait reports whether another job may wait for its turn.
func (r *run) mayAwait() bool {
	room := r.order.held() < mostUnpublished && (r.AtOnce == 0 || len(r.running) < r.AtOnce)
	return room && r.head == nil && !r.stopped
}

// receive takes an item of the input.
func (r *run) receive(i items.Item, ok bool) {
	if !ok {
		r.over = true
		if err := r.Input.Err(); err != nil {
			r.Screen.Say("reading: %v", err)
			r.status = StatusError
		}
		return
	}
	if r.Log != nil {
		done, failed, err := r.Log.Done(i.Seq, r.Work.Line(i))
		switch {
		case err != nil:
			i.Forget()
			r.Screen.Say("%v", err)
			r.stop(StatusError)
			return
		case done && !(failed && r.RetryFailed):
			i.Forget()
			r.tally.Skipped++
			r.order.skip(i.Seq)
			return
		}
	}
	j := &job{item: i}
	if r.Costs != nil {
		var err error
		if j.costs, err = r.Costs(i); err != nil {
			r.reject(j, err)
			r.costless++
			if r.tally.priced == 0 && r.costless == mostCostless && !r.stopped {
				r.Screen.Say("none of the first %d %ss says what it costs; see --cost and --delimiter", mostCostless, r.Input.Noun())
				r.stop(StatusUsage)
			}
			return
		}
	}
	r.await(j)
}

// reject fails a job that can never begin.
func (r *run) reject(j *job, err error) {
	if j.attempt == 0 {
		r.tally.Begun++
		j.item.Forget()
		j.began = time.Now()
	}
	j.exit = process.Exit{Err: err, Code: -1}
	r.failed(j)
	r.halt()
}

// await takes a ticket for the job.
func (r *run) await(j *job) {
	t, err := r.Turns.Enqueue(1, j.costs...)
	if errors.Is(err, scheduler.ErrTooLarge) {
		r.reject(j, errors.New(strings.TrimPrefix(err.Error(), "scheduler: ")))
		return
	}
	if err != nil {
		r.Screen.Say("%v", refusal(err))
		r.head = j
		r.stop(StatusError)
		return
	}
	r.head, r.turn, r.ready = j, t, t.Ready()
	r.tally.price(j.costs)
}

// begin starts the work on the job whose turn has come.
func (r *run) begin(err error) {
	if err == nil && r.State != nil {
		// Before the work, so that nothing is forgotten even if this program is killed.
		err = r.State.Save(r.Turns.Snapshot())
	}
	if err != nil {
		r.Screen.Say("%v", refusal(err))
		r.stop(StatusError)
		return
	}
	j, t := r.head, r.turn
	r.head, r.turn, r.ready = nil, ticket.Ticket{}, nil
	r.server.granted = true
	if j.attempt == 0 {
		r.tally.Begun++
		j.item.Forget()
	}
	j.attempt++
	j.began = time.Now()
	r.running[j] = t
	if r.Trace {
		r.Screen.Say("%s", r.Work.Line(j.item))
	} else if r.Shared {
		r.Screen.Erase()
	}
	go func() {
		j.exit = r.Work.Do(process.Stop{Ask: r.ask, Kill: r.kill}, j.item)
		r.finished <- j
	}()
}

// finish gives the permit of a job back whose work has ended, and decides what becomes of the job.
func (r *run) finish(j *job) {
	r.running[j].Release()
	delete(r.running, j)
	j.took = time.Since(j.began)
	r.tally.took += j.took
	r.tally.tries++
	if j.exit.Killed {
		r.killed++
	}
	var f *fatal
	isFatal := errors.As(j.exit.Err, &f)
	switch {
	case j.exit.Stopped:
		// Even if it ended with status 0: a command that is asked to end may do that and leave its work undone.
		r.tally.Cut++
		j.unlogged = true
		r.order.add(j)
	case j.exit.Err == nil:
		r.tally.Done++
		r.order.add(j)
	case isFatal && errors.Is(f, errBrokenPipe):
		r.tally.Cut++
		r.stop(f.status)
		r.askToEnd()
	case isFatal:
		r.tally.Done++
		r.tally.Failed++
		r.Screen.Say("%v: %v; no more %ss are begun", j.item, j.exit.Err, r.Input.Noun())
		r.stop(f.status)
	case !r.stopped && r.Retry.wants(j):
		r.again(j)
		return
	default:
		r.failed(j)
	}
	r.halt()
}

// again lets a job that failed be tried again later.
func (r *run) again(j *job) {
	delay := r.Retry.delay(j.attempt)
	r.Screen.Say("%v: %s; try %d of %d in %s", j.item, r.describe(j), j.attempt+1, r.Retry.Times+1, screen.Short(delay))
	r.due.add(time.Now().Add(delay), j)
	r.order.attempt(j)
}

func (r *run) failed(j *job) {
	r.tally.Done++
	r.tally.Failed++
	r.order.add(j)
	why := ""
	if r.Halt.asXargs() && !r.stopped {
		switch {
		case j.exit.Code == 255:
			why, r.status = "; no more are begun, as it asks for with 255", StatusStopAsked
		case j.exit.Signal != 0 && !j.exit.TimedOut:
			why, r.status = "; no more are begun", StatusKilled
		}
	}
	r.Screen.Say("%v: %s%s", j.item, r.describe(j), why)
	if why != "" {
		r.stop(r.status)
	}
}

// describe says how a job failed.
func (r *run) describe(j *job) string {
	how := j.exit.Err.Error()
	if j.exit.TimedOut {
		how = "timed out after " + screen.Short(j.took)
	}
	return how + " (" + screen.Shown(r.Work.Line(j.item), 60) + ")"
}

// halt ends the run if the user said that it is to end after so many jobs.
func (r *run) halt() {
	if r.stopped || !r.Halt.reached(r.tally) {
		return
	}
	status := 0
	if r.tally.Failed > 0 && r.Halt.what != "success" {
		status = StatusFailures
	}
	r.stop(status)
	r.Screen.Note("halt: %s is reached%s", r.Halt.text, r.waitsFor())
	if r.Halt.now {
		r.askToEnd()
	}
}

// stop lets no further item begin. The first reason to stop decides the exit status.
func (r *run) stop(status int) {
	r.turn.Cancel()
	if r.head != nil && r.head.attempt > 0 {
		r.tally.Cut++
	}
	r.tally.Cut += len(r.due)
	r.incoming, r.ready, r.head, r.turn, r.due = nil, nil, nil, ticket.Ticket{}, nil
	if !r.stopped {
		r.stopped, r.status = true, status
	}
}

// askToEnd asks what runs to end.
func (r *run) askToEnd() {
	if !r.asked {
		r.asked = true
		close(r.ask)
	}
}

// interrupted is what Ctrl-C does.
func (r *run) interrupted() {
	r.interrupt++
	switch r.interrupt {
	case 1:
		r.stop(StatusInterrupted)
		r.status = StatusInterrupted
		if n := len(r.running); n > 0 {
			r.Screen.Say("interrupted%s; killed in %s, or by another Ctrl-C", r.waitsFor(), screen.Short(r.Grace))
		}
		r.askToEnd()
		r.giveUp = time.After(moment)
	case 2:
		if n := len(r.running); n > 0 {
			r.Screen.Say("interrupted again: killing %s", screen.Count(n, r.workNoun()))
		}
		close(r.kill)
	}
}

// waitsFor says what a stopped run is waiting for.
func (r *run) waitsFor() string {
	n := len(r.running)
	if n == 0 {
		return ""
	}
	return ": waiting for " + screen.Count(n, r.workNoun()) + ": " + r.oldest()
}
