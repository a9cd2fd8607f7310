package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

var errJob = errors.New("the job failed")

func TestGroupStartsJobsAsTheyAreGranted(t *testing.T) {
	bubble(t, "2/s burst 3", func(s *story) {
		g, ctx := s.Group(background)
		var mu sync.Mutex
		var began []string
		for i := range 5 {
			g.Go(func() error {
				mu.Lock()
				began = append(began, fmt.Sprintf("%d@%v", i, time.Since(s.began)))
				mu.Unlock()
				time.Sleep(1500 * time.Millisecond)
				return nil
			})
		}
		synctest.Wait()
		if got := s.Stats(); got.Waiting != 3 || got.InUse != 2 {
			t.Errorf("stats %+v", got)
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		// The burst is full from 1 s on until the first two end.
		s.wantGrants("[1@0s 2@0s 3@1s 4@1.5s 5@2s]")
		if context.Cause(ctx) != context.Canceled {
			t.Errorf("after Wait the cause is %v", context.Cause(ctx))
		}
		if len(began) != 5 || g.Withdrawn() != 0 || s.Stats().InUse != 0 {
			t.Errorf("began %v, %d withdrawn", began, g.Withdrawn())
		}
	})
}

func TestGroupJobsMayAddJobs(t *testing.T) {
	bubble(t, "1/s", func(s *story) {
		g, _ := s.Group(background)
		ran := 0
		g.Go(func() error {
			g.GoN(1, func() error { ran++; return nil })
			ran++
			return nil
		})
		if err := g.Wait(); err != nil || ran != 2 {
			t.Errorf("%d ran, %v", ran, err)
		}
	})
}

// The first error ends the group; what has not begun is withdrawn and uses up nothing.
func TestGroupFirstError(t *testing.T) {
	bubble(t, "1/s", func(s *story) {
		g, ctx := s.Group(background)
		var ran atomic.Int32
		for range 2_000 { // more than are withdrawn in a turn
			g.Go(func() error {
				switch ran.Add(1) {
				case 2:
					return errJob
				case 3:
					t.Error("a job began after the group had ended")
				}
				<-ctx.Done()
				return ctx.Err() // is not the first
			})
		}
		other := s.enqueue(1)
		if err := g.Wait(); err != errJob {
			t.Errorf("got %v", err)
		}
		if context.Cause(ctx) != errJob || g.Withdrawn() != 1_998 || ran.Load() != 2 {
			t.Errorf("cause %v, %d withdrawn, %d ran", context.Cause(ctx), g.Withdrawn(), ran.Load())
		}
		if got := s.Stats(); got.Waiting != 1 || got.InUse != 0 || got.Windows[0].Used != 1 {
			t.Errorf("stats %+v", got)
		}
		s.until(2 * time.Second)
		if !s.granted(other) {
			t.Error("who stood behind the jobs did not move up")
		}
		g.Go(func() error { t.Error("ran after the end"); return nil })
		if g.Withdrawn() != 1_999 || g.Wait() != errJob {
			t.Errorf("%d withdrawn", g.Withdrawn())
		}
	})
}

func TestGroupContextEnds(t *testing.T) {
	bubble(t, "1/s", func(s *story) {
		parent, cancel := context.WithTimeoutCause(background, 1500*time.Millisecond, errJob)
		defer cancel()
		g, _ := s.Group(parent)
		for range 5 {
			g.Go(func() error { return nil })
		}
		err := g.Wait()
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errJob) || g.Withdrawn() != 3 {
			t.Errorf("%d withdrawn, %v", g.Withdrawn(), err)
		}
		if got := time.Since(s.began); got != 1500*time.Millisecond {
			t.Errorf("Wait returned after %v", got)
		}
		late, _ := s.Group(parent)
		late.Go(func() error { t.Error("ran"); return nil })
		if err := late.Wait(); !errors.Is(err, errJob) || late.Withdrawn() != 1 {
			t.Errorf("%d withdrawn, %v", late.Withdrawn(), err)
		}
	})
}

// Wait says nothing of a context that ended when all was done.
func TestGroupContextEndsTooLate(t *testing.T) {
	bubble(t, "5/s", func(s *story) {
		parent, cancel := context.WithCancel(background)
		g, ctx := s.Group(parent)
		g.Go(func() error { cancel(); return nil })
		if err := g.Wait(); err != nil || ctx.Err() == nil {
			t.Errorf("got %v", err)
		}
	})
}

func TestGroupPanicReachesWait(t *testing.T) {
	for name, value := range map[string]any{"a value": "oh", "an error": errJob} {
		t.Run(name, func(t *testing.T) {
			bubble(t, "1/s burst 1", func(s *story) {
				g, ctx := s.Group(background)
				g.Go(func() error { panic(value) })
				g.Go(func() error { t.Error("began after the panic"); return nil })
				defer func() {
					p, _ := recover().(*scheduler.PanicError)
					switch {
					case p == nil || p.Value != value || !strings.Contains(string(p.Stack), "TestGroupPanicReachesWait"):
						t.Errorf("recovered %v", p)
					case errors.Is(p, errJob) != (value == errJob) || !strings.Contains(p.Error(), fmt.Sprint(value)):
						t.Errorf("recovered %v", p)
					case context.Cause(ctx) != p || g.Withdrawn() != 1 || s.Stats().InUse != 0:
						t.Errorf("cause %v, %d withdrawn, stats %+v", context.Cause(ctx), g.Withdrawn(), s.Stats())
					}
				}()
				g.Wait()
				t.Error("Wait returned")
			})
		})
	}
}

// Of several panics the first reaches Wait.
func TestGroupPanics(t *testing.T) {
	bubble(t, "burst 2", func(s *story) {
		g, ctx := s.Group(background)
		for i := range 2 {
			g.Go(func() error { time.Sleep(time.Duration(i) * time.Second); panic(i) })
		}
		defer func() {
			if p, _ := recover().(*scheduler.PanicError); p == nil || p.Value != 0 || context.Cause(ctx) != p {
				t.Errorf("recovered %v", p)
			}
		}()
		g.Wait()
	})
}

func TestGroupJobExits(t *testing.T) {
	bubble(t, "burst 1", func(s *story) {
		g, _ := s.Group(background)
		g.Go(func() error { runtime.Goexit(); return nil })
		if err := g.Wait(); err == nil || !strings.Contains(err.Error(), "Goexit") || s.Stats().InUse != 0 {
			t.Errorf("got %v", err)
		}
	})
}

func TestGroupRefused(t *testing.T) {
	nothing := func() error { return nil }
	for name, c := range map[string]struct {
		give func(s *story, g *scheduler.Group)
		want error
	}{
		"too large":   {func(_ *story, g *scheduler.Group) { g.GoN(3, nothing) }, scheduler.ErrTooLarge},
		"queue full":  {func(_ *story, g *scheduler.Group) { g.Go(nothing); g.Go(nothing) }, scheduler.ErrQueueFull},
		"closed":      {func(s *story, g *scheduler.Group) { s.Close(); g.Go(nothing) }, scheduler.ErrClosed},
		"closed late": {func(s *story, g *scheduler.Group) { g.Go(nothing); s.Close() }, scheduler.ErrClosed},
		"no longer fits": {func(s *story, g *scheduler.Group) {
			g.GoN(2, nothing)
			s.setLimits("1/h")
		}, scheduler.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			control(t, "2/h", func(s *story) {
				s.acquire()
				s.acquire()
				g, ctx := s.Group(background)
				c.give(s, g)
				if err := g.Wait(); !errors.Is(err, c.want) || !errors.Is(context.Cause(ctx), c.want) || g.Withdrawn() == 0 {
					t.Errorf("%d withdrawn, %v", g.Withdrawn(), err)
				}
			}, scheduler.WithMaxQueue(1))
		})
	}
}

func TestGroupBadInput(t *testing.T) {
	bubble(t, "burst 1", func(s *story) {
		for _, give := range []func(g *scheduler.Group){
			func(g *scheduler.Group) { g.Go(nil) },
			func(g *scheduler.Group) { g.GoN(0, func() error { return nil }) },
		} {
			g, _ := s.Group(background)
			give(g)
			var invalid *scheduler.InvalidError
			if err := g.Wait(); !errors.As(err, &invalid) || g.Withdrawn() != 1 {
				t.Errorf("%d withdrawn, %v", g.Withdrawn(), err)
			}
		}
		g, _ := s.Flow("key", 0).Group(background)
		g.Go(func() error { return nil })
		if err := g.Wait(); err == nil {
			t.Error("a share of 0 was accepted")
		}
	})
}

func TestGroupsInFlows(t *testing.T) {
	bubble(t, "1/s", func(s *story) {
		s.acquire()
		var groups []*scheduler.Group
		for _, key := range []string{"greedy", "modest"} {
			g, _ := s.Flow(key, 1).Group(background)
			groups = append(groups, g)
			for range 3 {
				g.Go(func() error { return nil })
			}
		}
		for _, g := range groups {
			if err := g.Wait(); err != nil {
				t.Error(err)
			}
		}
		if got, want := s.turns(), " greedy modest greedy modest greedy modest"; got != want {
			t.Errorf("turns %q, want %q", got, want)
		}
	})
}

// The group may end in the very instant in which a job is granted: then the job has run, or it was
// withdrawn and has charged nothing.
func TestGroupEndsAsAJobIsGranted(t *testing.T) {
	ran, withdrawn := 0, 0
	for range 100 {
		bubble(t, "1/s", func(s *story) {
			s.acquire().Release()
			parent, cancel := context.WithTimeout(background, time.Second)
			defer cancel()
			g, _ := s.Group(parent)
			did := 0
			g.Go(func() error { did++; return nil })
			g.Wait()
			if did+g.Withdrawn() != 1 {
				t.Errorf("%d ran, %d withdrawn", did, g.Withdrawn())
			}
			if got := s.Stats(); got.InUse != 0 || got.Waiting != 0 || got.Windows[0].Used != did {
				t.Errorf("%d ran, stats %+v", did, got)
			}
			ran, withdrawn = ran+did, withdrawn+g.Withdrawn()
		})
	}
	t.Logf("%d ran, %d did not", ran, withdrawn)
}

// Each job either runs or counts as withdrawn, whatever happens to its group and scheduler.
func TestGroupStress(t *testing.T) {
	for round := range 60 {
		r := rand.New(rand.NewPCG(uint64(round), 3))
		opts := []scheduler.Option{scheduler.WithMaxQueue(1 + r.IntN(400))}
		if round%2 == 0 {
			opts = append(opts, scheduler.KeepCore())
		}
		s := start(t, limits(t, []string{"burst 3", "20/ms burst 5", "1000000/s"}[round%3]), opts...)
		parent, cancel := context.WithCancel(background)
		var ran atomic.Int32
		var all sync.WaitGroup
		const groups, jobs = 8, 60
		withdrawn := make([]int, groups)
		for i := range groups {
			flow := s
			if i%2 == 1 {
				flow = s.Flow(fmt.Sprint(i%4), i)
			}
			end := r.IntN(jobs * 2)
			all.Go(func() {
				g, _ := flow.Group(parent)
				var senders sync.WaitGroup
				for j := range 3 {
					senders.Go(func() {
						for k := range jobs / 3 {
							g.Go(func() error {
								ran.Add(1)
								if j*jobs/3+k == end {
									return errJob
								}
								return nil
							})
						}
					})
				}
				senders.Wait()
				g.Wait()
				withdrawn[i] = g.Withdrawn()
			})
		}
		switch round % 5 {
		case 0:
			cancel()
		case 1:
			s.Close()
		case 2:
			go s.Drain(background)
		}
		all.Wait()
		total := int(ran.Load())
		for _, n := range withdrawn {
			total += n
		}
		if total != groups*jobs {
			t.Errorf("round %d: %d jobs ran or were withdrawn, of %d", round, total, groups*jobs)
		}
		if got := s.Stats(); round%5 != 1 && got.InUse != 0 || got.Waiting != 0 {
			t.Errorf("round %d: left behind %+v", round, got)
		}
		cancel()
		s.Close()
	}
}

// A job that waits costs memory by the hundred bytes.
func TestGroupMemory(t *testing.T) {
	const jobs = 100_000
	s := start(t, limits(t, "1/h"))
	s.Acquire(background)
	g, _ := s.Group(background)
	do := func() error { return nil }
	before := heap()
	for range jobs {
		g.Go(do)
	}
	each := float64(heap()-before) / jobs
	t.Logf("%.0f bytes each", each)
	if each > 200 {
		t.Errorf("%.0f bytes for each job in line, want 200 at most", each)
	}
	s.Close()
	g.Wait()
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
