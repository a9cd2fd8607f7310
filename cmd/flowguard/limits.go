package main

import (
	"errors"

	"github.com/spf13/pflag"

	"github.com/flowguard-go/flowguard/scheduler"
)

// limitsFlag is the flag -limits, which each command needs.
type limitsFlag struct{ scheduler.Limits }

func (l *limitsFlag) Set(s string) error { return l.UnmarshalText([]byte(s)) }
func (l *limitsFlag) String() string     { return l.Limits.String() }
func (l *limitsFlag) Type() string       { return "LIMITS" }

func (l *limitsFlag) register(flags *pflag.FlagSet) {
	flags.VarP(l, "limits", "l", `the limits, such as "5/s", "5/2s 100/min burst 3"`)
}

// given returns an error if the flag was not.
func (l *limitsFlag) given() error {
	if l.Validate() != nil {
		return &usageError{errors.New(`-limits is missing; give at least one limit, such as -limits 5/s`)}
	}
	for _, w := range l.Windows {
		if w.Unit != "" {
			return usagef("-limits: %v counts %s, but nothing here says what a line or a call costs; give limits of calls, such as 5/s", w, w.Unit)
		}
	}
	return nil
}
