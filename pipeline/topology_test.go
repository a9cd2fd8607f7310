package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/pipeline"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/scheduler/schedulertest"
)

// topology builds random pipelines over one scheduler.
type topology struct {
	t   *testing.T
	rnd *rand.Rand
	ctx context.Context
	s   *scheduler.Scheduler

	log []string

	mu   sync.Mutex
	pick *rand.Rand // for work, which runs in goroutines of its own
}

// flow is a stream of a topology, and what is known of it.
type flow struct {
	items   <-chan int // source*1000 + position
	want    []int      // what must come out, in any order
	ordered bool       // the items of each source keep their order
}

func (p *topology) logf(format string, args ...any) {
	p.log = append(p.log, fmt.Sprintf(format, args...))
}

// pause returns how long a piece of work takes.
func (p *topology) pause() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(p.pick.IntN(4)) * 400 * time.Millisecond
}

// work holds a permit for a while, unless its context ends.
func (p *topology) work(ctx context.Context, item int) (int, error) {
	select {
	case <-time.After(p.pause()):
		return item, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// options returns a random concurrency and buffer, or none.
func (p *topology) options() []pipeline.Option {
	switch p.rnd.IntN(4) {
	case 0:
		return nil
	case 1:
		return []pipeline.Option{pipeline.Buffer(p.rnd.IntN(5))}
	}
	return []pipeline.Option{pipeline.Concurrency(1 + p.rnd.IntN(5)), pipeline.Buffer(p.rnd.IntN(5))}
}

// weight is 1 or 2.
func weight(item int) int { return 1 + item%2 }

// build returns a stream that has passed through depth stages.
func (p *topology) build(depth int) flow {
	if depth == 0 {
		return p.source()
	}
	if p.rnd.IntN(5) == 0 {
		f := flow{ordered: true}
		var ins []<-chan int
		for range 1 + p.rnd.IntN(3) {
			branch := p.build(depth - 1)
			ins, f.want, f.ordered = append(ins, branch.items), append(f.want, branch.want...), f.ordered && branch.ordered
		}
		p.logf("merge %d", len(ins))
		f.items = pipeline.Merge(p.ctx, ins...)
		return f
	}
	f := p.build(depth - 1)
	switch p.rnd.IntN(7) {
	case 0:
		p.logf("throttle")
		f.items = pipeline.Throttle(p.ctx, p.s, f.items)
	case 1:
		p.logf("throttleN")
		f.items = pipeline.ThrottleN(p.ctx, p.s, f.items, weight)
	case 2:
		p.logf("map")
		f.items, f.ordered = pipeline.Values(p.ctx, pipeline.Map(p.ctx, p.s, f.items, p.work, p.options()...)), false
	case 3:
		p.logf("mapN")
		f.items, f.ordered = pipeline.Values(p.ctx, pipeline.MapN(p.ctx, p.s, f.items, weight, p.work, p.options()...)), false
	case 4:
		p.logf("ordered map")
		f.items = pipeline.Values(p.ctx, pipeline.OrderedMap(p.ctx, p.s, f.items, p.work, p.options()...))
	case 5:
		p.logf("ordered mapN")
		f.items = pipeline.Values(p.ctx, pipeline.OrderedMapN(p.ctx, p.s, f.items, weight, p.work, p.options()...))
	case 6:
		size, wait := 1+p.rnd.IntN(5), time.Duration(p.rnd.IntN(3))*time.Second
		p.logf("batch %d %v", size, wait)
		f.items = p.flat(pipeline.Batch(p.ctx, p.s, f.items, size, wait))
	}
	return f
}

var sources int

func (p *topology) source() flow {
	sources++
	var want []int
	for i := range p.rnd.IntN(30) {
		want = append(want, sources*1000+i)
	}
	p.logf("source %d of %d", sources, len(want))
	return flow{pipeline.FromSlice(p.ctx, want), want, true}
}

// flat is a stage written by hand.
func (p *topology) flat(in <-chan []int) <-chan int {
	out := make(chan int)
	go func() {
		defer close(out)
		for batch := range in {
			for _, item := range batch {
				select {
				case out <- item:
				case <-p.ctx.Done():
					return
				}
			}
		}
	}()
	return out
}

// check compares what came out with what is known of the stream.
func (f flow) check(got []int, complete bool) error {
	last := map[int]int{}
	for _, item := range got {
		if !slices.Contains(f.want, item) {
			return fmt.Errorf("%d was never in the stream", item)
		}
		if before, ok := last[item/1000]; f.ordered && ok && item <= before {
			return fmt.Errorf("%d came after %d", item, before)
		}
		last[item/1000] = item
	}
	sorted, want := slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(f.want))
	if n := len(slices.Compact(slices.Clone(sorted))); n != len(got) {
		return fmt.Errorf("%d items came twice", len(got)-n)
	}
	if complete && !slices.Equal(sorted, want) {
		return fmt.Errorf("%d items came of %d", len(sorted), len(want))
	}
	return nil
}

// How a run of a topology ends.
const (
	drains   = iota // the inputs close
	aborts          // the caller ends the context
	abandons        // the reader goes away, then the caller ends the context
	closes          // the scheduler closes
	endings
)

func TestRandomTopologies(t *testing.T) {
	runs := 400
	if testing.Short() {
		runs = 100
	}
	seed := rand.Uint64()
	for i := range runs {
		runTopology(t, seed, uint64(i))
		if t.Failed() {
			t.Fatalf("seed %d, run %d", seed, i)
		}
	}
}

func runTopology(t *testing.T, seed, run uint64) {
	bubble(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(seed, run))
		limits := scheduler.Limits{MaxBurst: rnd.IntN(4)}
		if limits.MaxBurst == 1 {
			limits.MaxBurst = 2 // the largest weight
		}
		for range rnd.IntN(3) {
			w := scheduler.Per(2+rnd.IntN(6), time.Duration(1+rnd.IntN(3))*time.Second)
			w.From = scheduler.Instant(rnd.IntN(2))
			limits.Windows = append(limits.Windows, w)
		}
		if limits.Validate() != nil {
			limits.Windows = append(limits.Windows, scheduler.PerSecond(5))
		}
		var rec schedulertest.Recorder
		s, err := scheduler.New(limits, &rec)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ctx, abort := pipeline.WithAbort(t.Context())
		defer abort(nil)

		p := &topology{t: t, rnd: rnd, ctx: ctx, s: s, pick: rand.New(rand.NewPCG(run, seed))}
		f := p.build(1 + rnd.IntN(5))
		ending := rnd.IntN(endings)
		quit := errors.New("quit")
		after := time.Duration(rnd.IntN(20_000)) * time.Millisecond
		enough := rnd.IntN(len(f.want) + 1)
		timer := time.AfterFunc(after, func() {
			switch ending {
			case aborts:
				abort(quit)
			case closes:
				s.Close()
			}
		})
		defer timer.Stop()

		var got list[int]
		if rnd.IntN(2) == 0 && ending != abandons {
			p.logf("for each")
			err = pipeline.ForEach(ctx, s, f.items, func(ctx context.Context, item int) error {
				if _, err := p.work(ctx, item); err != nil {
					return err
				}
				got.add(item)
				return nil
			}, p.options()...)
			f.ordered = false
		} else {
			p.logf("sequence")
			for item := range pipeline.ToSeq(ctx, f.items) {
				if ending == abandons && len(got.items) == enough {
					time.Sleep(after) // the stages before run full
					abort(quit)
					break
				}
				got.add(item)
			}
			err = context.Cause(ctx)
		}
		complete := err == nil
		switch {
		case ending == drains && !complete:
			t.Errorf("the pipeline was left alone and ended with %v", err)
		case ending == aborts && !complete && err != quit, ending == abandons && !complete && err != quit:
			t.Errorf("the pipeline was aborted and ended with %v", err)
		case ending == closes && !complete && !errors.Is(err, scheduler.ErrClosed):
			t.Errorf("the scheduler was closed and the pipeline ended with %v", err)
		}
		if err := f.check(got.items, complete); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if !complete {
			closed(t, f.items)
		}
		if ending != closes {
			idle(t, s)
		}
		s.Stats()
		if err := schedulertest.Check(limits, rec.Tickets(), 0); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("limits %v, ending %d after %v, stages from the sources on:\n  %s", limits, ending, after, strings.Join(p.log, "\n  "))
		}
	})
}
