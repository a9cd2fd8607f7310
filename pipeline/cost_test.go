package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/pipeline"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

const tokens scheduler.Unit = "tokens"

// tokensOf takes items for their numbers of tokens.
func tokensOf(n int) ticket.Cost { return tokens.Of(n) }

// used returns what counts in the windows of s.
func used(s *scheduler.Scheduler) (used []int) {
	for _, w := range s.Stats().Windows {
		used = append(used, w.Used)
	}
	return used
}

// Items cost what the function says, and the work settles what they really cost, so that the next fits.
func TestMapSettlesCosts(t *testing.T) {
	bothMaps(t, func(t *testing.T, m mapper) {
		s := limited("100/min 10 tokens/min burst 1")
		defer s.Close()
		begin := time.Now()
		in := pipeline.FromSlice(t.Context(), []int{10, 10, 10})
		out := m(t.Context(), s, in, func(ctx context.Context, n int) (int, error) {
			held, ok := ticket.FromContext(ctx)
			if !ok {
				t.Error("the work has no ticket")
			}
			return n, held.Settle(tokens.Of(0))
		}, pipeline.Cost(tokensOf))
		if got := plain(out); len(got) != 3 {
			t.Errorf("got %v", got)
		}
		if d := time.Since(begin); d != 0 {
			t.Errorf("took %v", d)
		}
		if got := fmt.Sprint(used(s)); got != "[3 0]" {
			t.Errorf("used %v", got)
		}
	})
}

// What is not settled stays charged.
func TestForEachChargesCosts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := limited("100/min 10 tokens/min 6 rows/min burst 2")
		defer s.Close()
		begin := time.Now()
		err := pipeline.ForEach(t.Context(), s, pipeline.FromSlice(t.Context(), []int{3, 4, 5}), func(context.Context, int) error {
			return nil
		}, pipeline.Cost(tokensOf), pipeline.Cost(func(int) ticket.Cost { return scheduler.Unit("rows").Of(2) }))
		if err != nil || time.Since(begin) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if got := fmt.Sprint(used(s)); got != "[1 5 2]" {
			t.Errorf("used %v", got)
		}
	})
}

// Without a cost the work has no ticket, because nothing of it can be settled.
func TestWorkWithoutCosts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := limited("5/s")
		defer s.Close()
		pipeline.ForEach(t.Context(), s, pipeline.FromSlice(t.Context(), []int{1}), func(ctx context.Context, _ int) error {
			if _, ok := ticket.FromContext(ctx); ok {
				t.Error("the work has a ticket")
			}
			return nil
		})
	})
}

func TestThrottleChargesCosts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := limited("10 tokens/s")
		defer s.Close()
		begin := time.Now()
		var at []time.Duration
		for range pipeline.Throttle(t.Context(), s, pipeline.FromSlice(t.Context(), []int{6, 4, 1}), pipeline.Cost(tokensOf)) {
			at = append(at, time.Since(begin))
		}
		if got := fmt.Sprint(at); got != "[0s 0s 1s]" {
			t.Errorf("handed on at %v", got)
		}
	})
}

// A cost that cannot be is the result of its item, or the fault of a throttle.
func TestCostsAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := limited("100/s 10 tokens/s")
		defer s.Close()
		out := pipeline.OrderedMap(t.Context(), s, pipeline.FromSlice(t.Context(), []int{11, -1, 5}),
			func(context.Context, int) (int, error) { return 0, nil }, pipeline.Cost(tokensOf))
		var got []error
		for r := range out {
			got = append(got, r.Err)
		}
		var invalid *scheduler.InvalidError
		if len(got) != 3 || !errors.Is(got[0], scheduler.ErrTooLarge) || !errors.As(got[1], &invalid) || got[2] != nil {
			t.Errorf("got %v", got)
		}
		ctx, abort := pipeline.WithAbort(t.Context())
		defer abort(nil)
		for range pipeline.Throttle(ctx, s, pipeline.FromSlice(ctx, []int{1}),
			pipeline.Cost(func(int) ticket.Cost { return scheduler.Unit("other").Of(1) })) {
			t.Error("an item passed")
		}
		if !errors.As(context.Cause(ctx), &invalid) {
			t.Errorf("the fault is %v", context.Cause(ctx))
		}
	})
}

func TestCostOfOtherItems(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := limited("10 tokens/s")
		defer s.Close()
		for name, start := range map[string]func(){
			"Map": func() {
				pipeline.Map(t.Context(), s, make(chan string), func(context.Context, string) (int, error) { return 0, nil }, pipeline.Cost(tokensOf))
			},
			"ForEach": func() {
				pipeline.ForEach(t.Context(), s, make(chan string), func(context.Context, string) error { return nil }, pipeline.Cost(tokensOf))
			},
			"Throttle": func() { pipeline.Throttle(t.Context(), s, make(chan string), pipeline.Cost(tokensOf)) },
			"needs":    func() { pipeline.Cost[int](nil) },
		} {
			func() {
				defer func() {
					if v := fmt.Sprint(recover()); !strings.Contains(v, name) {
						t.Errorf("%s: panicked with %v", name, v)
					}
				}()
				start()
			}()
		}
	})
}

// Each call of a language model takes what it may use, and settles what it did use.
func ExampleCost() {
	const tokens scheduler.Unit = "tokens"
	s := limited("1000 tokens/min burst 2")
	defer s.Close()
	ctx := context.Background()

	prompts := pipeline.FromSlice(ctx, []string{"a short one", "another prompt"})
	answers := pipeline.OrderedMap(ctx, s, prompts, func(ctx context.Context, prompt string) (string, error) {
		used := len(prompt) // what the answer says it cost
		t, _ := ticket.FromContext(ctx)
		return strings.ToUpper(prompt), t.Settle(tokens.Of(used))
	}, pipeline.Cost(func(prompt string) ticket.Cost { return tokens.Of(len(prompt) + 400) }))
	for answer, err := range pipeline.ToSeq2(ctx, answers) {
		fmt.Println(answer, err)
	}
	fmt.Println(s.Stats().Windows[0])
	// Output:
	// A SHORT ONE <nil>
	// ANOTHER PROMPT <nil>
	// 1000 tokens/min: 25 used, 975 remaining
}
