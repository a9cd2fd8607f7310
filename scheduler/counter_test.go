package scheduler

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/ticket"
)

// All that can be seen of a scheduler is the same whether callers count or not, whatever else is done to it.
func TestCountingMakesNoDifference(t *testing.T) {
	runs := uint64(400)
	if raceEnabled || testing.Short() {
		runs = 60
	}
	seed := seed(t)
	counted := 0
	for run := range runs {
		var seen [3][]string
		for way, opts := range [][]Option{nil, {KeepCount()}, {KeepCore()}} {
			r := rand.New(rand.NewPCG(seed, run))
			s, err := New(Limits{MaxBurst: 1 + r.IntN(4)}, append(opts, WithClock(clock.NewMock()), NonBlocking())...)
			if err != nil {
				t.Fatal(err)
			}
			seen[way] = misuse(s, r, justBurst, func() { counted++ })
			s.Close()
			seen[way] = append(seen[way], fmt.Sprintf("%+v", s.Stats()))
		}
		for _, other := range seen[1:] {
			if !reflect.DeepEqual(seen[0], other) {
				for i := range other {
					if seen[0][i] != other[i] {
						t.Fatalf("run %d, step %d:\n%s\ninstead of\n%s", run, i, seen[0][i], other[i])
					}
				}
			}
		}
	}
	if counted < int(runs) {
		t.Errorf("only %d tickets were counted", counted)
	}
}

// justBurst returns limits that are mostly a burst alone.
func justBurst(r *rand.Rand) Limits {
	limits := Limits{MaxBurst: r.IntN(4)}
	if r.IntN(3) == 0 {
		limits.Windows = []Window{{Permits: 1 + r.IntN(3), Per: time.Second, From: Instant(r.IntN(2))}}
	}
	return limits
}

// misuse does all kinds of things to a scheduler and returns what can be seen of it after each. It calls counted when
// the counter has granted.
func misuse(s *Scheduler, r *rand.Rand, limits func(*rand.Rand) Limits, counted func()) (seen []string) {
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	see := func(what ...any) { seen = append(seen, fmt.Sprintln(what...)) }
	var tickets []ticket.Ticket
	keep := func(t ticket.Ticket) {
		if t.Number() != 0 {
			tickets = append(tickets, t)
		}
		see("ticket", t.Number(), t.Weight())
	}
	var watch *Watcher
	for range 80 {
		s.Stats() // it lends
		source := s
		if r.IntN(3) == 0 {
			source = s.Flow("a", 2)
		}
		switch k := r.IntN(30); {
		case k < 6:
			t, ok := source.TryAcquire()
			if s.handle.box.word.Load() != 0 && ok {
				counted()
			}
			see("try", ok)
			keep(t)
		case k < 8:
			t, err := source.AcquireNow(1)
			see(err)
			keep(t)
		case k == 8 && r.IntN(2) == 0:
			see("allow", source.AllowN(1+r.IntN(2)))
		case k < 9:
			t, err := source.Acquire(context.Background())
			see(err)
			keep(t)
		case k < 10:
			_, err := s.Acquire(canceled)
			see(errors.Is(err, context.Canceled))
		case k < 11:
			t, ok := s.TryAcquireN(2)
			see("try 2", ok)
			keep(t)
		case k < 13:
			t, err := source.Enqueue(1 + r.IntN(2))
			see("enqueue", err)
			keep(t)
		case k < 22 && len(tickets) > 0: // also those that have ended
			t := tickets[r.IntN(len(tickets))]
			select {
			case err := <-t.Ready():
				see("ready", err)
			default:
			}
			t.Release()
		case k < 24 && len(tickets) > 0:
			tickets[r.IntN(len(tickets))].Cancel()
		case k < 25 && len(tickets) > 0:
			t := tickets[r.IntN(len(tickets))]
			see("settle", t.Settle(), t.Settle(Unit("tokens").Of(1)), t.Settle(Unit("tokens").Of(-1)))
		case k < 26:
			limits := limits(r)
			see("limits", limits, s.SetLimits(limits))
		case k < 27:
			s.Pause()
		case k < 28:
			s.Resume()
		case k < 29:
			if watch != nil {
				watch.Stop()
				watch = nil
			} else {
				watch, _ = s.Watch(1)
			}
		default:
			see("wait", s.WaitTime())
		}
		see(fmt.Sprintf("%+v", s.Stats()))
	}
	if watch != nil {
		watch.Stop()
	}
	if r.IntN(2) == 0 {
		s.Drain(canceled)
		for _, t := range tickets {
			t.Cancel()
		}
	}
	return seen
}

// Callers who count, others who borrow and the owner never hold more than the burst together, and no number is
// given twice.
func TestCountingTogether(t *testing.T) {
	for _, opts := range [][]Option{nil, {KeepCount()}, {KeepCore()}} {
		const burst, goroutines, each = 3, 16, 400
		s, err := New(Limits{MaxBurst: burst}, opts...)
		if err != nil {
			t.Fatal(err)
		}
		var held, granted atomic.Int64
		var numbers sync.Map
		use := func(got ticket.Ticket) {
			if _, twice := numbers.LoadOrStore(got.Number(), true); twice {
				t.Errorf("number %d was given twice", got.Number())
			}
			granted.Add(1)
			if n := held.Add(int64(got.Weight())); n > burst {
				t.Errorf("%d permits held", n)
			}
			held.Add(-int64(got.Weight()))
			var twice sync.WaitGroup
			twice.Go(got.Release)
			got.Release()
			twice.Wait()
		}
		var callers sync.WaitGroup
		for g := range goroutines {
			callers.Go(func() {
				r := rand.New(rand.NewPCG(uint64(g), 3))
				for range each {
					switch r.IntN(6) {
					case 0:
						if got, err := s.AcquireN(t.Context(), 1+r.IntN(2)); err == nil {
							use(got)
						}
					case 1:
						if stats := s.Stats(); stats.InUse > burst {
							t.Errorf("%d in use", stats.InUse)
						}
					case 2:
						if got, err := s.Acquire(t.Context()); err == nil {
							use(got)
						}
					case 3:
						if s.Allow() {
							granted.Add(1)
						}
					default:
						if got, ok := s.TryAcquire(); ok {
							use(got)
						}
					}
				}
			})
		}
		callers.Wait()
		stats := s.Stats()
		if stats.InUse != 0 || stats.Waiting != 0 || stats.Granted != uint64(granted.Load()) ||
			stats.Totals.Released != stats.Granted || stats.Totals.Enqueued != stats.Granted+stats.Totals.Undone {
			t.Errorf("%d were granted: %+v", granted.Load(), stats)
		}
		s.Close()
	}
}

// The counter stays closed where its word has no room.
func TestCounterHasRoom(t *testing.T) {
	for _, c := range []struct {
		burst  int
		number uint64
		opens  bool
	}{
		{1, 0, true}, {mostFree, lastNumber - 1, true}, {mostFree + 1, 0, false}, {1, lastNumber + 1, false}, {0, 0, false},
	} {
		p := newParts(Limits{MaxBurst: c.burst}, clock.NewMock())
		p.state.core.line.Skip(c.number)
		p.handle.box.lend(p.state)
		n := &p.handle.box.counter
		if opens := n.word.Load() != 0; opens != c.opens && c.burst > 0 {
			t.Errorf("burst %d, number %d: opens is %v", c.burst, c.number, opens)
		}
		if c.opens {
			if got, _ := n.take(); got != c.number+1 {
				t.Errorf("number %d after %d", got, c.number)
			}
			n.give()
		}
		if st := p.handle.box.callIn(); st.core.burst.held.Saturated() != 0 || n.word.Load() != 0 {
			t.Errorf("burst %d, number %d: %d held", c.burst, c.number, st.core.burst.held.Saturated())
		}
		if got, full := n.take(); got != 0 || full || n.give() {
			t.Error("a closed counter counts")
		}
	}
	var n counter
	n.word.Store(counterOpen + 5*oneFree + lastNumber)
	if got, full := n.take(); got != 0 || full {
		t.Errorf("number %d after the last", got)
	}
}
