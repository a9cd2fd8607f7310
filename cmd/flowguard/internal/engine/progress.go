package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/plan"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/screen"
)

// forecast is when the run is to end. It is made anew now and then, because it takes up to a millisecond.
type forecast struct {
	made time.Time
	end  time.Time
}

const forecastEvery = time.Second

func (r *run) draw() {
	if r.publish.current == nil { // else the output may be in the middle of a line
		r.Screen.Draw(func() string { return r.progress(time.Now()) })
	}
}

// progress is the line that is drawn. The most important part comes first, because a narrow terminal cuts the
// line off.
func (r *run) progress(now time.Time) string {
	t := r.tally
	var parts []string
	if total, known := r.total(); known {
		ended := t.Done + t.Skipped
		share := 1.0
		if total > 0 {
			share = float64(ended) / float64(total)
		}
		width := 10
		if r.Screen.Width() >= 100 {
			width = 20
		}
		parts = append(parts, fmt.Sprintf("%3.0f%% %s %d/%d", 100*share, screen.Bar(share, width), ended, total))
	} else {
		parts = append(parts, fmt.Sprintf("%d done", t.Done+t.Skipped))
	}
	if t.Done > 0 {
		parts = append(parts, screen.Rate(t.Done, now.Sub(r.began)))
	}
	if r.stopped {
		if n := len(r.running); n > 0 {
			parts = append(parts, "stopping"+r.waitsFor())
		}
		return strings.Join(parts, "  ")
	}
	if end, ok := r.end(now); ok {
		eta := "ETA "
		if r.Quota != nil {
			eta = "ETA at least " // nothing is known of what others will use
		}
		parts = append(parts, eta+screen.Short(max(0, end.Sub(now))))
	}
	if n := len(r.running); n > 0 && r.workNoun() == "command" {
		parts = append(parts, fmt.Sprintf("%d running", n))
	}
	if t.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", t.Failed))
	}
	if n := len(r.due); n > 0 {
		parts = append(parts, fmt.Sprintf("%d to retry", n))
	}
	switch {
	case r.head != nil:
		parts = append(parts, r.permitIn(now))
	case !r.over && len(r.due) == 0 && len(r.running) == 0:
		parts = append(parts, "waiting for input")
	}
	return strings.Join(parts, "  ")
}

// permitIn says when the job that waits gets its permit.
func (r *run) permitIn(now time.Time) string {
	stats := r.Turns.Stats()
	switch {
	case stats.Waiting == 0:
		return ""
	case r.Quota != nil:
		return r.quotaIn(stats, now)
	case stats.NextWake.IsZero():
		return "next when one is done"
	}
	return "next in " + screen.Short(max(0, stats.NextWake.Sub(now)))
}

// total returns how many items there are, or false as long as that is not known.
func (r *run) total() (int, bool) {
	n, known := r.Input.Total()
	if known {
		return n, true
	}
	read, _ := r.Input.Read()
	return max(r.Total, read), r.Total > 0
}

// end returns when the limits let the run end, if jobs take as long as they have so far.
func (r *run) end(now time.Time) (time.Time, bool) {
	total, known := r.total()
	if !known {
		return time.Time{}, false
	}
	f := &r.forecast
	if f.made.IsZero() || now.Sub(f.made) >= forecastEvery {
		rest := plan.Rest{
			Snapshot: r.Turns.Snapshot(), Now: now, Running: len(r.running),
			Jobs: max(0, total-r.tally.Begun-r.tally.Skipped) + len(r.due),
		}
		if r.AtOnce > 0 {
			rest.Snapshot.Limits.MaxBurst = r.AtOnce
		}
		rest.Costs = r.tally.average()
		if r.tally.tries > 0 {
			rest.Takes = r.tally.took / time.Duration(r.tally.tries)
		}
		if rest.Jobs > 0 && r.head != nil && r.head.attempt > 0 {
			rest.Jobs++
		}
		f.made, f.end = now, now.Add(plan.Remaining(rest))
	}
	return f.end, true
}

// oldest names the command that has run longest, and says how long.
func (r *run) oldest() string {
	var oldest *job
	for j := range r.running {
		if oldest == nil || j.began.Before(oldest.began) {
			oldest = j
		}
	}
	if oldest == nil {
		return ""
	}
	text := fmt.Sprintf("%s (%s)", screen.Shown(r.Work.Line(oldest.item), 40), screen.Short(time.Since(oldest.began)))
	if n := len(r.running) - 1; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// workNoun is what a job that runs is called.
func (r *run) workNoun() string {
	if _, ok := r.Work.(*Printer); ok {
		return r.Input.Noun()
	}
	return "command"
}

// sumUp reports the result of the run and returns the exit status.
func (r *run) sumUp() int {
	r.Screen.Erase()
	noun := r.Input.Noun()
	if r.killed > 0 && r.interrupt > 0 {
		r.Screen.Say("%s killed; none is left running", screen.Count(r.killed, r.workNoun()))
	}
	if r.stopped && r.status != StatusBrokenPipe {
		r.Screen.Note("%s", r.undone())
	}
	if r.status != StatusBrokenPipe {
		elapsed := time.Since(r.began)
		text := fmt.Sprintf("%s in %s", screen.Count(r.tally.Done, noun), screen.Short(elapsed))
		if r.tally.Done > 1 && elapsed > 0 {
			text += " (" + screen.Rate(r.tally.Done, elapsed) + ")"
		}
		text += fmt.Sprintf(", %d failed", r.tally.Failed)
		if n := r.tally.Skipped; n > 0 {
			text += fmt.Sprintf(", %d done before", n)
		}
		r.Screen.Note("%s", text)
	}
	if r.status == 0 && r.tally.Failed > 0 && r.Halt.what != "success" {
		return StatusFailures
	}
	return r.status
}

// undone tells what a run that was stopped has left undone.
func (r *run) undone() string {
	text := "stopped: "
	if r.status == StatusInterrupted {
		text = "interrupted: "
	}
	noun := r.Input.Noun()
	if r.tally.Cut > 0 {
		text += screen.Count(r.tally.Cut, noun) + " cut short, "
	}
	read, whole := r.Input.Read()
	notRun := read - r.tally.Begun - r.tally.Skipped
	total, known := r.Input.Total()
	switch {
	case known:
		return text + screen.Count(total-r.tally.Begun-r.tally.Skipped, noun) + " not run"
	case whole || notRun > 0:
		return text + "at least " + screen.Count(notRun, noun) + " not run, the input was not read to its end"
	}
	return text + "the input was not read to its end"
}
