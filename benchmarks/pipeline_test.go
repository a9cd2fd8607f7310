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
		contexts(b, func(b *testing.B, ctx context.Context) {
			for _, c := range order(stages...) {
				b.Run(c.name, func(b *testing.B) {
					ctx, cancel := ctx, func() {}
					if ctx.Done() != nil {
						ctx, cancel = context.WithCancel(ctx)
					}
					defer cancel()
					in := make(chan int)
					out := c.stage(b, ctx, in)
					b.ReportAllocs()
					used := processorTime()
					b.ResetTimer()
					go func() {
						defer close(in)
						for i := range b.N {
							in <- i
						}
					}()
					for range out {
					}
					used.report(b)
				})
			}
		})
	})
}

type stage struct {
	name  string
	stage func(b *testing.B, ctx context.Context, in <-chan int) <-chan int
}

var stages = []stage{
	{"flowguard", func(b *testing.B, ctx context.Context, in <-chan int) <-chan int {
		return pipeline.Throttle(ctx, start(b, scheduler.Limits{Windows: windows(1)}), in)
	}},
	{"rate.Wait range loop", func(b *testing.B, ctx context.Context, in <-chan int) <-chan int {
		return byRange(ctx, in, rate.NewLimiter(plenty, plenty).Wait)
	}},
	{"rate.Wait select loop", func(b *testing.B, ctx context.Context, in <-chan int) <-chan int {
		return bySelect(ctx, in, rate.NewLimiter(plenty, plenty).Wait)
	}},
	{"ratelimit.Take range loop", func(b *testing.B, ctx context.Context, in <-chan int) <-chan int {
		return byRange(ctx, in, takes())
	}},
	{"ratelimit.Take select loop", func(b *testing.B, ctx context.Context, in <-chan int) <-chan int {
		return bySelect(ctx, in, takes())
	}},
	{"channels alone, range loop", func(b *testing.B, ctx context.Context, in <-chan int) <-chan int {
		return byRange(ctx, in, free)
	}},
	{"channels alone, select loop", func(b *testing.B, ctx context.Context, in <-chan int) <-chan int {
		return bySelect(ctx, in, free)
	}},
}

func takes() func(context.Context) error {
	limiter := ratelimit.New(plenty)
	return func(context.Context) error {
		limiter.Take()
		return nil
	}
}

func free(context.Context) error { return nil }

// byRange is the shortest stage that one would write. It ends with its input, and if its reader has gone,
// never.
func byRange(ctx context.Context, in <-chan int, wait func(context.Context) error) <-chan int {
	out := make(chan int)
	go func() {
		defer close(out)
		for item := range in {
			if wait(ctx) != nil {
				return
			}
			out <- item
		}
	}()
	return out
}

// bySelect is the stage as one should write it: it ends with its input or its context, as Throttle does.
func bySelect(ctx context.Context, in <-chan int, wait func(context.Context) error) <-chan int {
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
