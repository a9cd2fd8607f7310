package flowhttp

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
	"weak"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// gates has a gate for each scheduler, and each key of a keyed.Set, of a Transport for which requests wait or
// which ramps up.
type gates struct {
	mu sync.Mutex
	of map[any]*gate // by gateKey
}

// gateKey returns the map key of a scheduler or a keyed.Key. Equal ones share a gate. The key of a scheduler is
// a weak pointer, because a program may drop the scheduler while it ramps up.
func gateKey(s advised) any {
	if s, ok := s.(*scheduler.Scheduler); ok {
		return weak.Make(s)
	}
	return s
}

// looksPerGate is how many gates are checked, and dropped if unused, when a new one is made.
const looksPerGate = 16

// tidy drops some gates of schedulers that no longer exist, and of keys without a request since the end of
// their pause. Otherwise clients could fill memory with invented keys. The first request for such a key is
// alone anyway.
func (g *gates) tidy() {
	looks := 0
	for k, at := range g.of {
		if looks++; looks > looksPerGate {
			return
		}
		if s, ok := k.(weak.Pointer[scheduler.Scheduler]); ok && s.Value() == nil || !ok && at.inside == 0 && !at.clock.Now().Before(at.until) {
			delete(g.of, k)
		}
	}
}

// gate is in front of a scheduler. While it is open, it only lists the requests that wait for a permit. A pause
// closes it. The waiting requests then leave the scheduler's line, and ask again for a permit one at a time, in
// the order of their arrival, until one succeeds. That opens the gate.
//
// It would be simpler to hold back requests that have their permits already. But a window would then have been
// charged for them before the server sees them.
type gate struct {
	key     any
	clock   scheduler.Clock
	closed  bool
	until   time.Time // when the pause ends, by the scheduler's clock
	probe   *passage  // the request whose turn it is while the gate is closed; nil: none waits
	waiting list.List // of *passage without a permit
	inside  int       // requests that have not left
}

// passage is a request's way through a gate. Its fields belong to gates.mu, except the first three.
type passage struct {
	gates *gates
	gate  *gate
	clock scheduler.Clock

	place  *list.Element           // nil when it has a permit
	turn   chan struct{}           // closed when it may ask for a permit
	recall context.CancelCauseFunc // takes it out of the scheduler's line; nil while it is in none
}

// errRecalled is why a request leaves the scheduler's line although its caller has not given up.
var errRecalled = errors.New("flowhttp: the server asked for a pause")

// enter puts a request on the list. It must leave.
func (g *gates) enter(s advised) *passage {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := gateKey(s)
	at := g.of[key]
	if at == nil {
		g.tidy()
		if g.of == nil {
			g.of = make(map[any]*gate)
		}
		at = &gate{key: key, clock: s.Clock()}
		g.of[key] = at
	}
	p := &passage{gates: g, gate: at, clock: s.Clock(), turn: make(chan struct{})}
	p.place = at.waiting.PushBack(p)
	at.inside++
	if !at.closed {
		close(p.turn)
	}
	at.appoint()
	return p
}

// appoint gives the turn to the first request that waits.
func (g *gate) appoint() {
	if !g.closed || g.probe != nil || g.waiting.Len() == 0 {
		return
	}
	g.probe = g.waiting.Front().Value.(*passage)
	close(g.probe.turn)
}

// hold closes the gate until a request that is sent after the instant succeeds.
func (p *passage) hold(until time.Time) {
	p.gates.mu.Lock()
	defer p.gates.mu.Unlock()
	g := p.gate
	if g.until.Before(until) {
		g.until = until
	}
	if g.closed {
		return // whose turn it is waits for the end of the longer pause
	}
	g.closed, g.probe = true, nil
	for e := g.waiting.Front(); e != nil; e = e.Next() {
		w := e.Value.(*passage)
		w.turn = make(chan struct{})
		if w.recall != nil {
			w.recall(errRecalled)
		}
	}
	g.appoint()
}

// open lets all requests go.
func (g *gate) open() {
	g.closed, g.probe, g.until = false, nil, time.Time{}
	for e := g.waiting.Front(); e != nil; e = e.Next() {
		close(e.Value.(*passage).turn)
	}
}

// acquire waits for the turn and then for a permit.
func (p *passage) acquire(ctx context.Context, o *order) (ticket.Ticket, error) {
	for {
		turn, until := p.next()
		select {
		case <-turn:
		default:
			if t, err, decided := p.tooLate(ctx, o, until); decided {
				return p.pass(t, err)
			}
			select {
			case <-turn:
			case <-ctx.Done(): // of which the scheduler makes its error
				return p.pass(o.acquire(ctx))
			}
		}
		inLine, recall := context.WithCancelCause(ctx)
		if !p.join(turn, recall) {
			recall(nil)
			continue
		}
		t, err := o.acquire(inLine)
		recalled := err != nil && ctx.Err() == nil && context.Cause(inLine) == errRecalled
		recall(nil)
		if !recalled {
			return p.pass(t, err)
		}
	}
}

// next returns what to wait for.
func (p *passage) next() (turn <-chan struct{}, until time.Time) {
	p.gates.mu.Lock()
	defer p.gates.mu.Unlock()
	p.recall = nil
	return p.turn, p.gate.until
}

// join notes how to take the request out of the scheduler's line. It returns false if the turn has just been
// taken from it.
func (p *passage) join(turn <-chan struct{}, recall context.CancelCauseFunc) bool {
	p.gates.mu.Lock()
	defer p.gates.mu.Unlock()
	if p.turn != turn {
		return false
	}
	p.recall = recall
	return true
}

// pass takes a request with a permit, or one that was refused, off the list.
func (p *passage) pass(t ticket.Ticket, err error) (ticket.Ticket, error) {
	p.gates.mu.Lock()
	defer p.gates.mu.Unlock()
	p.gate.waiting.Remove(p.place)
	p.place, p.recall = nil, nil
	return t, err
}

// tooLate asks the scheduler, during a pause, for a permit with a deadline at the end of the pause. If the
// scheduler refuses it only because of the deadline, the request may wait here.
func (p *passage) tooLate(ctx context.Context, o *order, until time.Time) (t ticket.Ticket, err error, decided bool) {
	const before = time.Nanosecond
	end := until.Add(-before)
	if !p.clock.Now().Before(end) {
		return t, nil, false
	}
	own, has := ctx.Deadline()
	if has && !own.After(end) {
		t, err = o.acquire(ctx)
		return t, err, true
	}
	t, err = o.acquire(deadline{ctx, end})
	var late *scheduler.DeadlineError
	if !errors.As(err, &late) {
		return t, err, true
	}
	if left := late.Left + own.Sub(end); has && late.Wait > left {
		return t, &scheduler.DeadlineError{Wait: late.Wait, Left: left, Limit: late.Limit}, true
	}
	return t, nil, false
}

// deadline is a context with an earlier deadline and no timer for it.
type deadline struct {
	context.Context
	at time.Time
}

// Deadline implements [context.Context].
func (d deadline) Deadline() (time.Time, bool) { return d.at, true }

// leave ends the passage. If it was the request's turn, its response opens the gate or gives the turn to the
// next.
func (p *passage) leave(succeeded bool) {
	p.gates.mu.Lock()
	defer p.gates.mu.Unlock()
	g := p.gate
	if p.place != nil { // acquire panicked
		g.waiting.Remove(p.place)
	}
	if g.probe == p {
		g.probe = nil
		if succeeded {
			g.open()
		} else {
			g.appoint()
		}
	}
	g.inside--
	if !g.closed && g.inside == 0 {
		delete(p.gates.of, g.key)
	}
}
