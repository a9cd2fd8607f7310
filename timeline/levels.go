package timeline

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// part returns the height of n if the whole has the given height.
func part[N int | time.Duration](n, whole N, height int) int {
	if n <= 0 || whole <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(min(n, whole)), uint64(height))
	q, _ := bits.Div64(hi, lo, uint64(whole))
	return max(int(q), 5) // anything above 0 is visible
}

// drawRows draws the burst and the windows.
func (p *picture) drawRows() {
	rows, more := p.run.windowRows(p.view.from, p.view.to)
	if burst, ok := p.run.burstRow(p.view.from, p.view.to); ok {
		rows = slices.Insert(rows, 0, burst)
	}
	for _, rw := range rows {
		p.drawRow(rw)
	}
	if more > 0 {
		p.body.label(margin, p.y+6*unit, sizeSmall, anchorStart, "muted", "", "and "+plural(more, "more window"))
		p.y += 6*unit + rowGap
	}
}

// drawRow draws an amount against its limit.
func (p *picture) drawRow(rw row) {
	ch := trace(rw, p.view, p.layers.count, p.layers.layer)
	peak := max(ch.peak, 1)
	p.field(rowHeight)
	lines := []string{"peak " + brief(ch.highest)}
	exact := "peak " + count(ch.highest)
	if ch.limited > 0 {
		limit, full := p.lastLimit(rw), "full "+percent(ch.full, ch.limited)+" of the time"
		lines[0] += " of " + brief(limit)
		lines = append(lines, full)
		exact += " of " + count(limit) + ", " + full
	}
	sentence := rw.name() + ": " + exact + "."
	if n := len(ch.broken); n > 0 {
		lines = append(lines, "BROKEN at "+about(time.Duration(ch.broken[0])))
		sentence += fmt.Sprintf(" The limit was broken by %s, first at %s.", plural(n, "grant"), about(time.Duration(ch.broken[0])))
	}
	p.sentences = append(p.sentences, sentence)
	p.name(p.y-2*unit, rw.name(), lines...)
	p.drawLayers(ch.columns, peak, rowHeight)
	p.drawExcess(ch.columns, peak, rowHeight)
	p.drawRemarks(ch.levels, peak, rowHeight)
	p.drawLimit(rw, peak, rowHeight)
	p.y += rowHeight + rowGap
}

// lastLimit returns the limit that held last in view.
func (p *picture) lastLimit(rw row) int {
	last := 0
	for _, c := range rw.changes {
		if c.kind == kindLimit && c.n >= 0 && c.at <= p.view.to {
			last = c.n
		}
	}
	return last
}

// level returns how far down an amount is drawn in a row of some height.
func (p *picture) level(n, peak, height int) int {
	return p.y + height - part(n, peak, height-6*unit)
}

// column returns where a column begins.
func (p *picture) column(i int) int { return p.x + i*p.w/p.view.columns }

// drawLayers draws amounts, one layer upon the other. Each is drawn down to the ground and the next covers
// its lower part.
func (p *picture) drawLayers(columns []column, peak, height int) {
	c := &p.body
	ground := p.y + height
	c.printf(`<g opacity="0.85">` + "\n")
	for layer := p.layers.count - 1; layer >= 0; layer-- {
		if !slices.ContainsFunc(columns, func(col column) bool { return col.layers[layer] > 0 }) {
			continue
		}
		t := trail{}
		t.move(p.x, ground)
		for i, col := range columns {
			sum := 0
			for _, n := range col.layers[:layer+1] {
				sum += n
			}
			if y := p.level(sum, peak, height) / 5 * 5; y != t.y {
				t.toX(p.column(i))
				t.toY(y)
			}
		}
		t.toX(p.x + p.w)
		t.toY(ground)
		t.close()
		c.path(t.String(), c.fill(flowColor(layer)))
	}
	c.printf("</g>\n")
}

// drawExcess draws in red what lies above a limit that a grant has broken.
func (p *picture) drawExcess(columns []column, peak, height int) {
	var d strings.Builder
	for i := 0; i < len(columns); {
		col := columns[i]
		j := i + 1
		for j < len(columns) && columns[j].broken == col.broken && columns[j].sum == col.sum && columns[j].limit == col.limit {
			j++
		}
		if col.broken && col.limit >= 0 && col.sum > col.limit {
			top, bottom := p.level(col.sum, peak, height), p.level(col.limit, peak, height)
			d.WriteString("M" + px(p.column(i)) + " " + px(top) + "H" + px(p.column(j)) + "V" + px(bottom) + "H" + px(p.column(i)) + "z")
		}
		i = j
	}
	p.body.path(d.String(), p.body.fill("alarm"))
}

// drawRemarks draws what servers said is left, for as long as that held.
func (p *picture) drawRemarks(levels []level, peak, height int) {
	c := &p.body
	for _, l := range levels {
		y := p.level(min(l.most, peak), peak, height)
		x, end := p.at(l.at), p.at(l.until)
		c.printf("<g><title>%s</title>\n", text(fmt.Sprintf("at %s the server said: %s left until %s",
			about(time.Duration(l.at)), count(l.left), about(time.Duration(l.until)))))
		c.path("M"+px(x)+" "+px(y-4*unit)+"V"+px(y)+"H"+px(max(end, x+4*unit)), `stroke-width="1.4" stroke-dasharray="3 2" `+c.stroke("mark"))
		c.printf("</g>\n")
	}
}

// drawLimit draws the limit, and its number at the edge.
func (p *picture) drawLimit(rw row, peak, height int) {
	t := trail{}
	limit, from := -1, p.view.from
	flush := func(to instant) {
		if limit < 0 || to <= from {
			return
		}
		y, x := p.level(limit, peak, height), p.at(from)
		if t.b.Len() == 0 || t.x != x {
			t.move(x, y)
		}
		t.toY(y)
		t.toX(p.at(to))
	}
	for _, c := range rw.changes {
		if c.kind != kindLimit {
			continue
		}
		at := min(max(c.at, p.view.from), p.view.to)
		flush(at)
		limit, from = c.n, at
	}
	flush(p.view.to)
	p.body.path(t.String(), `stroke-width="1.4" `+p.body.stroke("limit"))
	if limit >= 0 {
		p.number(limit, peak, height, brief(limit))
	}
}

// number writes an amount at the right edge, where it is drawn.
func (p *picture) number(n, peak, height int, s string) {
	if n <= 0 {
		return
	}
	p.body.label(p.x+p.w+6*unit, p.level(n, peak, height)+4*unit, sizeSmall, anchorStart, "muted", "", short(s, 10))
}
