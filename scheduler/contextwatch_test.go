package scheduler

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/ticket"
)

// sharing is a scheduler in a bubble with one permit, which is held, and n calls that wait with a
// context.
type sharing struct {
	*testing.T
	*Scheduler
	held ticket.Ticket
}

func withSharing(t *testing.T, tell func(c *sharing)) {
	t.Helper()
	for _, opts := range [][]Option{nil, {KeepCount()}, {KeepCore()}} {
		synctest.Test(t, func(t *testing.T) {
			s, err := New(Limits{MaxBurst: 1}, opts...)
			if err != nil {
				t.Fatal(err)
			}
			held, err := s.Acquire(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			tell(&sharing{t, s, held})
			s.Close()
		})
	}
}

// wait lets n calls wait with a context, and returns what will have become of them.
func (c *sharing) wait(ctx context.Context, n int) (granted *atomic.Int32, errs chan error) {
	granted, errs = new(atomic.Int32), make(chan error, n)
	for range n {
		go func() {
			t, err := c.Acquire(ctx)
			if err == nil {
				granted.Add(1)
				t.Release()
			}
			errs <- err
		}()
		synctest.Wait()
	}
	return granted, errs
}

var errShared = errors.New("the context's cause")

// The end of a context ends all who wait with it and nobody else, with an error that says why.
func TestSharedContextEnds(t *testing.T) {
	withSharing(t, func(c *sharing) {
		ctx, cancel := context.WithCancelCause(context.Background())
		gone, errs := c.wait(ctx, 3*shareAfter)
		other, othersErrs := c.wait(context.Background(), 3)
		third, cancelThird := context.WithCancel(context.Background())
		defer cancelThird()
		thirds, thirdErrs := c.wait(third, 3*shareAfter)
		cancel(errShared)
		for range 3 * shareAfter {
			if err := <-errs; !errors.Is(err, context.Canceled) || !errors.Is(err, errShared) {
				c.Fatal(err)
			}
		}
		if got := c.Stats(); got.Waiting != 3+3*shareAfter || got.Granted != 1 {
			c.Errorf("stats %+v", got)
		}
		c.held.Release()
		synctest.Wait()
		if len(othersErrs) != 3 || len(thirdErrs) != 3*shareAfter || gone.Load() != 0 || other.Load() != 3 || thirds.Load() != 3*shareAfter {
			c.Errorf("%d, %d and %d granted", gone.Load(), other.Load(), thirds.Load())
		}
	})
}

// One context after the other is shared, when no ticket of the one before is left in line.
func TestSharedContextsFollowOneAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Limits{MaxBurst: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		c := &sharing{t, s, ticket.Ticket{}}
		marked := func() (n int) {
			s.Stats()
			if !s.handle.withState(func(st *state) { n = st.contexts.waiting }) {
				t.Fatal("not lent")
			}
			return n
		}
		for round := range 3 {
			c.held, _ = s.TryAcquire()
			ctx, cancel := context.WithCancel(context.Background())
			_, errs := c.wait(ctx, shareAfter+5)
			if got := marked(); got != 5 {
				t.Errorf("round %d: %d rely on it, want 5", round, got)
			}
			if round == 1 {
				cancel()
			}
			c.held.Release()
			for range shareAfter + 5 {
				<-errs
			}
			if got := marked(); got != 0 {
				t.Errorf("round %d: %d left", round, got)
			}
			defer cancel() // most of them live on
		}
	})
}

// A context may end while it is being shared: before the scheduler knows it.
func TestSharedContextThatEndsEarly(t *testing.T) {
	s, err := New(Limits{MaxBurst: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	cr := newSharedContext(ctx, s.handle.box)
	cr.stop = func() bool { return false }
	cr.ended()
	s.Stats()
	s.handle.installContext(ctx, cr)
	s.Stats()
	if !s.handle.withState(func(st *state) {
		if st.contexts.current != nil {
			t.Error("a shared context that has ended and will not tell again")
		}
	}) {
		t.Error("not lent")
	}
}

// A shared context that another has replaced is not listened to.
func TestSharedContextThatWasReplaced(t *testing.T) {
	s, err := New(Limits{MaxBurst: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Stats()
	stopped := 0
	stop := func() bool { stopped++; return true }
	first, second := &sharedContext{done: make(chan struct{}), stop: stop}, &sharedContext{done: make(chan struct{}), stop: stop}
	s.handle.installContext(context.Background(), first)
	s.handle.installContext(context.Background(), second)
	if stopped != 1 {
		t.Errorf("%d stopped", stopped)
	}
	s.handle.box.Send(&message{verb: verbContextEnded, context: first, err: errGivenUp}) // stop came too late
	s.Stats()
	s.handle.withState(func(st *state) {
		if st.contexts.current != second {
			t.Error("the end of another context was taken for its own")
		}
	})
}

func TestCloseTellsThoseWhoShare(t *testing.T) {
	withSharing(t, func(c *sharing) {
		ctx, cancel := context.WithCancel(context.Background())
		_, errs := c.wait(ctx, 3*shareAfter)
		c.Close()
		for range 3 * shareAfter {
			if err := <-errs; err != ErrClosed {
				c.Error(err)
			}
		}
		cancel() // tells nobody
	})
}

// A context that lives on does not keep a scheduler that is forgotten.
func TestSharedContextDoesNotKeepAScheduler(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan struct{})
	func() {
		c := &struct {
			Clock
			_ [64]byte
		}{Clock: clock.New()}
		runtime.AddCleanup(c, func(ended chan struct{}) { close(ended) }, ended)
		s, err := New(Limits{MaxBurst: 1}, WithClock(c))
		if err != nil {
			t.Fatal(err)
		}
		s.Stats()
		s.handle.shareContext(ctx)
		gathered := false
		s.handle.withState(func(st *state) { gathered = st.contexts.current != nil })
		if !gathered {
			t.Error("not shared")
		}
	}()
	for {
		runtime.GC()
		select {
		case <-ended:
			return
		default:
			runtime.Gosched()
		}
	}
}

// Shared contexts come and go under load, and no call waits forever.
func TestSharedContextStress(t *testing.T) {
	rounds := 30
	if raceEnabled || testing.Short() {
		rounds = 10
	}
	for round := range rounds {
		s, err := New(Limits{MaxBurst: 2})
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for g := range 6 {
			ctx, cancel := context.WithCancel(context.Background())
			r := rand.New(rand.NewPCG(uint64(round), uint64(g)))
			var stopAfter atomic.Int32
			stopAfter.Store(int32(r.IntN(600)))
			for range 20 {
				all.Go(func() {
					for range 50 {
						t, err := s.Acquire(ctx)
						if stopAfter.Add(-1) == 0 {
							cancel()
						}
						if err != nil {
							return
						}
						runtime.Gosched()
						t.Release()
					}
				})
			}
			defer cancel()
		}
		all.Wait()
		got := s.Stats()
		marked := 0
		s.handle.withState(func(st *state) { marked = st.contexts.waiting })
		if got.InUse != 0 || got.Waiting != 0 || marked != 0 {
			t.Errorf("round %d: %+v, %d marked", round, got, marked)
		}
		s.Close()
	}
}

// What waits with a shared context allocates nothing.
func TestSharedContextAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget")
	}
	s, err := New(Limits{MaxBurst: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	const callers = 32
	run := func(each int) {
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for range each {
					t, err := s.Acquire(ctx)
					if err != nil {
						return
					}
					runtime.Gosched()
					t.Release()
				}
			})
		}
		all.Wait()
	}
	run(100)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const each = 2_000
	run(each)
	runtime.ReadMemStats(&after)
	if n := after.Mallocs - before.Mallocs; n > callers*each/20 {
		t.Errorf("%d allocations in %d calls that wait", n, callers*each)
	}
}
