package timeline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowguard-go/flowguard/ticket"
)

// mostCosts is how many costs a ticket's tooltip lists.
const mostCosts = 4

// mostBars is how many tickets are drawn one by one.
const mostBars = 160

// pitchOf returns how far apart bars are.
func pitchOf(n int) int {
	switch {
	case n <= 24:
		return 17 * unit
	case n <= 48:
		return 11 * unit
	case n <= 96:
		return 7 * unit
	}
	return 4 * unit
}

// drawBars draws a bar for each ticket.
func (p *picture) drawBars() {
	var shown []*span
	for i := range p.run.spans {
		if s := &p.run.spans[i]; s.in(p.view) {
			shown = append(shown, s)
		}
	}
	slices.SortStableFunc(shown, func(a, b *span) int {
		if a.number < b.number {
			return -1
		}
		return 1
	})
	p.settle()
	pitch := pitchOf(len(shown))
	height := max(len(shown)*pitch+6*unit, 34*unit)
	p.field(height)
	p.name(p.y, "tickets", "numbered from the top", "in the order they came")
	y := p.y + 3*unit
	every := max(1, (11*unit+pitch-1)/pitch)
	c := &p.body
	for i, s := range shown {
		if i%every == 0 {
			c.label(p.x-6*unit, y+pitch/2+4*unit, 10, anchorEnd, "muted", "", strconv.FormatUint(uint64(s.number), 10))
		}
		p.drawBar(s, y, pitch)
		y += pitch
	}
	p.y += height + rowGap
}

// settledCost names a cost that was settled.
type settledCost struct {
	number ticket.Number
	unit   string
}

// settle finds out what the tickets really cost.
func (p *picture) settle() {
	p.settled = map[settledCost]int{}
	for _, s := range p.run.settlements {
		span := &p.run.spans[s.span]
		key := settledCost{span.number, s.unit}
		now, ok := p.settled[key]
		if !ok {
			now = amountOf(span.costs, s.unit)
		}
		p.settled[key] = now + s.extra
	}
}

// drawBar draws one ticket between y and y+pitch.
func (p *picture) drawBar(s *span, y, pitch int) {
	c := &p.body
	thick := max(pitch-pitch/4, 3*unit)
	thin := max(thick/3, 12)
	mid := y + pitch/2
	color := flowColor(p.layers.layer(s.flow))
	c.printf("<g><title>%s</title>\n", text(p.tell(s)))
	from, to := s.waits(p.view.to)
	if from < p.view.to && to > p.view.from && to > from {
		x := p.at(from)
		c.rect(x, mid-thin/2, max(p.at(to)-x, unit), thin, waitOpacity+c.fill(color))
	}
	if s.gaveUp && s.left <= p.view.to {
		r := min(thick/3, 4*unit)
		c.path(cross(p.at(s.left), mid, r), `stroke-width="1.6" `+c.stroke("ink"))
	}
	if from, to, ok := s.held(p.view.to); ok && from <= p.view.to && to >= p.view.from {
		x := p.at(from)
		w := max(p.at(to)-x, 25)
		switch {
		case s.undone:
			c.rect(x, mid-thick/2, w, thick, `rx="2" stroke-width="1.2" `+c.stroke(color))
		case s.left == unknown:
			c.rect(x, mid-thick/2, w, thick, c.fill(color))
		default:
			c.rect(x, mid-thick/2, w, thick, `rx="`+px(min(20, thick/3))+`" `+c.fill(color))
		}
		if s.weight > 1 && pitch >= 11*unit {
			label := "×" + count(int(s.weight))
			if x+w+widthOf(label, 10)+8*unit < p.x+p.w {
				c.label(x+w+4*unit, mid+4*unit, 10, anchorStart, "muted", "", label)
			} else {
				c.label(x-4*unit, mid+4*unit, 10, anchorEnd, "muted", "", label)
			}
		}
	}
	c.printf("</g>\n")
}

// tell says what became of a ticket.
func (p *picture) tell(s *span) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ticket %d", s.number)
	if s.weight != 1 {
		fmt.Fprintf(&b, " of weight %d", s.weight)
	}
	if key := p.run.flows[s.flow]; key != "" {
		fmt.Fprintf(&b, " of flow %s", short(key, 60))
	}
	for i, c := range s.costs {
		if i == mostCosts {
			fmt.Fprintf(&b, " and %s", plural(len(s.costs)-i, "other cost"))
			break
		}
		fmt.Fprintf(&b, "%s%s %s", []string{" that costs ", ", "}[min(i, 1)], count(c.Amount), c.Unit)
		if now, ok := p.settled[settledCost{s.number, c.Unit}]; ok {
			fmt.Fprintf(&b, " (settled at %s)", count(now))
		}
	}
	if s.before {
		b.WriteString(": was there before")
	} else {
		fmt.Fprintf(&b, ": came at %s", about(time.Duration(s.enqueued)))
	}
	if s.granted != unknown && !s.before {
		fmt.Fprintf(&b, ", waited %s", about(time.Duration(s.granted-s.enqueued)))
	}
	switch {
	case s.undone:
		fmt.Fprintf(&b, ", granted and undone at %s", about(time.Duration(s.left)))
	case s.gaveUp && s.before:
		fmt.Fprintf(&b, ", gave up at %s", about(time.Duration(s.left)))
	case s.gaveUp:
		fmt.Fprintf(&b, ", gave up after %s", about(time.Duration(s.left-s.enqueued)))
	case s.granted == unknown:
		b.WriteString(", still waits")
	case s.before:
		fmt.Fprintf(&b, ", held until %s", about(time.Duration(s.left)))
	case s.left == unknown:
		fmt.Fprintf(&b, ", holds since %s", about(time.Duration(s.granted)))
	default:
		fmt.Fprintf(&b, ", held %s", about(time.Duration(s.left-s.granted)))
	}
	return b.String()
}

// drawCrowd draws three charts in place of the bars.
func (p *picture) drawCrowd() {
	waiting := trace(p.run.waitingRow(), p.view, p.layers.count, p.layers.layer)
	p.field(tall)
	p.name(p.y, "waiting", "tickets in line", "at most "+count(waiting.highest))
	p.drawLayers(waiting.columns, waiting.peak, tall)
	p.number(waiting.peak, waiting.peak, tall, brief(waiting.peak))
	p.y += tall + rowGap

	step := niceStep(time.Duration(p.view.to-p.view.from), p.w/unit/6)
	p.drawGrants(step)
	p.drawWaits(step)
}

// buckets are stretches of one length, counted from instant 0.
type buckets struct {
	first, step instant
	n           int
}

func bucketsOf(v view, step time.Duration) buckets {
	first := v.from / instant(step)
	if v.from < 0 {
		first--
	}
	return buckets{first, instant(step), int(v.to/instant(step)-first) + 1}
}

func (b buckets) of(at instant) int  { return int(at/b.step - b.first) }
func (b buckets) from(i int) instant { return (b.first + instant(i)) * b.step }

// drawGrants draws how many tickets were granted in each stretch, by flow.
func (p *picture) drawGrants(step time.Duration) {
	b := bucketsOf(p.view, step)
	amounts := make([]int, b.n*p.layers.count)
	columns := make([]column, b.n)
	for i := range columns {
		columns[i].layers = amounts[i*p.layers.count : (i+1)*p.layers.count]
	}
	peak := 0
	for i := range p.run.spans {
		s := &p.run.spans[i]
		if s.granted == unknown || s.undone || !p.view.shows(s.granted) {
			continue
		}
		c := &columns[b.of(s.granted)]
		c.layers[p.layers.layer(s.flow)]++
		c.sum++
		peak = max(peak, c.sum)
	}
	p.field(tall)
	p.name(p.y, "granted", "tickets in each "+length(step), "at most "+count(peak))
	c := &p.body
	c.printf(`<g opacity="0.9">` + "\n")
	for layer := p.layers.count - 1; layer >= 0; layer-- {
		var d strings.Builder
		for i, col := range columns {
			if col.layers[layer] == 0 {
				continue
			}
			sum := 0
			for _, n := range col.layers[:layer+1] {
				sum += n
			}
			x, end := p.at(b.from(i)), p.at(b.from(i+1))
			h := part(sum, peak, tall-6*unit)
			d.WriteString("M" + px(x) + " " + px(p.y+tall) + "v" + px(-h) + "h" + px(max(end-x-unit, unit)) + "v" + px(h) + "z")
		}
		c.path(d.String(), c.fill(flowColor(layer)))
	}
	c.printf("</g>\n")
	p.number(peak, peak, tall, brief(peak))
	p.y += tall + rowGap
}

// drawWaits draws the median and the longest wait of the tickets granted in each stretch.
func (p *picture) drawWaits(step time.Duration) {
	b := bucketsOf(p.view, step)
	waits := make([][]time.Duration, b.n)
	var longest time.Duration
	for i := range p.run.spans {
		s := &p.run.spans[i]
		if s.granted == unknown || s.undone || !p.view.shows(s.granted) {
			continue
		}
		i := b.of(s.granted)
		wait := time.Duration(s.granted - s.enqueued)
		waits[i] = append(waits[i], wait)
		longest = max(longest, wait)
	}
	p.field(tall)
	p.name(p.y, "wait", "median (line), longest", "at most "+about(longest))
	var area, line trail
	drawn := false // whether the last stretch had grants
	for i, w := range waits {
		x, end := p.at(b.from(i)), p.at(b.from(i+1))
		if len(w) == 0 {
			if drawn {
				area.toY(p.y + tall)
				area.close()
			}
			drawn = false
			continue
		}
		slices.Sort(w)
		median := p.y + tall - part(w[len(w)/2], longest, tall-6*unit)
		if !drawn {
			area.move(x, p.y+tall)
			line.move(x, median)
		}
		drawn = true
		area.toY(p.y + tall - part(w[len(w)-1], longest, tall-6*unit))
		area.toX(end)
		line.toY(median)
		line.toX(end)
	}
	if drawn {
		area.toY(p.y + tall)
		area.close()
	}
	c := &p.body
	c.path(area.String(), `opacity="0.28" `+c.fill("muted"))
	c.path(line.String(), `stroke-width="1.6" `+c.stroke("ink"))
	if longest > 0 {
		p.number(1, 1, tall, about(longest)) // at the top
	}
	p.y += tall + rowGap
}

// drawRefusals draws a sign for each ticket that was refused, or columns if they are many.
func (p *picture) drawRefusals() {
	if p.facts.refused == 0 {
		return
	}
	const most = 60
	height := 20 * unit
	if p.facts.refused > most {
		height = 34 * unit
	}
	p.field(height)
	c := &p.body
	if p.facts.refused <= most {
		p.name(p.y+2*unit, "refused")
		for _, r := range p.run.refused {
			if !p.view.shows(r.at) {
				continue
			}
			title := "refused at " + about(time.Duration(r.at)) + ": " + r.reason.String()
			if key := p.run.flows[r.flow]; key != "" {
				title = "flow " + short(key, 60) + " " + title
			}
			c.printf("<g><title>%s</title>\n", text(title))
			c.path(triangle(p.at(r.at), p.y+6*unit, 9*unit), c.fill("alarm"))
			c.printf("</g>\n")
		}
	} else {
		b := bucketsOf(p.view, niceStep(time.Duration(p.view.to-p.view.from), p.w/unit/6))
		sums, peak := make([]int, b.n), 0
		for _, r := range p.run.refused {
			if p.view.shows(r.at) {
				i := b.of(r.at)
				sums[i]++
				peak = max(peak, sums[i])
			}
		}
		var d strings.Builder
		for i, n := range sums {
			if n > 0 {
				x, end := p.at(b.from(i)), p.at(b.from(i+1))
				h := part(n, peak, height-6*unit)
				d.WriteString("M" + px(x) + " " + px(p.y+height) + "v" + px(-h) + "h" + px(max(end-x-unit, unit)) + "v" + px(h) + "z")
			}
		}
		c.path(d.String(), c.fill("alarm"))
		p.name(p.y, "refused", "tickets in each "+length(time.Duration(b.step)))
		p.number(peak, peak, height, brief(peak))
	}
	p.y += height + rowGap
}
