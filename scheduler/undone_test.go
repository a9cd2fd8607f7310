package scheduler

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/ticket"
)

// quiet checks what must hold while every goroutine is blocked. Only the test runs then, so it may look at
// the state that is lent out.
func quiet(s *Scheduler) error {
	box := s.handle.box
	st := box.borrow()
	if st == nil {
		return nil // drains, has ended, or is never lent
	}
	defer box.giveBack(st)
	if len(st.chores) > 0 {
		return fmt.Errorf("%d chores are left", len(st.chores))
	}
	if n := box.Underway(); n != 0 {
		return fmt.Errorf("%d messages under way", n)
	}
	marked := 0
	for p := range st.core.line.All() {
		if p.Marked {
			marked++
		}
		if p.State != line.Queued {
			return fmt.Errorf("state %v in line", p.State)
		}
	}
	if marked != st.contexts.waiting {
		return fmt.Errorf("%d marked, %d counted", marked, st.contexts.waiting)
	}
	if st.core.line.Len() == 0 {
		return nil
	}
	now := s.handle.shared.now()
	wake := st.core.wake()
	if wake <= now {
		return fmt.Errorf("lost wake-up: the head fits at %d, it is %d, armed %d", wake, now, st.armed)
	}
	if st.armed > wake {
		return fmt.Errorf("armed for %d, the head fits at %d", st.armed, wake)
	}
	head, _ := st.core.line.First()
	if st.core.fits(st.core.demandOf(head)) {
		return fmt.Errorf("the head fits")
	}
	return nil
}

// Forty goroutines do all that callers and operators do. Whenever all of them are blocked, nothing that could
// be done may be left undone. In the end every call has returned: the bubble reports one that never does.
func TestNothingIsLeftUndone(t *testing.T) {
	seed := seed(t)
	rounds := 60
	if raceEnabled {
		rounds = 20
	}
	for round := range rounds {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, uint64(round)))
			texts := []Limits{
				{MaxBurst: 3},
				{Windows: []Window{Per(5, 10*time.Millisecond)}},
				{Windows: []Window{Per(5, 10*time.Millisecond), {Permits: 8, Per: 25 * time.Millisecond, From: FromRelease}}, MaxBurst: 4},
				{Windows: []Window{{Permits: 4, Per: 7 * time.Millisecond, From: FromRelease}}},
				{Windows: []Window{Per(30, 40*time.Millisecond)}, MaxBurst: 9},
			}
			opts := []Option{}
			if r.IntN(4) == 0 {
				opts = append(opts, WithMaxQueue(20))
			}
			if r.IntN(4) == 0 {
				opts = append(opts, KeepCore())
			}
			s, err := New(texts[r.IntN(len(texts))], opts...)
			if err != nil {
				t.Fatal(err)
			}
			shared, cancelShared := context.WithTimeout(context.Background(), time.Duration(r.IntN(100))*time.Millisecond)
			defer cancelShared()
			var wg sync.WaitGroup
			for g := range 40 {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(seed+uint64(round), uint64(g)))
					for range 40 {
						if r.IntN(3) == 0 {
							time.Sleep(time.Duration(r.IntN(3000)) * time.Microsecond)
						}
						bubbleOp(s, r, shared, texts)
					}
				})
			}
			done := make(chan struct{})
			go func() { wg.Wait(); close(done) }()
			for alive := true; alive; {
				synctest.Wait()
				if err := quiet(s); err != nil {
					t.Errorf("round %d: %v", round, err)
					s.Close()
				}
				select {
				case <-done:
					alive = false
				case <-time.After(time.Duration(r.IntN(800)) * time.Microsecond):
				}
			}
			s.Close()
			if got := s.Stats(); got.Waiting != 0 {
				t.Errorf("round %d: left behind: %+v", round, got)
			}
		})
	}
}

func hold(r *rand.Rand, t ticket.Ticket) {
	if r.IntN(2) == 0 {
		time.Sleep(time.Duration(r.IntN(2000)) * time.Microsecond)
	}
	switch r.IntN(3) {
	case 0:
		t.Cancel()
	default:
		t.Release()
	}
}

func bubbleOp(s *Scheduler, r *rand.Rand, shared context.Context, texts []Limits) {
	if r.IntN(3) == 0 {
		s = s.Flow(fmt.Sprint("k", r.IntN(4)), 1+r.IntN(5))
	}
	w := 1 + r.IntN(3)
	switch r.IntN(24) {
	case 0, 1, 2, 3:
		if t, err := s.AcquireN(context.Background(), w); err == nil {
			hold(r, t)
		}
	case 4, 5, 6, 7:
		if t, err := s.AcquireN(shared, w); err == nil {
			hold(r, t)
		}
	case 8, 9, 10:
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(20000))*time.Microsecond)
		if t, err := s.AcquireN(ctx, w); err == nil {
			hold(r, t)
		}
		cancel()
	case 11:
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Duration(r.IntN(5000))*time.Microsecond, cancel)
		if t, err := s.AcquireN(ctx, w); err == nil {
			hold(r, t)
		}
	case 12, 13:
		if t, ok := s.TryAcquireN(w); ok {
			hold(r, t)
		}
	case 14, 15:
		if t, err := s.Enqueue(w); err == nil {
			if r.IntN(2) == 0 {
				time.Sleep(time.Duration(r.IntN(2000)) * time.Microsecond)
				t.Cancel()
			} else {
				if <-t.Ready() == nil {
					hold(r, t)
				}
			}
		}
	case 16:
		s.PauseFor(time.Duration(r.IntN(5000)) * time.Microsecond)
	case 17:
		if r.IntN(4) == 0 {
			s.Pause()
			time.Sleep(time.Duration(r.IntN(3000)) * time.Microsecond)
		}
		s.Resume()
	case 18:
		if ws := s.Limits().Windows; len(ws) > 0 {
			s.Observe(ws[r.IntN(len(ws))], r.IntN(4), time.Duration(r.IntN(20000))*time.Microsecond)
		}
	case 19:
		if ws := s.Limits().Windows; len(ws) > 0 {
			s.Charge(ws[r.IntN(len(ws))], 1+r.IntN(3))
		}
	case 20:
		s.SetLimits(texts[r.IntN(len(texts))])
	case 21:
		ctx := context.Background()
		if r.IntN(2) == 0 {
			c, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(10000))*time.Microsecond)
			defer cancel()
			ctx = c
		}
		g, gctx := s.Group(ctx)
		for range r.IntN(20) {
			switch r.IntN(8) {
			case 0:
				g.Go(func() error { return fmt.Errorf("x") })
			case 1:
				g.Go(func() error { <-gctx.Done(); return nil })
				time.AfterFunc(5*time.Millisecond, func() { g.fail(fmt.Errorf("y")) })
			default:
				g.GoN(w, func() error { time.Sleep(100 * time.Microsecond); return nil })
			}
		}
		g.Wait()
	case 22:
		if w, err := s.Watch(1 + r.IntN(50)); err == nil {
			time.Sleep(time.Duration(r.IntN(2000)) * time.Microsecond)
			w.Stop()
			for range w.Events() {
			}
		}
	case 23:
		snap := s.Snapshot()
		s.WaitTimeN(w)
		if r.IntN(10) == 0 {
			s.Restore(snap)
		}
		s.Stats()
	}
}

// Long lines, which are sent away in parts, while everything else goes on.
func TestLongLinesAreSentAway(t *testing.T) {
	seed := seed(t)
	rounds := 100
	if raceEnabled {
		rounds = 20
	}
	for round := range rounds {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, uint64(round)))
			texts := []Limits{
				{MaxBurst: 3},
				{MaxBurst: 1},
				{MaxBurst: 2000},
				{Windows: []Window{Per(5, 10*time.Microsecond)}},
				{Windows: []Window{Per(2, 10*time.Microsecond), {Permits: 1, Per: 25 * time.Microsecond, From: FromRelease}}, MaxBurst: 4},
			}
			var opts []Option
			if r.IntN(4) == 0 {
				opts = append(opts, KeepCore())
			}
			s, err := New(texts[0], opts...)
			if err != nil {
				t.Fatal(err)
			}
			s.Pause()
			var ctxs []context.Context
			var cancels []context.CancelFunc
			for range 4 {
				ctx, cancel := context.WithCancel(context.Background())
				ctxs, cancels = append(ctxs, ctx), append(cancels, cancel)
			}
			var wg sync.WaitGroup
			g, _ := s.Group(ctxs[3])
			total := 500 + r.IntN(4000)
			for i := range total {
				f := s
				if r.IntN(2) == 0 {
					f = s.Flow(fmt.Sprint("k", r.IntN(5)), 1+r.IntN(5))
				}
				w := 1 + r.IntN(3)
				switch r.IntN(4) {
				case 0:
					g.GoN(w, func() error { return nil })
				case 1:
					tk, err := f.Enqueue(w)
					if err != nil {
						t.Error(err)
					}
					wg.Go(func() {
						if <-tk.Ready() == nil {
							tk.Release()
						}
					})
				default:
					ctx := ctxs[(i*3/total)%3]
					wg.Go(func() {
						tk, err := f.AcquireN(ctx, w)
						if err == nil {
							tk.Release()
						}
						if err != nil && ctx.Err() == nil && err != ErrClosed {
							if _, large := err.(*TooLargeError); !large {
								t.Errorf("told %v, its context has not ended", err)
							}
						}
					})
				}
				if i%50 == 0 {
					synctest.Wait()
				}
			}
			synctest.Wait()
			closes := r.IntN(2) == 0
			for k := range 12 {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(seed+uint64(round), uint64(k)))
					if r.IntN(2) == 0 {
						time.Sleep(time.Duration(r.IntN(100)))
					}
					switch r.IntN(6) {
					case 0, 1:
						s.SetLimits(texts[r.IntN(len(texts))])
					case 2:
						i := r.IntN(4)
						cancels[i]()
						for range 20 {
							c := ctxs[(i+1)%3]
							f := s.Flow("new", 1000)
							wg.Go(func() {
								tk, err := f.Acquire(c)
								if err == nil {
									tk.Release()
								} else if c.Err() == nil && err != ErrClosed {
									t.Errorf("newcomer told %v", err)
								}
							})
						}
					case 3:
						s.Resume()
					case 4:
						if closes {
							s.Close()
						}
					case 5:
						if closes {
							s.Drain(ctxs[0])
						}
						s.Stats()
					}
				})
			}
			synctest.Wait()
			if err := quiet(s); err != nil {
				t.Errorf("round %d: %v", round, err)
			}
			s.Resume()
			s.SetLimits(Limits{MaxBurst: 1})
			for _, c := range cancels {
				c()
			}
			g.Wait()
			wg.Wait()
			s.Close()
		})
	}
}
