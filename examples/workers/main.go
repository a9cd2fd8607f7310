// Workers lets five tenants share one scheduler, first in one line and then with a line for each:
//
//	go run ./examples/workers
//
// In less than two seconds it runs the same 380 jobs twice, under "10/20ms", and prints for each
// tenant when its first and its last job were granted. What to look for:
//
//   - In one line, jobs are served in the order of arrival. The greedy tenant comes first, with 250 jobs, and
//     all others wait for it, though three of them have 40 jobs together.
//   - With a line for each they take turns. The small, the tiny and the late tenant are done soon after they
//     came. Only the greedy one, which has by far the most jobs, waits longer than before.
//   - The paying tenant has a share of 3. With a line of its own it is granted three jobs for each job of any
//     other waiting tenant.
//   - Taking turns costs no time. The last job of all begins at about the same time in both runs.
//
// A waiting job is only a ticket in line. Its goroutine starts when the ticket is granted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// tenant is a client that has jobs, and shares the scheduler with others.
type tenant struct {
	name  string
	share int // of the permits, in proportion to the shares of the other waiting tenants
	jobs  int
	comes time.Duration // after the first tenant
}

var tenants = []tenant{
	{name: "greedy", share: 1, jobs: 250},
	{name: "small", share: 1, jobs: 20},
	{name: "tiny", share: 1, jobs: 10},
	{name: "paying", share: 3, jobs: 90},
	{name: "late", share: 1, jobs: 10, comes: 250 * time.Millisecond},
}

// oneLine lets all tenants wait in the scheduler's own line.
func oneLine(s *scheduler.Scheduler, _ tenant) *scheduler.Scheduler { return s }

// lineEach gives each tenant a line of its own.
func lineEach(s *scheduler.Scheduler, t tenant) *scheduler.Scheduler { return s.Flow(t.name, t.share) }

func main() {
	if err := compare(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// compare serves the tenants in both ways, and prints a table for each.
func compare(ctx context.Context, out io.Writer) error {
	limits, err := scheduler.ParseLimits("10/20ms")
	if err != nil {
		return err
	}
	for i, way := range []struct {
		title, lookFor string
		line           func(*scheduler.Scheduler, tenant) *scheduler.Scheduler
	}{
		{"One line for all", "all others begin after the last job of the greedy one.", oneLine},
		{"A line each", "small, tiny and late are done soon; paying is granted three jobs for each of theirs.", lineEach},
	} {
		s, err := scheduler.New(limits)
		if err != nil {
			return err
		}
		served, err := serve(ctx, s, way.line)
		s.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", way.title, err)
		}
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "%s, limits %v\n", way.title, limits)
		printTable(out, served)
		fmt.Fprintf(out, "Look for: %s\n", way.lookFor)
	}
	return nil
}

// service is how a tenant was served: how long after the first tenant came each job began.
type service struct {
	tenant
	began []time.Duration
}

// serve runs the jobs of all tenants and returns when they have ended.
func serve(ctx context.Context, s *scheduler.Scheduler, line func(*scheduler.Scheduler, tenant) *scheduler.Scheduler) ([]service, error) {
	start := time.Now()
	var served []service
	var groups []*scheduler.Group
	for _, t := range tenants {
		time.Sleep(time.Until(start.Add(t.comes)))
		began := make([]time.Duration, t.jobs)
		g, ctx := line(s, t).Group(ctx)
		for job := range t.jobs {
			// Go takes a place in line and returns. The function is called when its turn has come, in a
			// goroutine of its own, and the permit is given back when it returns.
			g.Go(func() error {
				began[job] = time.Since(start)
				return call(ctx)
			})
		}
		groups = append(groups, g)
		served = append(served, service{t, began})
	}
	var errs []error
	for _, g := range groups {
		errs = append(errs, g.Wait()) // until all jobs of the group have ended
	}
	return served, errors.Join(errs...)
}

// call stands for the limited work, such as a request to a server. The context ends when another job of the
// group fails.
func call(ctx context.Context) error {
	select {
	case <-time.After(5 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
