package processes

import (
	"context"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/flowredis"
	"github.com/flowguard-go/flowguard/flowredis/internal/engine"
	"github.com/flowguard-go/flowguard/scheduler"
)

var length = flag.Duration("length", 6*time.Second, "how long each trial lasts")

// start starts a server, or skips the test where there is none.
func start(t *testing.T, args ...string) *engine.Server {
	t.Helper()
	if _, err := engine.Program(); err != nil {
		if os.Getenv("FLOWGUARD_REDIS") == "required" {
			t.Fatal(err)
		}
		t.Skip(err, "; FLOWGUARD_REDIS=required makes this a failure")
	}
	s, err := engine.Start(t.TempDir(), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

// trial is a few nodes, a server, and what happens to them.
type trial struct {
	name   string
	limits scheduler.Limits // zero: rates
	nodes  []orders
	on     flowredis.Recovery
	args   []string                 // of the server
	happen func(*testing.T, *stage) // in the middle
	breaks bool                     // a limit must be seen to be exceeded
}

// stage is what a trial plays on.
type stage struct {
	*engine.Server
	trial *trial
	nodes []*node
}

// join begins one more node.
func (s *stage) join(t *testing.T, o orders) *node {
	o.Addr, o.Limits, o.Recovery = s.Addr, s.trial.limits, s.trial.on
	n := o.begin(t)
	s.nodes = append(s.nodes, n)
	return n
}

func flush(t *testing.T, s *stage) {
	rdb := s.Client()
	defer rdb.Close()
	if err := rdb.FlushAll(context.Background()).Err(); err != nil {
		t.Error(err)
	}
}

func restartEmpty(t *testing.T, s *stage) {
	s.Kill()
	if err := s.Forget(); err != nil {
		t.Error(err)
	}
	if err := s.Run(); err != nil {
		t.Error(err)
	}
}

// restartFromOldDump saves, lets the nodes go on for a while, and restarts with what was saved.
func restartFromOldDump(t *testing.T, s *stage) {
	rdb := s.Client()
	if err := rdb.Save(context.Background()).Err(); err != nil {
		t.Error(err)
	}
	rdb.Close()
	time.Sleep(700 * time.Millisecond)
	s.Kill()
	if err := s.Run(); err != nil {
		t.Error(err)
	}
}

func stopServer(_ *testing.T, s *stage) {
	s.Stop()
	time.Sleep(3 * time.Second)
	s.Continue()
}

func killNode(t *testing.T, s *stage) {
	s.nodes[1].kill()
	time.Sleep(500 * time.Millisecond)
	s.join(t, *s.nodes[1].orders)
}

func stopNode(_ *testing.T, s *stage) {
	s.nodes[2].stop()
	time.Sleep(3 * time.Second)
	s.nodes[2].resume()
}

var (
	rates = scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(300), scheduler.Per(1000, 4*time.Second)}}
	rate  = scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(400)}}
	busy  = []orders{{Workers: 16}, {Workers: 16}, {Workers: 16}, {Workers: 16}}
	work  = 4 * time.Millisecond
	holds = []orders{{Workers: 8, Hold: work}, {Workers: 8, Hold: work}, {Workers: 8, Hold: work}, {Workers: 8, Hold: work}}
	burst = scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(400)}, MaxBurst: 12}
)

// The longest comes first, because the others can run meanwhile.
var trials = []trial{
	{name: "everything", limits: burst, nodes: holds, happen: func(t *testing.T, s *stage) {
		for _, disaster := range []func(*testing.T, *stage){flush, killNode, restartEmpty, stopNode, restartFromOldDump, stopServer} {
			disaster(t, s)
			time.Sleep(1500 * time.Millisecond)
		}
	}},
	{name: "steady", limits: rate, nodes: busy},
	{name: "two windows", limits: rates, nodes: busy},
	{name: "uneven demand", limits: rate, nodes: []orders{{Workers: 1, Rest: 20 * time.Millisecond}, {Workers: 2}, {Workers: 8}, {Workers: 32}}},
	{name: "heavy weights", limits: rate, nodes: []orders{{Workers: 4, Weight: 150}, {Workers: 8}, {Workers: 8, Weight: 5}, {Workers: 8}}},
	{name: "unspent stock", limits: rate, nodes: []orders{{Workers: 8, Tries: true, Rest: 40 * time.Millisecond, Weight: 20}, {Workers: 4, Tries: true, Rest: 300 * time.Millisecond, Weight: 100},
		{Workers: 2, Rest: 300 * time.Millisecond, Weight: 30}, {Workers: 8, Rest: 10 * time.Millisecond}}},
	{name: "kill -9 of a node", limits: rate, nodes: busy, happen: killNode},
	{name: "a node stopped 3 s", limits: rate, nodes: busy, happen: stopNode},
	{name: "flushed", limits: rates, nodes: busy, happen: flush},
	{name: "restarted empty", limits: rates, nodes: busy, happen: restartEmpty},
	{name: "restarted from an old dump", limits: rates, nodes: busy, happen: restartFromOldDump},
	{name: "server stopped 3 s", limits: rates, nodes: busy, happen: stopServer},
	{name: "burst", limits: burst, nodes: holds},
	{name: "burst, a node killed", limits: burst, nodes: holds, happen: killNode},
	{name: "burst, a node stopped 3 s", limits: burst, nodes: holds, happen: stopNode},
	{name: "burst, flushed", limits: burst, nodes: holds, happen: flush},
	{name: "burst, restarted from an old dump", limits: burst, nodes: holds, happen: restartFromOldDump},
	{name: "burst, server stopped 3 s", limits: burst, nodes: holds, happen: stopServer},
	{name: "quarantine, flushed and a node killed", limits: rate, nodes: busy, on: flowredis.Quarantine, happen: func(t *testing.T, s *stage) {
		s.nodes[1].kill()
		flush(t, s)
	}},
	{name: "optimistic, flushed", limits: rate, nodes: busy, on: flowredis.Optimistic, breaks: true, happen: func(t *testing.T, s *stage) {
		for i := 0; i < 100 && !judge(t, s.trial.limits, 0, 0, s.nodes...).exceeded(s.trial.limits); i++ {
			flush(t, s)
			time.Sleep(150 * time.Millisecond)
		}
	}},
}

// Whatever happens to processes and server, no interval of any window, and no instant, has more than the limit.
// How much of the quota is used, and in which parts, depends here on what the machine gives each process: it is only logged.
// TestTurns of package flowredis asks for it in simulated time.
func TestDisasters(t *testing.T) {
	for _, tr := range trials {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			s := &stage{Server: start(t, tr.args...), trial: &tr}
			for _, o := range tr.nodes {
				s.join(t, o)
			}
			for _, n := range s.nodes {
				n.waitUntilGranted(t)
			}
			time.Sleep(*length * 4 / 10) // so that what the first had before the last came is made up for
			begun := monotonic()
			if tr.happen != nil {
				tr.happen(t, s)
			}
			time.Sleep(*length * 6 / 10)
			done := monotonic()
			for _, n := range s.nodes {
				if !n.ended {
					n.waitUntilGranted(t) // one that came late too
				}
				n.end(t)
			}
			f := judge(t, tr.limits, begun, done, s.nodes...)
			t.Logf("granted %v, in the second part %v, most in a window %v, most held %d, use %.3f", f.granted, f.together, f.most, f.held, f.use(tr.limits.Windows[0]))
			switch {
			case tr.breaks:
				if !f.exceeded(tr.limits) {
					t.Error("no limit was exceeded; the trial does not show anything")
				}
			case f.exceeded(tr.limits):
				t.Errorf("a limit of %v was exceeded", tr.limits)
			}
			for i, n := range f.granted {
				if n == 0 {
					t.Errorf("node %d was granted nothing", i)
				}
			}
		})
	}
}
