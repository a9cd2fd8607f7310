package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/audit"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/cost"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/instant"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/items"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/screen"
	"github.com/flowguard-go/flowguard/scheduler"
)

// The exit statuses of flowguard check are those of grep and diff.
const (
	checkBroken  = 1
	checkTrouble = 2
)

// checkOptions are what the command line of flowguard check says.
type checkOptions struct {
	limits    limitsFlag
	files     []string
	finder    instant.Finder
	reorder   time.Duration
	tolerance time.Duration
	all       bool
	json      bool
	quiet     bool
}

func newCheck(c console) *cobra.Command {
	o := &checkOptions{}
	cmd := &cobra.Command{
		Use:   "check -limits LIMITS [flags] [log...]",
		Short: "Says whether the calls in a log kept limits",
		Long: `Reads the instants in logs, one a line, and says whether any interval had more
calls than a window of the limits allows: which window, when, and by how much. It
finds dates such as 2026-01-02T15:04:05Z, 2026-01-02 15:04:05,123 and
02/Jan/2026:15:04:05 +0100 anywhere in a line, Unix seconds or milliseconds at its
beginning, and both in the usual fields of JSON. A date without a zone is UTC. A
burst is not checked: such a log does not tell when a call ended.`,
		Example: `  flowguard check -limits 100/min /var/log/nginx/access.log
  zcat app.log.*.gz | flowguard check -l "5/s 100/min" --field request.start
  flowguard check -l 5000/day --column 3 --delimiter , --unit ms calls.csv
exit status: 0 the limits were kept, 1 a limit was broken, 2 the log or the
command line is at fault`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.files = args
			if err := o.check(cmd); err != nil {
				return err
			}
			return o.run(c)
		},
	}
	f := cmd.Flags()
	o.limits.register(f)
	f.IntVarP(&o.finder.Column, "column", "c", 0, "the instant is in column `N`, from 1")
	f.StringVarP(&o.finder.Delimiter, "delimiter", "d", "", "`TEXT` between columns; not set: spaces and tabs")
	f.StringVarP(&o.finder.JSON, "field", "f", "", "the instant is in a field of JSON; `PATH`: request.time")
	o.limits.registerCosts(f, "costs of a call: tokens={4} in column 4, or tokens=9")
	f.VarP(&o.finder.Unit, "unit", "u", "what a bare number counts: s, ms, us, ns; auto")
	f.DurationVar(&o.reorder, "reorder", 10*time.Second, "put lines in order that are this `TIME` out of it, 10s")
	f.DurationVar(&o.tolerance, "tolerance", 0, "take windows to be shorter by this `TIME`")
	f.BoolVarP(&o.all, "all", "a", false, "tell each stretch in which a limit was broken")
	f.BoolVar(&o.json, "json", false, "print it for machines")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing; the exit status tells")
	return cmd
}

func (o *checkOptions) check(cmd *cobra.Command) error {
	if err := o.limits.given(); err != nil {
		return err
	}
	switch {
	case len(o.limits.Windows) == 0:
		return usagef("-limits has no window; a log of instants tells nothing of a burst")
	case cmd.Flags().Changed("column") && o.finder.Column < 1:
		return usagef("--column must be 1 or more")
	case o.finder.Column > 0 && o.finder.JSON != "":
		return usagef("--column and --field both say where the instant is; give one of them")
	case o.finder.Delimiter != "" && o.finder.Column == 0 && len(o.limits.costs) == 0:
		return usagef("--delimiter needs --column or --cost")
	case o.reorder < 0 || o.tolerance < 0:
		return usagef("--reorder and --tolerance must be 0 or more")
	}
	return items.Check(o.files)
}

// checker reads logs.
type checker struct {
	*checkOptions
	begins  []int64 // how many lines were before each file
	auditor *audit.Auditor
	sorter  audit.Sorter
	finest  time.Duration

	lines    int64
	calls    int64
	first    int64 // instants
	last     int64
	without  int64 // lines without an instant
	example  string
	exampleN int64

	spare      [][]int64 // costs of calls that were counted, to be used again
	costless   int64     // lines without a cost
	costlessN  int64     // the first of them
	costlessOf cost.Cost // where its cost should be
}

func (o *checkOptions) run(c console) error {
	k := &checker{checkOptions: o}
	out := bufio.NewWriter(c.out)
	var report func(audit.Stretch)
	if o.all && !o.json && !o.quiet {
		report = func(s audit.Stretch) { fmt.Fprintf(out, "%v  %s\n", s.Window, k.describe(s)) }
	}
	k.auditor = audit.New(o.limits.Limits, o.limits.units(), o.tolerance, report)
	k.sorter = audit.Sorter{Slack: int64(o.reorder), Emit: func(call audit.Call) {
		k.auditor.Add(call, k.finest)
		if call.Costs != nil {
			k.spare = append(k.spare, call.Costs)
		}
	}}
	files := o.files
	if len(files) == 0 {
		files = []string{"-"}
	}
	for _, name := range files {
		k.begins = append(k.begins, k.lines)
		if err := k.readFile(name, c.in); err != nil {
			return err
		}
	}
	k.sorter.Flush()
	if k.calls == 0 {
		return k.noInstants()
	}
	findings := k.auditor.Findings()
	broken := false
	for _, f := range findings {
		broken = broken || f.Broken > 0
	}
	var err error
	switch {
	case o.quiet:
	case o.json:
		err = k.writeJSON(out, findings, broken)
	default:
		k.writeText(out, findings)
	}
	if err := errors.Join(err, out.Flush()); err != nil {
		return err
	}
	if broken {
		return exit(checkBroken)
	}
	return nil
}

func (k *checker) readFile(name string, stdin io.Reader) error {
	if name == "-" {
		return k.read(stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return k.read(f)
}

// read takes the lines of a log. Of a line that is very long, it looks at the beginning.
func (k *checker) read(in io.Reader) error {
	buf := bufio.NewReaderSize(in, 256<<10)
	for {
		line, err := buf.ReadSlice('\n')
		if len(line) > 0 {
			k.line(bytes.TrimRight(line, "\r\n"))
		}
		for err == bufio.ErrBufferFull {
			_, err = buf.ReadSlice('\n')
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (k *checker) line(line []byte) {
	k.lines++
	i, ok := k.finder.Find(line)
	if !ok {
		if k.without == 0 {
			k.example, k.exampleN = screen.Shown(string(line[:min(len(line), 200)]), 60), k.lines
		}
		k.without++
		return
	}
	if k.finest == 0 || i.Resolution < k.finest {
		k.finest = i.Resolution
	}
	if k.calls == 0 || i.At < k.first {
		k.first = i.At
	}
	if k.calls == 0 || i.At > k.last {
		k.last = i.At
	}
	k.calls++
	k.sorter.Add(audit.Call{At: i.At, Line: k.lines, Costs: k.costs(line)})
}

// costs returns what the line costs in each unit, rounded down: 0 where it does not say so.
func (k *checker) costs(line []byte) (all []int64) {
	flags := k.limits.costs
	if len(flags) == 0 {
		return nil
	}
	if n := len(k.spare); n > 0 {
		all, k.spare = k.spare[n-1][:0], k.spare[:n-1]
	}
	missing := false
	for _, c := range flags {
		n, _, ok := c.Of(line, k.finder.Delimiter)
		if !ok && !missing {
			missing = true
			if k.costless == 0 {
				k.costlessN, k.costlessOf = k.lines, c
			}
			k.costless++
		}
		all = append(all, n)
	}
	return all
}

func (k *checker) noInstants() error {
	if k.lines == 0 {
		return errors.New("the log is empty")
	}
	return fmt.Errorf("no line has an instant where it was looked for; say where with --column or --field; %s is %s", k.where(k.exampleN), k.example)
}

func (k *checker) writeText(w io.Writer, findings []audit.Finding) {
	fmt.Fprintf(w, "%s, from %s to %s (%s)\n", screen.Count(int(k.calls), "call"), clockTime(k.first), clockTime(k.last),
		screen.Short(time.Duration(k.last-k.first)))
	for _, f := range findings {
		k.writeFinding(w, f)
	}
	if n := k.without; n > 0 {
		fmt.Fprintf(w, "note: %s without an instant, such as %s: %s\n", screen.Count(int(n), "line"), k.where(k.exampleN), k.example)
	}
	if n := k.costless; n > 0 {
		fmt.Fprintf(w, "note: %s without a number of %s in %s, such as %s; it counts as 0\n", screen.Count(int(n), "line"),
			k.costlessOf.Unit, k.costlessOf.Where(), k.where(k.costlessN))
	}
	if n := k.sorter.OutOfOrder; n > 0 {
		fmt.Fprintf(w, "note: %s left out, out of order by more than %v; sort the log, or see --reorder\n", screen.Count(int(n), "line"), k.reorder)
	}
	if k.limits.MaxBurst > 0 {
		fmt.Fprintf(w, "note: burst %d was not checked; a log of instants does not tell when a call ended\n", k.limits.MaxBurst)
	}
}

func (k *checker) writeFinding(w io.Writer, f audit.Finding) {
	switch {
	case f.Unchecked:
		fmt.Fprintf(w, "%v: cannot tell; the log has an instant only every %v\n", f.Window, k.finest)
		return
	case f.Broken == 0 && f.Most.N == 0:
		fmt.Fprintf(w, "%v: kept; nothing counts in it\n", f.Window)
	case f.Broken == 0:
		fmt.Fprintf(w, "%v: kept; at most %s (%s), in the %s up to %s, %s\n", f.Window, amount(f.Most.N, f.Window.Unit),
			percent(f.Most.N, f.Window.Permits), length(f.Window), clockTime(f.Most.At.At), k.where(f.Most.At.Line))
	default:
		fmt.Fprintf(w, "%v: BROKEN by %s in %s\n", f.Window, screen.Count(int(f.Broken), "call"), stretches(f.Stretches))
		fmt.Fprintf(w, "  first  %s\n", k.describe(f.First))
		if f.Worst.First.Line != f.First.First.Line {
			fmt.Fprintf(w, "  worst  %s\n", k.describe(f.Worst))
		}
	}
	if f.Coarse {
		fmt.Fprintf(w, "  (for a time there were too many calls to remember each; the count may be a little too low)\n")
	}
}

// describe says when a limit was broken and by how much.
func (k *checker) describe(s audit.Stretch) string {
	text := fmt.Sprintf("%s, %s: ", clockTime(s.Most.At.At), k.where(s.Most.At.Line))
	if m := s.Most; m.Space > 0 {
		text += fmt.Sprintf("%v after the call before; the spacing requires %v", m.Gap, m.Space)
	} else {
		text += fmt.Sprintf("%s in a %s, %d too many", amount(m.N, s.Window.Unit), length(s.Window), m.N-int64(s.Window.Permits))
	}
	if s.Calls > 1 {
		text += fmt.Sprintf("; %d calls too early from %s to %s", s.Calls, clockTime(s.First.At), clockTime(s.Last.At))
	}
	return text
}

// length is how the limits say how long the window is, such as "min" or "2s".
func length(w scheduler.Window) string {
	_, per, _ := strings.Cut(w.String(), "/")
	per, _, _ = strings.Cut(per, " ")
	return per
}

// where returns the file and the number of a line, given its number in all files.
func (k *checker) where(line int64) string {
	file := len(k.begins) - 1
	for k.begins[file] >= line {
		file--
	}
	text := fmt.Sprintf("line %d", line-k.begins[file])
	if len(k.begins) > 1 {
		text = k.files[file] + ", " + text
	}
	return text
}

func stretches(n int64) string {
	if n == 1 {
		return "1 stretch"
	}
	return fmt.Sprintf("%d stretches", n)
}

// amount writes how many calls, or of a unit.
func amount(n int64, unit scheduler.Unit) string {
	if unit == "" {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d %s", n, unit)
}

func percent(n int64, of int) string { return fmt.Sprintf("%.0f%%", 100*float64(n)/float64(of)) }

func clockTime(at int64) string {
	return time.Unix(0, at).UTC().Format("2006-01-02T15:04:05.999999999Z")
}

func (k *checker) writeJSON(w io.Writer, findings []audit.Finding, broken bool) error {
	type stretch struct {
		From  string `json:"from"`
		To    string `json:"to"`
		Line  int64  `json:"line"`
		Calls int64  `json:"calls"`
		Most  int64  `json:"most"`

		// In a window that is spaced evenly, how much too early a call was, in seconds.
		Gap   float64 `json:"gap,omitempty"`
		Space float64 `json:"space,omitempty"`
	}
	type finding struct {
		Window    scheduler.Window `json:"window"`
		Kept      bool             `json:"kept"`
		Unchecked bool             `json:"unchecked,omitempty"`
		Most      int64            `json:"most"`
		MostAt    string           `json:"most_at"`
		Broken    int64            `json:"broken"`
		Stretches int64            `json:"stretches"`
		First     *stretch         `json:"first,omitempty"`
		Worst     *stretch         `json:"worst,omitempty"`
	}
	of := func(s audit.Stretch) *stretch {
		if s.Calls == 0 {
			return nil
		}
		return &stretch{clockTime(s.First.At), clockTime(s.Last.At), s.First.Line, s.Calls, s.Most.N, s.Most.Gap.Seconds(), s.Most.Space.Seconds()}
	}
	var all []finding
	for _, f := range findings {
		all = append(all, finding{f.Window, f.Broken == 0 && !f.Unchecked, f.Unchecked, f.Most.N, clockTime(f.Most.At.At), f.Broken,
			f.Stretches, of(f.First), of(f.Worst)})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Kept       bool      `json:"kept"`
		Calls      int64     `json:"calls"`
		From       string    `json:"from"`
		To         string    `json:"to"`
		Without    int64     `json:"lines_without_instant"`
		Costless   int64     `json:"lines_without_cost"`
		OutOfOrder int64     `json:"lines_out_of_order"`
		Windows    []finding `json:"windows"`
	}{!broken, k.calls, clockTime(k.first), clockTime(k.last), k.without, k.costless, k.sorter.OutOfOrder, all})
}
