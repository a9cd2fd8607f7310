package engine

import (
	"errors"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/joblog"
)

// publisher writes what jobs wrote, one after the other. It does so in goroutines of its own, so that an
// output that is stuck holds up nothing else.
type publisher struct {
	work      Work
	current   *job // whose output is being written; nil: none
	done      chan error
	suspect   *job // was already being written when abandonIfStuck was called before
	abandoned bool // the output is stuck, and nothing more is written
}

// publishNext begins to write what the next job wrote, and logs jobs that wrote nothing.
func (r *run) publishNext() {
	for r.publish.current == nil && !r.publish.abandoned && len(r.order.ready) > 0 {
		j := r.order.ready[0]
		r.order.ready = r.order.ready[1:]
		if j.exit.Output.Empty() {
			r.log(j)
			continue
		}
		r.Screen.Erase()
		r.publish.start(j)
	}
}

func (p *publisher) start(j *job) {
	p.current = j
	go func() { p.done <- p.work.Publish(j.exit.Output) }()
}

// published notes that the output of the present job has been written.
func (r *run) published(err error) {
	j := r.publish.current
	r.publish.current = nil
	if err == nil {
		r.log(j)
		j.exit.Output.Discard()
		return
	}
	r.publish.abandoned = true
	var f *fatal
	if errors.As(err, &f) {
		if !errors.Is(f, errBrokenPipe) {
			r.Screen.Say("writing the output: %v", err)
		}
		r.stop(f.status)
		r.askToEnd()
	}
}

// abandonIfStuck gives up on an output that has been stuck since the call before.
func (p *publisher) abandonIfStuck() {
	if p.current != nil && p.current == p.suspect {
		p.current, p.abandoned = nil, true
	}
	p.suspect = p.current
}

// log writes the job to the job log. The job's output has been published before that, so a run that resumes has
// lost none of it.
func (r *run) log(j *job) {
	if r.Log == nil || j.unlogged {
		return
	}
	entry := joblog.Job{
		Seq: j.item.Seq, Began: j.began, Took: j.took, Code: j.exit.Code, Signal: j.exit.Signal,
		Command: r.Work.Line(j.item),
	}
	if j.exit.Output != nil {
		entry.Wrote = j.exit.Output.Stdout.Size()
	}
	if err := r.Log.Write(entry); err != nil && !r.stopped {
		r.Screen.Say("job log: %v", err)
		r.stop(StatusError)
	}
}
