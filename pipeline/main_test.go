package pipeline_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(crashEnv); name != "" {
		crash(name)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// bubble runs a test in a bubble. It fails, by a panic, if a goroutine is left when f has returned and
// the scheduler is closed.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func start(t testing.TB, limits string, opts ...scheduler.Option) *scheduler.Scheduler {
	t.Helper()
	l, err := scheduler.ParseLimits(limits)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scheduler.New(l, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// numbers returns 0 … n−1.
func numbers(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// filled returns a closed channel that holds the items.
func filled[T any](items ...T) <-chan T {
	ch := make(chan T, len(items))
	for _, item := range items {
		ch <- item
	}
	close(ch)
	return ch
}

// all reads a channel until it closes.
func all[T any](in <-chan T) (items []T) {
	for item := range in {
		items = append(items, item)
	}
	return items
}

// raise makes most at least n.
func raise(most *atomic.Int32, n int32) {
	for {
		before := most.Load()
		if before >= n || most.CompareAndSwap(before, n) {
			return
		}
	}
}

// equal fails the test if the two do not print alike.
func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// idle fails the test unless nobody stands in line and all permits are back.
func idle(t testing.TB, s *scheduler.Scheduler) {
	t.Helper()
	synctest.Wait()
	if st := s.Stats(); st.Waiting != 0 || st.InUse != 0 {
		t.Errorf("%d tickets in line and %d permits in use, want none", st.Waiting, st.InUse)
	}
}

// closed fails the test unless the channel is closed, whether or not it is empty.
func closed[T any](t testing.TB, ch <-chan T) {
	t.Helper()
	synctest.Wait()
	select {
	case item, ok := <-ch:
		if ok {
			t.Errorf("the output delivered %v after the end of the context, want it closed", item)
		}
	default:
		t.Error("the output is still open")
	}
}

// timed returns what a stage hands on and when, counted from now.
func timed[T any](in <-chan T) (items []T, at []time.Duration) {
	start := time.Now()
	for item := range in {
		items, at = append(items, item), append(at, time.Since(start))
	}
	return items, at
}

// seconds makes durations.
func seconds(list ...float64) (d []time.Duration) {
	for _, s := range list {
		d = append(d, time.Duration(s*float64(time.Second)))
	}
	return d
}

// same is work that returns its item.
func same[T any](_ context.Context, item T) (T, error) { return item, nil }

// nothing is work that does nothing.
func nothing[T any](context.Context, T) error { return nil }

// list is a slice that several goroutines add to.
type list[T any] struct {
	mu    sync.Mutex
	items []T
}

func (l *list[T]) add(item T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items = append(l.items, item)
}
