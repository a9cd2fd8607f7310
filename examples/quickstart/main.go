// Quickstart shows five ways to take a permit, in about 13 seconds:
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -svg quickstart.svg
//
// The first section also becomes a picture, an SVG file that a browser shows. The last line says where it
// is.
//
// Each line begins with the time since its section began. What to look for:
//
//  1. Acquire and Release: seven goroutines under "3/2s burst 2". In any 2 seconds no more than three tickets
//     start, and no more than two are at work. Grants follow the tickets' numbers. Tickets that are granted at
//     one instant may be printed in any order, as their goroutines wake.
//  2. Do: under "2/s" calls go in pairs, a second apart. A call that cannot start before its deadline is
//     refused at once, and does not wait first.
//  3. Wrap: a function that keeps its limit, wherever it is called.
//  4. Non-blocking: no call waits; a refused call learns when to come back.
//  5. Select: a ticket that is given up leaves no trace. The ticket behind it is granted when the first would
//     have been.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/timeline"
)

func main() {
	svg := flag.String("svg", filepath.Join(os.TempDir(), "flowguard-quickstart.svg"), "the file for the picture")
	flag.Parse()
	if err := walk(context.Background(), os.Stdout, *svg); err != nil {
		log.Fatal(err)
	}
	fmt.Println("Look for: never more than 2 tickets at work in 1, and never more than 3 that start within 2 seconds.")
}

// section is one part of the walk. It tells what happens through say.
type section func(ctx context.Context, s *scheduler.Scheduler, say func(format string, args ...any)) error

// walk runs the sections one after another, each with a scheduler of its own, and writes a picture of the
// first to the file svg.
func walk(ctx context.Context, out io.Writer, svg string) error {
	for i, part := range []struct {
		title  string
		limits string
		run    section
	}{
		{"Acquire and Release", "3/2s burst 2", acquireAndRelease},
		{"Do", "2/s", do},
		{"Wrap", "1/500ms", wrap},
		{"Non-blocking", "2/s", nonBlocking},
		{"Select", "1/2s", selectReady},
	} {
		fmt.Fprintf(out, "%d. %s, limits %s\n", i+1, part.title, part.limits)
		limits, err := scheduler.ParseLimits(part.limits)
		if err != nil {
			return err
		}
		s, err := scheduler.New(limits)
		if err != nil {
			return err
		}
		recording, err := timeline.Record(s)
		if err != nil {
			return err
		}
		say := log.New(stopwatch{out, time.Now()}, "", 0).Printf
		err = part.run(ctx, s, say)
		recording.Stop()
		s.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", part.title, err)
		}
		fmt.Fprintln(out)
		if i == 0 {
			if err := draw(recording, svg, part.title); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(out, "A picture of the first section: %s\n", svg)
	return nil
}

// draw writes the picture of a recording to a file.
func draw(recording *timeline.Timeline, file, title string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(recording.SVG(f, timeline.Title("Quickstart: "+title)), f.Close())
}

// acquireAndRelease takes and gives back permits by hand.
func acquireAndRelease(ctx context.Context, s *scheduler.Scheduler, say func(string, ...any)) error {
	var workers sync.WaitGroup
	for range 7 {
		workers.Go(func() {
			t, err := s.Acquire(ctx)
			if err != nil {
				say("%v", err)
				return
			}
			defer t.Release()
			say("ticket %d starts", t.Number())
			time.Sleep(500 * time.Millisecond) // the work
			say("ticket %d ends", t.Number())
		})
	}
	workers.Wait()
	return nil
}

// do lets Do take the permit and give it back, whether the function returns or panics.
func do(ctx context.Context, s *scheduler.Scheduler, say func(string, ...any)) error {
	for call := range 6 {
		err := s.Do(ctx, func(context.Context) error {
			say("call %d", call+1)
			return nil
		})
		if err != nil {
			return err
		}
	}

	hurried, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	err := s.Do(hurried, func(context.Context) error { return errors.New("called too early") })
	var late *scheduler.DeadlineError
	if !errors.As(err, &late) {
		return fmt.Errorf("wanted a refusal, got: %w", err)
	}
	say("call 7 has 300ms and is refused: limit %s needs %v", late.Limit, roughly(late.Wait))
	return nil
}

// wrap gives a function its limit once, where it is made, instead of at every call.
func wrap(ctx context.Context, s *scheduler.Scheduler, say func(string, ...any)) error {
	square := scheduler.Wrap(s, func(_ context.Context, n int) (int, error) { return n * n, nil })

	for n := range 5 {
		squared, err := square(ctx, n)
		if err != nil {
			return err
		}
		say("square(%d) = %d", n, squared)
	}
	return nil
}

// nonBlocking takes what is free now and does something else otherwise. A scheduler made with
// [scheduler.NonBlocking] does the same for Acquire, Do and Wrap: they return ErrNoPermit.
func nonBlocking(_ context.Context, s *scheduler.Scheduler, say func(string, ...any)) error {
	for range 6 {
		if t, ok := s.TryAcquire(); ok {
			say("ticket %d is granted", t.Number())
			t.Release()
		} else {
			say("no permit; the next is free in %v", roughly(s.WaitTime()))
		}
		time.Sleep(400 * time.Millisecond) // something else
	}
	return nil
}

// selectReady takes a place in line and waits for whatever comes first.
func selectReady(_ context.Context, s *scheduler.Scheduler, say func(string, ...any)) error {
	for _, patience := range []time.Duration{time.Second, time.Second, 3 * time.Second} {
		t, err := s.Enqueue(1)
		if err != nil {
			return err
		}
		select {
		case err := <-t.Ready():
			if err != nil {
				return err
			}
			say("ticket %d is granted", t.Number())
			t.Release()
		case <-time.After(patience):
			t.Cancel()
			say("ticket %d gives up after %v", t.Number(), patience)
		}
	}
	return nil
}

// stopwatch writes each line behind the time since it began. A log.Logger calls it for one line at
// a time, from whatever goroutine.
type stopwatch struct {
	out   io.Writer
	began time.Time
}

func (s stopwatch) Write(line []byte) (int, error) {
	return fmt.Fprintf(s.out, "%6.2fs  %s", time.Since(s.began).Seconds(), line)
}

// roughly rounds to what readers care about.
func roughly(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
