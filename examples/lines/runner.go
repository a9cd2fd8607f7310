package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// job is what is done with a line whose turn has come. A [*fatal] error ends the run; any other
// means that this line failed.
type job func(context.Context, line) error

// fatal is an error after which no further line is begun.
type fatal struct {
	status int // what the program then exits with
	err    error
}

func (f *fatal) Error() string { return f.err.Error() }
func (f *fatal) Unwrap() error { return f.err }

// tally counts lines by what became of them.
type tally struct {
	begun   int // includes all below
	running int
	failed  int
	cut     int           // short, by Ctrl-C
	longest time.Duration // from being read to its turn
}

func (t tally) done() int { return t.begun - t.running - t.cut }

// runner gives each line its turn. Its run is a loop that alone touches what follows below; jobs run
// in goroutines of their own and report back to it.
type runner struct {
	work   job
	turns  *scheduler.Scheduler
	input  *reader
	screen *screen

	lines    <-chan line   // nil while a line waits for its turn, and when none is to follow
	head     line          // the line that waits
	turn     ticket.Ticket // its ticket
	ready    <-chan error  // that of its ticket; nil unless a line waits
	finished chan result
	stopped  bool // no further line is begun
	tally    tally
	status   int
}

// result is how the work on a line ended.
type result struct {
	line line
	turn ticket.Ticket
	err  error
}

// run returns the exit status when all lines are done, or the run was stopped and what was running
// has ended.
//
// Only one line at a time has a ticket. Were tickets taken ahead, those granted while output is held
// up would all be used at once when it moves on.
func (r *runner) run(ctx context.Context) int {
	began := time.Now()
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	go r.input.run(reading)
	tick, stopTick := r.screen.ticks()
	defer stopTick()

	r.lines, r.finished = r.input.lines, make(chan result)
	interrupt := ctx.Done() // nil once it was heard
	for r.lines != nil || r.ready != nil || r.tally.running > 0 {
		select {
		case l, ok := <-r.lines:
			r.next(l, ok)
		case err := <-r.ready:
			// Where both are ready, select may choose this one.
			if ctx.Err() == nil {
				r.begin(ctx, err)
			}
		case res := <-r.finished:
			r.finish(ctx, res)
			if r.screen.shared {
				r.screen.draw(r.progress)
			}
		case <-tick:
			r.screen.draw(r.progress)
		case <-interrupt:
			r.stop(statusInterrupted)
			interrupt = nil
		}
	}
	return r.sumUp(time.Since(began))
}

// next lets the line take a ticket.
func (r *runner) next(l line, ok bool) {
	r.lines = nil
	if !ok {
		if err := r.input.err; err != nil {
			r.screen.say("reading: %v", err)
			r.status = statusError
		}
		return
	}
	t, err := r.turns.Enqueue(1)
	if err != nil {
		r.screen.say("%v", err)
		r.stop(statusError)
		return
	}
	r.head, r.turn, r.ready = l, t, t.Ready()
}

// begin starts the work on the line whose turn has come.
func (r *runner) begin(ctx context.Context, err error) {
	if err != nil {
		r.screen.say("%v", err)
		r.stop(statusError)
		return
	}
	l, t := r.head, r.turn
	r.head, r.turn, r.ready, r.lines = line{}, ticket.Ticket{}, nil, r.input.lines
	r.tally.begun++
	r.tally.running++
	r.tally.longest = max(r.tally.longest, time.Since(l.read))
	l.room.Release()
	if r.screen.shared {
		r.screen.erase()
	}
	go func() { r.finished <- result{l, t, r.work(ctx, l)} }()
}

// finish counts a line whose work has ended and gives its permit back.
func (r *runner) finish(ctx context.Context, res result) {
	res.turn.Release()
	r.tally.running--
	var f *fatal
	switch {
	case res.err == nil:
	case ctx.Err() != nil:
		r.tally.cut++
	case errors.As(res.err, &f) && f.status == statusInterrupted:
		r.tally.cut++
		r.stop(f.status)
	case f != nil:
		r.tally.failed++
		r.screen.say("%v: %v; no more lines are begun", res.line, res.err)
		r.stop(f.status)
	default:
		r.tally.failed++
		r.screen.say("%v: %v", res.line, res.err)
	}
}

// stop lets no further line begin. The first reason to stop decides the exit status.
func (r *runner) stop(status int) {
	r.turn.Cancel()
	r.lines, r.ready, r.turn = nil, nil, ticket.Ticket{}
	if !r.stopped {
		r.stopped, r.status = true, status
	}
}

// notBegun counts the lines that were read and have had no turn.
func (r *runner) notBegun() int { return int(r.input.count.Load()) - r.tally.begun }

func (r *runner) progress() string {
	next := ""
	if stats := r.turns.Stats(); stats.Waiting > 0 {
		next = permitIn(stats.NextWake)
	}
	return progress(r.tally, r.notBegun(), next)
}

// sumUp tells how it went and returns the exit status.
func (r *runner) sumUp(elapsed time.Duration) int {
	if r.stopped {
		r.screen.stopped(r.status, r.tally.cut, r.notBegun(), r.input.whole.Load())
	}
	r.screen.summary(r.tally, elapsed)
	if r.status == 0 && r.tally.failed > 0 {
		return statusFailures
	}
	return r.status
}

// printer returns the job that prints the line. A write that is stuck, in a pipe that nobody reads,
// cannot be interrupted: after Ctrl-C it is given a moment and then left behind.
func printer(w io.Writer) job {
	const moment = time.Second
	return func(ctx context.Context, l line) error {
		written := make(chan error, 1)
		go func() {
			_, err := w.Write(append(l.text, '\n'))
			written <- err
		}()
		var err error
		select {
		case err = <-written:
		case <-ctx.Done():
			select {
			case err = <-written:
			case <-time.After(moment):
				return ctx.Err()
			}
		}
		if err != nil {
			return &fatal{statusError, err}
		}
		return nil
	}
}
