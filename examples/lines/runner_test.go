package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// runJob gives each line of the input its turn in a bubble, with a job of the test's own.
func runJob(ctx context.Context, t *testing.T, limits string, in io.Reader, work job) (*runner, outcome) {
	t.Helper()
	l, err := scheduler.ParseLimits(limits)
	if err != nil {
		t.Fatal(err)
	}
	turns, err := scheduler.New(l)
	if err != nil {
		t.Fatal(err)
	}
	defer turns.Close()
	input, err := newReader(nil, in)
	if err != nil {
		t.Fatal(err)
	}
	defer input.close()
	var said strings.Builder
	r := &runner{work: work, turns: turns, input: input, screen: newScreen(&said, false)}
	status := r.run(ctx)
	return r, outcome{status: status, err: said.String()}
}

func numbers(n int) io.Reader {
	var text strings.Builder
	for i := range n {
		fmt.Fprintln(&text, i+1)
	}
	return strings.NewReader(text.String())
}

func TestBurstBoundsWhatRuns(t *testing.T) {
	for _, burst := range []int64{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			var running, most atomic.Int64
			_, o := runJob(t.Context(), t, fmt.Sprintf("100/s burst %d", burst), numbers(12), func(context.Context, line) error {
				n := running.Add(1)
				defer running.Add(-1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				time.Sleep(time.Second)
				return nil
			})
			if most.Load() != burst {
				t.Errorf("%d ran at once, burst is %d", most.Load(), burst)
			}
			o.check(t, 0, "", fmt.Sprintf("lines: 12 lines in %ds, 0 failed, longest wait %ds\n", 12/burst, 12/burst-1))
		})
	}
}

func TestFailuresGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, o := runJob(t.Context(), t, "1/s", numbers(4), func(_ context.Context, l line) error {
			if l.number%2 == 0 {
				return errors.New("even")
			}
			return nil
		})
		o.check(t, 123, "", "lines: line 2: even\nlines: line 4: even\nlines: 4 lines in 3s, 2 failed")
	})
}

// A fatal error begins nothing more and waits for what runs.
func TestFatalErrorStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, o := runJob(t.Context(), t, "burst 2", numbers(9), func(_ context.Context, l line) error {
			if l.number == 3 {
				return &fatal{124, errors.New("enough")}
			}
			time.Sleep(time.Duration(l.number) * time.Second)
			return nil
		})
		o.check(t, 124, "", "lines: line 3: enough; no more lines are begun\n"+
			"lines: stopped: 6 lines not run\nlines: 3 lines in 2s, 1 failed")
	})
}

func TestCtrlCCounts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration
		lines int
		err   string
	}{
		{"halfway", 3500 * time.Millisecond, 10, "interrupted: 6 lines not run\nlines: 4 lines in 3.5s"},
		{"more than is read ahead", 3500 * time.Millisecond, 5000, "at least 1002 lines not run, the input was not read"},
		{"in the instant of a grant", 2 * time.Second, 10, "lines not run"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.after)
				defer cancel()
				r, o := runJob(ctx, t, "1/s burst 1", numbers(tt.lines), printer(io.Discard))
				o.check(t, 130, "", tt.err)
				if r.tally.running != 0 || r.tally.done()+r.tally.cut+r.notBegun() != int(r.input.count.Load()) {
					t.Errorf("%+v does not add up", r.tally)
				}
			})
		})
	}
}

func TestCtrlCCutsJobsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, o := runJob(ctx, t, "burst 2", numbers(5), func(ctx context.Context, _ line) error {
			<-ctx.Done()
			return ctx.Err()
		})
		o.check(t, 130, "", "lines: interrupted: 2 lines cut short, 3 lines not run\nlines: 0 lines in 1s, 0 failed")
	})
}

func TestCtrlCBeforeAnyInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		in, typing := io.Pipe()
		defer typing.Close()
		_, o := runJob(ctx, t, "1/s burst 1", in, printer(io.Discard))
		o.check(t, 130, "", "interrupted: the input was not read to its end\nlines: 0 lines in 1s")
	})
}

func TestCtrlCWhileOutputIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		reading, stuck := io.Pipe()
		defer reading.Close()
		_, o := runJob(ctx, t, "1/s burst 1", numbers(3), printer(stuck))
		o.check(t, 130, "", "1 line cut short, 2 lines not run\nlines: 0 lines in 2s")
	})
}

// What was granted while the output was held up must not come all at once when it moves on.
func TestStuckOutputDoesNotBunchLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var at []time.Duration
		runJob(t.Context(), t, "1/s burst 1", numbers(5), func(_ context.Context, l line) error {
			if l.number == 2 {
				time.Sleep(10 * time.Second)
			}
			at = append(at, time.Since(began))
			return nil
		})
		if got, want := fmt.Sprint(at), "[0s 11s 11s 12s 13s]"; got != want {
			t.Errorf("lines at %s, want %s", got, want)
		}
	})
}

func TestOutputThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reading, broken := io.Pipe()
		reading.CloseWithError(errors.New("no space left"))
		_, o := runJob(t.Context(), t, "9/s burst 1", numbers(3), printer(broken))
		o.check(t, 1, "", "line 1: no space left; no more lines are begun\nlines: stopped: 2 lines not run")
	})
}
