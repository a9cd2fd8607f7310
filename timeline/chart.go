package timeline

import (
	"math/bits"
	"time"
)

// view is a stretch of time and the columns in which it is shown. All of it is integers, so that every
// machine draws the same.
type view struct {
	from, to instant // from < to
	columns  int
}

// scale returns where an instant lies if the view is so many units wide.
func (v view) scale(at instant, units int) int {
	at = min(max(at, v.from), v.to)
	hi, lo := bits.Mul64(uint64(at-v.from), uint64(units))
	q, _ := bits.Div64(hi, lo, uint64(v.to-v.from))
	return int(q)
}

// shows reports whether an instant is in view.
func (v view) shows(at instant) bool { return at >= v.from && at <= v.to }

// column returns the column in which an instant lies.
func (v view) column(at instant) int { return min(v.scale(at, v.columns), v.columns-1) }

// begins reports whether the instant lies at the left edge of its column.
func (v view) begins(at instant) bool {
	_, lo := bits.Mul64(uint64(at-v.from), uint64(v.columns))
	return lo%uint64(v.to-v.from) == 0
}

// column is what a row shows in one column: the amounts at the instant within it at which their sum was
// largest.
type column struct {
	sum    int // -1: nothing was looked at yet
	limit  int // below 0: none
	broken bool
	layers []int
}

// level is what a server said: at most an amount more until an instant.
type level struct {
	at, until  instant
	left, most int
}

// chart is a row, ready to be drawn.
type chart struct {
	columns []column
	peak    int           // the largest sum, or limit
	highest int           // the largest sum
	full    time.Duration // how long the limit was reached
	limited time.Duration // how long there was a limit
	levels  []level
	broken  []instant // the grants that broke the limit
}

// tracer makes a chart: it follows a row through its changes.
type tracer struct {
	chart
	view     view
	isWindow bool
	sum      int
	limit    int
	broken   bool // a grant broke the limit, and the sum is still above it
	layers   []int
}

// trace makes the chart of a row. layer says in which of the layers a flow is drawn.
func trace(rw row, v view, layers int, layer func(flow int32) int) chart {
	t := tracer{view: v, isWindow: rw.isWindow, limit: -1, layers: make([]int, layers)}
	t.columns = make([]column, v.columns)
	amounts := make([]int, v.columns*layers)
	for i := range t.columns {
		t.columns[i] = column{sum: -1, limit: -1, layers: amounts[i*layers : (i+1)*layers]}
	}
	before := unknown
	for i := 0; i < len(rw.changes); {
		at := rw.changes[i].at
		t.show(before, at)
		for ; i < len(rw.changes) && rw.changes[i].at == at; i++ {
			t.apply(rw.changes[i], layer)
		}
		before = at
	}
	t.show(before, forever)
	return t.chart
}

func (t *tracer) apply(c change, layer func(flow int32) int) {
	switch c.kind {
	case kindAmount, kindSettle:
		t.sum += c.n
		t.layers[layer(c.flow)] += c.n
		if c.kind == kindAmount && c.n > 0 && c.flow != elsewhere && t.limit >= 0 && t.sum > t.limit {
			t.broken = true
			if t.view.shows(c.at) {
				t.chart.broken = append(t.chart.broken, c.at)
			}
		}
	case kindLimit:
		t.limit = c.n
	case kindRemark:
		if c.until >= t.view.from && c.at <= t.view.to {
			t.levels = append(t.levels, level{c.at, c.until, c.n, t.sum + c.n})
		}
	}
	if t.sum <= t.limit {
		t.broken = false
	}
}

// show notes what holds from an instant until another.
func (t *tracer) show(at, until instant) {
	begin, end := max(at, t.view.from), min(until, t.view.to)
	if begin >= end {
		return
	}
	sum := t.sum
	if t.isWindow && t.limit < 0 {
		sum = 0 // the window does not exist now
	}
	if t.limit >= 0 {
		t.limited += time.Duration(end - begin)
		if sum >= t.limit {
			t.full += time.Duration(end - begin)
		}
	}
	t.highest = max(t.highest, sum)
	t.peak = max(t.peak, sum, t.limit)
	first, last := t.view.column(begin), t.view.column(end)
	if last > first && end < t.view.to && t.view.begins(end) {
		last--
	}
	for i := first; i <= last; i++ {
		c := &t.columns[i]
		c.broken = c.broken || t.broken
		if sum <= c.sum {
			continue
		}
		c.sum, c.limit = sum, t.limit
		if sum > 0 {
			copy(c.layers, t.layers)
		} else {
			clear(c.layers)
		}
	}
}
