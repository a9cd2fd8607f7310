package debug

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Bounds of what is remembered while a page is open.
const (
	maxFlows   = 1_000   // beyond, flows are counted together
	maxWaiting = 100_000 // tickets whose start of waiting is known
	mostShown  = 12      // flows in a frame
	minute     = 60      // seconds of grants that are remembered for each flow
)

// counted is what was counted since the first page was opened.
type counted struct {
	Seconds   float64       `json:"seconds"`          // since when
	Missed    uint64        `json:"missed,omitempty"` // events that were not counted
	Granted   uint64        `json:"granted"`
	Refused   uint64        `json:"refused"`
	GaveUp    uint64        `json:"gave_up"`
	LastError string        `json:"last_refusal,omitempty"` // why the last ticket was refused
	Oldest    float64       `json:"oldest_seconds"`         // how long the longest-waiting ticket has waited
	AtLeast   bool          `json:"oldest_is_at_least,omitempty"`
	Longest   float64       `json:"longest_wait_seconds"` // of those granted in the last minute
	Flows     []countedFlow `json:"flows"`                // those with most tickets; at most 12
	MoreFlows int           `json:"more_flows,omitempty"`
}

// countedFlow is what was counted of one flow.
type countedFlow struct {
	Key     string  `json:"key"`
	Waiting int     `json:"waiting"`
	Oldest  float64 `json:"oldest_seconds"`
	Granted uint64  `json:"granted"`
	Share   float64 `json:"share"` // of the weight granted in the last minute, 0 to 1

	// The share with which its latest ticket came; see [scheduler.Scheduler.Flow]. It is left out if no ticket has
	// come since the first page was opened, and for flows that are counted together.
	Configured int `json:"configured_share,omitempty"`
}

// tally counts what a watcher hears, for one scheduler.
type tally struct {
	mu      sync.Mutex
	began   time.Time // by the scheduler's clock
	seen    counted
	flows   map[string]*flow
	waiting map[ticket.Number]waiter
	// Waiting tickets whose start is not known have waited at least since then: they were there before, or events
	// were lost.
	unsure time.Time
	second int // of the ring of each flow
	waits  [minute]time.Duration
	ended  bool // the scheduler is closed
}

// waiter is a ticket that waits.
type waiter struct {
	flow *flow
	at   time.Time
}

// flow is what is counted of one flow.
type flow struct {
	key     string
	share   int // with which its latest ticket came; 0: not known
	waiting int
	line    []ticket.Number // in the order they came; some have left
	granted uint64
	weights [minute]int // granted in each of the last seconds
	recent  int         // their sum
}

func newTally(now time.Time) *tally {
	return &tally{began: now, unsure: now, flows: map[string]*flow{}, waiting: map[ticket.Number]waiter{}}
}

// follow counts events until there are no more.
func (t *tally) follow(events <-chan scheduler.Event) {
	for e := range events {
		t.add(e)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
}

func (t *tally) add(e scheduler.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.Missed > 0 {
		t.lose(e)
	}
	switch e.Kind {
	case scheduler.EventEnqueued:
		f := t.flow(e.Flow)
		if f.key == e.Flow {
			f.share = e.Share
		}
		if len(t.waiting) >= maxWaiting {
			t.unsure = e.At
			break
		}
		t.waiting[e.Number] = waiter{f, e.At}
		f.waiting++
		f.line = append(f.line, e.Number)
	case scheduler.EventGranted:
		t.leave(e.Number)
		f := t.flow(e.Flow)
		f.granted++
		f.weights[t.second] += e.Weight
		f.recent += e.Weight
		t.seen.Granted++
		t.waits[t.second] = max(t.waits[t.second], e.Wait)
	case scheduler.EventGivenUp:
		t.leave(e.Number)
		t.seen.GaveUp++
	case scheduler.EventRefused:
		t.seen.Refused++
		if e.Err != nil {
			t.seen.LastError = e.Err.Error()
		}
	}
}

// lose forgets which tickets wait, because some may have left without an event.
func (t *tally) lose(e scheduler.Event) {
	t.seen.Missed += e.Missed
	t.unsure = e.At
	clear(t.waiting)
	for _, f := range t.flows {
		f.waiting, f.line = 0, nil
	}
}

// leave notes that a ticket waits no more.
func (t *tally) leave(n ticket.Number) {
	w, ok := t.waiting[n]
	if !ok {
		return
	}
	delete(t.waiting, n)
	w.flow.waiting--
	for len(w.flow.line) > 0 {
		if _, waits := t.waiting[w.flow.line[0]]; waits {
			return
		}
		w.flow.line = w.flow.line[1:]
	}
	w.flow.line = nil
}

const otherFlows = "(other flows)"

func (t *tally) flow(key string) *flow {
	f, ok := t.flows[key]
	if ok {
		return f
	}
	if len(t.flows) >= maxFlows && key != otherFlows {
		return t.flow(otherFlows)
	}
	f = &flow{key: key}
	t.flows[key] = f
	return f
}

// tick goes on to the next second and forgets the one a minute ago, and flows of which nothing is left.
func (t *tally) tick() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.second = (t.second + 1) % minute
	t.waits[t.second] = 0
	for key, f := range t.flows {
		f.recent -= f.weights[t.second]
		f.weights[t.second] = 0
		if f.recent == 0 && f.waiting == 0 {
			delete(t.flows, key)
		}
	}
}

// report returns what was counted. waiting is the true number of waiting tickets.
func (t *tally) report(now time.Time, waiting int) (seen counted, ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	seen = t.seen
	seen.Seconds = now.Sub(t.began).Seconds()
	seen.Longest = slices.Max(t.waits[:]).Seconds()
	seen.Flows = []countedFlow{}
	recent := 0
	for _, f := range t.flows {
		recent += f.recent
		shown := countedFlow{Key: f.key, Waiting: f.waiting, Granted: f.granted, Share: float64(f.recent), Configured: f.share}
		if len(f.line) > 0 {
			shown.Oldest = max(now.Sub(t.waiting[f.line[0]].at), 0).Seconds()
			seen.Oldest = max(seen.Oldest, shown.Oldest)
		}
		seen.Flows = append(seen.Flows, shown)
	}
	if waiting > len(t.waiting) {
		seen.Oldest = max(seen.Oldest, now.Sub(t.unsure).Seconds())
		seen.AtLeast = true
	}
	slices.SortFunc(seen.Flows, func(a, b countedFlow) int {
		return cmp.Or(cmp.Compare(b.Waiting, a.Waiting), cmp.Compare(b.Share, a.Share), cmp.Compare(a.Key, b.Key))
	})
	if extra := len(seen.Flows) - mostShown; extra > 0 {
		seen.Flows, seen.MoreFlows = seen.Flows[:mostShown], extra
	}
	for i := range seen.Flows {
		seen.Flows[i].Share /= float64(max(recent, 1))
	}
	return seen, t.ended
}
