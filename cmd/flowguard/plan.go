package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/audit"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/plan"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/screen"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// planOptions are what the command line of flowguard plan says.
type planOptions struct {
	limits limitsFlag
	work   plan.Work
	atOnce int
	json   bool
	svg    string
}

func newPlan(c console) *cobra.Command {
	o := &planOptions{}
	cmd := &cobra.Command{
		Use:   "plan -limits LIMITS -jobs N [-takes TIME] [flags]",
		Short: "Says how long work takes within limits",
		Long: `Plays the work in simulated time, with the scheduler that flowguard run uses,
and answers at once: when the first, the half and the last of the jobs are done,
which limit holds them up for how long, how many begin a minute, with a chart.
All jobs are there from the beginning and take the same time.`,
		Example: `  flowguard plan -limits "5/s 100/min burst 3" -jobs 10000 -takes 300ms
  flowguard plan -limits 5000/day -jobs 20000
  flowguard plan -limits 5/s -jobs 600 -takes 2s -j 4     # too few at once?
  flowguard plan -limits "60/min from release" -jobs 600 -takes 1s --json`,
		Args: noFiles,
		RunE: func(*cobra.Command, []string) error {
			if err := o.limits.given(); err != nil {
				return err
			}
			switch {
			case o.work.Jobs < 1:
				return usagef("-jobs must be 1 or more; it says how many jobs there are")
			case o.work.Takes < 0 || o.atOnce < 0:
				return usagef("-takes and -j must be 0 or more")
			}
			for _, cost := range o.limits.costs {
				if !cost.Fixed() {
					return usagef("--cost %v: a plan has no lines; write a number, such as %s=900", cost, cost.Unit)
				}
			}
			if err := o.price(); err != nil {
				return err
			}
			return o.run(c)
		},
	}
	f := cmd.Flags()
	o.limits.register(f)
	f.IntVarP(&o.work.Jobs, "jobs", "n", 0, "`N` jobs are to be done")
	f.DurationVarP(&o.work.Takes, "takes", "t", 0, "`TIME` that each takes, such as 300ms")
	f.IntVarP(&o.atOnce, "at-once", "j", 0, "at most `N` at once, not what limits allow up to 1000")
	o.limits.registerCosts(f, "what each job costs: tokens=900")
	f.StringVar(&o.svg, "svg", "", "draw the first 200,000 jobs into `FILE`")
	f.BoolVar(&o.json, "json", false, "print it for machines; times are in seconds")
	return cmd
}

func noFiles(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%q is not a flag; this command takes no files", args[0])
	}
	return nil
}

// planned is the answer.
type planned struct {
	plan.Outcome
	peak    int             // in any minute
	minutes *audit.Auditor  // which finds that out
	first   []time.Duration // when the first jobs begin, as many as are drawn
	when    histogram
}

// began notes when the next job begins.
func (p *planned) began(at time.Duration) {
	if len(p.first) < mostDrawn {
		p.first = append(p.first, at)
	}
	p.minutes.Add(audit.Call{At: int64(at)}, 1)
	p.when.add(at)
}

// price notes what each job costs.
func (o *planOptions) price() (err error) {
	o.work.Costs, err = o.limits.costs.Tickets(nil, "")
	return err
}

func (o *planOptions) run(c console) error {
	if most := time.Duration(1<<62) / time.Duration(o.work.Jobs); o.work.Takes > most {
		return usagef("%d jobs that take %v each end in more years than can be counted", o.work.Jobs, o.work.Takes)
	}
	limits := plan.AtOnce(o.limits.Limits, o.atOnce)
	p := planned{minutes: audit.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerMinute(1)}}, nil, 0, nil)}
	outcome, err := plan.Play(limits, o.work, p.began)
	if errors.Is(err, scheduler.ErrTooLarge) {
		return &usageError{errors.New(strings.TrimPrefix(err.Error(), "scheduler: "))}
	}
	if err != nil {
		return err
	}
	if o.svg != "" {
		if outcome.AtOnce < limits.MaxBurst {
			limits = o.limits.Limits // that there would be a thousand at once at most has no effect
		}
		if err := drawPlan(o.svg, limits, o.work, outcome.Start, p.first); err != nil {
			return err
		}
	}
	p.Outcome, p.peak = outcome, int(p.minutes.Findings()[0].Most.N)
	if o.json {
		return p.writeJSON(c.out, o.limits.Limits, o.work)
	}
	return p.writeText(c.out, o.limits.Limits, o.work)
}

func (p *planned) writeText(w io.Writer, limits scheduler.Limits, work plan.Work) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s each, limits %s\n", screen.Count(work.Jobs, "job"), screen.Short(work.Takes), limits)
	for _, cost := range work.Costs {
		fmt.Fprintf(&b, "each costs %d %s\n", cost.Amount, cost.Unit)
	}
	b.WriteString("\n")
	fmt.Fprintf(&b, "first done   %s\n", screen.Short(p.First))
	fmt.Fprintf(&b, "half done    %s\n", screen.Short(p.Half))
	fmt.Fprintf(&b, "last done    %s\n", screen.Short(p.Last))
	fmt.Fprintf(&b, "per minute   %s on average, %d at most\n", p.average(work), p.peak)
	fmt.Fprintf(&b, "at once      %d at most\n\n", p.AtOnce)
	if len(p.Bound) == 0 {
		b.WriteString("no limit holds them up\n")
	}
	for _, l := range p.Bound {
		fmt.Fprintf(&b, "%-12s holds up %s for %s, %.0f%% of the time\n",
			l.Limit, screen.Count(l.Jobs, "job"), screen.Short(l.For), 100*l.For.Seconds()/max(p.Last.Seconds(), 1e-9))
	}
	b.WriteString("\n" + p.when.chart())
	_, err := io.WriteString(w, b.String())
	return err
}

func (p *planned) average(work plan.Work) string {
	if p.Last <= 0 {
		return "all at once"
	}
	return screen.Number(float64(work.Jobs) / math.Ceil(p.Last.Minutes()))
}

func (p *planned) writeJSON(w io.Writer, limits scheduler.Limits, work plan.Work) error {
	type binding struct {
		Limit string  `json:"limit"`
		For   float64 `json:"for"`
		Jobs  int     `json:"jobs"`
	}
	bound := []binding{}
	for _, l := range p.Bound {
		bound = append(bound, binding{l.Limit, l.For.Seconds(), l.Jobs})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Limits        scheduler.Limits `json:"limits"`
		Jobs          int              `json:"jobs"`
		Takes         float64          `json:"takes"`
		Costs         []ticket.Cost    `json:"costs,omitempty"`
		First         float64          `json:"first"`
		Half          float64          `json:"half"`
		Last          float64          `json:"last"`
		MostPerMinute int              `json:"most_per_minute"`
		MostAtOnce    int              `json:"most_at_once"`
		Bound         []binding        `json:"bound"`
	}{
		limits, work.Jobs, work.Takes.Seconds(), work.Costs, p.First.Seconds(), p.Half.Seconds(), p.Last.Seconds(), p.peak, p.AtOnce, bound,
	})
}
