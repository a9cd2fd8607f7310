package flowredis

import (
	"context"
	"math/rand/v2"
	"slices"
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

// crowd is a node of a cluster that wants more than there is.
type crowd struct {
	workers, weight int
	rest            time.Duration // of a worker between two calls
}

// of returns crowds of so many workers.
func of(workers ...int) (all []crowd) {
	for _, n := range workers {
		all = append(all, crowd{workers: n, weight: 1})
	}
	return all
}

// Nodes that wait get equal parts, however many tickets they have in line and however heavy those are.
func TestTurns(t *testing.T) {
	for _, c := range []struct {
		name           string
		all            []crowd
		least, without float64 // what the least gets of the most: at least, and without turns at most
	}{
		{"16 to 200 workers", of(16, 32, 64, 200), 0.85, 0.5},
		{"one is heavy", append(of(32, 32, 32), crowd{workers: 32, weight: 60}), 0.8, 0.75},
	} {
		for _, broken := range []breakage{"", noTurns} {
			granted, use := turns(t, broken, 100, c.all)
			least := float64(slices.Min(granted)) / float64(slices.Max(granted))
			t.Logf("%s, %q: granted %v, least/most %.3f, used %.3f", c.name, broken, granted, least, use)
			if broken == "" && least < c.least || broken != "" && least > c.without {
				t.Errorf("%s, %q: least/most %.3f", c.name, broken, least)
			}
		}
	}
}

// A cluster whose nodes want more than there is, all together, uses it.
func TestUse(t *testing.T) {
	for _, c := range []struct {
		name string
		all  []crowd
	}{
		{"steady", of(16, 16, 16, 16)},
		{"uneven", []crowd{{workers: 1, weight: 1, rest: 20 * time.Millisecond}, {workers: 2, weight: 1}, {workers: 8, weight: 1}, {workers: 32, weight: 1}}},
		{"16 to 200 workers", of(16, 32, 64, 200)},
	} {
		for _, broken := range []breakage{"", loggedLater} {
			granted, use := turns(t, broken, 400, c.all)
			t.Logf("%s, %q: granted %v, used %.3f", c.name, broken, granted, use)
			if (use >= 0.98) == (broken != "") {
				t.Errorf("%s, %q: used %.3f", c.name, broken, use)
			}
		}
	}
}

// A part is kept for a node that waits, also if it is told to come back long after it last asked. It may be late,
// because its line is slow or its processor busy, and would always find that others have taken all.
func TestWhoWaitsIsRemembered(t *testing.T) {
	const ms = 1000
	for _, broken := range []breakage{"", waitersForgotten} {
		e := newModel()
		e.broken = broken
		say := func(at int64, c call) result {
			c.config, c.known = config(time.Second, Quarantine, scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(20, 900*time.Millisecond)}}), e.gen
			return e.call(at*ms, "", &c)
		}
		say(0, call0("a", 1))
		say(0, call0("b", 1))
		wanting := func(id string, serial, used int64) call {
			c := call0(id, serial)
			c.used, c.head, c.waiting = used, 1, 20
			return c
		}
		say(2900, call0("b", 2))
		if got := say(3000, wanting("a", 2, 0)); got.lease != 20 {
			t.Fatalf("leased %d", got.lease)
		}
		if got := say(3001, wanting("a", 3, 20)); got.lease != 0 || got.again < 890*ms {
			t.Fatalf("leased %d, again %d", got.lease, got.again)
		}
		say(3002, wanting("b", 3, 0))
		say(3400, wanting("a", 4, 20))
		got := say(3950, wanting("a", 5, 20))
		if forgotten := got.lease == 20; forgotten != (broken != "") {
			t.Errorf("%q: leased %d of 20 while another waits", broken, got.lease)
		}
	}
}

// turns returns what nodes are granted in ten whole seconds, and which part of the quota that is.
func turns(t *testing.T, broken breakage, permits int, all []crowd) (granted []int, use float64) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{model: newModel(), network: troubles{delay: 500 * time.Microsecond}}
		w.model.broken = broken
		limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(permits)}}
		ctx, stop := context.WithCancel(t.Context())
		var nodes []*scheduler.Scheduler
		var working sync.WaitGroup
		for i, c := range all {
			wire := &wire{w: w, random: rand.New(rand.NewPCG(1, uint64(i)))}
			s, err := scheduler.New(limits, scheduler.WithQuota(&share{engine: wire, name: "turns", lease: time.Second}))
			if err != nil {
				t.Fatal(err)
			}
			nodes = append(nodes, s)
			for range c.workers {
				working.Go(func() {
					for ctx.Err() == nil {
						time.Sleep(c.rest)
						t, err := s.AcquireN(ctx, c.weight)
						t.Release()
						if err != nil {
							return
						}
					}
				})
			}
		}
		const begin, seconds = 3 * time.Second, 10 // a new quota waits for one lease, and then its window is empty
		time.Sleep(begin)
		for _, s := range nodes {
			granted = append(granted, -int(s.Stats().Granted))
		}
		time.Sleep(seconds * time.Second)
		sum := 0
		for i, s := range nodes {
			granted[i] = (granted[i] + int(s.Stats().Granted)) * all[i].weight
			sum += granted[i]
		}
		use = float64(sum) / float64(seconds*permits)
		stop()
		working.Wait()
		for _, s := range nodes {
			s.Close()
		}
		time.Sleep(10 * time.Second)
	})
	return granted, use
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
