package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/engine"
)

// exit is an error with which the program ends with a status. What there was to say has been said.
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
		fmt.Fprintf(c.err, "%s: %v\n%[1]s: see %s -h\n", "flowguard", err, used.CommandPath())
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
	root.SetHelpCommand(&cobra.Command{Hidden: true})
	root.AddCommand(newRun(c), newPlan(c), newCheck(c))
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { fmt.Fprint(c.out, help(cmd)) })
	for _, sub := range root.Commands() {
		sub.Flags().SortFlags = false
		sub.DisableFlagsInUseLine = true
		sub.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
			return &usageError{errors.New(err.Error() + similarFlag(cmd, err.Error()))}
		})
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	return root
}

// doubleDashes writes flags with long names and one dash, such as -limits, as they are written with two.
// So both ways work, and short flags can still be put together.
func doubleDashes(root *cobra.Command, args []string) []string {
	names := map[string]bool{"help": true, "version": true}
	for _, sub := range root.Commands() {
		sub.Flags().VisitAll(func(f *pflag.Flag) { names[f.Name] = true })
	}
	doubled := make([]string, 0, len(args))
	for i, arg := range args {
		if arg == "--" {
			return append(doubled, args[i:]...)
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		if strings.HasPrefix(arg, "-") && len(name) > 1 && names[name] {
			arg = "-" + arg
		}
		doubled = append(doubled, arg)
	}
	return doubled
}

// similarFlag returns a hint at the flag that an error about an unknown one may mean.
func similarFlag(cmd *cobra.Command, text string) (hint string) {
	_, name, ok := strings.Cut(text, "unknown flag: --")
	if !ok {
		return ""
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if hint == "" && (strings.HasPrefix(f.Name, name) || strings.HasPrefix(name, f.Name)) {
			hint = "; is it --" + f.Name + "?"
		}
	})
	return hint
}
