package plan

import (
	"math"
	"time"

	"github.com/flowguard-go/flowguard/internal/spacing"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Rest is the rest of a run: the jobs that have not ended, and the state of the limits.
type Rest struct {
	Snapshot scheduler.Snapshot // of the scheduler, now
	Now      time.Time
	Jobs     int           // not begun
	Running  int           // at work
	Takes    time.Duration // each, on average
	Costs    []ticket.Cost // each, on average
}

// mostSteps is how many jobs Remaining looks at one by one.
const mostSteps = 20_000

// Remaining returns how long the rest takes if every job takes the same time, costs the same, and begins as
// soon as the limits allow. A limit lets a job begin at an instant that depends on when the jobs before it
// began. If there are more jobs than it looks at, it leaves out whole rounds of the limit that binds in the
// long run.
//
// It costs some nanoseconds for each job and limit, 0.3 ms at most.
func Remaining(r Rest) time.Duration {
	if r.Jobs == 0 {
		if r.Running == 0 {
			return 0
		}
		return r.Takes / 2 // on average
	}
	var limits []limit
	for i, w := range r.Snapshot.Limits.Windows {
		n := r.amount(w.Unit)
		snap := r.Snapshot.Windows[i]
		switch {
		case n == 0:
		case w.From == scheduler.FromReset:
			limits = append(limits, r.periods(w, snap, n))
		default:
			limits = append(limits, r.windowCycle(w, snap, n))
			if w.Evenly {
				limits = append(limits, r.apart(w, snap, n))
			}
		}
	}
	if n := r.Snapshot.Limits.MaxBurst; n > 0 {
		limits = append(limits, r.burstCycle(n))
	}

	jobs, extra := r.Jobs, 0.0
	if jobs > mostSteps && len(limits) > 0 {
		var slowest round
		for _, l := range limits {
			if round := l.round(); round.pace() > slowest.pace() {
				slowest = round
			}
		}
		rounds := 0
		if slowest.jobs > 0 {
			rounds = min((jobs-mostSteps+slowest.jobs-1)/slowest.jobs, (jobs-1)/slowest.jobs)
		}
		jobs -= rounds * slowest.jobs
		extra = float64(rounds) * float64(slowest.length)
		if jobs > mostSteps { // a round is longer than what can be looked at
			extra += float64(jobs-mostSteps) * slowest.pace()
			jobs = mostSteps
		}
	}
	begins := make([]time.Duration, jobs+1) // of job 1, 2, …
	for k := 1; k <= jobs; k++ {
		begins[k] = begins[k-1]
		for _, l := range limits {
			begins[k] = max(begins[k], l.begin(begins, k))
		}
	}
	const most = math.MaxInt64 / 4
	return min(begins[jobs], most) + min(r.Takes, most) + time.Duration(min(extra, most))
}

// amount returns how much of a unit each job asks for.
func (r Rest) amount(unit scheduler.Unit) int {
	if unit == "" {
		return 1
	}
	for _, c := range r.Costs {
		if c.Unit == string(unit) {
			return c.Amount
		}
	}
	return 0
}

// limit says when jobs may begin.
type limit interface {
	// begin returns when the limit lets job k begin, given when those before it began. Calls must be in the order
	// of k.
	begin(begins []time.Duration, k int) time.Duration
	// round returns what the limit allows in the long run.
	round() round
}

// round is how many jobs can begin in each stretch of a length.
type round struct {
	jobs   int
	length time.Duration
}

// pace is how long a job takes in the long run, in nanoseconds.
func (r round) pace() float64 { return float64(r.length) / float64(max(1, r.jobs)) }

// cycle is a limit whose permits come back: those in use now at the instants of back, in their order, and
// each later one a length after it was granted.
type cycle struct {
	permits int
	each    int // of the permits, that a job takes
	length  time.Duration
	back    []back
	sum     int // of back
	i, past int // where in back the last call of begin was, and the sum before it
}

type back struct {
	at time.Duration // from now
	n  int
}

// round: if a job asks for more than all permits, it takes them all; the scheduler will refuse it.
func (c *cycle) round() round { return round{max(1, c.permits/c.each), c.length} }

func (c *cycle) begin(begins []time.Duration, k int) time.Duration {
	if atOnce := c.round().jobs; k > atOnce {
		return begins[k-atOnce] + c.length
	}
	needed := k*min(c.each, c.permits) - (c.permits - c.sum) // permits that must have come back
	if needed <= 0 || len(c.back) == 0 {
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

func (r Rest) windowCycle(w scheduler.Window, snap scheduler.WindowSnapshot, each int) *cycle {
	c := &cycle{permits: w.Permits, each: each, length: w.Per}
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

func (r Rest) burstCycle(n int) *cycle {
	c := &cycle{permits: n, each: 1, length: r.Takes}
	c.add(r.Takes/2, min(r.Running, n))
	return c
}

// apart spaces jobs in a window that is spaced evenly.
type apart struct {
	first time.Duration // the first job may begin
	space time.Duration // after each job
}

func (r Rest) apart(w scheduler.Window, snap scheduler.WindowSnapshot, each int) *apart {
	space := func(n int) time.Duration { return spacing.Of(int64(n), int64(w.Permits), w.Per) }
	s := &apart{space: space(each)}
	if n := len(snap.Spent); n > 0 {
		last := snap.Spent[n-1]
		s.first = last.At.Add(space(last.Permits)).Sub(r.Now)
	}
	return s
}

func (s *apart) round() round { return round{1, s.space} }

func (s *apart) begin(begins []time.Duration, k int) time.Duration {
	if k == 1 {
		return s.first
	}
	return begins[k-1] + s.space
}

// periods is a window that counts from reset.
type periods struct {
	window scheduler.Window
	now    time.Time
	each   int
	used   int           // in the period of the job before
	end    time.Duration // of that period
}

func (r Rest) periods(w scheduler.Window, snap scheduler.WindowSnapshot, each int) *periods {
	p := &periods{window: w, now: r.Now, each: each}
	p.end = p.reset(0)
	for _, s := range snap.Spent {
		if w.NextReset(s.At).After(r.Now) {
			p.used += s.Permits
		}
	}
	return p
}

// reset returns the first reset after t.
func (p *periods) reset(t time.Duration) time.Duration {
	return p.window.NextReset(p.now.Add(t)).Sub(p.now)
}

// round: a month is 30.44 days on average.
func (p *periods) round() round {
	length := p.window.Per
	if length == scheduler.Month {
		length = time.Duration(365.2425 / 12 * 24 * float64(time.Hour))
	}
	return round{max(1, p.window.Permits/p.each), length}
}

func (p *periods) begin(begins []time.Duration, k int) time.Duration {
	if k > 1 {
		if begins[k-1] >= p.end {
			p.used, p.end = 0, p.reset(begins[k-1])
		}
		p.used += p.each
	}
	if p.used+p.each > p.window.Permits {
		return p.end
	}
	return 0
}
