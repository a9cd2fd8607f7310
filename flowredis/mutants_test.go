package flowredis

import (
	"testing"
	"testing/synctest"
	"time"

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
		{"", deadNotCharged, func(c *scenario) { c.cuts, c.kills = 6, 2; c.network.late = 0 }},
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
		{"leases usable for ever", "", func(c *scenario) { c.cuts, c.usable = 6, true }},
		{"", slotsFreed, func(c *scenario) {
			c.limits.MaxBurst, c.hold, c.stalls, c.network = 5, 3*time.Second, 5, troubles{}
		}},
		{"", leaseRevived, func(c *scenario) {
			c.limits.Windows[0] = scheduler.Per(20, 30*time.Millisecond)
			c.lease, c.network, c.workers, c.span = 500*time.Millisecond, troubles{delay: time.Millisecond, loseReply: 50, late: 100}, 20, 20*time.Second
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
