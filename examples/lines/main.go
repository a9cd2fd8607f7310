// Lines prints lines, or runs a command once per line, no faster than its limits allow. It is xargs
// with a rate:
//
//	lines -limits 5/s urls.txt
//	lines -limits "5/2s 100/min burst 3" urls.txt -- curl -sSO
//	seq 20 | lines -limits "5/2s burst 3" -- sh -c 'echo start "$1"; sleep 1; echo end "$1"' sh
//
// What to look for in the last: no more than five starts in any two seconds, and no more than three
// commands at work. Take the burst away, or press Ctrl-C halfway.
//
// # Lines
//
// A line is everything up to a newline, byte for byte; the last one needs no newline. Empty lines
// are lines. The input is read ahead by no more than 1000 lines and 1 MiB, and by one line where
// a single line is larger.
//
// # Commands
//
// The line is appended to the command's arguments, or put wherever they contain {} (see -I), or
// given on standard input with a newline (see -stdin). No shell is involved, and none should be given a line as
// program text: write sh -c 'do "$1"' sh, not sh -c 'do {}'. Commands write straight through to
// standard output and error, so what those that run together write is mixed as it comes.
//
// The burst in the limits bounds how many commands run at once. Without one, as many may run as
// there are CPUs. Without a command, lines are printed one at a time and in order, whatever the
// burst.
//
// Where a line cannot be given to the command, because it is too long for an argument or contains
// a NUL byte, that line has failed and the others go on.
//
// # Stopping
//
// On Ctrl-C (SIGINT or SIGTERM) commands that run get SIGTERM and, after 5 seconds, are killed; what
// they started themselves is theirs to end. A second Ctrl-C ends lines at once. It tells how many of
// the lines it has read were not run, and says "at least" where there may be more. After a command
// that stops the run (see below) those still running are waited for.
//
// # Exit status
//
// As that of xargs:
//
//	0    all is well; also with no lines at all
//	1    the input could not be read, or the output not written
//	2    wrong usage
//	123  a command ended with a status from 1 to 254, or could not be given its line
//	124  a command ended with status 255: no more were started
//	125  a command was killed by a signal: no more were started
//	126  the command cannot be run
//	127  the command was not found
//	130  stopped by Ctrl-C
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"

	"github.com/flowguard-go/flowguard/scheduler"
)

const (
	statusError       = 1
	statusUsage       = 2
	statusFailures    = 123
	statusStopAsked   = 124
	statusKilled      = 125
	statusCannotRun   = 126
	statusNotFound    = 127
	statusInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// With the handler gone, a second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program: it returns the exit status. The end of ctx is Ctrl-C.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	opts, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		opts.usage(stdout)
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "lines: %v\n\n", err)
		opts.usage(stderr)
		return statusUsage
	}

	work, limits := printer(stdout), opts.limits
	limits.MaxBurst = 1 // or lines would overtake one another
	if opts.command != nil {
		cmd, err := newCommand(opts, stdout, stderr)
		if err != nil {
			return refuse(stderr, err)
		}
		work, limits.MaxBurst = cmd.run, opts.limits.MaxBurst
		if limits.MaxBurst == 0 {
			limits.MaxBurst = runtime.GOMAXPROCS(0)
		}
	}
	if err := check(opts.files); err != nil {
		return refuse(stderr, err)
	}

	turns, err := scheduler.New(limits)
	if err != nil {
		return refuse(stderr, err)
	}
	defer turns.Close()
	input, err := newReader(opts.files, stdin)
	if err != nil {
		return refuse(stderr, err)
	}
	defer input.close()
	screen := newScreen(stderr, opts.quiet)
	screen.shared = opts.command != nil || isTerminal(stdout)

	r := &runner{work: work, turns: turns, input: input, screen: screen}
	return r.run(ctx)
}

// refuse tells why there is nothing to be done.
func refuse(stderr io.Writer, err error) (status int) {
	fmt.Fprintf(stderr, "lines: %v\n", err)
	var f *fatal
	if errors.As(err, &f) {
		return f.status
	}
	return statusError
}

// options are what the command line says.
type options struct {
	limits  scheduler.Limits
	files   []string
	command []string // nil to print the lines
	replace string   // what the line stands for in the command's arguments
	stdin   bool     // the command gets the line on standard input
	quiet   bool

	flags *flag.FlagSet
}

func parse(args []string) (*options, error) {
	o := &options{flags: flag.NewFlagSet("lines", flag.ContinueOnError)}
	o.flags.SetOutput(io.Discard) // run says what is wrong
	o.flags.TextVar(&o.limits, "limits", o.limits,
		"the `limits`, such as \"5/s\", \"5/2s 100/min burst 3\" or \"5/s from release\"")
	o.flags.StringVar(&o.replace, "I", "{}",
		"the `text` in the command's arguments to replace by the line; -I \"\" always appends it")
	o.flags.BoolVar(&o.stdin, "stdin", false,
		"give the line to the command on standard input, not as an argument; no line is too long then")
	o.flags.BoolVar(&o.quiet, "q", false, "show neither progress nor summary, only errors")

	// Not left to package flag, which would see the -- only where no file stands before it.
	if i := slices.Index(args, "--"); i >= 0 {
		args, o.command = args[:i], args[i+1:]
	}
	if err := o.flags.Parse(args); err != nil {
		return o, err
	}
	o.files = o.flags.Args()
	for _, name := range o.files {
		if len(name) > 1 && name[0] == '-' {
			return o, fmt.Errorf("%s stands after a file; flags come first, and a file of that name is ./%[1]s", name)
		}
	}
	switch {
	case o.limits.Validate() != nil:
		return o, errors.New(`-limits is missing; give at least one limit, such as -limits 5/s`)
	case o.command != nil && len(o.command) == 0:
		return o, errors.New("a command must follow --")
	case o.stdin && o.command == nil:
		return o, errors.New("-stdin needs a command after --")
	}
	return o, nil
}

func (o *options) usage(w io.Writer) {
	fmt.Fprint(w, `usage: lines -limits LIMITS [flags] [file ...] [-- command [argument ...]]

Prints the lines of the files, or of standard input, each when its turn comes.
With a command, runs it once per line instead, the line as its last argument.
The burst in the limits is how many commands may run at once; without one, as
many as there are CPUs.

`)
	o.flags.SetOutput(w)
	o.flags.PrintDefaults()
	fmt.Fprint(w, `
examples:
  lines -limits 5/s urls.txt
  lines -limits "5/2s 100/min burst 3" urls.txt -- curl -sSO
  ls *.png | lines -limits "burst 4" -- convert {} {}.jpg
  lines -limits "1/s from release" -stdin jobs.json -- curl -sSd @- localhost:8080
`)
}
