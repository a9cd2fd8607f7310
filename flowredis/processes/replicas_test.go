package processes

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/flowredis"
	"github.com/flowguard-go/flowguard/flowredis/internal/engine"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/redis/go-redis/v9"
)

// crew is a few schedulers of this process that share a quota, and what they granted.
type crew struct {
	all     []*scheduler.Scheduler
	logs    []*scheduler.EventLog
	working sync.WaitGroup
	stop    context.CancelFunc
}

func newCrew(t *testing.T, rdb redis.Scripter, name string, l scheduler.Limits) *crew {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	c := &crew{stop: stop}
	for range 3 {
		log := new(scheduler.EventLog)
		s, err := scheduler.New(l, flowredis.Share(rdb, name), log)
		if err != nil {
			t.Fatal(err)
		}
		c.all, c.logs = append(c.all, s), append(c.logs, log)
		for range 8 {
			c.working.Go(func() {
				for {
					t, err := s.Acquire(ctx)
					if err != nil {
						return
					}
					t.Release()
				}
			})
		}
	}
	return c
}

// granted returns how many permits the crew was granted.
func (c *crew) granted() (n int) {
	for _, s := range c.all {
		n += int(s.Stats().Granted)
	}
	return n
}

// waitUntilGranted waits until the crew was granted n permits.
func (c *crew) waitUntilGranted(t *testing.T, n int) {
	t.Helper()
	for range 3000 {
		if c.granted() >= n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("granted %d in 30 s, want %d", c.granted(), n)
}

// end ends the crew and returns how much it was granted, and the most in any interval of the window.
func (c *crew) end(w scheduler.Window) (granted, most int) {
	c.stop()
	c.working.Wait()
	var grants []time.Time
	for i, s := range c.all {
		s.Close()
		for _, e := range c.logs[i].Events() {
			if e.Kind == scheduler.EventGranted {
				grants = append(grants, e.At)
			}
		}
	}
	slices.SortFunc(grants, time.Time.Compare)
	first := 0
	for i, at := range grants {
		for !grants[first].After(at.Add(-w.Per)) {
			first++
		}
		most = max(most, i-first+1)
	}
	return len(grants), most
}

// A cluster has all of a quota on one node, and different quotas on different ones.
func TestCluster(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var servers []*engine.Server
	var addrs []string
	for i := range 3 {
		s := start(t, "--cluster-enabled", "yes")
		rdb := s.Client()
		defer rdb.Close()
		if err := rdb.ClusterAddSlotsRange(ctx, i*16384/3, (i+1)*16384/3-1).Err(); err != nil {
			t.Fatal(err)
		}
		if err := rdb.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			t.Fatal(err)
		}
		servers, addrs = append(servers, s), append(addrs, s.Addr)
	}
	first := servers[0].Client()
	defer first.Close()
	for _, addr := range addrs[1:] {
		host, port, _ := net.SplitHostPort(addr)
		if err := first.ClusterMeet(ctx, host, port).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range servers {
		one := s.Client()
		defer one.Close()
		for range 1000 {
			if info, err := one.ClusterInfo(ctx).Result(); err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3") {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, ContextTimeoutEnabled: true, MaxRetries: -1})
	defer rdb.Close()
	l := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(50)}}
	var crews []*crew
	for i := range 6 {
		crews = append(crews, newCrew(t, rdb, fmt.Sprint("quota ", i), l))
	}
	for _, c := range crews {
		c.waitUntilGranted(t, 3*50)
	}
	for i, c := range crews {
		granted, most := c.end(l.Windows[0])
		t.Logf("quota %d: granted %d, most in a second %d", i, granted, most)
		if most > 50 {
			t.Errorf("quota %d: granted %d, most in a second %d of 50", i, granted, most)
		}
	}
	used := 0
	for _, s := range servers {
		one := s.Client()
		keys, err := one.Keys(ctx, "flowguard:*").Result()
		one.Close()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s has %q", s.Addr, keys)
		if len(keys) > 0 {
			used++
		}
	}
	if used < 2 {
		t.Errorf("six quotas are on %d nodes of the cluster", used)
	}
}

// A replica that takes over does not know the script, so what was not replicated is collected again.
func TestFailover(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	primary, replica := start(t), start(t)
	host, port, _ := net.SplitHostPort(primary.Addr)
	second := replica.Client()
	defer second.Close()
	if err := second.SlaveOf(ctx, host, port).Err(); err != nil {
		t.Fatal(err)
	}
	var addr atomic.Pointer[string]
	addr.Store(&primary.Addr)
	rdb := redis.NewClient(&redis.Options{ContextTimeoutEnabled: true, MaxRetries: -1,
		Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", *addr.Load())
		}})
	defer rdb.Close()
	l := scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(200, 2*time.Second)}}
	c := newCrew(t, rdb, "failover", l)
	c.waitUntilGranted(t, 300)
	replica.Stop() // it falls behind
	time.Sleep(500 * time.Millisecond)
	primary.Kill()
	replica.Continue()
	if err := second.Do(ctx, "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	addr.Store(&replica.Addr)
	c.waitUntilGranted(t, c.granted()+400) // twice what the old one may have leased
	granted, most := c.end(l.Windows[0])
	t.Logf("granted %d, most in 2 s %d", granted, most)
	if most > 200 {
		t.Errorf("granted %d, most in 2 s %d of 200", granted, most)
	}
}
