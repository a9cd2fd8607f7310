package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const rootHelp = `usage: flowguard run   -limits LIMITS [flags] [file...] [-- command [arg...]]
       flowguard plan  -limits LIMITS -jobs N [flags]
       flowguard check -limits LIMITS [flags] [log...]

run    prints lines, or runs a command for each, no faster than the limits allow
plan   says how long work takes within limits, without doing it
check  says whether the calls in a log kept limits

LIMITS is a text such as "5/s", "5/2s 100/min burst 3", "1000/h from release" or
"9000 tokens/min": any number of windows, and "burst N" for N at once. Each
command has -h, and --help for all its flags. Flags with long names may have one
dash or two.

examples:
  flowguard run -limits "5/s 100/min burst 3" urls.txt -- curl -sSO {}
  flowguard plan -limits "5/s 100/min" -jobs 10000 -takes 300ms
  flowguard check -limits 100/min /var/log/nginx/access.log
  flowguard completion bash > /etc/bash_completion.d/flowguard
`

// often are the flags that -h lists, for commands whose flags do not all fit a screen.
var often = map[string][]string{
	"run":   {"limits", "cost", "null", "jobs", "keep-order", "retry", "timeout", "joblog", "resume", "state", "shared", "dry-run"},
	"check": {"limits", "column", "delimiter", "field", "cost", "tolerance", "all", "json"},
}

// asksBriefly reports whether -h is among the arguments, and not --help.
func asksBriefly(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.Contains(args, "-h")
}

// brief is the text that -h prints. It fits a terminal of 24 lines and 80 columns.
func brief(cmd *cobra.Command) string {
	flags := often[cmd.Name()]
	if flags == nil {
		return help(cmd)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "usage: %s\n%s. All flags: --help\n\n", cmd.UseLine(), cmd.Short)
	for _, name := range flags {
		b.WriteString(flagLine(cmd.Flags().Lookup(name)))
	}
	fmt.Fprintf(&b, "\nexamples:\n%s\n", cmd.Example)
	return b.String()
}

// help is the text that --help prints.
func help(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return rootHelp
	}
	if cmd.Long == "" || cmd.Example == "" { // not one of ours
		return cmd.UsageString()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "usage: %s\n\n%s\n\n", cmd.UseLine(), cmd.Long)
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			b.WriteString(flagLine(f))
		}
	})
	fmt.Fprintf(&b, "\nexamples:\n%s\n", cmd.Example)
	return b.String()
}

// flagLine is the line about a flag. Package pflag would write --null[=true|false].
func flagLine(f *pflag.Flag) string {
	short := "   "
	if f.Shorthand != "" {
		short = "-" + f.Shorthand + ","
	}
	value, usage := pflag.UnquoteUsage(f)
	if f.NoOptDefVal != "" {
		value = ""
	}
	return fmt.Sprintf("  %s %-20s %s\n", short, strings.TrimRight("--"+f.Name+" "+value, " "), usage)
}
