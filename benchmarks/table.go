package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchunit"
)

// ours is the name of the contender that others are compared with. If it does not take part, the contenders are
// sizes of ours, and all are compared with the first.
const ours = "flowguard"

// table holds what was measured in one case: for each group of contenders, unit and contender, a value
// of each run.
type table struct {
	title  string
	procs  bool // measured with several numbers of processors
	groups []*group
}

type group struct {
	name       string
	contenders []string
	units      []string
	values     map[[2]string][]float64 // by contender and unit
}

func newTable(title string, procs bool) *table { return &table{title: title, procs: procs} }

// add adds the results of one run, as go test prints them.
func (t *table) add(results []byte) error {
	reader := benchfmt.NewReader(bytes.NewReader(results), t.title)
	found := false
	for reader.Scan() {
		switch r := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			return r
		case *benchfmt.Result:
			found = true
			t.addResult(r)
		}
	}
	if !found {
		return fmt.Errorf("%s: no results in\n%s", t.title, results)
	}
	return reader.Err()
}

func (t *table) addResult(r *benchfmt.Result) {
	kind, parts := r.Name.Parts()
	procs := "1"
	if last := len(parts) - 1; parts[last][0] == '-' { // GOMAXPROCS, unless it is 1
		procs, parts = string(parts[last][1:]), parts[:last]
	}
	names := []string{string(kind)}
	for _, part := range parts {
		names = append(names, spaced(string(part[1:])))
	}
	last := len(names) - 1
	name := strings.Join(names[:last], ": ")
	if t.procs {
		name += ", on " + procs
	}
	g := t.group(name)
	who := names[last]
	if !slices.Contains(g.contenders, who) {
		g.contenders = append(g.contenders, who)
	}
	for _, v := range r.Values {
		if !slices.Contains(g.units, v.Unit) {
			g.units = append(g.units, v.Unit)
		}
		g.values[[2]string{who, v.Unit}] = append(g.values[[2]string{who, v.Unit}], v.Value)
	}
}

// spaced undoes what go test does to spaces in names.
func spaced(name string) string { return strings.ReplaceAll(name, "_", " ") }

func (t *table) group(name string) *group {
	for _, g := range t.groups {
		if g.name == name {
			return g
		}
	}
	g := &group{name: name, values: make(map[[2]string][]float64)}
	t.groups = append(t.groups, g)
	return g
}

// busy is the unit of how many processors were at work.
const busy = "processors"

// beside are units that stand beside the time and have no row of their own.
var beside = []string{"B/op", "allocs/op", busy}

// String writes the table as Markdown.
func (t *table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\n", t.title)
	b.WriteString("| case | Flowguard | instead | its figure | ratio | spread | processors |\n")
	b.WriteString("| --- | --: | --- | --: | --: | --: | --: |\n")
	for _, g := range t.groups {
		for _, unit := range g.units {
			if !slices.Contains(beside, unit) {
				g.write(&b, unit)
			}
		}
	}
	return b.String()
}

func (g *group) write(b *strings.Builder, unit string) {
	name := g.name
	if unit != "sec/op" {
		name += ", " + strings.TrimPrefix(unit, "sec/")
	}
	if !slices.Contains(g.contenders, ours) { // ours at several sizes
		smallest := g.contenders[0]
		for _, who := range g.contenders[1:] {
			g.row(b, name+": "+who, who, smallest, unit)
		}
		return
	}
	if len(g.contenders) == 1 {
		fmt.Fprintf(b, "| %s | %s | | | | | |\n", name, g.figure(ours, unit))
	}
	for _, peer := range g.contenders {
		if peer != ours && len(g.of(peer, unit)) > 0 {
			g.row(b, name, ours, peer, unit)
		}
	}
}

func (g *group) row(b *strings.Builder, name, who, peer, unit string) {
	ratio, spread := "", ""
	if cost(unit) {
		r := median(g.ratios(who, peer, unit))
		ratio, spread = fmt.Sprintf(" %.2f", r.Center), fmt.Sprintf(" %.2f–%.2f", r.Lo, r.Hi)
		if r.Lo <= 1 && r.Hi >= 1 {
			ratio = " even"
		}
	}
	procs := ""
	if mine, theirs := g.of(who, busy), g.of(peer, busy); unit == "sec/op" && len(mine) > 0 && len(theirs) > 0 {
		procs = fmt.Sprintf(" %.1f, %.1f", median(mine).Center, median(theirs).Center)
	}
	label := "at " + peer
	if who == ours {
		label = peer
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s |%s |%s |%s |\n", name, g.figure(who, unit), label, g.figure(peer, unit),
		ratio, spread, procs)
}

// cost reports whether less is better, so that a ratio says something.
func cost(unit string) bool { return strings.HasPrefix(unit, "sec/") || strings.HasPrefix(unit, "B/") }

func (g *group) of(who, unit string) []float64 { return g.values[[2]string{who, unit}] }

// figure returns the median of what was measured, with the allocations if there are any.
func (g *group) figure(who, unit string) string {
	figure := format(median(g.of(who, unit)).Center, unit)
	if allocs := g.of(who, "allocs/op"); unit == "sec/op" && len(allocs) > 0 {
		switch n := median(allocs).Center; {
		case n == 1:
			figure += ", 1 alloc"
		case n > 0:
			figure += fmt.Sprintf(", %.0f allocs", n)
		}
	}
	return figure
}

func format(value float64, unit string) string {
	switch {
	case strings.HasPrefix(unit, "sec/"):
		return benchunit.Scale(value, benchunit.Decimal) + "s"
	case strings.HasPrefix(unit, "B/"):
		return fmt.Sprintf("%.0f B", value)
	case strings.HasPrefix(unit, "%"):
		return fmt.Sprintf("%.0f%%", value)
	}
	return fmt.Sprintf("%.0f", value)
}

// ratios returns, for each run, how many times as much as the peer the other one takes.
func (g *group) ratios(who, peer, unit string) (ratios []float64) {
	theirs := g.of(peer, unit)
	for i, v := range g.of(who, unit) {
		ratios = append(ratios, v/theirs[i])
	}
	return ratios
}

// median returns the median with benchstat's interval of confidence of 95%; with fewer than six values,
// which are too few for one, it is their range.
func median(values []float64) benchmath.Summary {
	sample := benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
	s := benchmath.AssumeNothing.Summary(sample, 0.95)
	if s.Confidence < 0.95 || len(s.Warnings) > 0 {
		s.Lo, s.Hi = sample.Values[0], sample.Values[len(sample.Values)-1]
	}
	return s
}
