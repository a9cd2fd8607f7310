package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// printTable prints a line for each tenant.
func printTable(out io.Writer, served []service) {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "tenant\tjobs\tshare\tcomes\tfirst\tlast\tmedian wait\t")
	for _, s := range served {
		first, last := slices.Min(s.began), slices.Max(s.began)
		fmt.Fprintf(w, "%s\t%d\t%d\t%v\t%v\t%v\t%v\t\n",
			s.name, s.jobs, s.share, s.comes, roughly(first), roughly(last), roughly(s.medianWait()))
	}
	w.Flush()
}

// medianWait returns how long half of the jobs waited at most.
func (s service) medianWait() time.Duration {
	began := slices.Sorted(slices.Values(s.began))
	return began[(len(began)-1)/2] - s.comes
}

// roughly rounds to what readers care about.
func roughly(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
