package pipeline_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/pipeline"
	"github.com/flowguard-go/flowguard/scheduler"
)

// job is an item that takes its time.
type job struct {
	id     int
	weight int
	takes  time.Duration
}

func weigh(j job) int { return j.weight }

// do is work.
func (j job) do(ctx context.Context) error {
	select {
	case <-time.After(j.takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// worker is a concurrent stage that calls work for all jobs and returns when all results were read.
type worker func(ctx context.Context, s *scheduler.Scheduler, in <-chan job, work func(context.Context, job) error, read func(), opts ...pipeline.Option) error

// workers are all concurrent stages.
var workers = map[string]worker{
	"Map": func(ctx context.Context, s *scheduler.Scheduler, in <-chan job, work func(context.Context, job) error, read func(), opts ...pipeline.Option) error {
		return drain(pipeline.Map(ctx, s, in, withResult(work), opts...), false, read)
	},
	"MapN": func(ctx context.Context, s *scheduler.Scheduler, in <-chan job, work func(context.Context, job) error, read func(), opts ...pipeline.Option) error {
		return drain(pipeline.MapN(ctx, s, in, weigh, withResult(work), opts...), false, read)
	},
	"OrderedMap": func(ctx context.Context, s *scheduler.Scheduler, in <-chan job, work func(context.Context, job) error, read func(), opts ...pipeline.Option) error {
		return drain(pipeline.OrderedMap(ctx, s, in, withResult(work), opts...), true, read)
	},
	"OrderedMapN": func(ctx context.Context, s *scheduler.Scheduler, in <-chan job, work func(context.Context, job) error, read func(), opts ...pipeline.Option) error {
		return drain(pipeline.OrderedMapN(ctx, s, in, weigh, withResult(work), opts...), true, read)
	},
	"ForEach": func(ctx context.Context, s *scheduler.Scheduler, in <-chan job, work func(context.Context, job) error, _ func(), opts ...pipeline.Option) error {
		return pipeline.ForEach(ctx, s, in, work, opts...)
	},
	"ForEachN": func(ctx context.Context, s *scheduler.Scheduler, in <-chan job, work func(context.Context, job) error, _ func(), opts ...pipeline.Option) error {
		return pipeline.ForEachN(ctx, s, in, weigh, work, opts...)
	},
}

func withResult(work func(context.Context, job) error) func(context.Context, job) (job, error) {
	return func(ctx context.Context, j job) (job, error) { return j, work(ctx, j) }
}

// drain reads all results, calling read before each.
func drain(out <-chan pipeline.Result[job], ordered bool, read func()) error {
	for n := 0; ; n++ {
		read()
		r, ok := <-out
		switch {
		case !ok:
			return nil
		case r.Err != nil:
			return r.Err
		case ordered && r.Value.id != n:
			return fmt.Errorf("result %d is of item %d", n, r.Value.id)
		}
	}
}

// jobs returns n jobs of weight 1.
func jobs(n int, takes time.Duration) []job {
	list := make([]job, n)
	for i := range list {
		list[i] = job{i, 1, takes}
	}
	return list
}

// Ten calls of 300 ms that the limits allow at once run at once.
func TestLimitsAloneBoundTheCalls(t *testing.T) {
	for name, stage := range workers {
		bubble(t, func(t *testing.T) {
			s := start(t, "10/s")
			begin := time.Now()
			err := stage(t.Context(), s, filled(jobs(10, 300*time.Millisecond)...),
				func(ctx context.Context, j job) error { return j.do(ctx) }, func() {})
			equal(t, name, err, nil)
			equal(t, name+" took", time.Since(begin), 300*time.Millisecond)
		})
	}
}

// begins returns when the calls begin if nothing but the limits and n calls at a time bounds them;
// n is 0 for no bound. It is the plainest way to say so.
func begins(l scheduler.Limits, n int, list []job, weight func(job) int) (at []time.Duration) {
	fits := func(t time.Duration, w int) bool {
		for _, window := range l.Windows {
			used := w
			for i, begun := range at {
				if begun > t-window.Per {
					used += weight(list[i])
				}
			}
			if used > window.Permits {
				return false
			}
		}
		held, calls := w, 1
		for i, begun := range at {
			if begun+list[i].takes > t {
				held, calls = held+weight(list[i]), calls+1
			}
		}
		return (l.MaxBurst == 0 || held <= l.MaxBurst) && (n == 0 || calls <= n)
	}
	for i, j := range list {
		instants := []time.Duration{0} // at which something may come to fit
		for k, begun := range at {
			instants = append(instants, begun, begun+list[k].takes)
			for _, window := range l.Windows {
				instants = append(instants, begun+window.Per)
			}
		}
		slices.Sort(instants)
		for _, t := range instants {
			if (i == 0 || t >= at[i-1]) && fits(t, weight(j)) {
				at = append(at, t)
				break
			}
		}
	}
	return at
}

// Random limits and calls: each call begins at the instant at which the limits first allow it. The reader
// may be away all the while, where results that wait do not count as calls.
func TestStagesLikeTheLimits(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 100 {
		l := scheduler.Limits{MaxBurst: max(0, rnd.IntN(9)-3)}
		if l.MaxBurst == 1 {
			l.MaxBurst = 2 // the largest weight
		}
		for range rnd.IntN(3) {
			l.Windows = append(l.Windows, scheduler.Per(2+rnd.IntN(10), time.Duration(1+rnd.IntN(30))*100*time.Millisecond))
		}
		if l.Validate() != nil {
			l.Windows = []scheduler.Window{scheduler.PerSecond(10)}
		}
		list := jobs(40, 0)
		for i := range list {
			list[i].weight = 1 + rnd.IntN(2)
			list[i].takes = time.Duration(1+rnd.IntN(30)) * 70 * time.Millisecond
		}
		var opts []pipeline.Option
		concurrency, away := 0, time.Duration(rnd.IntN(20))*time.Second
		if rnd.IntN(3) == 0 {
			concurrency = 1 + rnd.IntN(6)
			opts = []pipeline.Option{pipeline.Concurrency(concurrency), pipeline.Buffer(1000)}
		}
		for name, stage := range workers {
			bubble(t, func(t *testing.T) {
				s := start(t, l.String())
				weight := weigh
				switch name {
				case "Map", "OrderedMap", "ForEach":
					weight = func(job) int { return 1 }
				}
				away := away
				if (name == "Map" || name == "MapN") && (concurrency > 0 || l.MaxBurst > 0) {
					away = 0
				}
				at := make([]time.Duration, len(list))
				begin := time.Now()
				err := stage(t.Context(), s, filled(list...), func(ctx context.Context, j job) error {
					at[j.id] = time.Since(begin)
					return j.do(ctx)
				}, func() { time.Sleep(away - time.Since(begin)) }, opts...)
				equal(t, "error", err, nil)
				equal(t, fmt.Sprint(name, " under ", l, ", concurrency ", concurrency, ", reader away for ", away),
					at, begins(l, concurrency, list, weight))
			})
			if t.Failed() {
				return
			}
		}
	}
}

// A reader that needs nearly all the time for its results, and gets them all at once, costs no permit.
func TestReaderThatKeepsUp(t *testing.T) {
	for name, stage := range workers {
		bubble(t, func(t *testing.T) {
			s := start(t, "10/s")
			list := jobs(100, 900*time.Millisecond)
			begin := time.Now()
			at := make([]time.Duration, len(list))
			stage(t.Context(), s, filled(list...), func(ctx context.Context, j job) error {
				at[j.id] = time.Since(begin)
				return j.do(ctx)
			}, func() { time.Sleep(99 * time.Millisecond) })
			equal(t, name, at, begins(s.Limits(), 0, list, weigh))
		})
	}
}

// A slow item at the head of OrderedMap stops the others for as little as the documented buffer says.
func TestOrderedMapBehindASlowItem(t *testing.T) {
	for _, test := range []struct {
		limits string
		opts   []pipeline.Option
		want   int32
	}{
		{"10/s", nil, 600}, // in a minute
		{"10/s burst 5", nil, 600},
		{"10/s burst 2", []pipeline.Option{pipeline.Concurrency(2)}, 1 + 1 + 2},
		{"10/s burst 2", []pipeline.Option{pipeline.Concurrency(5)}, 1 + 1 + 2},
		{"1/s", []pipeline.Option{pipeline.Buffer(5)}, 1 + 5 + 2}, // one was in its call and one in line
		{"1/s", []pipeline.Option{pipeline.Buffer(0)}, 1 + 2},
	} {
		bubble(t, func(t *testing.T) {
			s := start(t, test.limits)
			var begun atomic.Int32
			list := jobs(700, 10*time.Millisecond)
			list[0].takes = time.Minute
			out := pipeline.OrderedMap(t.Context(), s, filled(list...), func(ctx context.Context, j job) (job, error) {
				begun.Add(1)
				return j, j.do(ctx)
			}, test.opts...)
			time.Sleep(time.Minute - 1)
			equal(t, "begun under "+test.limits, begun.Load(), test.want)
			equal(t, "results", drain(out, true, func() {}), nil)
		})
	}
}

// While the reader is away, so many calls begin and no more, and its return lets the rest through.
// Ending the context instead leaves nothing behind.
func TestReaderThatGoesAway(t *testing.T) {
	for _, test := range []struct {
		limits string
		opts   []pipeline.Option
		want   int32
	}{
		// By tens, until more than so many results wait. One item is in line by then.
		{"10/s", nil, 1010 + 1},
		{"10/s", []pipeline.Option{pipeline.Buffer(5)}, 10 + 1},
		{"10/s", []pipeline.Option{pipeline.Buffer(10)}, 20 + 1},
		{"1/s", []pipeline.Option{pipeline.Buffer(0)}, 2},
	} {
		for _, name := range []string{"Map", "MapN", "OrderedMap", "OrderedMapN"} {
			for _, returns := range []bool{true, false} {
				bubble(t, func(t *testing.T) {
					s := start(t, test.limits)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					var begun atomic.Int32
					away := make(chan struct{})
					ended := make(chan error)
					go func() {
						ended <- workers[name](ctx, s, filled(jobs(1100, 300*time.Millisecond)...), func(ctx context.Context, j job) error {
							begun.Add(1)
							return j.do(ctx)
						}, func() { <-away }, test.opts...)
					}()
					time.Sleep(time.Hour)
					equal(t, fmt.Sprint(name, " under ", test.limits, " has begun"), begun.Load(), test.want)
					idle(t, s)
					if returns {
						close(away)
						equal(t, "error", <-ended, nil)
						equal(t, name+" has begun in the end", begun.Load(), 1100)
						return
					}
					cancel()
					synctest.Wait()
					equal(t, name+" has left goroutines", goroutines(), 0)
					close(away)
					equal(t, "error", <-ended, nil)
				})
			}
		}
	}
}

// Items that were refused leave no more room for others than those that were not.
func TestRefusalsMakeNoRoom(t *testing.T) {
	for _, name := range []string{"MapN", "OrderedMapN"} {
		bubble(t, func(t *testing.T) {
			s := start(t, "100/s")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			list := jobs(50, time.Second)
			for i := range 20 {
				list[i].weight = 0
			}
			stage := pipeline.MapN[job, job]
			if name == "OrderedMapN" {
				stage = pipeline.OrderedMapN[job, job]
			}
			var begun atomic.Int32
			out := stage(ctx, s, filled(list...), weigh, func(ctx context.Context, j job) (job, error) {
				begun.Add(1)
				return j, j.do(ctx)
			}, pipeline.Concurrency(2), pipeline.Buffer(0))
			for range 20 {
				if r := <-out; r.Err == nil {
					t.Error(name, "did not refuse an item of weight 0")
				}
			}
			time.Sleep(time.Minute)
			equal(t, name+" has begun while the reader is away", begun.Load(), 2)
		})
	}
}

// A change of the burst holds for stages that run, without Concurrency and within it.
func TestBurstThatChanges(t *testing.T) {
	for _, test := range []struct {
		opts []pipeline.Option
		want []int32 // calls at a time with a burst of 2, 5, 1 and none
	}{
		{nil, []int32{2, 5, 1, 7}},
		{[]pipeline.Option{pipeline.Concurrency(3)}, []int32{2, 3, 1, 3}},
	} {
		for name, stage := range workers {
			bubble(t, func(t *testing.T) {
				s := start(t, "7/s burst 2")
				ctx, cancel := context.WithCancel(t.Context())
				var running atomic.Int32
				ended := make(chan error)
				in := pipeline.FromSlice(ctx, jobs(1000, 990*time.Millisecond))
				go func() {
					ended <- stage(ctx, s, in, func(ctx context.Context, j job) error {
						running.Add(1)
						defer running.Add(-1)
						return j.do(ctx)
					}, func() {}, test.opts...)
				}()
				for i, burst := range []int{2, 5, 1, 0} {
					if err := s.SetLimits(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(7)}, MaxBurst: burst}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(5 * time.Second)
					var most int32
					for range 1000 {
						time.Sleep(time.Millisecond)
						most = max(most, running.Load())
					}
					equal(t, fmt.Sprint(name, " with a burst of ", burst), most, test.want[i])
				}
				cancel()
				<-ended
				synctest.Wait()
			})
		}
	}
}
