package flowredis

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
)

// busy is a small cluster that uses all that it may.
func busy(seed uint64) scenario {
	return scenario{
		seed: seed, limits: scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(50, 400*time.Millisecond)}},
		lease: 500 * time.Millisecond, nodes: 3, workers: 8, weight: 1, span: 6 * time.Second,
		network: troubles{delay: time.Millisecond, loseReply: 20, late: 10},
	}
}

// Each rule of the script is needed: a model that leaves one out exceeds a limit in one of a few clusters. With
// the rule none of the same clusters does.
func TestMutants(t *testing.T) {
	for _, mutant := range []struct {
		name   string
		broken breakage
		change func(*scenario)
	}{
		{"", leasesNotCounted, nil},
		{"", deadNotCharged, func(c *scenario) {
			c.cuts, c.kills, c.lease, c.network = 6, 6, 200*time.Millisecond, troubles{delay: time.Millisecond}
			c.limits.Windows[0].Per = 2 * time.Second
		}},
		{"", restartUnnoticed, func(c *scenario) {
			c.losses, c.dumps, c.network = 3, true, troubles{delay: time.Millisecond}
			c.limits.Windows[0].Per = time.Second
		}},
		{"", burstUnshared, func(c *scenario) { c.limits.MaxBurst, c.hold, c.network = 5, 50*time.Millisecond, troubles{} }},
		{"", ageDoubled, nil},
		{"", lateLog, nil},
		{"", noHistory, func(c *scenario) {
			c.losses, c.network = 3, troubles{delay: time.Millisecond}
			c.limits.Windows[0].Per = 2 * time.Second
		}},
		{"", slotsFreed, func(c *scenario) {
			c.limits.MaxBurst, c.hold, c.stalls, c.network = 5, 3*time.Second, 5, troubles{}
		}},
		{"Optimistic", "", func(c *scenario) { c.losses, c.recovery = 3, Optimistic }},
	} {
		name := mutant.name
		if name == "" {
			name = string(mutant.broken)
		}
		t.Run(name, func(t *testing.T) {
			const most = 40
			for seed := range uint64(most) {
				c := busy(seed)
				if mutant.change != nil {
					mutant.change(&c)
				}
				sound := c
				if sound.usable = false; sound.recovery == Optimistic {
					sound.recovery = Quarantine
				}
				c.broken = mutant.broken
				var wrong, soundly string
				synctest.Test(t, func(t *testing.T) { _, wrong = c.run(t) })
				synctest.Test(t, func(t *testing.T) { _, soundly = sound.run(t) })
				if soundly != "" {
					t.Fatalf("seed %d: without the mutant too: %s", seed, soundly)
				}
				if wrong != "" {
					t.Logf("seed %d: %s", seed, wrong)
					return
				}
			}
			t.Errorf("not noticed in %d clusters", most)
		})
	}
}

// A request that was made before the lease of its node ended and arrives after that does not make what was leased
// valid again: it has been charged, may count no longer, and may have been leased to others.
func TestLateRequestRevivesNothing(t *testing.T) {
	const ms = 1000
	for _, broken := range []breakage{"", leaseRevived} {
		e := newModel()
		e.broken = broken
		call := func(at int64, c call) result {
			c.config, c.known = config(time.Second, Quarantine, scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(20, 50*time.Millisecond)}}), e.gen
			return e.call(at*ms, "", &c)
		}
		call(0, call0("a", 1))
		call(0, call0("b", 1))
		a := call0("a", 2)
		a.ahead = 10
		if got := call(2000, a); got.lease != 10 {
			t.Fatalf("leased %d", got.lease)
		}
		b := call0("b", 2)
		b.head, b.waiting = 20, 20
		if got := call(3060, b); got.lease != 20 {
			t.Fatalf("leased %d after the lease and what it was charged for had ended", got.lease)
		}
		late := call0("a", 3)
		late.leased = 10
		got := call(3061, late)
		if revived := got.code == codeOK; revived != (broken != "") {
			t.Errorf("%q: a late request got %+v", broken, got)
		}
	}
}

func call0(id string, serial int64) call {
	return call{id: id, serial: serial, nonce: "n", past: ""}
}

// Nodes that wait get equal parts, however many tickets they have in line and however heavy those are, and leave
// nothing of the quota unused.
func TestTurns(t *testing.T) {
	least, use := map[breakage]float64{}, 0.0
	for _, broken := range []breakage{noTurns, ""} {
		synctest.Test(t, func(t *testing.T) {
			least[broken], use = turns(t, broken, 100, []int{16, 32, 64, 200}, []int{1, 1, 1, 1})
		})
		t.Logf("%q: 16 to 200 workers: least/most %.3f, used %.3f", broken, least[broken], use)
	}
	if least[""] < 0.85 || least[noTurns] > 0.5 {
		t.Errorf("least/most %.3f with turns, %.3f without", least[""], least[noTurns])
	}
	if use < 0.98 {
		t.Errorf("used %.3f of the quota", use)
	}
	for _, broken := range []breakage{"", noTurns} {
		synctest.Test(t, func(t *testing.T) {
			least[broken], _ = turns(t, broken, 100, []int{32, 32, 32, 32}, []int{60, 1, 1, 1})
		})
		t.Logf("%q: one is heavy: least/most %.3f", broken, least[broken])
	}
	if least[""] < 0.85 || least[noTurns] > 0.75 {
		t.Errorf("one heavy: with turns %.3f, without %.3f", least[""], least[noTurns])
	}
}

// turns returns the least that a node was granted in 10 s by the most, and which part of the quota was used.
func turns(t *testing.T, broken breakage, permits int, workers, weights []int) (fairness, use float64) {
	w := &world{model: newModel(), network: troubles{delay: 500 * time.Microsecond}}
	w.model.broken = broken
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(permits)}}
	const collecting = time.Second // a new quota waits for one lease, in case that somebody has used it
	ctx, stop := context.WithTimeout(context.Background(), collecting+10*time.Second)
	defer stop()
	var all []*scheduler.Scheduler
	var working sync.WaitGroup
	for i, n := range workers {
		wire := &wire{w: w, random: rand.New(rand.NewPCG(1, uint64(i)))}
		s, err := scheduler.New(limits, scheduler.WithQuota(&share{engine: wire, name: "turns", lease: time.Second}))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
		for range n {
			working.Go(func() {
				for ctx.Err() == nil {
					t, err := s.AcquireN(ctx, weights[i])
					t.Release()
					if err != nil {
						return
					}
				}
			})
		}
	}
	working.Wait()
	least, most, sum := math.Inf(1), 0.0, 0.0
	for i, s := range all {
		n := float64(s.Stats().Granted) * float64(weights[i])
		least, most, sum = min(least, n), max(most, n), sum+n
		s.Close()
	}
	time.Sleep(10 * time.Second)
	return least / most, sum / float64(10*permits)
}

// A node that is cut off does not use what was leased to it after its lease has ended, when others may.
func TestLeaseEnds(t *testing.T) {
	for _, usable := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := scenario{limits: scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(50, 200*time.Millisecond)}}}
			w := &world{model: newModel()}
			var nodes []*member
			for i := range 2 {
				m := &member{log: new(scheduler.EventLog), wire: &wire{w: w, random: rand.New(rand.NewPCG(2, uint64(i)))}}
				m.clock = skewed{clock.New(), time.Now(), 0}
				var src scheduler.QuotaSource = &share{engine: m.wire, name: "ends", lease: time.Second}
				if usable {
					src = forEver{src.(*share)}
				}
				s, err := scheduler.New(c.limits, scheduler.WithQuota(src), m.log)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				m.s = s
				nodes = append(nodes, m)
			}
			defer time.Sleep(10 * time.Second)
			nodes[0].s.TryAcquireN(20)
			time.Sleep(1100 * time.Millisecond)
			nodes[0].s.TryAcquireN(20)
			time.Sleep(time.Millisecond)
			if n := nodes[0].s.Stats().Quota.Leased; n != 20 {
				t.Fatalf("leased %d", n)
			}
			if _, ok := nodes[0].s.TryAcquireN(1); !ok { // so that not all is given back before it is known that the line is cut
				t.Fatal("a lease cannot be used")
			}
			nodes[0].wire.setCut(true)
			time.Sleep(1300 * time.Millisecond)
			if _, err := nodes[1].s.AcquireN(t.Context(), 50); err != nil {
				t.Fatal(err)
			}
			nodes[0].s.TryAcquireN(1)
			if _, wrong := c.judge(nodes); (wrong != "") != usable {
				t.Errorf("leases usable for ever %v: %q", usable, wrong)
			}
		})
	}
}
