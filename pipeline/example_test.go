package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/flowguard-go/flowguard/pipeline"
	"github.com/flowguard-go/flowguard/scheduler"
)

// limited returns a scheduler for an example.
func limited(limits string) *scheduler.Scheduler {
	l, err := scheduler.ParseLimits(limits)
	if err != nil {
		panic(err)
	}
	s, err := scheduler.New(l)
	if err != nil {
		panic(err)
	}
	return s
}

// A pipeline from its source to its end: pages are fetched four at a time within the limits, their
// links are collected in pairs, and each pair costs its weight.
func Example() {
	s := limited("100/s burst 4")
	defer s.Close()
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	fetch := func(_ context.Context, url string) (string, error) { return "page of " + url, nil }
	urls := pipeline.FromSlice(ctx, []string{"/a", "/b", "/c"})
	pages := pipeline.Values(ctx, pipeline.OrderedMap(ctx, s, urls, fetch))
	pairs := pipeline.Batch(ctx, s, pages, 2, time.Minute)
	store := func(_ context.Context, pair []string) error {
		fmt.Println(strings.Join(pair, ", "))
		return nil
	}
	weight := func(pair []string) int { return len(pair) }
	err := pipeline.ForEachN(ctx, s, pairs, weight, store, pipeline.Concurrency(1))
	fmt.Println("error:", err)
	// Output:
	// page of /a, page of /b
	// page of /c
	// error: <nil>
}

func ExampleThrottle() {
	s := limited("2/10ms")
	defer s.Close()
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	begin := time.Now()
	for item := range pipeline.Throttle(ctx, s, pipeline.FromSlice(ctx, []string{"a", "b", "c", "d", "e"})) {
		fmt.Print(item, " ")
	}
	fmt.Println("in no less than 20 ms:", time.Since(begin) >= 20*time.Millisecond)
	// Output: a b c d e in no less than 20 ms: true
}

// Somebody closes the scheduler before the stream has ended. The loop ends as usual, and the cause
// tells why.
func ExampleThrottle_closed() {
	s := limited("2/h")
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	for item := range pipeline.Throttle(ctx, s, pipeline.FromSlice(ctx, []int{1, 2, 3})) {
		fmt.Println(item)
		if item == 2 {
			s.Close()
		}
	}
	if err := context.Cause(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1
	// 2
	// pipeline: Throttle: scheduler: closed
}

// Lines that may go out at 100 bytes an hour.
func ExampleThrottleN() {
	s := limited("100/h")
	defer s.Close()
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	lines := pipeline.FromSlice(ctx, []string{"short", "somewhat longer"})
	for line := range pipeline.ThrottleN(ctx, s, lines, func(line string) int { return len(line) }) {
		fmt.Println(line)
	}
	fmt.Println("bytes left in this hour:", s.Stats().Windows[0].Remaining)
	// Output:
	// short
	// somewhat longer
	// bytes left in this hour: 80
}

// Results come when they are ready, so this sorts them.
func ExampleMap() {
	s := limited("1000/s burst 3")
	defer s.Close()
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	square := func(_ context.Context, i int) (int, error) { return i * i, nil }
	out := pipeline.Map(ctx, s, pipeline.FromSlice(ctx, []int{1, 2, 3, 4}), square)
	var squares []int
	for square, err := range pipeline.ToSeq2(ctx, out) {
		if err != nil {
			fmt.Println(err)
			return
		}
		squares = append(squares, square)
	}
	slices.Sort(squares)
	fmt.Println(squares)
	// Output: [1 4 9 16]
}

// An item that no window could ever hold is refused; the others are worked on.
func ExampleMapN() {
	s := limited("10/s")
	defer s.Close()
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	texts := pipeline.FromSlice(ctx, []string{"hello", "hello world"})
	upper := func(_ context.Context, text string) (string, error) { return strings.ToUpper(text), nil }
	weight := func(text string) int { return len(text) }
	for r := range pipeline.MapN(ctx, s, texts, weight, upper, pipeline.Concurrency(1)) {
		fmt.Printf("%q, too large: %v\n", r.Value, errors.Is(r.Err, scheduler.ErrTooLarge))
	}
	// Output:
	// "HELLO", too large: false
	// "", too large: true
}

// Items that fail do not stop the others. The results keep the order though the first takes longest.
func ExampleOrderedMap() {
	s := limited("1000/s burst 3")
	defer s.Close()
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	others := make(chan struct{}, 2)
	check := func(_ context.Context, i int) (string, error) {
		if i == 1 {
			<-others
			<-others
			return "one", nil
		}
		others <- struct{}{}
		return "", fmt.Errorf("%d is not one", i)
	}
	for r := range pipeline.OrderedMap(ctx, s, pipeline.FromSlice(ctx, []int{1, 2, 3}), check) {
		fmt.Println(r.Value, r.Err)
	}
	// Output:
	// one <nil>
	//  2 is not one
	//  3 is not one
}

// Each batch takes a permit for each of its rows.
func ExampleOrderedMapN() {
	s := limited("100/h burst 6")
	defer s.Close()
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	rows := pipeline.FromSlice(ctx, []int{1, 2, 3, 4, 5})
	batches := pipeline.Batch(ctx, s, rows, 3, time.Minute)
	sum := func(_ context.Context, batch []int) (sum int, err error) {
		for _, row := range batch {
			sum += row
		}
		return sum, nil
	}
	for r := range pipeline.OrderedMapN(ctx, s, batches, func(b []int) int { return len(b) }, sum) {
		fmt.Println(r.Value)
	}
	fmt.Println("permits used:", s.Stats().Windows[0].Used)
	// Output:
	// 6
	// 9
	// permits used: 5
}

func ExampleForEach() {
	s := limited("1000/s burst 2")
	defer s.Close()
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	var sum atomic.Int64
	err := pipeline.ForEach(ctx, s, pipeline.FromSlice(ctx, []int{1, 2, 3, 4}), func(_ context.Context, i int) error {
		sum.Add(int64(i))
		return nil
	})
	fmt.Println(sum.Load(), err)

	err = pipeline.ForEach(ctx, s, pipeline.FromSlice(ctx, []int{1, 2, 3, 4}), func(_ context.Context, i int) error {
		if i == 2 {
			return errors.New("no twos")
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// 10 <nil>
	// no twos
}

func ExampleForEachN() {
	s := limited("100/h")
	defer s.Close()
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	words := pipeline.FromSlice(ctx, []string{"three", "small", "words"})
	err := pipeline.ForEachN(ctx, s, words, func(w string) int { return len(w) }, func(_ context.Context, w string) error {
		fmt.Println(w)
		return nil
	}, pipeline.Concurrency(1))
	fmt.Println("error:", err, "permits used:", s.Stats().Windows[0].Used)
	// Output:
	// three
	// small
	// words
	// error: <nil> permits used: 15
}

// Calls that are hard on this machine run two at a time, although the limits allow more.
func ExampleConcurrency() {
	s := limited("1000/s")
	defer s.Close()
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	var running, most atomic.Int32
	work := func(_ context.Context, i int) (int, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		return i, nil
	}
	results := 0
	for range pipeline.Map(ctx, s, pipeline.FromSlice(ctx, []int{1, 2, 3, 4}), work, pipeline.Concurrency(2)) {
		results++
	}
	fmt.Println(results, "results, two calls at a time at most:", most.Load() <= 2)
	// Output: 4 results, two calls at a time at most: true
}

// Nine items are finished while the first is still in work.
func ExampleBuffer() {
	s := limited("1000/s burst 2")
	defer s.Close()
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	var finished atomic.Int32
	slow := make(chan struct{})
	work := func(_ context.Context, i int) (int, error) {
		if i == 0 {
			<-slow
		} else if finished.Add(1) == 9 {
			close(slow)
		}
		return i, nil
	}
	items := pipeline.FromSlice(ctx, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	for r := range pipeline.OrderedMap(ctx, s, items, work, pipeline.Buffer(8)) {
		fmt.Print(r.Value, " ")
	}
	// Output: 0 1 2 3 4 5 6 7 8 9
}

func ExampleBatch() {
	s := limited("10/s")
	defer s.Close()
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	rows := pipeline.FromSlice(ctx, []int{1, 2, 3, 4, 5, 6, 7})
	for batch := range pipeline.Batch(ctx, s, rows, 3, time.Second) {
		fmt.Println(batch)
	}
	// Output:
	// [1 2 3]
	// [4 5 6]
	// [7]
}

func ExampleMerge() {
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	busy, rare := make(chan string, 4), make(chan string, 1)
	for range 4 {
		busy <- "busy"
	}
	rare <- "rare"
	close(busy)
	close(rare)
	for item := range pipeline.Merge(ctx, busy, rare) {
		fmt.Print(item, " ")
	}
	// Output: busy rare busy busy busy
}

func ExampleFromSlice() {
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	for item := range pipeline.FromSlice(ctx, []string{"a", "b"}) {
		fmt.Println(item)
	}
	// Output:
	// a
	// b
}

func ExampleFromSeq() {
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	for key := range pipeline.FromSeq(ctx, maps.Keys(map[string]int{"answer": 42})) {
		fmt.Println(key)
	}
	// Output: answer
}

func ExampleToSeq() {
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	items := pipeline.FromSlice(ctx, []int{1, 2, 3})
	fmt.Println(slices.Collect(pipeline.ToSeq(ctx, items)), context.Cause(ctx))
	// Output: [1 2 3] <nil>
}

// The first error ends the loop; the deferred abort ends the stages.
func ExampleToSeq2() {
	s := limited("1000/s")
	defer s.Close()
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	half := func(_ context.Context, i int) (int, error) {
		if i%2 != 0 {
			return 0, fmt.Errorf("%d is odd", i)
		}
		return i / 2, nil
	}
	for v, err := range pipeline.ToSeq2(ctx, pipeline.OrderedMap(ctx, s, pipeline.FromSlice(ctx, []int{2, 4, 5, 6}), half)) {
		if err != nil {
			fmt.Println("error:", err)
			break
		}
		fmt.Println(v)
	}
	// Output:
	// 1
	// 2
	// error: 5 is odd
}

// The stages after Values see no errors. The end of the pipeline checks once.
func ExampleValues() {
	s := limited("1000/s")
	defer s.Close()
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	parse := func(_ context.Context, text string) (time.Duration, error) { return time.ParseDuration(text) }
	texts := pipeline.FromSlice(ctx, []string{"1s", "2m", "soon", "3h"})
	for d := range pipeline.Values(ctx, pipeline.OrderedMap(ctx, s, texts, parse)) {
		fmt.Println(d)
	}
	fmt.Println("error:", context.Cause(ctx))
	// Output:
	// 1s
	// 2m0s
	// error: time: invalid duration "soon"
}

// A stage written by hand ends the pipeline like the others.
func ExampleWithAbort() {
	s := limited("1000/s")
	defer s.Close()
	ctx, abort := pipeline.WithAbort(context.Background())
	defer abort(nil)

	numbers := pipeline.FromSlice(ctx, []int{1, 2, -1, 3})
	positive := make(chan int)
	go func() {
		defer close(positive)
		for i := range pipeline.ToSeq(ctx, numbers) {
			if i < 0 {
				abort(fmt.Errorf("%d is negative", i))
				return
			}
			select {
			case positive <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	for i := range positive {
		fmt.Println(i)
	}
	fmt.Println("error:", context.Cause(ctx))
	// Output:
	// 1
	// 2
	// error: -1 is negative
}
