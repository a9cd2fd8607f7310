package scheduler

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/ticket"
)

// crowdedState is the state of a scheduler in which every permit is held and many tickets wait.
type crowdedState struct {
	*parts
	mock   *turnClock
	holder *line.Place
	places []*line.Place // of those that wait, by number - 2
	shared *sharedContext
}

// turnClock does something whenever it is read. As long as there is a burst alone and nobody watches, the
// owner reads it once in each turn, when it begins.
type turnClock struct {
	*clock.Mock
	turn func()
	hint func() // makes the owner take another turn
}

func (c *turnClock) Since(t time.Time) time.Duration {
	if c.turn != nil {
		c.turn()
		c.hint()
	}
	return c.Mock.Since(t)
}

// crowd returns a state with a burst of 9 that is held, and tickets with the weights in line.
func crowd(waiting int, weight func(i int) int) *crowdedState {
	c := &crowdedState{mock: &turnClock{Mock: clock.NewMock()}}
	c.parts = newParts(Limits{MaxBurst: 9}, c.mock)
	c.mock.hint = c.handle.box.Hint
	c.shared = &sharedContext{done: make(chan struct{}), stop: func() bool { return true }}
	c.state.contexts.install(c.shared)
	c.holder = line.NewPlace()
	c.state.arrive(callTry, c.holder, &request{weight: 9, deadline: never})
	for i := range waiting {
		c.enqueue(weight(i), nil)
	}
	return c
}

func (c *crowdedState) enqueue(weight int, f *line.Flow) *line.Place {
	p := line.NewPlace()
	if err := c.state.arrive(callEnqueue, p, &request{weight: weight, deadline: never, flow: f}); err != nil {
		panic(err)
	}
	c.places = append(c.places, p)
	return p
}

// mark lets the ticket at p wait with the shared context, as enter does for one that comes with it.
func (c *crowdedState) mark(p *line.Place) {
	p.Marked = true
	c.state.contexts.waiting++
}

// send puts a message into the mailbox, and returns where its answer will be.
func (c *crowdedState) send(m message) chan answer {
	to := make(chan answer, 1)
	m.answer = to
	if !c.handle.box.Send(&m) {
		panic("the owner has ended")
	}
	return to
}

func (c *crowdedState) sendLimits(l Limits) chan answer {
	return c.send(message{verb: verbConfigure, change: &change{limits: &l}})
}

func (c *crowdedState) sendContextEnded() {
	c.handle.box.Send(&message{verb: verbContextEnded, context: c.shared, err: errGivenUp})
}

func (c *crowdedState) sendClose() { c.handle.box.Send(&message{verb: verbClose}) }

func (c *crowdedState) waiting() int { return c.state.core.line.Len() }

// told returns what the ticket at p was told, and whether it was told anything.
func told(p *line.Place) (err error, ok bool) {
	select {
	case err := <-p.Ready():
		return err, true
	default:
		return nil, false
	}
}

// The long works, and what each tells the tickets that it sends away.
var longWorks = []struct {
	name  string
	begin func(c *crowdedState)
	why   error
}{
	{"limits", func(c *crowdedState) { c.sendLimits(Limits{MaxBurst: 2}) }, ErrTooLarge},
	{"context", (*crowdedState).sendContextEnded, context.Canceled},
	{"close", (*crowdedState).sendClose, ErrClosed},
}

// No turn sends more than perTurn tickets away, and what is asked meanwhile is answered by the next turn.
func TestLongWorkIsDoneInSlices(t *testing.T) {
	const tickets = 10_000
	for _, work := range longWorks {
		for _, flows := range []int{1, 3, tickets} {
			t.Run(fmt.Sprintf("%s, %d flows", work.name, flows), func(t *testing.T) {
				c := crowd(0, nil)
				for i := range tickets {
					c.mark(c.enqueue(3, someFlowOf(i, flows)))
				}
				work.begin(c)
				turns, before := 0, tickets
				var asked, awaited []chan answer // in the turn before, and in the one before that
				c.mock.turn = func() {
					now := c.waiting()
					if before-now > perTurn {
						t.Errorf("turn %d sent %d tickets away", turns, before-now)
					}
					for _, to := range awaited {
						select {
						case a := <-to:
							if a.stats.Waiting < now || a.stats.Waiting > before {
								t.Errorf("Stats says that %d wait, but it is %d to %d", a.stats.Waiting, now, before)
							}
						default:
							t.Errorf("turn %d has not answered", turns)
						}
					}
					turns, before, awaited, asked = turns+1, now, asked, nil
					switch {
					case now > 0:
						for range 20 { // too late for this turn
							asked = append(asked, c.send(message{verb: verbStats}))
						}
					case work.name != "close":
						c.sendClose()
					}
				}
				c.run()
				if turns < tickets/perTurn {
					t.Errorf("%d turns", turns)
				}
				for _, p := range c.places {
					if err, ok := told(p); !errors.Is(err, work.why) || p.Marked {
						t.Fatalf("ticket %d was told %v (%v), marked %v", p.Number, err, ok, p.Marked)
					}
				}
				for i, to := range append(asked, awaited...) {
					if len(to) != 1 {
						t.Errorf("answer %d is missing at the end", i)
					}
				}
			})
		}
	}
}

// someFlowOf returns the i-th of so many flows; of one flow the plain line.
func someFlowOf(i, flows int) *line.Flow {
	if flows == 1 {
		return nil
	}
	return &line.Flow{Key: fmt.Sprint(i % flows), Share: 1 + i%flows%3}
}

// Those behind tickets that will be sent away do not wait until the work has come to them all, and what
// will be sent away is never granted.
func TestThoseBehindAreServedMeanwhile(t *testing.T) {
	const tickets = 5_000
	for _, work := range longWorks[:2] {
		t.Run(work.name, func(t *testing.T) {
			c := crowd(0, nil)
			for i := range tickets {
				// A few at the head must go, then come those who may stay, and a long tail must go.
				if i >= 100 && i < 150 {
					c.enqueue(1, nil)
				} else {
					c.mark(c.enqueue(3, nil))
				}
			}
			work.begin(c)
			c.handle.box.Send(&message{verb: verbRelease, place: c.holder, number: c.holder.Number})
			turns := 0
			c.mock.turn = func() {
				switch turns++; {
				case turns == 2:
					if c.waiting() < perTurn {
						t.Errorf("%d wait", c.waiting())
					}
					n := 0
					for _, p := range c.places[100:150] {
						if p.State == line.Holding {
							n++
						}
					}
					if want := c.state.core.burst.max; n != want {
						t.Errorf("%d granted after a turn, want %d", n, want)
					}
				case turns > 2 && len(c.state.chores) == 0:
					c.sendClose()
				}
			}
			c.run()
			for i, p := range c.places {
				err, ok := told(p)
				if goes := i < 100 || i >= 150; goes != errors.Is(err, work.why) || !ok {
					t.Fatalf("ticket %d was told %v (%v)", p.Number, err, ok)
				}
			}
		})
	}
}

// SetLimits is answered when every ticket that fits no more has been told, and not before.
func TestLimitsAreAnsweredAtTheEnd(t *testing.T) {
	c := crowd(3_000, func(i int) int { return 1 + i%5 })
	answered := c.sendLimits(Limits{MaxBurst: 3})
	c.mock.turn = func() {
		tooLarge := 0
		for p := range c.state.core.line.All() {
			if p.Weight > 3 {
				tooLarge++
			}
		}
		if (len(answered) == 1) != (tooLarge == 0) && c.waiting() < 3_000 {
			t.Errorf("%d are still too large, answered %v", tooLarge, len(answered) == 1)
		}
		if tooLarge == 0 {
			c.mock.turn = nil
			if c.waiting() != 1_800 {
				t.Errorf("%d wait", c.waiting())
			}
			c.sendClose()
		}
	}
	c.run()
	if a := <-answered; a.err != nil {
		t.Error(a.err)
	}
}

// SetLimits is answered also if the scheduler ends before the work is done.
func TestLimitsAreAnsweredAfterAnEnd(t *testing.T) {
	for _, tickets := range []int{1, perTurn - 1, perTurn, perTurn + 1, 2 * perTurn, 2*perTurn + 1, 2_000, 5_000} {
		for _, end := range []verb{verbClose, verbDrain} {
			for _, inTurn := range []int{0, 1, 2} { // after SetLimits
				c := crowd(tickets, func(int) int { return 3 })
				answered := c.sendLimits(Limits{MaxBurst: 2})
				c.handle.box.Send(&message{verb: verbRelease, place: c.holder, number: c.holder.Number})
				turns := 0
				c.mock.turn = func() {
					if turns++; turns == inTurn {
						c.handle.box.Send(&message{verb: end})
					}
				}
				if inTurn == 0 {
					c.handle.box.Send(&message{verb: end})
				}
				c.run()
				if len(answered) != 1 {
					t.Errorf("%d tickets, verb %d in turn %d: SetLimits is not answered", tickets, end, inTurn)
				}
				if n := c.waiting(); n > 0 {
					t.Errorf("%d tickets, verb %d in turn %d: %d wait", tickets, end, inTurn, n)
				}
			}
		}
	}
}

// Nothing is granted after Close, also while tickets are still to be told, and no newcomer is taken.
func TestNothingIsGrantedAfterClose(t *testing.T) {
	for _, draining := range []bool{false, true} {
		c := crowd(3_000, func(int) int { return 1 })
		if draining {
			c.handle.box.Send(&message{verb: verbDrain})
		}
		c.sendClose()
		newcomers := []*line.Place{line.NewPlace(), line.NewPlace(), line.NewPlace()}
		refused := make(chan answer, 1)
		turns := 0
		c.mock.turn = func() {
			if turns++; turns != 2 {
				return
			}
			if c.waiting() == 0 {
				t.Error("all were told in one turn")
			}
			// Now there would be room.
			box := c.handle.box
			box.Send(&message{verb: verbRelease, place: c.holder, number: c.holder.Number})
			box.Send(&message{verb: verbAcquire, place: newcomers[0], request: request{weight: 1, deadline: never}})
			box.Send(&message{verb: verbTry, place: newcomers[1], request: request{weight: 1, deadline: never}})
			box.Send(&message{verb: verbEnqueue, place: newcomers[2], request: request{weight: 1, deadline: never}, answer: refused})
			box.Send(&message{verb: verbResume})
		}
		c.run()
		if got := c.state.core.granted; got != 1 {
			t.Errorf("%d granted", got)
		}
		for _, p := range c.places {
			if err, _ := told(p); err != ErrClosed {
				t.Fatalf("ticket %d was told %v", p.Number, err)
			}
		}
		for i, want := range []error{ErrClosed, ErrClosed} {
			if err, _ := told(newcomers[i]); err != want {
				t.Errorf("newcomer %d was told %v", i, err)
			}
		}
		if a := <-refused; a.err != ErrClosed {
			t.Error(a.err)
		}
		if c.state.core.served() {
			t.Error("tickets were sent away, but all are said to be served")
		}
	}
}

// A forecast does not count tickets that will be sent away, so no deadline is refused because of them.
func TestForecastWithoutThoseWhoGo(t *testing.T) {
	for _, waiting := range []int{perTurn + 100, 3_000} {
		p := newParts(Limits{Windows: []Window{PerSecond(3)}}, clock.NewMock())
		st := p.state
		st.arrive(callTry, line.NewPlace(), &request{weight: 3, deadline: never})
		for range waiting {
			st.arrive(callEnqueue, line.NewPlace(), &request{weight: 3, deadline: never})
		}
		st.apply(&message{verb: verbConfigure, change: &change{limits: &Limits{Windows: []Window{Per(2, time.Second)}}}}, new(answer))
		if st.core.line.Len() == 0 {
			t.Fatal("no work is left")
		}
		r := &request{weight: 1, deadline: moment(time.Second)}
		if got := st.core.wait(r); got != time.Second {
			t.Errorf("behind %d who go: waits %v", st.core.line.Len(), got)
		}
		if err := st.arrive(callAcquire, line.NewPlace(), r); err != nil {
			t.Errorf("behind %d who go: %v", st.core.line.Len(), err)
		}
		for len(st.chores) > 0 {
			st.turn(0)
		}
		// And afterwards it counts those who wait.
		if got := st.core.wait(r); got != time.Second {
			t.Errorf("behind one: waits %v", got)
		}
		if got := st.core.wait(&request{weight: 2, deadline: never}); got != 2*time.Second {
			t.Errorf("behind one: waits %v", got)
		}
	}
}

// turn does what the owner does in a turn without messages.
func (st *state) turn(now moment) {
	st.beginTurn(now)
	st.workOn()
	st.grant()
}

// plainTicket is a ticket as a reader would write it down.
type plainTicket struct {
	*line.Place
	marked  bool
	waiting bool
	holds   bool
	whys    []error // one of which it was or will be told; several if others came before it was
}

// sentBecause reports whether err is what the ticket should be told. A ticket that was not sent away is
// told nothing.
func (t *plainTicket) sentBecause(err error) bool {
	if len(t.whys) == 0 {
		return err == nil
	}
	return slices.ContainsFunc(t.whys, func(why error) bool { return errors.Is(err, why) })
}

// plainState sends away at once who must go, and grants in the order of the line.
type plainState struct {
	max     int
	tickets []*plainTicket
	granted []uint64
}

func (s *plainState) sendAway(why error, goes func(*plainTicket) bool) {
	for _, t := range s.tickets {
		if t.State == line.Queued && goes(t) {
			t.waiting, t.whys = false, append(t.whys, why)
		}
	}
	s.grant()
}

// setMax changes the burst. A ticket that was too large and has not been told so stays if it now fits.
func (s *plainState) setMax(n int) {
	s.max = n
	for _, t := range s.tickets {
		if t.State == line.Queued && t.Weight <= n {
			if t.whys = slices.DeleteFunc(t.whys, func(why error) bool { return why == ErrTooLarge }); len(t.whys) == 0 {
				t.waiting = true
			}
		}
	}
	s.sendAway(ErrTooLarge, func(t *plainTicket) bool { return t.Weight > n })
}

func (s *plainState) grant() {
	held := 0
	for _, t := range s.tickets {
		if t.holds {
			held += t.Weight
		}
	}
	for _, t := range s.tickets {
		if !t.waiting {
			continue
		}
		if held+t.Weight > s.max {
			return
		}
		held += t.Weight
		t.waiting, t.holds = false, true
		s.granted = append(s.granted, t.Number)
	}
}

// Whatever comes while several such works are under way, the same tickets are granted, in the same order
// and at the same time, as if each work had been done at once, and each ticket is told why it went.
func TestChoresAgainstPlainState(t *testing.T) {
	runs := 30
	if raceEnabled || testing.Short() {
		runs = 5
	}
	seed := seed(t)
	for run := range runs {
		r := rand.New(rand.NewPCG(seed, uint64(run)))
		c := crowd(0, nil)
		log := new(EventLog)
		if run%2 == 0 {
			c.state.subscribe(log)
		}
		plain := &plainState{max: 9, tickets: []*plainTicket{{Place: c.holder, holds: true}}, granted: []uint64{1}}
		enqueue := func() {
			t := &plainTicket{waiting: true}
			t.Place = c.enqueue(1+r.IntN(plain.max), nil)
			if c.state.contexts.current != nil && r.IntN(2) == 0 {
				c.mark(t.Place)
				t.marked = true
			}
			plain.tickets = append(plain.tickets, t)
			plain.grant()
			c.state.grant()
		}
		for range 2_000 + r.IntN(3_000) {
			enqueue()
		}
		most := 0 // chores at once
		for range 150 {
			switch k := r.IntN(20); {
			case k < 4:
				enqueue()
			case k < 9:
				for _, p := range plain.tickets {
					if p.holds && r.IntN(2) == 0 {
						p.holds = false
						c.state.apply(&message{verb: verbRelease, place: p.Place, number: p.Number}, new(answer))
						plain.grant()
						break
					}
				}
			case k < 12:
				if p := plain.tickets[r.IntN(len(plain.tickets))]; p.waiting {
					plain.sendAway(errGivenUp, func(t *plainTicket) bool { return t == p })
					c.state.apply(&message{verb: verbCancel, place: p.Place, number: p.Number}, new(answer))
				}
			case k < 14:
				plain.setMax(1 + r.IntN(9))
				c.state.apply(&message{verb: verbConfigure, change: &change{limits: &Limits{MaxBurst: plain.max}}}, new(answer))
			case k < 15 && c.state.contexts.current != nil:
				plain.sendAway(errShared, func(t *plainTicket) bool { return t.marked })
				c.state.apply(&message{verb: verbContextEnded, context: c.shared, err: errShared}, new(answer))
			case k < 16 && c.state.contexts.current == nil:
				c.shared = &sharedContext{done: make(chan struct{})}
				c.state.contexts.install(c.shared) // if none of the one before is in line
			}
			// A turn sends away no more than so many heads, so it may take a few until those behind have
			// their turn. The work itself need not be done by then.
			for c.state.turn(0); ; c.state.turn(0) {
				if p, _ := c.state.core.line.First(); p == nil || c.state.leaving(p) == nil {
					break
				}
			}
			most = max(most, len(c.state.chores))
			if int(c.state.core.granted) != len(plain.granted) {
				t.Fatalf("run %d: %d granted, want %d", run, c.state.core.granted, len(plain.granted))
			}
			for _, p := range plain.tickets {
				if p.holds != (p.State == line.Holding) || p.waiting && p.State != line.Queued || p.Marked && p.State != line.Queued {
					t.Fatalf("run %d: ticket %d is in state %d, holds %v, waits %v", run, p.Number, p.State, p.holds, p.waiting)
				}
			}
		}
		for range r.IntN(3) {
			c.state.turn(0)
		}
		plain.max = 0
		plain.sendAway(ErrClosed, func(*plainTicket) bool { return true })
		c.state.apply(&message{verb: verbClose}, new(answer))
		for !c.state.core.finished() {
			c.state.turn(0)
		}
		for _, p := range plain.tickets {
			err, ok := told(p.Place)
			if _, again := told(p.Place); !ok || !p.sentBecause(err) || again {
				t.Fatalf("run %d: ticket %d was told %v (%v, again %v), want %v", run, p.Number, err, ok, again, p.whys)
			}
		}
		if c.state.contexts.waiting != 0 {
			t.Errorf("run %d: %d are said to wait with the context", run, c.state.contexts.waiting)
		}
		if run%2 == 0 {
			checkEvents(t, log.Events(), plain)
		}
		if most > 1 {
			t.Logf("run %d: up to %d at once", run, most)
		}
	}
}

// checkEvents compares the events with what has happened: every ticket that joined has one, the grants
// come in their order, and of every ticket sent away one says so, with the reason.
func checkEvents(t *testing.T, events []Event, plain *plainState) {
	t.Helper()
	granted := []uint64{1} // before there was a watcher
	why := make(map[uint64]error)
	joined := map[uint64]bool{1: true}
	for _, e := range events {
		n := uint64(e.Number)
		switch e.Kind {
		case EventEnqueued:
			joined[n] = true
		case EventGranted:
			granted = append(granted, n)
		case EventGivenUp:
			if !joined[n] || why[n] != nil {
				t.Errorf("event %v: joined %v, gave up before: %v", e, joined[n], why[n])
			}
			why[n] = e.Err
		}
	}
	if !slices.Equal(granted, plain.granted) {
		t.Errorf("granted %v\nwant %v", granted, plain.granted)
	}
	for _, p := range plain.tickets {
		if !joined[p.Number] || !p.sentBecause(why[p.Number]) {
			t.Errorf("ticket %d: joined %v, gave up because of %v, want %v", p.Number, joined[p.Number], why[p.Number], p.whys)
		}
	}
}

// Within one slice the tickets are told in the order of their numbers, and the new limits come first.
func TestOrderOfTheEventsOfAChore(t *testing.T) {
	c := crowd(0, nil)
	const tickets = 2_000
	for i := range tickets {
		c.enqueue(3, someFlowOf(i, 7))
	}
	log := new(EventLog)
	c.state.subscribe(log)
	c.state.apply(&message{verb: verbConfigure, change: &change{limits: &Limits{MaxBurst: 2}}}, new(answer))
	slice := func(from int) {
		t.Helper()
		numbers := log.Events()[from:]
		if len(numbers) == 0 || len(numbers) > perTurn || !slices.IsSortedFunc(numbers, func(a, b Event) int { return int(a.Number) - int(b.Number) }) {
			t.Errorf("a slice of %d, from %v", len(numbers), numbers[0])
		}
	}
	if e := log.Events()[0]; e.Kind != EventLimits {
		t.Errorf("the first event is %v", e)
	}
	slice(1)
	for len(c.state.chores) > 0 {
		before := len(log.Events())
		c.state.looks = perTurn
		if c.state.workOn(); len(log.Events()) > before {
			slice(before)
		}
	}
	if got := len(log.Events()); got != tickets+1 {
		t.Errorf("%d events", got)
	}
}

// withWaiters runs callers that each wait for a permit in a bubble, with lending and without. Every second
// asks for 1 permit, the others for 3. Their outcomes are in the order in which they came.
func withWaiters(t *testing.T, n int, ctx func(t *testing.T) context.Context, then func(t *testing.T, s *Scheduler), check func(t *testing.T, weight int, held ticket.Ticket, err error)) {
	t.Helper()
	for _, opts := range [][]Option{nil, {KeepCount()}, {KeepCore()}} {
		synctest.Test(t, func(t *testing.T) {
			s, err := New(Limits{MaxBurst: 5}, opts...)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if _, ok := s.TryAcquireN(5); !ok {
				t.Fatal("no permit")
			}
			ctx := ctx(t)
			type outcome struct {
				held ticket.Ticket
				err  error
			}
			outcomes := make([]outcome, n)
			var callers sync.WaitGroup
			for i := range outcomes {
				callers.Go(func() {
					held, err := s.AcquireN(ctx, 1+i%2*2)
					outcomes[i] = outcome{held, err}
				})
			}
			synctest.Wait()
			if got := s.Stats().Waiting; got != n {
				t.Fatalf("%d wait", got)
			}
			then(t, s)
			s.Close()
			callers.Wait()
			for i, o := range outcomes {
				check(t, 1+i%2*2, o.held, o.err)
			}
		})
	}
}

const crowdOfWaiters = 5_000

func TestSetLimitsWithManyWaiting(t *testing.T) {
	withWaiters(t, crowdOfWaiters, func(t *testing.T) context.Context { return context.Background() },
		func(t *testing.T, s *Scheduler) {
			if err := s.SetLimits(Limits{MaxBurst: 2}); err != nil {
				t.Error(err)
			}
			if got := s.Stats().Waiting; got != crowdOfWaiters/2 {
				t.Errorf("%d wait", got)
			}
		},
		func(t *testing.T, weight int, held ticket.Ticket, err error) {
			want := ErrClosed
			if weight > 2 {
				want = ErrTooLarge
			}
			if !errors.Is(err, want) || held.Number() != 0 {
				t.Errorf("weight %d: %v", weight, err)
			}
		})
}

// Close is not held up by a SetLimits that is under way, nor is that left without its answer.
func TestCloseWhileLimitsAreSet(t *testing.T) {
	for _, gap := range []bool{false, true} {
		withWaiters(t, crowdOfWaiters, func(t *testing.T) context.Context { return context.Background() },
			func(t *testing.T, s *Scheduler) {
				var both sync.WaitGroup
				both.Go(func() {
					if err := s.SetLimits(Limits{MaxBurst: 2}); err != nil && err != ErrClosed {
						t.Error(err)
					}
				})
				if gap {
					synctest.Wait()
				}
				both.Go(func() { s.Close() })
				both.Wait()
			},
			func(t *testing.T, weight int, held ticket.Ticket, err error) {
				if !errors.Is(err, ErrClosed) && (weight == 1 || !errors.Is(err, ErrTooLarge)) {
					t.Errorf("weight %d: %v", weight, err)
				}
			})
	}
}

func TestContextOfManyWaiting(t *testing.T) {
	var cancel context.CancelCauseFunc
	withWaiters(t, crowdOfWaiters, func(t *testing.T) (ctx context.Context) {
		ctx, cancel = context.WithCancelCause(context.Background())
		return ctx
	},
		func(t *testing.T, s *Scheduler) {
			after, err := s.Enqueue(1)
			if err != nil {
				t.Fatal(err)
			}
			cancel(errShared)
			synctest.Wait()
			if got := s.Stats(); got.Waiting != 1 || got.InUse != 5 {
				t.Errorf("%+v", got)
			}
			after.Cancel()
		},
		func(t *testing.T, weight int, held ticket.Ticket, err error) {
			if !errors.Is(err, context.Canceled) || !errors.Is(err, errShared) {
				t.Errorf("weight %d: %v", weight, err)
			}
		})
}

func TestCloseWithManyWaiting(t *testing.T) {
	withWaiters(t, crowdOfWaiters, func(t *testing.T) context.Context { return t.Context() },
		func(t *testing.T, s *Scheduler) {
			s.Close()
			if got := s.Stats(); got.Waiting != 0 || got.Granted != 1 {
				t.Errorf("%+v", got)
			}
		},
		func(t *testing.T, weight int, held ticket.Ticket, err error) {
			if err != ErrClosed {
				t.Errorf("weight %d: %v", weight, err)
			}
		})
}
