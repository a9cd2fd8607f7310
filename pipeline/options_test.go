package pipeline_test

import (
	"context"
	"math"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/pipeline"
)

// How many calls run at a time with which burst and which Concurrency.
func TestConcurrency(t *testing.T) {
	for _, test := range []struct {
		limits string
		opts   []pipeline.Option
		want   int32
	}{
		{"1000/s burst 4", nil, 4},
		{"1000/s burst 4", []pipeline.Option{pipeline.Concurrency(2)}, 2},
		{"1000/s burst 4", []pipeline.Option{pipeline.Concurrency(9)}, 4},
		{"1000/s", []pipeline.Option{pipeline.Concurrency(9)}, 9},
		{"1000/s", nil, 20},
		{"1000/s", []pipeline.Option{pipeline.Concurrency(1)}, 1},
		{"1000/s", []pipeline.Option{pipeline.Concurrency(math.MaxInt)}, 20},
		{"1000/s burst 1000000000", nil, 20}, // what is allowed and not used costs no memory
	} {
		bothMaps(t, func(t *testing.T, m mapper) {
			s := start(t, test.limits)
			var running, most atomic.Int32
			work := func(_ context.Context, i int) (int, error) {
				raise(&most, running.Add(1))
				time.Sleep(time.Second)
				running.Add(-1)
				return i, nil
			}
			plain(m(t.Context(), s, filled(numbers(20)...), work, test.opts...))
			equal(t, test.limits, most.Load(), test.want)
			most.Store(0)
			err := pipeline.ForEach(t.Context(), s, filled(numbers(20)...), func(ctx context.Context, i int) error {
				_, err := work(ctx, i)
				return err
			}, test.opts...)
			equal(t, "ForEach error", err, nil)
			equal(t, "ForEach with "+test.limits, most.Load(), test.want)
		})
	}
}

// Behind a slow item, exactly Concurrency−1+Buffer later ones begin.
func TestOrderedMapBuffer(t *testing.T) {
	for _, test := range []struct {
		opts []pipeline.Option
		want int32
	}{
		{[]pipeline.Option{pipeline.Concurrency(3)}, 1 + 2 + 3},
		{[]pipeline.Option{pipeline.Concurrency(3), pipeline.Buffer(0)}, 1 + 2},
		{[]pipeline.Option{pipeline.Concurrency(3), pipeline.Buffer(10)}, 1 + 2 + 10},
		{[]pipeline.Option{pipeline.Concurrency(1), pipeline.Buffer(0)}, 1},
		{[]pipeline.Option{pipeline.Concurrency(2), pipeline.Buffer(math.MaxInt)}, 100},
	} {
		bubble(t, func(t *testing.T) {
			s := start(t, "burst 50")
			in := filled(numbers(100)...)
			var begun atomic.Int32
			slow := make(chan struct{})
			out := pipeline.OrderedMap(t.Context(), s, in, func(_ context.Context, i int) (int, error) {
				begun.Add(1)
				if i == 0 {
					<-slow
				}
				return i, nil
			}, test.opts...)
			synctest.Wait()
			equal(t, "begun behind the slow item", begun.Load(), test.want)
			equal(t, "taken", 100-int32(len(in)), test.want)
			close(slow)
			synctest.Wait()
			equal(t, "begun behind the item that nobody takes", begun.Load(), test.want)
			equal(t, "results", plain(out), numbers(100))
		})
	}
}

// goroutines returns how many goroutines run code of the package under test.
func goroutines() (n int) {
	buf := make([]byte, 1<<20)
	for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if !strings.Contains(stack, "testing.") && strings.Contains(stack, "flowguard/pipeline.") {
			n++
		}
	}
	return n
}

// However long the stream, a stage holds and takes no more than is stated, and has no more goroutines.
func TestStagesAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, small := start(t, "burst 100"), start(t, "burst 4")
		ctx, cancel := context.WithCancel(t.Context())
		for name, test := range map[string]struct {
			stage             func(in <-chan int) (read func())
			taken, goroutines int // while nobody reads
		}{
			"Throttle": {func(in <-chan int) (read func()) {
				return reader(pipeline.Throttle(ctx, s, in))
			}, 1, 1},
			"Map": {func(in <-chan int) (read func()) {
				return reader(pipeline.Map(ctx, s, in, same[int], pipeline.Concurrency(5)))
			}, 5, 6},
			"Map beyond the burst": {func(in <-chan int) (read func()) {
				return reader(pipeline.Map(ctx, small, in, same[int], pipeline.Concurrency(5)))
			}, 4, 5},
			"OrderedMap": {func(in <-chan int) (read func()) {
				return reader(pipeline.OrderedMap(ctx, s, in, same[int], pipeline.Concurrency(5), pipeline.Buffer(7)))
			}, 12, 2},
			"Batch": {func(in <-chan int) (read func()) {
				return reader(pipeline.Batch(ctx, s, in, 10, time.Second))
			}, 10, 1},
			"Merge": {func(in <-chan int) (read func()) {
				return reader(pipeline.Merge(ctx, in, make(chan int), make(chan int)))
			}, 1, 1},
		} {
			in := filled(numbers(1000)...)
			base := goroutines()
			read := test.stage(in)
			time.Sleep(time.Minute)
			equal(t, name+" has taken", 1000-len(in), test.taken)
			equal(t, name+" goroutines", goroutines()-base, test.goroutines)
			for len(in) > 500 {
				read()
				synctest.Wait()
			}
			equal(t, name+" goroutines in the middle of the stream", goroutines()-base, test.goroutines)
		}
		cancel()
		synctest.Wait()
		equal(t, "goroutines after the context ended", goroutines(), 0)
	})
}

// reader returns a function that receives one item.
func reader[T any](in <-chan T) func() { return func() { <-in } }
