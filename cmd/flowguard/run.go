package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/engine"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/items"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/joblog"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/plan"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/process"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/quota"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/screen"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/state"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
	"github.com/flowguard-go/flowguard/timeline"
)

// runOptions are what the command line of flowguard run says.
type runOptions struct {
	limits       limitsFlag
	files        []string
	command      []string // nil to print the items
	null         bool
	replace      string
	stdin        bool
	jobs         int
	keepOrder    bool
	ungroup      bool
	retry        engine.Retry
	timeout      time.Duration
	halt         engine.Halt
	joblog       string
	resume       bool
	resumeFailed bool
	state        string
	shared       string
	quota        *quota.Quota // what shared names; nil: none
	total        int
	delimiter    string
	svg          string
	dryRun       bool
	trace        bool
	quiet        bool
}

// grace is how long a command may take to end when it is asked to.
const grace = 5 * time.Second

func newRun(c console) *cobra.Command {
	o := &runOptions{}
	cmd := &cobra.Command{
		Use:   "run -limits LIMITS [flags] [file...] [-- command [arg...]]",
		Short: "Prints lines, or runs a command for each, within limits",
		Long: `Runs the command for each line of the files, or of standard input, when its turn
comes. The line stands where {} is, or last. Without a command, prints the lines.`,
		Example: `  flowguard run -limits 5/s urls.txt -- curl -sSO {}
  find . -name '*.png' -print0 | flowguard run -l "burst 4" -0 -- gzip -k {}
  flowguard run -l 20/h --state h.json --joblog log --resume ids -- ./call {}
  seq 20 | flowguard run -l "5/2s burst 3" --retry 3 -k -- sh -c 'echo "$1"' sh
exit status: 0 all is well, 123 a command failed, 124 one ended with 255, 125
was killed, 126 cannot be run, 127 not found, 130 Ctrl-C, 1 files, 2 usage`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.files = args
			if dash := cmd.ArgsLenAtDash(); dash >= 0 {
				o.files, o.command = args[:dash], args[dash:]
			}
			if err := o.check(cmd); err != nil {
				return err
			}
			return o.run(c)
		},
	}
	f := cmd.Flags()
	o.limits.register(f)
	o.limits.registerCosts(f, "costs of a line: tokens=9, tokens={2} in column 2")
	f.StringVarP(&o.delimiter, "delimiter", "d", "", "`TEXT` between columns; not set: spaces and tabs")
	f.BoolVarP(&o.null, "null", "0", false, "items end with a NUL byte, not with a newline")
	f.StringVarP(&o.replace, "replace", "I", "{}", "`TEXT` that stands for the line, not {} {.} {/} {//} {/.} {#}")
	f.BoolVar(&o.stdin, "stdin", false, "give the line to the command on standard input")
	f.IntVarP(&o.jobs, "jobs", "j", 0, "at most `N` at once, not what limits allow up to 1000")
	f.BoolVarP(&o.keepOrder, "keep-order", "k", false, "write output in the order of the lines")
	f.BoolVarP(&o.ungroup, "ungroup", "u", false, "write output as it comes, not when a command ends")
	f.IntVar(&o.retry.Times, "retry", 0, "try what failed `N` times more; each takes a permit")
	f.DurationVar(&o.retry.Delay, "retry-delay", time.Second, "`TIME` before the first, 1s; it doubles, up to 1m")
	f.IntSliceVar(&o.retry.On, "retry-on", nil, "only after these exit statuses: `7,28`")
	f.DurationVar(&o.timeout, "timeout", 0, "end a command that takes longer than `TIME`; it failed")
	f.Var(&o.halt, "halt", "soon,fail=1 begins no more, now,fail=10% ends all; never")
	f.StringVar(&o.joblog, "joblog", "", "write what became of each line to `FILE`")
	f.BoolVar(&o.resume, "resume", false, "leave out the lines that are in the job log")
	f.BoolVar(&o.resumeFailed, "resume-failed", false, "the same, but run those again that failed")
	f.StringVar(&o.state, "state", "", "keep the windows in `FILE`; limits hold over many runs")
	f.StringVar(&o.shared, "shared", "", "keep limits with other runs: `URL` redis://host/0#name")
	f.IntVar(&o.total, "total", 0, "`N` lines will come, for the progress of a pipe")
	f.StringVar(&o.svg, "svg", "", "draw the first 200,000 attempts into `FILE`")
	f.BoolVar(&o.dryRun, "dry-run", false, "print the commands, and run nothing")
	f.BoolVarP(&o.trace, "trace", "t", false, "show each command that begins")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "show neither progress nor summary, only errors")
	return cmd
}

// check finds slips in the command line.
func (o *runOptions) check(cmd *cobra.Command) error {
	if err := o.limits.given(); err != nil {
		return err
	}
	switch {
	case o.command != nil && len(o.command) == 0:
		return usagef("a command must follow --")
	case o.jobs < 0 || o.retry.Times < 0 || o.total < 0:
		return usagef("-j, --retry and --total must be 0 or more")
	case o.retry.Delay < 0 || o.timeout < 0:
		return usagef("--retry-delay and --timeout must be 0 or more")
	case o.retry.Times == 0 && (cmd.Flags().Changed("retry-on") || cmd.Flags().Changed("retry-delay")):
		return usagef("--retry-on and --retry-delay need --retry")
	case (o.resume || o.resumeFailed) && o.joblog == "":
		return usagef("--resume needs --joblog, which says what was done before")
	}
	if o.shared != "" {
		if err := o.share(); err != nil {
			return err
		}
	}
	if o.command == nil {
		for _, name := range []string{"stdin", "replace", "jobs", "keep-order", "ungroup", "retry", "timeout", "halt", "joblog", "dry-run", "trace"} {
			if cmd.Flags().Changed(name) {
				return usagef("--%s needs a command after --%s", name, o.dashHint())
			}
		}
	}
	if o.delimiter != "" && len(o.limits.costs) == 0 {
		return usagef("--delimiter needs --cost, which says in what column a line has its cost")
	}
	if o.dryRun && o.svg != "" {
		return usagef("--dry-run runs nothing that --svg could draw; see flowguard plan")
	}
	if o.stdin && cmd.Flags().Changed("replace") {
		return usagef("--stdin and --replace both say where the line goes; give one of them")
	}
	if err := items.Check(o.files); err != nil {
		if hint := o.dashHint(); hint != "" {
			return usagef("%w%s", err, hint)
		}
		return err
	}
	return nil
}

// share finds slips in what is to be shared.
func (o *runOptions) share() (err error) {
	if o.state != "" {
		return usagef("--state and --shared both keep what was used; the server of --shared also does it over many runs; give one of them")
	}
	if err := quota.Check(o.limits.Limits); err != nil {
		return usagef("--shared: %w", err)
	}
	if o.quota, err = quota.Parse(o.shared); err != nil {
		return usagef("--shared: %w", err)
	}
	return nil
}

// dashHint says where -- belongs if the names of files look like a command.
func (o *runOptions) dashHint() string {
	if o.command != nil {
		return ""
	}
	for i, name := range o.files {
		if _, err := os.Stat(name); err == nil {
			continue
		}
		_, err := exec.LookPath(name)
		if err != nil && !strings.Contains(strings.Join(o.files[i:], " "), "{}") {
			continue
		}
		words := append(append([]string{}, o.files[:i]...), "--")
		words = append(words, o.files[i:]...)
		return "; a command stands behind --, like this: … " + screen.Shown(strings.Join(words, " "), 60)
	}
	return ""
}

func (o *runOptions) end() byte {
	if o.null {
		return 0
	}
	return '\n'
}

func (o *runOptions) run(c console) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	input, err := items.NewReader(items.Options{Files: o.files, NUL: o.null}, c.in)
	if err != nil {
		return err
	}
	defer input.Close()
	if o.quota != nil {
		defer o.quota.Close()
	}
	template := process.Template{Words: o.command, Replace: o.replace, Stdin: o.stdin}
	if o.dryRun {
		return dryRun(ctx, c, input, template)
	}

	// A person who types lines would type over the progress.
	typed := len(o.files) == 0 && screen.IsTerminal(c.in)
	e := &engine.Engine{
		Input: input, Screen: screen.New(c.err, "flowguard", o.quiet, !typed), Interrupts: c.interrupts, Grace: grace,
		Retry: o.retry, Halt: o.halt, KeepOrder: o.keepOrder, RetryFailed: o.resumeFailed, Total: o.total, Trace: o.trace,
	}
	if len(o.limits.costs) > 0 {
		e.Costs = func(i items.Item) ([]ticket.Cost, error) { return o.limits.costs.Tickets(i.Text, o.delimiter) }
	}
	atOnce := 1 // or lines would overtake one another
	if o.command == nil {
		e.Work = &engine.Printer{W: c.out, End: o.end()}
		e.Shared = screen.IsTerminal(c.out)
	} else {
		atOnce = plan.AtOnce(o.limits.Limits, o.jobs).MaxBurst
		command, err := o.newCommand(c, template, atOnce)
		if err != nil {
			return err
		}
		defer obeyCtrlZ(command)()
		e.Work = &engine.Commands{Command: command, Stdout: c.out, Stderr: c.err}
		e.Shared = !command.Keep
	}
	if e.Turns, err = o.newTurns(c, e, atOnce); err != nil {
		return err
	}
	defer e.Turns.Close()
	if o.state != "" {
		if e.State, err = state.Open(o.state); err != nil {
			return err
		}
		defer e.State.Close()
		if err := e.State.Restore(e.Turns); err != nil {
			return err
		}
	}
	if o.joblog != "" {
		if e.Log, err = joblog.Open(o.joblog, o.resume || o.resumeFailed); err != nil {
			return err
		}
		defer e.Log.Close()
	}
	if o.quota != nil {
		if err := o.reachServer(ctx, c, e.Screen); err != nil {
			return err
		}
	}
	if typed {
		e.Screen.Note("reading lines from the terminal; Ctrl-D ends them")
	}
	draw := func() error { return nil }
	if o.svg != "" {
		var opts []timeline.Option
		if o.quota != nil {
			opts = append(opts, timeline.Title(fmt.Sprintf("Limits %v: what this run had of %v", o.limits.Limits, o.quota)))
		}
		if draw, err = recordPicture(e.Turns, o.svg, opts...); err != nil {
			return err
		}
	}
	go input.CountAhead(ctx)
	status := e.Run(ctx)
	if err := draw(); err != nil {
		return err
	}
	if o.svg != "" {
		e.Screen.Note("the picture is in %s", o.svg)
	}
	if status != 0 {
		return exit(status)
	}
	return nil
}

// newTurns returns what gives jobs their turns, so many of them at once.
func (o *runOptions) newTurns(c console, e *engine.Engine, atOnce int) (*scheduler.Scheduler, error) {
	limits, opts := o.limits.Limits, c.turns
	if o.quota == nil {
		limits.MaxBurst = atOnce
	} else {
		// The number that may run here is not shared with other runs.
		e.AtOnce = atOnce
		e.Quota = &engine.Quota{Name: o.quota.String(), Server: o.quota.Server()}
		opts = append(opts, o.quota.Option())
	}
	turns, err := scheduler.New(limits, opts...)
	var invalid *scheduler.InvalidError
	if o.quota != nil && errors.As(err, &invalid) {
		return nil, usagef("--shared: %w", err)
	}
	return turns, err
}

// reachServer waits until the server of the quota answers.
func (o *runOptions) reachServer(ctx context.Context, c console, s *screen.Screen) error {
	type answer struct {
		err    error
		evicts string
	}
	answers := make(chan answer, 1)
	go func() {
		var a answer
		if a.err = o.quota.Reach(ctx); a.err == nil {
			a.evicts = o.quota.Evicts(ctx)
		}
		answers <- a
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return fmt.Errorf("%v: cannot ask %s: %w; nothing was run", o.quota, o.quota.Server(), a.err)
		}
		if a.evicts != "" {
			s.Note("%v: %s may drop what was used when its memory is full (maxmemory-policy %s), and limits would be exceeded; set it to noeviction",
				o.quota, o.quota.Server(), a.evicts)
		}
		return nil
	case <-c.interrupts:
		return exit(engine.StatusInterrupted)
	}
}

// newCommand returns the command that is run for each item.
func (o *runOptions) newCommand(c console, template process.Template, atOnce int) (*process.Command, error) {
	command := &process.Command{
		Template: template, End: o.end(), Timeout: o.timeout, Grace: grace, Stdout: c.out, Stderr: c.err,
		// With one command at a time outputs cannot mix, so output is shown as it comes.
		Keep: !o.ungroup && (atOnce > 1 || o.retry.Times > 0) || o.keepOrder,
	}
	var no *process.NotRunnableError
	err := command.Find()
	if errors.As(err, &no) {
		return nil, &failure{engine.NotRunnable(no), err}
	}
	return command, err
}

// dryRun prints the command for each item.
func dryRun(ctx context.Context, c console, input *items.Reader, template process.Template) error {
	go input.Run(ctx)
	for {
		select {
		case i, ok := <-input.Items():
			if !ok {
				return input.Err()
			}
			i.Forget()
			if _, err := fmt.Fprintln(c.out, template.Line(i)); err != nil {
				return err
			}
		case <-c.interrupts:
			return exit(engine.StatusInterrupted)
		}
	}
}
