package pipeline_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/pipeline"
	"github.com/flowguard-go/flowguard/scheduler"
)

// mapper is Map or OrderedMap.
type mapper func(ctx context.Context, s scheduler.Source, in <-chan int,
	work func(context.Context, int) (int, error), opts ...pipeline.Option) <-chan pipeline.Result[int]

// bothMaps runs a test for Map and for OrderedMap.
func bothMaps(t *testing.T, f func(t *testing.T, m mapper)) {
	t.Run("Map", func(t *testing.T) { bubble(t, func(t *testing.T) { f(t, pipeline.Map[int, int]) }) })
	t.Run("OrderedMap", func(t *testing.T) { bubble(t, func(t *testing.T) { f(t, pipeline.OrderedMap[int, int]) }) })
}

// sleeper is work that takes the given seconds for each item.
func sleeper(seconds ...float64) func(context.Context, int) (int, error) {
	return func(ctx context.Context, i int) (int, error) {
		time.Sleep(time.Duration(seconds[i] * float64(time.Second)))
		return i, nil
	}
}

func plain(in <-chan pipeline.Result[int]) []int {
	var list []int
	for r := range in {
		list = append(list, r.Value)
	}
	return list
}

func TestMapGivesResultsAsTheyCome(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "burst 3")
		out := pipeline.Map(t.Context(), s, filled(0, 1, 2), sleeper(3, 1, 2))
		equal(t, "results", plain(out), []int{1, 2, 0})
	})
}

func TestOrderedMapKeepsTheOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "burst 3")
		var times []float64
		rnd := rand.New(rand.NewPCG(1, 2))
		for range 200 {
			times = append(times, rnd.Float64())
		}
		out := pipeline.OrderedMap(t.Context(), s, filled(numbers(200)...), sleeper(times...))
		equal(t, "results", plain(out), numbers(200))
	})
}

// The permit is held while the work runs, and not while its result waits for a reader.
func TestMapHoldsThePermitWhileTheWorkRuns(t *testing.T) {
	bothMaps(t, func(t *testing.T, m mapper) {
		s := start(t, "100/s burst 2")
		out := m(t.Context(), s, filled(0, 1), sleeper(1, 1))
		synctest.Wait()
		equal(t, "in use while working", s.Stats().InUse, 2)
		time.Sleep(1500 * time.Millisecond)
		equal(t, "in use while the results wait", s.Stats().InUse, 0)
		equal(t, "results", len(plain(out)), 2)
	})
}

// The work starts at the grant: no more in any window, never more at once than the burst.
func TestMapKeepsTheLimits(t *testing.T) {
	bothMaps(t, func(t *testing.T, m mapper) {
		s := start(t, "3/2s from release burst 2")
		var at list[time.Duration]
		var running, most atomic.Int32
		begin := time.Now()
		out := m(t.Context(), s, filled(numbers(6)...), func(ctx context.Context, i int) (int, error) {
			at.add(time.Since(begin))
			raise(&most, running.Add(1))
			time.Sleep(time.Second)
			running.Add(-1)
			return i, nil
		}, pipeline.Concurrency(10))
		equal(t, "results", len(plain(out)), 6)
		// Two begin at 0; the third when one is released; then each 2 s after a release.
		equal(t, "starts", at.items, seconds(0, 0, 1, 3, 3, 4))
		equal(t, "most at once", most.Load(), 2)
	})
}

func TestMapNTakesTheWeight(t *testing.T) {
	weight := func(i int) int { return i }
	bubble(t, func(t *testing.T) {
		s := start(t, "3/s")
		for name, out := range map[string]<-chan pipeline.Result[int]{
			"MapN":        pipeline.MapN(t.Context(), s, filled(3, 1, 4, 2, 0, 3), weight, same[int], pipeline.Concurrency(1)),
			"OrderedMapN": pipeline.OrderedMapN(t.Context(), s, filled(3, 1, 4, 2, 0, 3), weight, same[int]),
		} {
			var got []int
			var refusals []error
			for r := range out {
				if r.Err != nil {
					refusals = append(refusals, r.Err)
					continue
				}
				got = append(got, r.Value)
			}
			equal(t, name, got, []int{3, 1, 2, 3})
			var invalid *scheduler.InvalidError
			if len(refusals) != 2 || !errors.Is(refusals[0], scheduler.ErrTooLarge) || !errors.As(refusals[1], &invalid) {
				t.Errorf("%s: the refusals are %v", name, refusals)
			}
		}
		equal(t, "tickets granted", s.Stats().Granted, 8)
	})
}

func TestMapErrorsTravelWithTheResults(t *testing.T) {
	odd := errors.New("odd")
	bothMaps(t, func(t *testing.T, m mapper) {
		s := start(t, "burst 1")
		out := m(t.Context(), s, filled(numbers(4)...), func(_ context.Context, i int) (int, error) {
			if i%2 == 1 {
				return -i, odd
			}
			return i, nil
		})
		equal(t, "results", all(out), []pipeline.Result[int]{{Value: 0}, {-1, odd}, {Value: 2}, {-3, odd}})
	})
}

func TestMapAborts(t *testing.T) {
	bothMaps(t, func(t *testing.T, m mapper) {
		s := start(t, "3/h burst 3")
		ctx, cancel := context.WithCancel(t.Context())
		in := make(chan int, 9)
		for i := range 9 {
			in <- i
		}
		out := m(ctx, s, in, func(ctx context.Context, i int) (int, error) {
			if i == 2 {
				<-ctx.Done()
				time.Sleep(time.Second) // cleaning up
			}
			return i, nil
		}, pipeline.Buffer(9))
		for len(in) > 6 {
			<-out // Map stops here because its results wait; free its slots
			synctest.Wait()
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		equal(t, "permits in use while work cleans up", s.Stats().InUse, 1)
		select {
		case r, ok := <-out:
			t.Error("while work runs the output gave", r, ok)
		default:
		}
		time.Sleep(2 * time.Second)
		closed(t, out)
		idle(t, s)
	})
}

func TestMapAbortsInLine(t *testing.T) {
	bothMaps(t, func(t *testing.T, m mapper) {
		s := start(t, "1/h")
		ctx, cancel := context.WithCancel(t.Context())
		out := m(ctx, s, filled(1, 2, 3), same[int], pipeline.Concurrency(3))
		<-out
		synctest.Wait()
		equal(t, "tickets in line", s.Stats().Waiting, 1)
		cancel()
		closed(t, out)
		idle(t, s)
	})
}

// The last result of a stage whose scheduler closes says so; what was in work still comes out.
func TestMapTellsAClosedScheduler(t *testing.T) {
	bothMaps(t, func(t *testing.T, m mapper) {
		s := start(t, "2/h")
		ctx, abort := pipeline.WithAbort(t.Context())
		defer abort(nil)
		out := m(ctx, s, filled(0, 1, 2, 3), sleeper(5, 5, 5, 5), pipeline.Concurrency(3))
		time.Sleep(time.Second)
		s.Close()
		results := all(out)
		equal(t, "values", len(results), 3)
		for i, r := range results {
			if (i == 2) != errors.Is(r.Err, scheduler.ErrClosed) {
				t.Errorf("result %d is %v", i, r)
			}
		}
		if err := context.Cause(ctx); !errors.Is(err, scheduler.ErrClosed) {
			t.Error("the cause is", err)
		}
	})
}

// A refusal that a later item need not meet is that item's result.
func TestMapGoesOnAfterARefusal(t *testing.T) {
	bothMaps(t, func(t *testing.T, m mapper) {
		s := start(t, "2/s", scheduler.NonBlocking())
		in := make(chan int)
		go func() {
			defer close(in)
			for i := range 5 {
				in <- i
				time.Sleep(300 * time.Millisecond)
			}
		}()
		var refused []int
		i := 0
		for r := range m(t.Context(), s, in, same[int]) {
			if errors.Is(r.Err, scheduler.ErrNoPermit) {
				refused = append(refused, i)
			} else if r.Err != nil || r.Value != i {
				t.Errorf("result %d is %v", i, r)
			}
			i++
		}
		equal(t, "refused", refused, []int{2, 3})
	})
}

// Grants follow the order of the input, also for a stage with many workers.
func TestMapStartsInOrder(t *testing.T) {
	bothMaps(t, func(t *testing.T, m mapper) {
		s := start(t, "1/s burst 8")
		var begun list[int]
		out := m(t.Context(), s, filled(numbers(30)...), func(_ context.Context, i int) (int, error) {
			begun.add(i)
			time.Sleep(5 * time.Second)
			return i, nil
		})
		got := plain(out)
		slices.Sort(got)
		equal(t, "begun", begun.items, numbers(30))
		equal(t, "results", got, numbers(30))
	})
}
