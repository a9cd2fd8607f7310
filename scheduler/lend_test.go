package scheduler

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/ticket"
)

// The holder of the state has it alone, and the owner gets it back from wherever it is.
func TestOneHasTheState(t *testing.T) {
	p := newParts(Limits{MaxBurst: 1}, clock.NewMock())
	box, st := p.handle.box, p.state
	box.lend(st)
	if got := box.borrow(); got != st {
		t.Fatal("could not borrow")
	}
	if box.borrow() != nil {
		t.Error("borrowed twice")
	}
	box.giveBack(st)
	if box.callIn() != st {
		t.Error("not called in from the slot")
	}
	if box.borrow() != nil {
		t.Error("borrowed what the owner has")
	}
}

// A borrower finds done what has become due since the last turn, so it is not refused or made to wait for a ticket
// whose time has come.
func TestBorrowersComeAfterWhatIsDue(t *testing.T) {
	ways := map[string]func(*Handle) error{
		"TryAcquire": func(h *Handle) error {
			if _, ok := h.TryAcquire(); !ok {
				return ErrNoPermit
			}
			return nil
		},
		"Acquire": func(h *Handle) error {
			_, err := h.Acquire(gone{context.Background()})
			return err
		},
		"Wait": func(h *Handle) error { return h.Wait(gone{context.Background()}) },
		"Allow": func(h *Handle) error {
			if !h.Allow() {
				return ErrNoPermit
			}
			return nil
		},
	}
	for how, take := range ways {
		for _, l := range []Limits{{Windows: []Window{PerSecond(2)}}, {MaxBurst: 2}} {
			mock := &subjectClock{epoch: twinEpoch}
			p := newParts(l, mock)
			var waits ticket.Ticket
			p.lend(func(h *Handle) {
				if l.MaxBurst == 0 {
					h.TryAcquireN(2)
				}
			})
			if l.MaxBurst > 0 {
				p.state.setPause(moment(time.Second))
			}
			p.lend(func(h *Handle) { waits, _ = h.Enqueue(1) })
			mock.at = moment(time.Second)
			p.lend(func(h *Handle) {
				if err := take(h); err != nil {
					t.Errorf("%s, %v: %v", how, l, err)
				}
			})
			select {
			case err := <-waits.Ready():
				if err != nil {
					t.Error(err)
				}
			default:
				t.Errorf("%s, %v: the ticket that was due still waits", how, l)
			}
		}
	}
}

// gone is a context that has ended when somebody waits for it, and not before.
type gone struct{ context.Context }

func (gone) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

// A place whose ticket was refused in the very instant its caller gave up serves again only when the
// owner has seen both: or the place's next ticket would be withdrawn.
func TestWithdrawingWhatWasRefused(t *testing.T) {
	s := newScheduler(t, Limits{MaxBurst: 1}, clock.NewMock())
	p := s.handle.shared.place()
	p.Tell(ErrNoPermit)
	s.handle.withdraw(p, true, errGivenUp)
	if p.TakeBack() {
		t.Error("the place still holds what its last ticket was told")
	}
	if n := s.handle.box.Underway(); n != 0 {
		t.Errorf("%d messages under way", n)
	}
}

// A release that went to the owner is applied when Release returns: what follows, by any goroutine
// and either way, finds the permit free.
func TestReleaseIsAppliedWhenItReturns(t *testing.T) {
	for _, opts := range [][]Option{nil, {KeepCount()}, {KeepCore()}} {
		s, err := New(Limits{MaxBurst: 1}, opts...)
		if err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			held, ok := s.TryAcquire()
			if !ok {
				t.Fatal("the permit was not back")
			}
			held.Release()
		}
		s.Close()
	}
}

// The core is lent out between turns, whoever waits, until the scheduler drains.
func TestLentOutBetweenTurns(t *testing.T) {
	s, err := New(Limits{MaxBurst: 1}, WithClock(clock.NewMock()))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	lent := func() bool { s.Stats(); return s.handle.withState(func(*state) {}) } // it answers after lending
	if !lent() {
		t.Error("not lent out by an idle scheduler")
	}
	first, _ := s.Enqueue(1)
	second, _ := s.Enqueue(1)
	if !lent() {
		t.Error("not lent out while somebody waits")
	}
	first.Release()
	s.Drain(canceled()) // does not end while second is held
	if lent() {
		t.Error("lent out while draining")
	}
	second.Release()
}

// Whoever drains takes no newcomers from then on, themselves included.
func TestDrainIsAppliedWhenItReturns(t *testing.T) {
	for range 100 {
		s := newLent(t)
		held, ok := s.TryAcquire()
		if !ok {
			t.Fatal("not granted")
		}
		s.Drain(canceled())
		if _, ok := s.TryAcquire(); ok {
			t.Fatal("granted to a newcomer while draining")
		}
		held.Release()
		s.Close()
	}
}

func newLent(t *testing.T) *Scheduler {
	t.Helper()
	s, err := New(Limits{MaxBurst: 2})
	if err != nil {
		t.Fatal(err)
	}
	s.Stats()
	return s
}

// A turn that comes before the hint of a borrower sets the timer all the same: its replies promise it.
func TestTurnSetsTheTimerABorrowerAskedFor(t *testing.T) {
	mock := clock.NewMock()
	p := newParts(Limits{Windows: []Window{PerSecond(1)}}, mock)
	o := p.owner
	p.lend(func(h *Handle) {
		h.acquireNow(&request{weight: 1, deadline: never}, nil)
		h.acquireNow(&request{weight: 1, deadline: never}, nil)
		<-o.Tick // the hint, which this turn has not seen
	})
	o.setAlarm(p.state)
	mock.Add(time.Second)
	select {
	case <-o.Tick:
	case <-time.After(10 * time.Second): // the mock calls the owner in a goroutine
		t.Error("the timer was not set")
	}
	o.alarm.Off()
}

// Whoever puts a ticket at the head of an empty line has the owner set the timer.
func TestBorrowerHasTheTimerSet(t *testing.T) {
	p := newParts(Limits{Windows: []Window{PerSecond(1)}, MaxBurst: 1}, clock.NewMock())
	box := p.handle.box
	box.lend(p.state)
	hinted := func() bool {
		select {
		case <-box.Tick:
			return true
		default:
			return false
		}
	}
	held, how, _ := p.handle.acquireNow(&request{weight: 1, deadline: never}, nil)
	if how != outcomeGranted || hinted() {
		t.Error("a ticket that is granted at once needs no timer")
	}
	if _, how, _ := p.handle.acquireNow(&request{weight: 1, deadline: never}, nil); how == outcomeGranted || hinted() {
		t.Error("a head that waits for a release needs no timer")
	}
	p.handle.releaseNow(held, held.Number)
	if !hinted() {
		t.Error("the head waits for the window now, and nobody sets the timer")
	}
	if p.handle.acquireNow(&request{weight: 1, deadline: never}, nil); hinted() {
		t.Error("the timer is set for the head already")
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// The clock is read by whoever decides: a try that nobody else's turn precedes sees the time.
func TestBorrowerReadsTheClock(t *testing.T) {
	mock := clock.NewMock()
	s, err := New(Limits{Windows: []Window{PerSecond(1)}}, WithClock(mock))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 5 {
		s.Stats()
		if _, ok := s.TryAcquire(); !ok {
			t.Fatalf("second %d: not granted", i)
		}
		mock.Set(mock.Now().Add(time.Second - 1))
		if _, ok := s.TryAcquire(); ok {
			t.Fatalf("second %d: granted a nanosecond early", i)
		}
		mock.Set(mock.Now().Add(1))
	}
}

// movingClock is moved on while the owner has just read it.
type movingClock struct {
	*clock.Mock
	moves []time.Duration
}

func (c *movingClock) Since(t time.Time) time.Duration {
	d := c.Mock.Since(t)
	if len(c.moves) > 0 {
		c.Mock.Set(c.Mock.Now().Add(c.moves[0]))
		c.moves = c.moves[1:]
	}
	return d
}

// A timer that is set while the clock moves would come late by as much as it moved, and on a mock
// clock that then stands still, never. The owner notices.
func TestClockMovesWhileTheTimerIsSet(t *testing.T) {
	for name, c := range map[string]struct {
		moves []time.Duration // after each reading
		after time.Duration   // and then
	}{
		"past the wake":  {[]time.Duration{2 * time.Second}, 0},
		"to the wake":    {[]time.Duration{time.Second}, 0},
		"part of it":     {[]time.Duration{600 * time.Millisecond}, 400 * time.Millisecond},
		"in small steps": {[]time.Duration{100 * time.Millisecond, 100 * time.Millisecond, 100 * time.Millisecond}, 700 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			moving := &movingClock{Mock: clock.NewMock()}
			p := newParts(Limits{Windows: []Window{PerSecond(1)}}, moving)
			o, st := p.owner, p.state
			first, second := st.place(), st.place()
			st.core.join(first, &request{weight: 1})
			st.core.join(second, &request{weight: 1})
			st.grant()
			// A turn: the clock is read, and moves on at once.
			moving.moves = c.moves
			o.read = o.now()
			st.core.advance(o.read)
			o.setAlarm(st)
			moving.Mock.Add(c.after)
			select {
			case <-o.Tick:
			case <-time.After(10 * time.Second): // the mock calls the owner in a goroutine
				t.Fatal("the owner was not told to look at the clock")
			}
			st.core.advance(o.now())
			if p, _, _ := st.core.next(); p != second {
				t.Error("not granted")
			}
			o.alarm.Off()
		})
	}
}

// A job may come into line when its group has been disbanded, and may be granted when its scheduler has
// ended: either way it counts as withdrawn.
func TestJobsThatComeLate(t *testing.T) {
	for _, late := range []func(g *Group, j *job) error{
		func(g *Group, j *job) error {
			g.cancel(nil)
			g.withdrawAll()
			err := errors.New("not lent")
			g.h.withState(func(st *state) { err = st.enqueueMember(&g.waiting, &j.member, &request{weight: 1, deadline: never}) })
			if err == nil {
				t.Error("enlisted")
			}
			if err != g.waiting.ended {
				return err
			}
			g.unfinished.Done()
			return nil
		},
		func(g *Group, j *job) error {
			g.h.root.Close()
			g.cancel(nil)
			j.run()
			if g.Withdrawn() != 1 {
				t.Errorf("%d withdrawn", g.Withdrawn())
			}
			return nil
		},
	} {
		s, err := New(Limits{MaxBurst: 1})
		if err != nil {
			t.Fatal(err)
		}
		s.Stats() // the owner has begun to lend
		g, _ := s.Group(context.Background())
		j := &job{do: func() error { t.Error("ran"); return nil }, group: g}
		j.Place = line.PlaceFor(j)
		g.unfinished.Add(1)
		if err := late(g, j); err != nil {
			t.Error(err)
		}
		g.unfinished.Wait()
		g.stop()
		g.cancel(nil)
		s.Close()
	}
}

// A clock that panics does so in the caller who read it, and takes nothing with it.
func TestPanickingClock(t *testing.T) {
	clk := &panickingClock{Mock: clock.NewMock()}
	p := newParts(Limits{Windows: []Window{{Permits: 1, Per: 1, From: FromRelease}}}, clk)
	box, st := p.handle.box, p.state
	box.lend(st)
	held, _, _ := p.handle.acquireNow(&request{weight: 1, deadline: never}, nil)
	for name, f := range map[string]func(){
		"try":     func() { p.handle.tryNow(callTry, &request{weight: 1, deadline: never}) },
		"acquire": func() { p.handle.acquireNow(&request{weight: 1, deadline: never}, nil) },
		"release": func() { p.handle.releaseNow(held, held.Number) },
	} {
		clk.panics = true
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s did not read the clock", name)
				}
			}()
			f()
		}()
		clk.panics = false
		if got := box.borrow(); got != st {
			t.Fatalf("%s lost the state", name)
		}
		box.giveBack(st)
	}
}

type panickingClock struct {
	*clock.Mock
	panics bool
}

func (c *panickingClock) Since(t time.Time) time.Duration {
	if c.panics {
		panic("clock")
	}
	return c.Mock.Since(t)
}

// The deadline may have passed on the scheduler's clock though the context does not know it yet.
func TestDeadlinePassedOnTheSchedulersClock(t *testing.T) {
	for _, opts := range [][]Option{nil, {KeepCore()}, {NonBlocking()}, {NonBlocking(), KeepCore()}} {
		mock := clock.NewMock()
		deadline := time.Now().Add(time.Hour)
		mock.Set(deadline.Add(time.Minute))
		s, err := New(Limits{MaxBurst: 1}, append(opts, WithClock(mock))...)
		if err != nil {
			t.Fatal(err)
		}
		s.Stats()
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		_, err = s.Acquire(ctx)
		var refused *DeadlineError
		if !errors.As(err, &refused) || refused.Left >= 0 || refused.Wait != 0 {
			t.Errorf("%v", err)
		}
		cancel()
		s.Close()
	}
}
