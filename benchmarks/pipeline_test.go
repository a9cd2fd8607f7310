package main

import (
	"context"
	"testing"

	"github.com/flowguard-go/flowguard/pipeline"
	"github.com/flowguard-go/flowguard/scheduler"
	"go.uber.org/ratelimit"
	"golang.org/x/time/rate"
)

// Case 4: a stage between two channels, with permits free, for each item that passes through it.
func BenchmarkPipeline(b *testing.B) {
	b.Run("item", func(b *testing.B) {
		for _, c := range order(stages...) {
			b.Run(c.name, func(b *testing.B) {
				in := make(chan int)
				out := c.stage(b, in)
				b.ReportAllocs()
				b.ResetTimer()
				go func() {
					defer close(in)
					for i := range b.N {
						in <- i
					}
				}()
				for range out {
				}
			})
		}
	})
}

type stage struct {
	name  string
	stage func(b *testing.B, in <-chan int) <-chan int
}

var stages = []stage{
	{"flowguard", func(b *testing.B, in <-chan int) <-chan int {
		return pipeline.Throttle(b.Context(), start(b, scheduler.Limits{Windows: windows(1)}), in)
	}},
	{"rate.Wait loop", func(b *testing.B, in <-chan int) <-chan int {
		limiter := rate.NewLimiter(plenty, plenty)
		return byHand(b.Context(), in, limiter.Wait)
	}},
	{"ratelimit.Take loop", func(b *testing.B, in <-chan int) <-chan int {
		limiter := ratelimit.New(plenty)
		return byHand(b.Context(), in, func(context.Context) error {
			limiter.Take()
			return nil
		})
	}},
	{"channels alone", func(b *testing.B, in <-chan int) <-chan int {
		return byHand(b.Context(), in, func(context.Context) error { return nil })
	}},
}

// byHand is the stage as one would write it: it ends with its input or its context.
func byHand(ctx context.Context, in <-chan int, wait func(context.Context) error) <-chan int {
	out := make(chan int)
	go func() {
		defer close(out)
		for {
			select {
			case item, ok := <-in:
				if !ok || wait(ctx) != nil {
					return
				}
				select {
				case out <- item:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}
