package plan

import (
	"math"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// Rest is what is left of a run: jobs that have not begun, and how the limits stand.
type Rest struct {
	Snapshot scheduler.Snapshot // of the scheduler, now
	Now      time.Time
	Jobs     int           // not begun
	Running  int           // at work
	Takes    time.Duration // each, on average
}

// mostSteps is how many jobs Remaining looks at one by one.
const mostSteps = 20_000

// Remaining returns how long the rest takes if every job takes the same time, and each begins as soon as the
// limits allow. Job k of a window begins when job k−Permits has been in it for Per, and that of a burst
// when job k−MaxBurst is done. So the times follow from one another. Where there are more jobs than it
// looks at, it leaves out whole rounds of the limit that binds in the long run.
//
// It costs some nanoseconds for each job and limit, 0.3 ms at most.
func Remaining(r Rest) time.Duration {
	if r.Jobs == 0 {
		if r.Running == 0 {
			return 0
		}
		return r.Takes / 2 // on average
	}
	var cycles []cycle
	for i, w := range r.Snapshot.Limits.Windows {
		cycles = append(cycles, r.windowCycle(w, r.Snapshot.Windows[i]))
	}
	if n := r.Snapshot.Limits.MaxBurst; n > 0 {
		cycles = append(cycles, r.burstCycle(n))
	}

	jobs, extra := r.Jobs, 0.0
	if jobs > mostSteps && len(cycles) > 0 {
		slowest := cycles[0]
		for _, c := range cycles[1:] {
			if c.pace() > slowest.pace() {
				slowest = c
			}
		}
		rounds := (jobs - mostSteps + slowest.permits - 1) / slowest.permits
		rounds = min(rounds, (jobs-1)/slowest.permits)
		jobs -= rounds * slowest.permits
		extra = float64(rounds) * float64(slowest.length)
		if jobs > mostSteps { // a round is longer than what can be looked at
			extra += float64(jobs-mostSteps) * slowest.pace()
			jobs = mostSteps
		}
	}
	begins := make([]time.Duration, jobs+1) // of job 1, 2, …
	for k := 1; k <= jobs; k++ {
		begins[k] = begins[k-1]
		for i := range cycles {
			begins[k] = max(begins[k], cycles[i].begin(begins, k))
		}
	}
	total := float64(begins[jobs]) + extra + float64(r.Takes)
	return time.Duration(min(total, math.MaxInt64/2))
}

// cycle is a limit whose permits come back: those in use now at the instants of back, in their order, and
// each later one a length after it was granted.
type cycle struct {
	permits int
	length  time.Duration
	back    []back
	sum     int // of back
	i, past int // where in back the last call of begin was, and the sum before it
}

type back struct {
	at time.Duration // from now
	n  int
}

// pace is how long a job takes in the long run, in nanoseconds.
func (c *cycle) pace() float64 { return float64(c.length) / float64(c.permits) }

// begin returns when the limit lets job k begin. Calls must be in the order of k.
func (c *cycle) begin(begins []time.Duration, k int) time.Duration {
	if k > c.permits {
		return begins[k-c.permits] + c.length
	}
	needed := k - (c.permits - c.sum) // permits that must have come back
	if needed <= 0 {
		return 0
	}
	for c.i < len(c.back)-1 && c.past+c.back[c.i].n < needed {
		c.past += c.back[c.i].n
		c.i++
	}
	return c.back[c.i].at
}

func (c *cycle) add(at time.Duration, n int) {
	if n > 0 {
		c.back = append(c.back, back{at, n})
		c.sum += n
	}
}

func (r Rest) windowCycle(w scheduler.Window, snap scheduler.WindowSnapshot) cycle {
	c := cycle{permits: w.Permits, length: w.Per}
	for _, s := range snap.Spent {
		if at := s.At.Add(w.Per).Sub(r.Now); at > 0 {
			c.add(at, s.Permits)
		}
	}
	if w.From == scheduler.FromRelease {
		c.length += r.Takes
		c.add(r.Takes/2+w.Per, snap.Held)
	}
	return c
}

func (r Rest) burstCycle(n int) cycle {
	c := cycle{permits: n, length: r.Takes}
	c.add(r.Takes/2, min(r.Running, n))
	return c
}
