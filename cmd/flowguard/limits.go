package main

import (
	"errors"

	"github.com/spf13/pflag"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/cost"
	"github.com/flowguard-go/flowguard/scheduler"
)

// limitsFlag is the flag -limits, which each command needs, and --cost, which limits of other units need.
type limitsFlag struct {
	scheduler.Limits
	costs cost.Flag
}

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
	if err := l.costs.MatchLimits(l.Limits); err != nil {
		return &usageError{err}
	}
	return nil
}

// registerCosts adds the flag that says what a line costs in the units that limits count.
func (l *limitsFlag) registerCosts(flags *pflag.FlagSet, usage string) {
	flags.Var(&l.costs, "cost", usage)
}

// units are those of which costs were given, in that order.
func (l *limitsFlag) units() (all []scheduler.Unit) {
	for _, c := range l.costs {
		all = append(all, c.Unit)
	}
	return all
}
