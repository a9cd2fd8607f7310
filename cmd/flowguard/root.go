package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/engine"
)

// exit is an error that ends the program with a status. Its message has already been shown.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// usageError is a slip in the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// failure is another error that ends the program with a status of its own.
type failure struct {
	status int
	err    error
}

func (e *failure) Error() string { return e.err.Error() }
func (e *failure) Unwrap() error { return e.err }

// execute runs the command line and returns the exit status.
func execute(args []string, c console) int {
	root := newRoot(c)
	if asksBriefly(args) {
		root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { fmt.Fprint(c.out, brief(cmd)) })
	}
	root.SetArgs(doubleDashes(root, args))
	used, err := root.ExecuteC()
	var (
		status exit
		usage  *usageError
		fail   *failure
	)
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &usage):
		// The cause alone: with the whole help below it, it would scroll away.
		fmt.Fprintf(c.err, "flowguard: %v\nflowguard: see %s -h\n", err, used.CommandPath())
		return engine.StatusUsage
	}
	fmt.Fprintf(c.err, "flowguard: %v\n", err)
	if errors.As(err, &fail) {
		return fail.status
	}
	if used.Name() == "check" {
		return checkTrouble
	}
	return engine.StatusError
}

func newRoot(c console) *cobra.Command {
	root := &cobra.Command{
		Use:           "flowguard",
		Short:         "Runs commands within limits such as 5/s and 100/min",
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("there is no command %q; there are run, plan and check", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return usagef("say what to do: run, plan or check") },
	}
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.SetIn(c.in)
	root.AddCommand(newRun(c), newPlan(c), newCheck(c))
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { fmt.Fprint(c.out, help(cmd)) })
	for _, sub := range root.Commands() {
		sub.Flags().SortFlags = false
		sub.DisableFlagsInUseLine = true
		sub.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
			return flagError(cmd, err)
		})
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	return root
}

// doubleDashes writes flags with long names and one dash, such as -limits, as they are written with two.
// So both ways work, and short flags can still be put together. It does the same with the beginning of
// a long name, such as -limit, which is a slip that would otherwise be read as -l imit.
func doubleDashes(root *cobra.Command, args []string) []string {
	const slip = 3 // letters; with fewer it may be short flags
	names := map[string]bool{"help": true, "version": true}
	for _, sub := range root.Commands() {
		sub.Flags().VisitAll(func(f *pflag.Flag) {
			for n := slip; n <= len(f.Name); n++ {
				names[f.Name[:n]] = true
			}
		})
	}
	doubled := make([]string, 0, len(args))
	for i, arg := range args {
		if arg == "--" {
			return append(doubled, args[i:]...)
		}
		name, isFlag := strings.CutPrefix(arg, "-")
		name, _, _ = strings.Cut(name, "=")
		if isFlag && names[name] {
			arg = "-" + arg
		}
		doubled = append(doubled, arg)
	}
	return doubled
}

// flagError returns what pflag says of a flag in fewer words, with a hint at what may be meant.
func flagError(cmd *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	if errors.As(err, &value) {
		return usagef("--%s %q: %s", value.GetFlag().Name, value.GetValue(), strings.TrimPrefix(value.Unwrap().Error(), "scheduler: limits: "))
	}
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		name := unknown.GetSpecifiedName()
		dashes := "--"
		if unknown.GetSpecifiedShortnames() != "" {
			dashes = "-"
		}
		hint := ""
		if cmd.Name() == "run" && elsewhere[name] != "" {
			hint = "; " + elsewhere[name]
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if hint == "" && (strings.HasPrefix(f.Name, name) || strings.HasPrefix(name, f.Name)) {
				hint = "; is it --" + f.Name + "?"
			}
		})
		return usagef("there is no flag %s%s%s", dashes, name, hint)
	}
	return &usageError{err}
}

// elsewhere says what replaces flags of xargs, parallel and pv that flowguard does not have.
var elsewhere = map[string]string{
	"P": "-j N runs at most N at once", "max-procs": "-j N runs at most N at once",
	"n": "each command gets one line", "max-args": "each command gets one line", "N": "each command gets one line",
	"L": "-limits says how fast", "max-lines": "each command gets one line", "rate-limit": "-limits says how fast",
	"a": "name the file before --", "arg-file": "name the file before --",
	"r": "nothing is run without lines anyway", "no-run-if-empty": "nothing is run without lines anyway",
	"p": "--dry-run shows the commands", "interactive": "--dry-run shows the commands",
	"retries": "write --retry N", "delay": "write a window such as 1/500ms in -limits",
	"bar": "a terminal shows the progress anyway", "eta": "a terminal shows the progress anyway",
	"progress": "a terminal shows the progress anyway", "group": "output is grouped anyway",
	"line-buffer": "-u writes output as it comes", "lb": "-u writes output as it comes",
	"s": "--total N says how many lines will come", "size": "--total N says how many lines will come",
	"verbose": "-t shows each command that begins", "results": "write a command such as sh -c 'do \"$1\" >\"$1.out\"' sh",
}
