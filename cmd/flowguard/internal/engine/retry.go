package engine

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Retry says which jobs are tried again and when.
type Retry struct {
	Times int           // how often a job may be tried again
	On    []int         // the exit statuses for which it is; empty: every failure
	Delay time.Duration // before the first time; each later one is twice as long, up to MostDelay
}

// MostDelay is the longest delay before a retry.
const MostDelay = time.Minute

// wants reports whether a job that failed is to be tried again.
func (r Retry) wants(j *job) bool {
	if j.attempt > r.Times || j.exit.Stopped {
		return false
	}
	return len(r.On) == 0 || slices.Contains(r.On, j.exit.Code)
}

// delay returns how long to wait before the attempt that follows this one. Half of it is chance, so that
// jobs that failed together do not come back together.
func (r Retry) delay(attempt int) time.Duration {
	d := r.Delay
	for ; attempt > 1 && d < MostDelay; attempt-- {
		d *= 2
	}
	d = min(d, max(MostDelay, r.Delay))
	if d < 2 {
		return d
	}
	return d/2 + rand.N(d/2)
}

// due is the jobs that wait for their next attempt, the earliest first.
type due []dueJob

type dueJob struct {
	at  time.Time
	job *job
}

func (d *due) add(at time.Time, j *job) {
	i, _ := slices.BinarySearchFunc(*d, at, func(a dueJob, at time.Time) int { return a.at.Compare(at) })
	*d = slices.Insert(*d, i, dueJob{at, j})
}

// take removes and returns the earliest job if its time has come.
func (d *due) take(now time.Time) *job {
	if len(*d) == 0 || (*d)[0].at.After(now) {
		return nil
	}
	j := (*d)[0].job
	*d = slices.Delete(*d, 0, 1)
	return j
}

// wake returns a channel that says when the earliest job's time has come; nil if there is none or it is
// not wanted.
func (d due) wake(wanted bool) <-chan time.Time {
	if !wanted || len(d) == 0 {
		return nil
	}
	return time.After(time.Until(d[0].at))
}
