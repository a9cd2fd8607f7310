package scheduler

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/internal/oracle"
)

func TestForecastStory(t *testing.T) {
	t.Run("window", func(t *testing.T) {
		tell(t, "2/s", `
			0s    wait 1     -> 0s
			0s    wait 3     -> forever
			0s    wait 0     -> forever
			0s    acquire 1  -> 1 granted
			0s    wait 1     -> 0s
			0s    wait 2     -> 1s (2/s)
			300ms acquire 1  -> 2 granted
			400ms wait 1     -> 600ms (2/s)
			400ms wait 2     -> 900ms (2/s)
			400ms acquire 1  -> 3 waits
			400ms wait 1     -> 900ms (2/s)
			400ms wait 2     -> 1.6s (2/s)
			400ms acquire 2  -> 4 waits
			400ms wait 1     -> 2.6s (2/s)
			400ms drain
			400ms wait 1     -> forever
		`)
	})
	t.Run("the window that decides", func(t *testing.T) {
		tell(t, "2/s 3/10s", `
			0s acquire 2  -> 1 granted
			0s wait 1     -> 1s (2/s)
			0s wait 2     -> 10s (3/10s)
			0s acquire 1  -> 2 waits
			0s wait 1     -> 10s (3/10s)
			0s acquire 2  -> 3 waits
			0s wait 1     -> 11s (2/s)
		`)
	})
	t.Run("pause", func(t *testing.T) {
		tell(t, "1/s", `
			0s pause until 5s
			0s wait 1          -> 5s (pause)
			0s acquire 1       -> 1 waits
			0s wait 1          -> 6s (1/s)
			5s wait 1          -> 1 granted, 1s (1/s)
			5s pause
			5s wait 1          -> 1s (1/s)
		`)
	})
	// Permits are taken to be released when they are needed.
	t.Run("burst", func(t *testing.T) {
		tell(t, "burst 2", `
			0s acquire 2  -> 1 granted
			0s wait 1     -> 0s (burst 2)
			0s acquire 1  -> 2 waits
			0s wait 2     -> 0s (burst 2)
		`)
		tell(t, "1/s burst 1", `
			0s acquire 1  -> 1 granted
			2s wait 1     -> 0s (burst 1)
			2s acquire 1  -> 2 waits
			2s wait 1     -> 1s (1/s)
		`)
	})
	t.Run("from release", func(t *testing.T) {
		tell(t, "2/s from release", `
			0s    acquire 1  -> 1 granted
			0s    acquire 1  -> 2 granted
			5s    wait 1     -> 1s (2/s from release)
			5s    release 1
			5500ms wait 1    -> 500ms (2/s from release)
			5500ms wait 2    -> 1s (2/s from release)
			5500ms acquire 1 -> 3 waits
			5500ms wait 1    -> 1s (2/s from release)
			5500ms wait 2    -> 1.5s (2/s from release)
		`)
	})
	t.Run("observation", func(t *testing.T) {
		tell(t, "4/s", `
			0s observe 2 by 5s
			0s wait 2     -> 0s
			0s wait 3     -> 5s (4/s)
			0s acquire 1  -> 1 granted
			0s acquire 2  -> 2 waits
			0s wait 1     -> 5s (4/s)
			0s wait 4     -> 6s (4/s)
		`)
	})
	t.Run("flows", func(t *testing.T) {
		tell(t, "1/s", `
			0s acquire 1 of a1  -> 1 granted
			0s acquire 1 of a1  -> 2 waits
			0s acquire 1 of a1  -> 3 waits
			0s wait 1 of a1     -> 3s (1/s)
			0s wait 1 of b1     -> 2s (1/s)
			0s wait 1 of b2     -> 1s (1/s)
			0s wait 1           -> 2s (1/s)
		`)
	})
	t.Run("the clock is behind", func(t *testing.T) {
		tell(t, "1/s", `
			10s acquire 1  -> 1 granted
			9s  wait 1     -> 1s (1/s)
		`)
	})
}

// rehearsal is a core with a long line, and beside it what a reader would write down of it.
type rehearsal struct {
	tale
	r *rand.Rand

	line     oracle.Lines
	charged  [][]charged // to each window, the oldest first
	held     map[*line.Place]bool
	observed []observation // of each window
}

type charged struct {
	at moment
	n  int
}

func newRehearsal(r *rand.Rand, l Limits) *rehearsal {
	return &rehearsal{
		tale: *newTale(l), r: r,
		charged:  make([][]charged, len(l.Windows)),
		held:     make(map[*line.Place]bool),
		observed: make([]observation, len(l.Windows)),
	}
}

func (h *rehearsal) charge(i, n int) { h.charged[i] = append(h.charged[i], charged{h.now, n}) }

// enqueue lets a ticket join the line, and grants what fits.
func (h *rehearsal) enqueue(weight int, f *line.Flow) {
	p := line.NewPlace()
	h.join(p, &request{weight: weight, deadline: never, flow: f})
	h.line.Push(oracle.Ticket{ID: int(p.Number), Weight: weight}, f.Name(), share(f))
	h.serve()
}

func share(f *line.Flow) int {
	if f == nil {
		return 1
	}
	return f.Share
}

func (h *rehearsal) serve() {
	for {
		p, _, _ := h.next()
		if p == nil {
			return
		}
		if want := h.line.Serve(); want.ID != int(p.Number) {
			panic(fmt.Sprintf("ticket %d was granted, want %d", p.Number, want.ID))
		}
		h.held[p] = true
		for i := range h.windows {
			if h.windows[i].From == FromGrant {
				h.charge(i, p.Weight)
			}
			h.observed[i].left -= p.Weight
		}
	}
}

// past does something or other, with tickets up to a weight.
func (h *rehearsal) past(weights int) {
	switch h.r.IntN(4) {
	case 0:
		h.advance(h.now + moment(h.r.IntN(40)))
		h.serve()
	case 1:
		for p := range h.held {
			if h.r.IntN(2) == 0 {
				delete(h.held, p)
				h.release(p)
				for i := range h.windows {
					if h.windows[i].From == FromRelease {
						h.charge(i, p.Weight)
					}
				}
			}
		}
		h.serve()
	case 2:
		if h.r.IntN(3) == 0 && len(h.windows) > 0 {
			i := h.r.IntN(len(h.windows))
			n := 1 + h.r.IntN(h.windows[i].Permits)
			h.windows[i].spend(h.now, n)
			h.charge(i, n)
		}
	case 3:
		h.enqueue(1+h.r.IntN(weights), nil)
	}
}

// observe tells a window what is left of it.
func (h *rehearsal) observe(i int) {
	left, until := h.r.IntN(700), h.now+1+moment(h.r.IntN(3_000))
	h.windows[i].observe(h.now, left, left, until)
	h.observed[i] = observation{since: h.now, until: until, left: left}
	h.serve()
}

// exact plays the line through up to a newcomer: every ticket is granted as soon as every limit has room,
// and what is or will be held is released at once. It returns when the newcomer is granted.
func (h *rehearsal) exact(weight int, f *line.Flow) moment {
	all := make([][]charged, len(h.windows))
	for i := range all {
		all[i] = append(all[i], h.charged[i]...)
		if h.windows[i].From == FromRelease {
			for p := range h.held {
				all[i] = append(all[i], charged{h.now, p.Weight})
			}
		}
	}
	at, granted := max(h.now, h.pause.until), 0
	for _, t := range append(h.line.Ahead(oracle.Ticket{Weight: weight}, f.Name(), share(f)), oracle.Ticket{Weight: weight}) {
		n := t.Weight
		for i := range all {
			w := h.windows[i].Window
			counts := n
			for j := len(all[i]) - 1; j >= 0; j-- {
				if counts += all[i][j].n; counts > w.Permits {
					at = max(at, all[i][j].at+moment(w.Per))
					break
				}
			}
			if granted+n > h.observed[i].left {
				at = max(at, h.observed[i].until)
			}
		}
		for i := range all {
			all[i] = append(all[i], charged{at, n})
		}
		granted += n
	}
	return at
}

// rehearse makes a long line under random limits, with a random past.
func rehearse(r *rand.Rand, l Limits, weights int, flows []line.Flow) *rehearsal {
	h := newRehearsal(r, l)
	for range r.IntN(60) {
		h.past(weights)
	}
	if r.IntN(3) == 0 {
		h.setPause(h.now + 1 + moment(r.IntN(200)))
	}
	for length := lookAhead + 1 + r.IntN(344); h.tale.core.line.Len() < length; {
		h.enqueue(1+r.IntN(weights), someFlow(r, flows))
	}
	return h
}

// otherFlow returns one of the flows, or one that does not wait.
func otherFlow(r *rand.Rand, flows []line.Flow) *line.Flow {
	if r.IntN(3) == 0 {
		return &line.Flow{Key: "other", Share: 1 + r.IntN(50)}
	}
	return someFlow(r, flows)
}

func someFlow(r *rand.Rand, flows []line.Flow) *line.Flow {
	if i := r.IntN(len(flows) + 1); i < len(flows) {
		return &flows[i]
	}
	return nil
}

// rehearsedFlows returns none, a few or many flows.
func rehearsedFlows(r *rand.Rand) []line.Flow {
	flows := make([]line.Flow, []int{0, 0, 2, 6, 40}[r.IntN(5)])
	for i := range flows {
		flows[i] = line.Flow{Key: fmt.Sprint(i), Share: 1 + r.IntN(5)}
	}
	return flows
}

func rehearsals() int {
	if raceEnabled || testing.Short() {
		return 40
	}
	return 400
}

// Behind more than lookAhead tickets a forecast is never later than the grant would be.
func TestForecastOfALongLineIsALowerBound(t *testing.T) {
	seed := seed(t)
	tight := 0
	for run := range rehearsals() {
		r := rand.New(rand.NewPCG(seed, uint64(run)))
		var l Limits
		for range 1 + r.IntN(3) {
			w := Per(1+r.IntN(40), time.Duration(1+r.IntN(300)))
			w.From = Instant(r.IntN(2))
			l.Windows = append(l.Windows, w)
		}
		most, _ := l.tightest("")
		if r.IntN(3) == 0 {
			l.MaxBurst = most + r.IntN(20)
		}
		flows := rehearsedFlows(r)
		h := rehearse(r, l, most, flows)
		if r.IntN(4) == 0 {
			h.observe(r.IntN(len(l.Windows)))
		}
		if h.tale.core.line.Len() <= lookAhead {
			continue // what was observed let many go
		}
		for range 3 {
			req := &request{weight: 1 + r.IntN(most), deadline: never, flow: otherFlow(r, flows)}
			got, want := h.now.after(h.wait(req)), h.exact(req.weight, req.flow)
			if got > want {
				t.Fatalf("run %d: %v, %d in line, weight %d of %v: forecast %d, granted at %d, now %d",
					run, l, h.tale.core.line.Len(), req.weight, req.flow, got, want, h.now)
			}
			if got == want {
				tight++
			}
		}
	}
	t.Logf("%d forecasts were exact", tight)
}

// For one window and tickets of weight 1 it is exact, whatever was charged before.
func TestForecastOfALongLineOfOnes(t *testing.T) {
	seed := seed(t)
	for run := range rehearsals() {
		r := rand.New(rand.NewPCG(seed, uint64(run)))
		w := Per(1+r.IntN([]int{1, 5, 50, 1000}[r.IntN(4)]), time.Duration(1+r.IntN(300)))
		w.From = Instant(r.IntN(2))
		l := Limits{Windows: []Window{w}}
		if r.IntN(3) == 0 {
			l.MaxBurst = w.Permits
		}
		flows := rehearsedFlows(r)
		h := rehearse(r, l, 1, flows)
		for range 3 {
			f := otherFlow(r, flows)
			got, want := h.now.after(h.wait(&request{weight: 1, deadline: never, flow: f})), h.exact(1, f)
			if got != want {
				t.Fatalf("run %d: %v, %d in line, flow %v: forecast %d, granted at %d, now %d",
					run, l, h.tale.core.line.Len(), f, got, want, h.now)
			}
		}
	}
}

// In a long line too, a newcomer whose turn comes before that of the head does not wait for what the head
// waits for.
func TestForecastBeforeTheHead(t *testing.T) {
	for _, length := range []int{1, lookAhead, lookAhead + 1, 600} {
		c := newTale(Limits{Windows: []Window{Per(5, time.Second)}})
		c.do([]string{"acquire", "1"})
		for range length {
			c.join(line.NewPlace(), &request{weight: 5, deadline: never, flow: &line.Flow{Key: "a", Share: 1}})
		}
		quick := &request{weight: 1, deadline: never, flow: &line.Flow{Key: "b", Share: 10}}
		if got := c.forecast(quick); got != "0s" {
			t.Errorf("behind %d: waits %s", length, got)
		}
		if v, err := c.decide(callAcquire, &request{weight: 1, deadline: 0, flow: quick.flow}); v != verdictQueued {
			t.Errorf("behind %d: %v", length, err)
		}
		c.join(line.NewPlace(), quick)
		if p, _, _ := c.next(); p == nil || p.Weight != 1 {
			t.Errorf("behind %d: granted %v", length, p)
		}
	}
}

// A line of the largest weights: what is more than can be counted waits for ever.
func TestForecastOfLargeWeights(t *testing.T) {
	const most = math.MaxInt
	for _, length := range []int{2, lookAhead, lookAhead + 1} {
		c := newTale(Limits{Windows: []Window{Per(most, time.Hour)}})
		c.do([]string{"charge", "1"})
		for range length {
			c.join(line.NewPlace(), &request{weight: most, deadline: never})
		}
		got, want := c.wait(&request{weight: most, deadline: never}), time.Duration(length+1)*time.Hour
		if length > lookAhead {
			want = 2 * time.Hour // the weight ahead is counted up to the largest int
		}
		if got != want {
			t.Errorf("behind %d: %v, want %v", length, got, want)
		}
	}
	c := newTale(Limits{Windows: []Window{Per(1, maxPer)}})
	c.do([]string{"acquire", "1"})
	for range lookAhead + 1 {
		c.join(line.NewPlace(), &request{weight: 1, deadline: never})
	}
	if got := c.wait(&request{weight: 1, deadline: never}); got != Forever {
		t.Errorf("waits %v", got)
	}
}

// waitingCore returns a core in whose line so many tickets of so many flows wait.
func waitingCore(tickets, flows int) *tale {
	c := newTale(Limits{Windows: []Window{PerSecond(10), Per(100, time.Minute)}, MaxBurst: 50})
	c.spend(PerSecond(10), 10)
	for i := range tickets {
		var f *line.Flow
		if flows > 1 {
			f = &line.Flow{Key: fmt.Sprint("flow", i%flows), Share: 1 + i%flows%7}
		}
		c.join(line.NewPlace(), &request{weight: 1 + i%3, deadline: never, flow: f})
	}
	return c
}

// waitingLines are how many tickets of how many flows wait.
var waitingLines = []struct{ tickets, flows int }{{256, 1}, {256, 256}, {10_000, 1}, {10_000, 10}, {10_000, 10_000}}

var newcomers = []*line.Flow{nil, {Key: "flow1", Share: 2}, {Key: "new", Share: 3}}

// What a forecast needs it keeps for the next.
func TestForecastAllocates(t *testing.T) {
	for _, l := range waitingLines {
		c := waitingCore(l.tickets, l.flows)
		for _, f := range newcomers {
			if n := testing.AllocsPerRun(10, func() { c.wait(&request{weight: 2, deadline: never, flow: f}) }); n != 0 {
				t.Errorf("behind %d in %d flows, %v: %v allocations", l.tickets, l.flows, f, n)
			}
		}
	}
}

// countingLimit counts how often it is asked.
type countingLimit struct {
	burst
	asked int
}

func (l *countingLimit) roomAt(now moment, ahead *foreseen, d demand) (moment, bool) {
	l.asked++
	return now, true
}

// No limit is asked about more than lookAhead tickets besides the newcomer, however many wait.
func TestForecastSteps(t *testing.T) {
	for _, length := range []int{0, 1, lookAhead - 1, lookAhead, lookAhead + 1, 10_000} {
		for _, flows := range []int{1, 10_000} {
			c := waitingCore(length, flows)
			asked := &countingLimit{}
			c.inForce = append(c.inForce, asked)
			c.wait(&request{weight: 1, deadline: never})
			most := length + 1
			if length > lookAhead {
				most = 2 // for the head and for the newcomer
			}
			if asked.asked > most || flows == 1 && asked.asked != most {
				t.Errorf("behind %d in %d flows: asked %d times", length, flows, asked.asked)
			}
		}
	}
}

// What a WaitTime or the refusal of a deadline costs the owner, where all in line are ahead.
func BenchmarkWaitTime(b *testing.B) {
	for _, l := range waitingLines {
		b.Run(fmt.Sprintf("%d in %d flows", l.tickets, l.flows), func(b *testing.B) {
			c := waitingCore(l.tickets, l.flows)
			b.ReportAllocs()
			for b.Loop() {
				c.wait(&request{weight: 10, deadline: never})
			}
		})
	}
}
