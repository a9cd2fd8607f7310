package timeline

import (
	"slices"
	"strings"
	"time"
)

// facts are the numbers of what is in view.
type facts struct {
	span                                             time.Duration
	tickets, granted, gaveUp, undone, waits, refused int
	paused, away                                     int
	pausedFor, awayFor                               time.Duration
	reasons                                          [reasons]int
	waited                                           []time.Duration // in order
	missed                                           uint64
	full                                             bool
}

func factsOf(r *run, v view) facts {
	f := facts{missed: r.missed, full: r.full}
	f.span = time.Duration(min(r.last, v.to) - v.from)
	for i := range r.spans {
		s := &r.spans[i]
		if !s.in(v) {
			continue
		}
		f.tickets++
		switch {
		case s.undone:
			f.undone++
		case s.gaveUp:
			f.gaveUp++
		case s.granted == unknown:
			f.waits++
		default:
			f.granted++
			if !s.before {
				f.waited = append(f.waited, time.Duration(s.granted-s.enqueued))
			}
		}
	}
	slices.Sort(f.waited)
	for _, e := range r.refused {
		if v.shows(e.at) {
			f.refused++
			f.reasons[e.reason]++
		}
	}
	f.paused, f.pausedFor = r.within(v, r.pauses)
	f.away, f.awayFor = r.within(v, r.away)
	return f
}

// within returns how many of the stretches are in the view, and how long those lasted there.
func (r *run) within(v view, all []stretch) (n int, sum time.Duration) {
	for _, s := range all {
		if from, to := max(s.from, v.from), min(s.to, v.to, max(r.last, v.from)); s.from <= v.to && s.to >= v.from {
			n++
			sum += time.Duration(max(to-from, 0))
		}
	}
	return n, sum
}

// String says in a sentence or three how it went.
func (f facts) String() string {
	var b strings.Builder
	b.WriteString(plural(f.tickets, "ticket") + " in " + about(max(f.span, 0)))
	var parts []string
	part := func(n int, what string) {
		if n > 0 {
			parts = append(parts, count(n)+" "+what)
		}
	}
	part(f.granted, "granted")
	part(f.waits, "still waiting")
	part(f.gaveUp, "gave up")
	part(f.undone, "undone")
	if len(parts) > 0 {
		b.WriteString(": " + strings.Join(parts, ", "))
	}
	b.WriteString(".")
	if n := len(f.waited); n > 0 {
		b.WriteString(" Wait: median " + about(f.waited[n/2]) + ", longest " + about(f.waited[n-1]) + ".")
	}
	if f.refused > 0 {
		parts = parts[:0]
		for r, n := range f.reasons {
			part(n, reason(r).String())
		}
		b.WriteString(" " + count(f.refused) + " refused: " + strings.Join(parts, ", ") + ".")
	}
	if f.paused > 0 {
		b.WriteString(" Paused for " + about(f.pausedFor) + ".")
	}
	if f.away > 0 {
		b.WriteString(" The quota was out of reach for " + about(f.awayFor) + ".")
	}
	if f.full {
		b.WriteString(" These are the first; more came.")
	}
	if f.missed > 0 {
		b.WriteString(" " + plural(int(f.missed), "event") + " were lost.")
	}
	return b.String()
}
