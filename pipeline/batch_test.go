package pipeline_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/pipeline"
	"github.com/flowguard-go/flowguard/scheduler"
)

func TestBatchBySize(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "burst 1")
		for _, wait := range []time.Duration{0, -1, time.Hour} {
			out := pipeline.Batch(t.Context(), s, filled(numbers(7)...), 3, wait)
			equal(t, "batches", all(out), [][]int{{0, 1, 2}, {3, 4, 5}, {6}})
		}
		equal(t, "batches of none", len(all(pipeline.Batch(t.Context(), s, filled[int](), 3, time.Hour))), 0)
	})
}

// The time of a batch runs from its first item, and starts anew with the next batch.
func TestBatchByTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "burst 1")
		in := make(chan int)
		go func() {
			defer close(in)
			for i, pause := range seconds(5, 3, 3, 5, 9, 9.5, 0, 0, 1) {
				time.Sleep(pause)
				in <- i
			}
		}()
		batches, at := timed(pipeline.Batch(t.Context(), s, in, 3, 10*time.Second))
		equal(t, "batches", batches, [][]int{{0, 1, 2}, {3, 4}, {5, 6, 7}, {8}})
		equal(t, "times", at, seconds(11, 26, 34.5, 35.5))
	})
}

func TestBatchWithoutTimeWaitsForSize(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "burst 1")
		in := make(chan int)
		out := pipeline.Batch(t.Context(), s, in, 2, 0)
		in <- 1
		time.Sleep(1000 * time.Hour)
		select {
		case b := <-out:
			t.Error("got", b)
		default:
		}
		close(in)
		equal(t, "batches", all(out), "[[1]]")
	})
}

// A slow reader: the batch whose time has come goes on to fill, up to its size and not beyond.
func TestBatchFillsUpForASlowReader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "burst 1")
		in := make(chan int, 10)
		out := pipeline.Batch(t.Context(), s, in, 3, time.Second)
		in <- 0
		time.Sleep(2 * time.Second)
		for i := 1; i < 8; i++ {
			in <- i
		}
		synctest.Wait()
		equal(t, "items not taken", len(in), 5)
		close(in)
		equal(t, "batches", all(out), [][]int{{0, 1, 2}, {3, 4, 5}, {6, 7}})
	})
}

// An item that comes late to a batch whose time has come does not make it wait again.
func TestBatchStaysDue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "burst 1")
		in := make(chan int)
		out := pipeline.Batch(t.Context(), s, in, 3, time.Second)
		in <- 0
		time.Sleep(2 * time.Second)
		in <- 1
		synctest.Wait()
		select {
		case b := <-out:
			equal(t, "batch", b, []int{0, 1})
		default:
			t.Error("the batch is due no more")
		}
		close(in)
		synctest.Wait()
	})
}

func TestBatchDropsWhatItCollectedOnAbort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "burst 1")
		ctx, cancel := context.WithCancel(t.Context())
		in := make(chan int, 2)
		out := pipeline.Batch(ctx, s, in, 5, time.Minute)
		in <- 1
		synctest.Wait()
		cancel()
		closed(t, out)

		// The stage before closes its output because the context has ended: that is no drain.
		for range 50 {
			ctx, cancel := context.WithCancel(t.Context())
			in := make(chan int)
			out := pipeline.Batch(ctx, s, in, 5, time.Minute)
			in <- 1
			cancel()
			close(in)
			equal(t, "batches", len(all(out)), 0)
		}
	})
}

// counted is a clock that knows how many timers it was asked for and whether they are set.
type counted struct {
	*clock.Mock
	made  atomic.Int32
	timer atomic.Pointer[clock.Timer]
}

func (c *counted) AfterFunc(d time.Duration, f func()) *clock.Timer {
	c.made.Add(1)
	timer := c.Mock.AfterFunc(d, f)
	c.timer.Store(timer)
	return timer
}

// On the mock clock, to the instant; with one timer, which is not left armed.
func TestBatchOnMockClock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := &counted{Mock: clock.NewMock()}
		s := start(t, "burst 1", scheduler.WithClock(c))
		in := make(chan int)
		out := pipeline.Batch(t.Context(), s, in, 100, time.Minute)
		for i := range 20 {
			in <- i
			synctest.Wait()
			c.Add(time.Minute - 1)
			synctest.Wait()
			select {
			case b := <-out:
				t.Fatalf("batch %v came too early", b)
			default:
			}
			in <- -i
			synctest.Wait()
			c.Add(1)
			synctest.Wait()
			select {
			case b := <-out:
				equal(t, "batch", b, []int{i, -i})
			default:
				t.Fatal("no batch when its time had come")
			}
		}
		in <- 1
		close(in)
		equal(t, "last", all(out), "[[1]]")
		equal(t, "timers made for the owner and the stage", c.made.Load(), 2)
		if c.timer.Load().Stop() {
			t.Error("the timer was left armed")
		}
	})
}

// slowClock moves on at each reading.
type slowClock struct {
	*clock.Mock
	each     time.Duration
	readings atomic.Int64
}

func (c *slowClock) Now() time.Time {
	return c.Mock.Now().Add(time.Duration(c.readings.Add(1)) * c.each)
}

func (c *slowClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// A clock that is slow to read is not read again and again until a batch is due.
func TestBatchOnSlowClock(t *testing.T) {
	for _, each := range []time.Duration{2 * time.Microsecond, 50 * time.Microsecond, time.Millisecond} {
		bubble(t, func(t *testing.T) {
			c := &slowClock{Mock: clock.NewMock(), each: each}
			s := start(t, "burst 1", scheduler.WithClock(c))
			in := make(chan int)
			out := pipeline.Batch(t.Context(), s, in, 100, 20*time.Millisecond)
			synctest.Wait()
			before := c.readings.Load()
			in <- 1
			synctest.Wait()
			c.Add(20 * time.Millisecond)
			equal(t, "batch", <-out, []int{1})
			if n := c.readings.Load() - before; n >= 40 {
				t.Errorf("a clock that takes %v a reading was read %d times for one batch", each, n)
			}
			close(in)
			synctest.Wait()
		})
	}
}

// A wait that is longer than all of time leaves the batch to its size.
func TestBatchWaitsForEver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := clock.NewMock()
		s := start(t, "burst 1", scheduler.WithClock(c))
		in := make(chan int)
		out := pipeline.Batch(t.Context(), s, in, 2, math.MaxInt64)
		c.Add(time.Second)
		in <- 1
		c.Add(200 * 365 * 24 * time.Hour)
		synctest.Wait()
		select {
		case b := <-out:
			t.Error("got", b)
		default:
		}
		in <- 2
		equal(t, "batch", <-out, []int{1, 2})
		close(in)
		synctest.Wait()
	})
}

// The time that passes in one step may hold many batches, and the clock may be moved at any moment,
// as by a mock that another goroutine drives. Whatever happens, no item is lost and no batch hangs.
func TestBatchWhileTheClockMoves(t *testing.T) {
	mock := clock.NewMock()
	s := start(t, "burst 1", scheduler.WithClock(mock))
	stop := make(chan struct{})
	moved := make(chan struct{})
	go func() {
		defer close(moved)
		for {
			select {
			case <-stop:
				return
			default:
				mock.Add(7 * time.Millisecond)
			}
		}
	}()
	ctx := t.Context()
	in := make(chan int)
	out := pipeline.Batch(ctx, s, in, 1000, 10*time.Millisecond)
	var got []int
	for i := range 300 {
		in <- i
		// Nothing but the passing of time can make this batch come.
		got = append(got, <-out...)
	}
	close(in)
	equal(t, "items", got, numbers(300))
	equal(t, "rest", len(all(out)), 0)
	close(stop)
	<-moved
}

// Against a plain model: random arrivals, sizes and waits.
func TestBatchLikeItsModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 100 {
		bubble(t, func(t *testing.T) {
			s := start(t, "burst 1")
			size := 1 + rnd.IntN(5)
			wait := time.Duration(1+rnd.IntN(20))*time.Second + time.Nanosecond // never at the instant of an arrival
			var arrivals []time.Duration
			at := time.Duration(0)
			for range 50 {
				at += time.Duration(rnd.IntN(10)) * time.Second
				arrivals = append(arrivals, at)
			}
			var want [][]int
			var wantAt []time.Duration
			for i := 0; i < len(arrivals); {
				first, j := arrivals[i], i
				for j < len(arrivals) && j-i < size && arrivals[j] < first+wait {
					j++
				}
				due := first + wait
				if j-i == size || j == len(arrivals) && arrivals[j-1] < due {
					due = arrivals[j-1]
				}
				want, wantAt = append(want, numbers(len(arrivals))[i:j]), append(wantAt, due)
				i = j
			}
			in := make(chan int)
			begin := time.Now()
			go func() {
				defer close(in)
				for i, at := range arrivals {
					time.Sleep(at - time.Since(begin))
					in <- i
				}
			}()
			got, gotAt := timed(pipeline.Batch(t.Context(), s, in, size, wait))
			equal(t, "batches", got, want)
			equal(t, "times", gotAt, wantAt)
			equal(t, "items", slices.Concat(got...), numbers(50))
		})
	}
}
