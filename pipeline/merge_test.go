package pipeline_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/pipeline"
)

func TestMergeTakesTurns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b, c := filled("a", "a", "a", "a", "a"), filled("b", "b"), filled("c", "c", "c")
		equal(t, "items", all(pipeline.Merge(t.Context(), a, b, c)), "[a b c a b c a c a a]")
	})
}

// However busy the others are, an item that waits comes after at most one of each.
func TestMergeStarvesNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		busy := make([]<-chan int, 3)
		for i := range busy {
			busy[i] = pipeline.FromSeq(ctx, func(yield func(int) bool) {
				for yield(i) {
				}
			})
		}
		rare := make(chan int, 1)
		out := pipeline.Merge(ctx, append(busy, rare)...)
		for round := range 100 {
			for range round % 7 {
				<-out
			}
			synctest.Wait()
			rare <- -1
			// One is in hand already, then comes one of each at most.
			for n := 0; <-out != -1; n++ {
				if n > len(busy) {
					t.Fatalf("round %d: an item was passed over %d times", round, n)
				}
			}
		}
		cancel()
		closed(t, out)
	})
}

func TestMergeWaitsForAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		late := make(chan int)
		go func() {
			time.Sleep(time.Hour)
			late <- 4
			time.Sleep(time.Hour)
			close(late)
		}()
		items, at := timed(pipeline.Merge(t.Context(), filled(1, 3), nil, late, filled(2)))
		equal(t, "items", items, "[1 2 3 4]")
		equal(t, "last at", at[3], time.Hour)
		equal(t, "of no inputs", len(all(pipeline.Merge[int](t.Context()))), 0)
	})
}

// Items of interface types may be nil, which reflection treats apart.
func TestMergeOfNilItems(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := make(chan error)
		out := pipeline.Merge(t.Context(), in)
		go func() {
			synctest.Wait()
			in <- nil
			close(in)
		}()
		equal(t, "items", all(out), "[<nil>]")
	})
}

// Inputs that close and become ready in any order lose and disorder nothing.
func TestMergeIsComplete(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var ins []<-chan int
		for i := range 20 {
			in := make(chan int)
			ins = append(ins, in)
			go func() {
				defer close(in)
				for k := range 10 * i {
					if (k+i)%3 == 0 {
						time.Sleep(time.Duration(k*7%5) * time.Second)
					}
					in <- i*1000 + k
				}
			}()
		}
		last := map[int]int{}
		n := 0
		for item := range pipeline.Merge(t.Context(), ins...) {
			if before, ok := last[item/1000]; ok && item <= before {
				t.Errorf("%d came after %d", item, before)
			}
			last[item/1000] = item
			n++
		}
		equal(t, "items", n, 10*190)
	})
}

func TestMergeAborts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ins := []<-chan int{make(chan int), make(chan int)}
		waiting, unread := pipeline.Merge(ctx, ins...), pipeline.Merge(ctx, slices.Concat(ins, []<-chan int{filled(1)})...)
		synctest.Wait()
		cancel()
		closed(t, waiting)
		closed(t, unread)
	})
}
