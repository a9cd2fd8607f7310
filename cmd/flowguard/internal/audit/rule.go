package audit

import (
	"time"

	"github.com/flowguard-go/flowguard/internal/spacing"
	"github.com/flowguard-go/flowguard/scheduler"
)

// rule checks calls against a window. It gets them in their order.
type rule interface {
	// measureIn sets the resolution to which instants are cut off. It returns false if the rule cannot check
	// anything with it.
	measureIn(resolution int64) bool
	// add takes a call of n and reports whether it breaks the rule.
	add(c Call, n int64) (Count, bool)
	// coarse reports whether what was counted may be too little.
	coarse() bool
}

func ruleOf(w scheduler.Window, tolerance time.Duration) rule {
	switch {
	case w.From == scheduler.FromReset:
		return &periods{window: w, tolerance: int64(tolerance)}
	case w.Evenly:
		return &spaced{sliding: newSliding(w, tolerance), tolerance: int64(tolerance)}
	}
	s := newSliding(w, tolerance)
	return &s
}

// sliding counts what any interval of a length has. It has the calls of the last per, the oldest first,
// those of one instant as one entry.
type sliding struct {
	permits int64
	length  int64 // the window's Per less the tolerance
	per     int64 // as far as the log's resolution can tell
	history history
}

func newSliding(w scheduler.Window, tolerance time.Duration) sliding {
	return sliding{permits: int64(w.Permits), length: max(0, int64(w.Per-tolerance))}
}

// measureIn rounds the window down to a multiple of the resolution r. If two calls were apart by the window's
// length, their instants, cut off to multiples of r, are apart by at least that much.
func (s *sliding) measureIn(r int64) bool {
	s.per = s.length / r * r
	return s.per > 0
}

func (s *sliding) add(c Call, n int64) (Count, bool) {
	h := &s.history
	h.expire(c.At - s.per)
	h.add(c.At, s.per, n)
	return Count{N: h.sum, From: h.oldest(), At: c}, h.sum > s.permits
}

func (s *sliding) coarse() bool { return s.history.quantum > 0 }

// spaced is for a window that spaces calls evenly. It also counts calls as sliding does. And each call delays
// the next one.
//
// It computes the earliest instant at which each call can have been made. A call was too early if that instant
// is later than the logged one.
type spaced struct {
	sliding
	tolerance  int64
	resolution int64
	counts     bool // the log can tell what an interval has

	any      bool
	last     int64 // when the last call was, says the log
	earliest int64 // and when it was at the earliest
	space    int64 // for how long it keeps the next one away
}

func (s *spaced) measureIn(r int64) bool {
	s.resolution = r
	s.counts = s.sliding.measureIn(r)
	return true
}

func (s *spaced) add(c Call, n int64) (Count, bool) {
	count, broken := Count{N: n, From: c.At, At: c}, n > s.permits
	if s.counts {
		count, broken = s.sliding.add(c, n)
	}
	earliest := c.At
	if s.any && s.earliest+s.space > c.At {
		earliest = s.earliest + s.space
		if latest := c.At + s.resolution - 1; earliest > latest {
			broken = true
			count.Gap, count.Space = time.Duration(c.At-s.last), time.Duration(s.space)
			earliest = c.At
		}
	}
	s.any, s.last, s.earliest, s.space = true, c.At, earliest, s.spaceOf(n)
	return count, broken
}

// spaceOf returns how long the next call must wait after a call of n, by the clock of the log.
func (s *spaced) spaceOf(n int64) int64 {
	per := time.Duration(s.length + s.tolerance)
	return max(0, int64(spacing.Of(n, s.permits, per))-s.tolerance)
}

// periods counts what each period from one reset to the next has.
type periods struct {
	window    scheduler.Window
	tolerance int64 // what comes so soon after a reset may belong to the period before, and is not counted

	from, end       int64 // of the period
	fromDay, endDay int64 // of the day, if the window has several periods in one
	first           int64 // the first call that was counted
	sum             int64
}

const day = 24 * time.Hour

// measureIn returns false if an instant that is cut off may belong to another period.
func (p *periods) measureIn(r int64) bool { return int64(p.window.Per)%r == 0 }

func (p *periods) add(c Call, n int64) (Count, bool) {
	if c.At < p.from || c.At >= p.end {
		p.begin(c.At)
	}
	if c.At-p.from < p.tolerance {
		return Count{}, false
	}
	if p.sum == 0 {
		p.first = c.At
	}
	p.sum += n
	return Count{N: p.sum, From: p.first, At: c}, p.sum > int64(p.window.Permits)
}

// begin begins the period that an instant is in.
func (p *periods) begin(at int64) {
	p.sum = 0
	if p.window.Per >= day {
		p.from, p.end = bounds(p.window, at)
		return
	}
	if at < p.fromDay || at >= p.endDay {
		days := p.window
		days.Per = day
		p.fromDay, p.endDay = bounds(days, at)
	}
	per := int64(p.window.Per)
	p.from = p.fromDay + (at-p.fromDay)/per*per
	p.end = min(p.from+per, p.endDay)
}

// bounds returns the last reset at or before an instant, and the first one after it.
func bounds(w scheduler.Window, at int64) (last, next int64) {
	t := time.Unix(0, at)
	before := w.NextReset(t.Add(-w.Per - 2*day)) // zones have skipped a whole day
	for {
		after := w.NextReset(before)
		if after.After(t) {
			return before.UnixNano(), after.UnixNano()
		}
		before = after
	}
}

func (p *periods) coarse() bool { return false }
