package flowredis

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

var (
	clusterSeed = flag.Uint64("seed", 0, "run only the simulated cluster with this seed")
	clusters    = flag.Int("clusters", 120, "how many clusters to simulate")
)

// world is a cluster on one fake clock: an engine, which is the model, and a network between it and the nodes.
// All of it follows from a seed, as far as goroutines that are due at the same instant allow.
type world struct {
	mu      sync.Mutex
	model   *model
	loaded  bool          // the engine knows the script
	dump    *model        // what it would be restored from
	stopped chan struct{} // the engine is stopped until it is closed; nil: it runs
	born    time.Time
	usable  bool // a mutant: leases can be used for ever
	network troubles
	calls   int
}

// troubles says how likely what is, of 1,000 exchanges.
type troubles struct {
	delay                       time.Duration // up to so much, each way
	lose, loseReply, late, twin int
}

// wire is the line between one node and the engine.
type wire struct {
	w      *world
	mu     sync.Mutex
	random *rand.Rand
	cut    bool
}

var errCut = errors.New("cut off")

func (l *wire) setCut(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
}

func (l *wire) isCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut
}

func (l *wire) do(ctx context.Context, key string, c *call) (result, error) {
	l.mu.Lock()
	t := l.w.network
	dice := func(n int) bool { return l.random.IntN(1000) < n }
	there, back := time.Duration(l.random.Int64N(int64(t.delay)+1)), time.Duration(l.random.Int64N(int64(t.delay)+1))
	lost, lostReply, twin := dice(t.lose), dice(t.loseReply), dice(t.twin)
	if dice(t.late) {
		there += time.Duration(l.random.Int64N(int64(3 * time.Second)))
	}
	twinAt := time.Duration(l.random.Int64N(int64(4 * time.Second)))
	cut := l.cut
	l.mu.Unlock()
	if cut {
		return result{}, errCut
	}
	sent := *c
	answer := make(chan result, 2)
	deliver := func(after time.Duration) {
		time.Sleep(after)
		if l.isCut() {
			return
		}
		got := l.w.call(key, sent)
		time.Sleep(back)
		if !lostReply && !l.isCut() {
			answer <- got
		}
	}
	if twin {
		go deliver(twinAt)
	}
	if !lost {
		go deliver(there)
	}
	select {
	case got := <-answer:
		return got, nil
	case <-ctx.Done():
		return result{}, ctx.Err()
	}
}

func (w *world) call(key string, c call) result {
	for {
		w.mu.Lock()
		stopped := w.stopped
		if stopped == nil {
			break
		}
		w.mu.Unlock()
		<-stopped
	}
	defer w.mu.Unlock()
	w.calls++
	if c.begin = !w.loaded; c.begin && w.model.broken == restartUnnoticed {
		c.begin = false
	}
	w.loaded = true
	return w.model.call(time.Now().UnixMicro(), key, &c)
}

func (m *model) clone() *model {
	c := &model{gen: m.gen, quotas: map[string]*memory{}, broken: m.broken}
	for key, q := range m.quotas {
		d := *q
		d.windows, d.nodes = slices.Clone(q.windows), nil
		for i := range d.windows {
			d.windows[i].log = slices.Clone(d.windows[i].log)
		}
		for _, n := range q.nodes {
			n := *n
			d.nodes = append(d.nodes, &n)
		}
		c.quotas[key] = &d
	}
	return c
}

// skewed is a clock whose rate is off by so many parts in a thousand.
type skewed struct {
	clock.Clock
	born time.Time
	off  int64
}

func (s skewed) Now() time.Time                  { return s.born.Add(s.Since(s.born)) }
func (s skewed) Since(t time.Time) time.Duration { return s.scale(time.Since(s.born)) - t.Sub(s.born) }
func (s skewed) scale(d time.Duration) time.Duration {
	return d + time.Duration(int64(d)/1000*s.off) + time.Duration(int64(d)%1000*s.off/1000)
}

// real returns when the clock showed t, at the earliest.
func (s skewed) real(t time.Time) time.Time {
	d := t.Sub(s.born)
	low, high := d/2, d*2+1
	for low < high {
		if mid := (low + high) / 2; s.scale(mid) >= d {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return s.born.Add(low)
}

// member is a node of a world.
type member struct {
	s     *scheduler.Scheduler
	log   *scheduler.EventLog
	wire  *wire
	clock skewed
	stop  context.CancelFunc
	ended time.Time // when it was killed; zero if it was not
	works sync.WaitGroup
}

// scenario is a cluster and what happens to it.
type scenario struct {
	limits   scheduler.Limits
	recovery Recovery
	lease    time.Duration
	nodes    int
	workers  int // of each node, up to
	weight   int // of a ticket, up to
	hold     time.Duration
	skew     int64 // up to
	network  troubles
	kills    int // how often a node dies and a new one comes
	cuts     int // how often a node is cut off for a while
	losses   int // how often the engine loses its memory
	dumps    bool
	stalls   int // how often the engine stops for a while
	span     time.Duration
	broken   breakage
	usable   bool
	seed     uint64
}

// draw makes a scenario of a seed. Cutting nodes off and losing memory come together only under Quarantine, because
// Recollect is not exact then.
func draw(seed uint64) scenario {
	r := rand.New(rand.NewPCG(seed, 0))
	c := scenario{seed: seed, lease: time.Duration(200+r.IntN(1000)) * time.Millisecond, nodes: 2 + r.IntN(5), workers: 1 + r.IntN(12), weight: 1, span: 8 * time.Second}
	if r.IntN(12) == 0 {
		c.nodes, c.workers = 20+r.IntN(31), 2
	}
	per := time.Duration(200+r.IntN(1500)) * time.Millisecond
	permits := 5 + r.IntN(200)
	c.limits.Windows = []scheduler.Window{scheduler.Per(permits, per)}
	if r.IntN(2) == 0 {
		c.limits.Windows = append(c.limits.Windows, scheduler.Per(permits*(2+r.IntN(3)), 4*per))
	}
	if r.IntN(3) == 0 {
		c.limits.MaxBurst = 3 + r.IntN(20)
		c.hold = 30 * time.Millisecond
	}
	if r.IntN(3) == 0 {
		c.weight = 1 + r.IntN(min(permits, max(3, c.limits.MaxBurst))/2)
	}
	if r.IntN(2) == 0 {
		c.skew = 9
	}
	c.network.delay = []time.Duration{0, time.Millisecond, 10 * time.Millisecond}[r.IntN(3)]
	if r.IntN(3) > 0 {
		c.network.lose, c.network.loseReply, c.network.late, c.network.twin = r.IntN(60), r.IntN(60), r.IntN(60), r.IntN(60)
	}
	c.recovery = Recovery(r.IntN(2))
	disasters := r.IntN(3) // 0: nodes, 1: the engine, 2: both
	if disasters == 2 {
		c.recovery = Quarantine
	}
	if disasters != 1 {
		c.kills, c.cuts = r.IntN(4), r.IntN(4)
	}
	if disasters > 0 {
		c.losses, c.dumps, c.stalls = r.IntN(3), r.IntN(2) == 0, r.IntN(2)
		if c.recovery == Recollect { // a node that cannot tell in time is as one cut off
			c.network = troubles{delay: min(c.network.delay, c.lease/50)}
		}
	}
	return c
}

// run lets the cluster work and returns what is wrong with what it granted.
func (c scenario) run(t *testing.T) (granted int, wrong string) {
	random := rand.New(rand.NewPCG(c.seed, 1))
	w := &world{model: newModel(), network: c.network, usable: c.usable, born: time.Now()}
	w.model.broken = c.broken
	var all, dead []*member
	join := func() {
		m := &member{log: new(scheduler.EventLog), wire: &wire{w: w, random: rand.New(rand.NewPCG(c.seed, random.Uint64()))}}
		m.clock = skewed{clock.New(), time.Now(), 0}
		if c.skew > 0 {
			m.clock.off = random.Int64N(2*c.skew+1) - c.skew
		}
		sh := &share{engine: m.wire, name: "sim", lease: c.lease, onLoss: c.recovery}
		var src scheduler.QuotaSource = sh
		if c.usable {
			src = forEver{sh}
		}
		s, err := scheduler.New(c.limits, scheduler.WithQuota(src), scheduler.WithClock(m.clock), m.log)
		if err != nil {
			t.Fatal(err)
		}
		m.s = s
		ctx, stop := context.WithCancel(context.Background())
		m.stop = stop
		for range 1 + random.IntN(c.workers) {
			r := rand.New(rand.NewPCG(c.seed, random.Uint64()))
			lazy := r.IntN(3) == 0
			m.works.Go(func() { c.work(ctx, s, r, lazy) })
		}
		all = append(all, m)
	}
	for range c.nodes {
		join()
	}
	type event struct {
		at time.Duration
		do func()
	}
	var events []event
	add := func(n int, do func()) {
		for range n {
			events = append(events, event{time.Duration(random.Int64N(int64(c.span))), do})
		}
	}
	add(c.kills, func() {
		i := random.IntN(len(all))
		m := all[i]
		m.wire.setCut(true)
		m.ended = time.Now()
		m.stop()
		dead = append(dead, m)
		all = slices.Delete(all, i, i+1)
		go m.s.Close()
		join()
	})
	add(c.cuts, func() {
		m := all[random.IntN(len(all))]
		m.wire.setCut(true)
		d := time.Duration(random.Int64N(int64(3 * c.lease)))
		time.AfterFunc(d, func() {
			if m.ended.IsZero() {
				m.wire.setCut(false)
			}
		})
	})
	if c.dumps {
		add(2, func() {
			w.mu.Lock()
			w.dump = w.model.clone()
			w.mu.Unlock()
		})
	}
	add(c.losses, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if c.dumps && w.dump != nil {
			w.model, w.loaded = w.dump.clone(), false // restarted from an old dump
			return
		}
		w.model = newModel() // flushed, or restarted empty
		w.model.broken = c.broken
		w.loaded = random.IntN(2) == 0
	})
	add(c.stalls, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.stopped != nil {
			return
		}
		w.stopped = make(chan struct{})
		time.AfterFunc(time.Duration(random.Int64N(int64(3*c.lease))), func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			close(w.stopped)
			w.stopped = nil
		})
	})
	slices.SortFunc(events, func(a, b event) int { return int(a.at - b.at) })
	begin := time.Now()
	for _, e := range events {
		time.Sleep(e.at - time.Since(begin))
		e.do()
	}
	time.Sleep(c.span - time.Since(begin))
	for _, m := range all {
		m.stop()
	}
	for _, m := range append(all, dead...) {
		m.works.Wait()
		m.s.Close()
	}
	time.Sleep(20 * time.Second) // what is under way arrives
	return c.judge(append(all, dead...))
}

func (c scenario) work(ctx context.Context, s *scheduler.Scheduler, r *rand.Rand, lazy bool) {
	for ctx.Err() == nil {
		n := 1 + r.IntN(c.weight)
		var t ticket.Ticket
		var err error
		switch r.IntN(10) {
		case 0:
			var ok bool
			if t, ok = s.TryAcquireN(n); !ok {
				time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
			}
		case 1:
			short, stop := context.WithTimeout(ctx, time.Duration(r.IntN(300))*time.Millisecond)
			t, err = s.AcquireN(short, n)
			stop()
			if err != nil {
				time.Sleep(time.Duration(1+r.IntN(20)) * time.Millisecond)
			}
		default:
			t, err = s.AcquireN(ctx, n)
		}
		if c.hold > 0 {
			time.Sleep(time.Duration(r.Int64N(int64(c.hold))))
		}
		t.Release()
		if lazy {
			time.Sleep(time.Duration(r.IntN(700)) * time.Millisecond)
		}
	}
}

// judge looks at all grants, by real time: no interval of any window has more than its permits.
func (c scenario) judge(all []*member) (granted int, wrong string) {
	type change struct {
		at    time.Time
		n, in int
	}
	var grants, uses []change
	for _, m := range all {
		weights := map[ticket.Number]change{}
		out := map[ticket.Number]bool{}
		for _, e := range m.log.Events() {
			at := m.clock.real(e.At)
			switch e.Kind {
			case scheduler.EventGranted:
				weights[e.Number] = change{at, e.Weight, 0}
			case scheduler.EventUndone:
				delete(weights, e.Number)
			case scheduler.EventReleased:
				if g, ok := weights[e.Number]; ok {
					out[e.Number] = true
					uses = append(uses, change{g.at, 0, g.n}, change{at, 0, -g.n})
				}
			}
		}
		for n, g := range weights {
			grants = append(grants, g)
			granted += g.n
			if !out[n] && !m.ended.IsZero() && !g.at.After(m.ended) {
				uses = append(uses, change{g.at, 0, g.n}, change{m.ended, 0, -g.n})
			}
		}
	}
	slices.SortFunc(grants, func(a, b change) int { return a.at.Compare(b.at) })
	for _, w := range c.limits.Windows {
		sum, first := 0, 0
		for _, g := range grants {
			sum += g.n
			for !grants[first].at.After(g.at.Add(-w.Per)) {
				sum -= grants[first].n
				first++
			}
			if sum > w.Permits {
				return granted, fmt.Sprintf("%d in a window of %v, at %v", sum, w, g.at)
			}
		}
	}
	if c.limits.MaxBurst > 0 && c.cuts+c.kills == 0 && c.network.late+c.network.lose+c.network.loseReply == 0 {
		slices.SortFunc(uses, func(a, b change) int {
			if order := a.at.Compare(b.at); order != 0 {
				return order
			}
			return a.in - b.in
		})
		in := 0
		for _, u := range uses {
			if in += u.in; in > c.limits.MaxBurst {
				return granted, fmt.Sprintf("%d in use with a MaxBurst of %d, at %v", in, c.limits.MaxBurst, u.at)
			}
		}
	}
	return granted, ""
}

// forEver is a mutant: what it leases can be used for ever.
type forEver struct{ *share }

func (f forEver) Open(m scheduler.QuotaMember) (scheduler.QuotaSource, error) {
	s, err := f.share.Open(m)
	return forEverSource{s}, err
}

type forEverSource struct{ scheduler.QuotaSource }

func (f forEverSource) Exchange(ctx context.Context, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
	reply, err := f.QuotaSource.Exchange(ctx, r)
	if reply.For > 0 {
		reply.For = time.Hour
	}
	return reply, err
}

// Clusters of schedulers never exceed a limit, whatever happens to the network, the nodes and the engine.
func TestClusters(t *testing.T) {
	seeds := []uint64{*clusterSeed}
	if *clusterSeed == 0 {
		seeds = seeds[:0]
		for range *clusters {
			seeds = append(seeds, rand.Uint64())
		}
	}
	total := 0
	for _, seed := range seeds {
		c := draw(seed)
		synctest.Test(t, func(t *testing.T) {
			granted, wrong := c.run(t)
			total += granted
			if wrong != "" {
				t.Errorf("%s\n%+v\nto replay: go test ./flowredis -run '^TestClusters$' -seed %d", wrong, c, seed)
			}
		})
	}
	t.Logf("%d clusters granted %d permits", len(seeds), total)
	if total < 100*len(seeds) {
		t.Errorf("%d clusters granted only %d permits", len(seeds), total)
	}
}
