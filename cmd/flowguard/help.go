package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const rootHelp = `usage: flowguard run   -limits LIMITS [flags] [file...] [-- command [argument...]]
       flowguard plan  -limits LIMITS -jobs N [flags]
       flowguard check -limits LIMITS [flags] [log...]

run    prints lines, or runs a command for each, no faster than the limits allow
plan   says how long work takes within limits, without doing it
check  says whether the calls in a log kept limits

LIMITS is a text such as "5/s", "5/2s 100/min burst 3" or "1000/h from release":
any number of windows, and "burst N" for N at once. Each command has -h. Flags
with long names may have one dash or two.

examples:
  flowguard run -limits "5/s 100/min burst 3" urls.txt -- curl -sSO {}
  flowguard plan -limits "5/s 100/min" -jobs 10000 -takes 300ms
  flowguard check -limits 100/min /var/log/nginx/access.log
  flowguard completion bash > /etc/bash_completion.d/flowguard
`

// help is the text that -h prints. All of it fits a screen.
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
