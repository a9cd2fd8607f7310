package pipeline_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/pipeline"
	"github.com/flowguard-go/flowguard/scheduler"
)

func TestThrottleHandsOnAtTheGrant(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "2/s")
		items, at := timed(pipeline.Throttle(t.Context(), s, filled(0, 1, 2, 3, 4)))
		equal(t, "items", items, numbers(5))
		equal(t, "times", at, seconds(0, 0, 1, 1, 2))
		idle(t, s)
	})
}

func TestThrottleOnMockClock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mock := clock.NewMock()
		s := start(t, "1/min", scheduler.WithClock(mock))
		out := pipeline.Throttle(t.Context(), s, filled(0, 1, 2))
		for i := range 3 {
			synctest.Wait()
			equal(t, "item", <-out, i)
			synctest.Wait()
			select {
			case item, ok := <-out:
				if ok || i < 2 {
					t.Fatalf("item %d came before its minute", item)
				}
			default:
				mock.Add(time.Minute)
			}
		}
	})
}

func TestThrottleNTakesTheWeight(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "5/s")
		words := filled("four", "a", "five5", "bb")
		items, at := timed(pipeline.ThrottleN(t.Context(), s, words, func(w string) int { return len(w) }))
		equal(t, "items", items, "[four a five5 bb]")
		equal(t, "times", at, seconds(0, 0, 1, 2))
	})
}

// A stage that has no item must neither stand in line nor hold a permit.
func TestThrottleTakesTheItemFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "1/s burst 1")
		in := make(chan int)
		out := pipeline.Throttle(t.Context(), s, in)
		synctest.Wait()
		equal(t, "granted before there is an item", s.Stats().Granted, 0)
		busy, err := s.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		in <- 1
		synctest.Wait()
		equal(t, "in line with the item", s.Stats().Waiting, 1)
		busy.Release()
		close(in)
		equal(t, "items", all(out), "[1]")
	})
}

// What the docs say of a slow reader: one item more than the window allows, never two.
func TestThrottleSlowReaderSeesOneMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "1/s")
		out := pipeline.Throttle(t.Context(), s, filled(numbers(5)...))
		time.Sleep(10 * time.Second)
		_, at := timed(out)
		equal(t, "times after the pause", at, seconds(0, 0, 1, 2, 3))
	})
}

// Two stages on a scheduler, one after the other: if the first held its permit until the second took
// the item, and the second waited for that permit, neither would go on.
func TestStagesInARowDoNotBlockEachOther(t *testing.T) {
	for _, limits := range []string{"burst 1", "1/s from release", "2/s burst 1"} {
		t.Run(limits, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := start(t, limits)
				ctx, abort := pipeline.WithAbort(t.Context())
				defer abort(nil)
				first := pipeline.Throttle(ctx, s, pipeline.FromSlice(ctx, numbers(20)))
				second := pipeline.Values(ctx, pipeline.Map(ctx, s, first, same[int]))
				third := pipeline.Throttle(ctx, s, second)
				fourth := pipeline.Values(ctx, pipeline.OrderedMap(ctx, s, third, same[int]))
				equal(t, "items", all(fourth), numbers(20))
				idle(t, s)
			})
		})
	}
}

// A stage whose reader has gone must not keep the others on its scheduler from working.
func TestUnreadStageHoldsNoPermit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "burst 1")
		ctx, cancel := context.WithCancel(t.Context())
		pipeline.Throttle(ctx, s, filled(1, 2))
		pipeline.Map(ctx, s, filled(1, 2), same[int])
		pipeline.OrderedMap(ctx, s, filled(1, 2, 3, 4, 5), same[int])
		idle(t, s)
		cancel()
	})
}

// Stages on one scheduler are served in turn, however concurrent they are.
func TestStagesTakeTurns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "1/s")
		s.TryAcquire() // so that both stand in line before the first grant
		ctx, cancel := context.WithCancel(t.Context())
		throttled := pipeline.Throttle(ctx, s, pipeline.FromSlice(ctx, numbers(100)))
		mapped := pipeline.Map(ctx, s, pipeline.FromSlice(ctx, numbers(100)), same[int], pipeline.Concurrency(50))
		synctest.Wait()
		var a, b int
		for range 40 {
			select {
			case <-throttled:
				a++
			case <-mapped:
				b++
			}
			if max(a-b, b-a) > 1 {
				t.Fatalf("one stage got %d grants and the other %d", a, b)
			}
		}
		cancel()
	})
}

func TestThrottleAborts(t *testing.T) {
	for _, when := range []string{"idle", "in line", "unread"} {
		t.Run(when, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := start(t, "1/h")
				ctx, cancel := context.WithCancel(t.Context())
				in := make(chan int, 3)
				out := pipeline.Throttle(ctx, s, in)
				if when != "idle" {
					in <- 1
				}
				if when == "in line" {
					<-out
					in <- 2
					synctest.Wait()
					equal(t, "tickets in line", s.Stats().Waiting, 1)
				}
				synctest.Wait()
				cancel()
				closed(t, out)
				idle(t, s)
			})
		})
	}
}

// The end of a stage's own context while an item waits for its permit is no fault of the pipeline.
func TestThrottleThatIsEndedHasNoFault(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "1/h")
		ctx, abort := pipeline.WithAbort(t.Context())
		defer abort(nil)
		own, cancel := context.WithCancel(ctx)
		out := pipeline.Throttle(own, s, filled(1, 2))
		<-out
		synctest.Wait()
		equal(t, "tickets in line", s.Stats().Waiting, 1)
		cancel()
		closed(t, out)
		equal(t, "the pipeline ended because of", context.Cause(ctx), nil)
	})
}

// values fails the test at the first error.
func values[T any](t testing.TB, in <-chan pipeline.Result[T]) <-chan T {
	out := make(chan T)
	go func() {
		defer close(out)
		for r := range in {
			if r.Err != nil {
				t.Error(r.Err)
			}
			out <- r.Value
		}
	}()
	return out
}
