package pipeline_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/pipeline"
	"github.com/flowguard-go/flowguard/scheduler"
)

// The reader of a Throttle tells a closed scheduler from the end of the stream, and the stages before
// it end too.
func TestClosedSchedulerIsAFault(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "1/s")
		ctx, abort := pipeline.WithAbort(t.Context())
		defer abort(nil)
		in := make(chan int) // never closed
		go func() {
			for i := 0; ; i++ {
				select {
				case in <- i:
				case <-ctx.Done():
					return
				}
			}
		}()
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		out := pipeline.Throttle(child, s, in)
		<-out
		s.Close()
		for range out {
		}
		if err := context.Cause(ctx); !errors.Is(err, scheduler.ErrClosed) {
			t.Errorf("the cause is %v, want ErrClosed", err)
		}
		equal(t, "text", context.Cause(child), "pipeline: Throttle: scheduler: closed")
	})
}

// slow is a context that takes its time when it is asked for a value, as a stage does to end it.
type slow struct{ context.Context }

func (c slow) Value(key any) any {
	time.Sleep(time.Second)
	return c.Context.Value(key)
}

// The context has ended when the output closes, not just soon after.
func TestFaultComesBeforeTheOutputCloses(t *testing.T) {
	boom := errors.New("boom")
	for name, stage := range map[string]func(ctx context.Context, s scheduler.Source, in <-chan int) <-chan int{
		"Throttle": func(ctx context.Context, s scheduler.Source, in <-chan int) <-chan int {
			return pipeline.Throttle(ctx, s, in)
		},
		"Map": func(ctx context.Context, s scheduler.Source, in <-chan int) <-chan int {
			return values2(pipeline.Map(ctx, s, in, same[int]))
		},
		"OrderedMap": func(ctx context.Context, s scheduler.Source, in <-chan int) <-chan int {
			return values2(pipeline.OrderedMap(ctx, s, in, same[int]))
		},
		"Values": func(ctx context.Context, s scheduler.Source, in <-chan int) <-chan int {
			return pipeline.Values(ctx, filled(pipeline.Result[int]{Err: boom}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := start(t, "burst 1")
				s.Close()
				ctx, abort := pipeline.WithAbort(t.Context())
				defer abort(nil)
				all(stage(slow{ctx}, s, filled(1)))
				if context.Cause(ctx) == nil {
					t.Error("the output closed before the context ended")
				}
			})
		})
	}
}

// lagging is a context derived from one that has ended just now, which it has yet to learn.
type lagging struct{ context.Context }

func (lagging) Err() error            { return nil }
func (lagging) Done() <-chan struct{} { return nil }

// Value hides from package context that there is a context inside.
func (c lagging) Value(key any) any {
	v := c.Context.Value(key)
	if _, ok := v.(context.Context); ok {
		return nil
	}
	return v
}

// A stage whose context is derived from the pipeline's sees its input closed by an abort before its
// own context has ended. It must not take that for a drain.
func TestAbortIsNoDrainForDerivedContexts(t *testing.T) {
	quit := errors.New("quit")
	bubble(t, func(t *testing.T) {
		s := start(t, "burst 1")
		ctx, abort := pipeline.WithAbort(t.Context())
		late := lagging{ctx}
		in := make(chan int)
		batches := pipeline.Batch(late, s, in, 5, 0)
		in <- 1
		synctest.Wait()
		abort(quit)
		close(in)
		equal(t, "batches", len(all(batches)), 0)
		equal(t, "ForEach", pipeline.ForEach(late, s, filled[int](), nothing[int]), quit)
		for _, err := range pipeline.ToSeq2(late, filled[pipeline.Result[int]]()) {
			equal(t, "ToSeq2", err, quit)
		}
	})
}

// trailing has ended, but contexts derived from it never learn.
type trailing struct{ context.Context }

func (trailing) Err() error { return context.Canceled }

func TestForEachAsksItsOwnContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "burst 1")
		err := pipeline.ForEach(trailing{context.Background()}, s, filled[int](), nothing[int])
		equal(t, "error", err, context.Canceled)
	})
}

// fuse is a context that ends when its Err is asked for the n-th time.
type fuse struct {
	context.Context
	end  context.CancelFunc
	left *atomic.Int32
}

func (c fuse) Err() error {
	if c.left.Add(-1) == 0 {
		c.end()
	}
	return c.Context.Err()
}

// Wherever a stage is when the context ends, its permit goes back and its ticket is withdrawn.
func TestAbortAtEveryStep(t *testing.T) {
	for n := range int32(60) {
		for name, stage := range map[string]func(ctx context.Context, s scheduler.Source, in <-chan int){
			"Throttle": func(ctx context.Context, s scheduler.Source, in <-chan int) {
				all(pipeline.Throttle(ctx, s, in))
			},
			"Map": func(ctx context.Context, s scheduler.Source, in <-chan int) {
				all(pipeline.Map(ctx, s, in, same[int], pipeline.Concurrency(2)))
			},
			"OrderedMap": func(ctx context.Context, s scheduler.Source, in <-chan int) {
				all(pipeline.OrderedMap(ctx, s, in, same[int], pipeline.Concurrency(2)))
			},
			"ForEach": func(ctx context.Context, s scheduler.Source, in <-chan int) {
				pipeline.ForEach(ctx, s, in, nothing[int], pipeline.Concurrency(2))
			},
		} {
			bubble(t, func(t *testing.T) {
				s := start(t, "2/s burst 2")
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				left := new(atomic.Int32)
				left.Store(n)
				stage(fuse{ctx, cancel, left}, s, filled(numbers(5)...))
				idle(t, s)
				if t.Failed() {
					t.Fatalf("%s, at step %d", name, n)
				}
			})
		}
	}
}

// values2 forgets errors.
func values2[T any](in <-chan pipeline.Result[T]) <-chan T {
	out := make(chan T)
	go func() {
		defer close(out)
		for r := range in {
			if r.Err == nil {
				out <- r.Value
			}
		}
	}()
	return out
}

func TestNormalEndHasNoCause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "5/s burst 2")
		ctx, abort := pipeline.WithAbort(t.Context())
		defer abort(nil)
		in := pipeline.FromSlice(ctx, numbers(20))
		mapped := pipeline.Values(ctx, pipeline.OrderedMap(ctx, s, pipeline.Throttle(ctx, s, in), same[int]))
		if err := pipeline.ForEach(ctx, s, pipeline.Merge(ctx, mapped), nothing[int]); err != nil {
			t.Error(err)
		}
		for range pipeline.Batch(ctx, s, filled(1, 2, 3), 2, time.Second) {
		}
		synctest.Wait()
		equal(t, "cause", context.Cause(ctx), nil)
		s.Close()
		equal(t, "cause after closing an idle scheduler", context.Cause(ctx), nil)
	})
}

// A scheduler that refuses is a fault of a throttle and tells why.
func TestRefusalsAreFaultsOfAThrottle(t *testing.T) {
	for name, test := range map[string]struct {
		opts   []scheduler.Option
		weight int
		want   error
	}{
		"too large":    {nil, 4, scheduler.ErrTooLarge},
		"non-blocking": {[]scheduler.Option{scheduler.NonBlocking()}, 2, scheduler.ErrNoPermit},
		"full line":    {[]scheduler.Option{scheduler.WithMaxQueue(0)}, 2, scheduler.ErrQueueFull},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := start(t, "3/h", test.opts...)
				ctx, abort := pipeline.WithAbort(t.Context())
				defer abort(nil)
				out := pipeline.ThrottleN(ctx, s, filled(1, 1), func(i int) int { return i * test.weight })
				all(out)
				if err := context.Cause(ctx); !errors.Is(err, test.want) {
					t.Errorf("the cause is %v, want %v", err, test.want)
				}
				idle(t, s)
			})
		})
	}
}

func TestInnerPipelineHasItsOwnAbort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "burst 1")
		s.Close()
		outer, abortOuter := pipeline.WithAbort(t.Context())
		defer abortOuter(nil)
		inner, abortInner := pipeline.WithAbort(outer)
		defer abortInner(nil)
		all(pipeline.Throttle(inner, s, filled(1)))
		if !errors.Is(context.Cause(inner), scheduler.ErrClosed) || outer.Err() != nil {
			t.Errorf("causes are %v and %v", context.Cause(inner), context.Cause(outer))
		}
	})
}

func TestNilInNilOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, "burst 1")
		ctx, abort := pipeline.WithAbort(t.Context())
		defer abort(nil)
		for name, isNil := range map[string]bool{
			"Throttle":    pipeline.Throttle[int](ctx, s, nil) == nil,
			"ThrottleN":   pipeline.ThrottleN(ctx, s, nil, func(int) int { return 1 }) == nil,
			"Map":         pipeline.Map(ctx, s, nil, same[int]) == nil,
			"MapN":        pipeline.MapN(ctx, s, nil, func(int) int { return 1 }, same[int]) == nil,
			"OrderedMap":  pipeline.OrderedMap(ctx, s, nil, same[int]) == nil,
			"OrderedMapN": pipeline.OrderedMapN(ctx, s, nil, func(int) int { return 1 }, same[int]) == nil,
			"ForEach":     pipeline.ForEach(ctx, s, nil, nothing[int]) == nil,
			"ForEachN":    pipeline.ForEachN(ctx, s, nil, func(int) int { return 1 }, nothing[int]) == nil,
			"Batch":       pipeline.Batch[int](ctx, s, nil, 1, time.Second) == nil,
			"Merge":       pipeline.Merge[int](ctx, nil, nil) == nil,
			"FromSeq":     pipeline.FromSeq[int](ctx, nil) == nil,
			"ToSeq":       pipeline.ToSeq[int](ctx, nil) == nil,
			"ToSeq2":      pipeline.ToSeq2[int](ctx, nil) == nil,
			"Values":      pipeline.Values[int](ctx, nil) == nil,
		} {
			if !isNil {
				t.Errorf("%s of nil is not nil", name)
			}
		}
	})
}

func TestMistakesPanicAtTheCaller(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, s, in := t.Context(), start(t, "burst 1"), make(chan int)
		for name, f := range map[string]func(){
			"Throttle needs a scheduler":             func() { pipeline.Throttle(ctx, nil, in) },
			"ThrottleN needs a weight function":      func() { pipeline.ThrottleN(ctx, s, in, nil) },
			"Map needs a scheduler":                  func() { pipeline.Map(ctx, nil, in, same[int]) },
			"Map needs functions to call":            func() { pipeline.Map[int, int](ctx, s, in, nil) },
			"OrderedMapN needs functions to call":    func() { pipeline.OrderedMapN(ctx, s, in, nil, same[int]) },
			"ForEach needs functions to call":        func() { pipeline.ForEach(ctx, s, in, nil) },
			"Batch needs a scheduler, for its clock": func() { pipeline.Batch(ctx, nil, in, 1, 0) },
			"the size of Batch must be 1 or more":    func() { pipeline.Batch(ctx, s, in, 0, 0) },
			"Concurrency must be 1 or more, got 0":   func() { pipeline.Concurrency(0) },
			"Buffer must be 0 or more, got -1":       func() { pipeline.Buffer(-1) },
			"Values needs a context of WithAbort":    func() { pipeline.Values(ctx, make(chan pipeline.Result[int])) },
		} {
			func() {
				defer func() {
					if got, _ := recover().(string); !strings.HasPrefix(got, "pipeline: "+name) {
						t.Errorf("the panic is %q, want %q", got, name)
					}
				}()
				f()
			}()
		}
	})
}

const crashEnv = "PIPELINE_TEST_CRASH"

// crash runs a pipeline whose function panics, in a process of its own.
func crash(stage string) {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	never := make(chan int) // nobody reads outputs: a panic must not wait for a reader
	first := filled(1)
	switch stage {
	case "ThrottleN":
		pipeline.ThrottleN(ctx, s, first, explodeWeight)
	case "Map":
		pipeline.Map(ctx, s, first, explode)
	case "MapN":
		pipeline.MapN(ctx, s, first, explodeWeight, same[int])
	case "OrderedMap":
		pipeline.OrderedMap(ctx, s, first, explode)
	case "ForEach":
		pipeline.ForEach(ctx, s, first, func(ctx context.Context, i int) error { _, err := explode(ctx, i); return err })
	case "FromSeq":
		pipeline.FromSeq(ctx, func(func(int) bool) { explodeWeight(0) })
	}
	<-never
}

func explode(context.Context, int) (int, error) { panic("the work has blown up") }
func explodeWeight(int) int                     { panic("the work has blown up") }

// A panic is told with its own stack and ends the program, although nobody reads the output.
func TestPanicCrashesTheProgram(t *testing.T) {
	for _, stage := range []string{"ThrottleN", "Map", "MapN", "OrderedMap", "ForEach", "FromSeq"} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashEnv+"="+stage)
		out, err := cmd.CombinedOutput()
		text := string(out)
		if err == nil || !strings.Contains(text, "panic: the work has blown up") || !strings.Contains(text, "pipeline_test.explode") {
			t.Errorf("%s: the program ended with %v and said\n%s", stage, err, text)
		}
	}
}

// t.FailNow in work, for one, ends the goroutine. Nothing may hang then, and no item be lost silently.
func TestGoexit(t *testing.T) {
	exit := func(_ context.Context, i int) (int, error) {
		if i == 1 {
			runtime.Goexit()
		}
		return i, nil
	}
	exitWeight := func(i int) int {
		if i == 1 {
			runtime.Goexit()
		}
		return 1
	}
	run := func(name string, f func(t *testing.T, ctx context.Context, s scheduler.Source, in <-chan int)) {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := start(t, "burst 1")
				ctx, abort := pipeline.WithAbort(t.Context())
				defer abort(nil)
				f(t, ctx, s, pipeline.FromSlice(ctx, numbers(3)))
				idle(t, s)
			})
		})
	}
	const twoAndExit = "[{0 <nil>} {0 pipeline: the function ended its goroutine instead of returning} {2 <nil>}]"
	run("Map", func(t *testing.T, ctx context.Context, s scheduler.Source, in <-chan int) {
		equal(t, "results", all(pipeline.Map(ctx, s, in, exit)), twoAndExit)
	})
	run("OrderedMap", func(t *testing.T, ctx context.Context, s scheduler.Source, in <-chan int) {
		equal(t, "results", all(pipeline.OrderedMap(ctx, s, in, exit)), twoAndExit)
	})
	run("ForEach", func(t *testing.T, ctx context.Context, s scheduler.Source, in <-chan int) {
		equal(t, "error", pipeline.ForEach(ctx, s, in, func(ctx context.Context, i int) error {
			_, err := exit(ctx, i)
			return err
		}), pipeline.ErrExited)
	})
	run("MapN", func(t *testing.T, ctx context.Context, s scheduler.Source, in <-chan int) {
		all(pipeline.MapN(ctx, s, in, exitWeight, same[int]))
		equal(t, "cause", context.Cause(ctx), pipeline.ErrExited)
	})
	run("OrderedMapN", func(t *testing.T, ctx context.Context, s scheduler.Source, in <-chan int) {
		all(pipeline.OrderedMapN(ctx, s, in, exitWeight, same[int]))
		equal(t, "cause", context.Cause(ctx), pipeline.ErrExited)
	})
	run("ThrottleN", func(t *testing.T, ctx context.Context, s scheduler.Source, in <-chan int) {
		equal(t, "items", all(pipeline.ThrottleN(ctx, s, in, exitWeight)), "[0]")
		equal(t, "cause", context.Cause(ctx), pipeline.ErrExited)
	})
	run("FromSeq", func(t *testing.T, ctx context.Context, s scheduler.Source, in <-chan int) {
		out := pipeline.FromSeq(ctx, func(yield func(int) bool) {
			yield(0)
			runtime.Goexit()
		})
		equal(t, "items", all(out), "[0]")
		equal(t, "cause", context.Cause(ctx), pipeline.ErrExited)
	})
}
