package timeline

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// Sizes in tenths of a pixel.
const (
	margin    = 20 * unit
	gutter    = 158 * unit // for the names of rows, left of the plot
	edge      = 64 * unit  // for the numbers of limits, right of it
	rowHeight = 50 * unit
	tall      = 70 * unit // of rows that replace the bars of tickets
	rowGap    = 14 * unit
	lane      = 15 * unit // of annotations
)

// picture is one drawing. It collects what is to be drawn in layers that lie upon each other.
type picture struct {
	run      *run
	settings settings
	view     view
	colors   *palette
	width    int // of the file, in tenths of a pixel
	x, w     int // of the plot
	y        int // how far down the drawing has come
	layers   flowLayers
	facts    facts
	settled  map[settledCost]int // what tickets cost in the end, where that is not what they cost at first

	header, back, body, over canvas
	notes                    []note // above the rows
	sentences                []string
}

// newPicture lays out what there is from and to the instants that the settings ask for.
func newPicture(r *run, s settings) *picture {
	p := &picture{run: r, settings: s, colors: &light, width: s.width * unit}
	if s.scheme == Dark {
		p.colors = &dark
	}
	for _, c := range []*canvas{&p.header, &p.back, &p.body, &p.over} {
		c.colors = p.colors
	}
	p.x = margin + gutter
	p.w = p.width - p.x - edge
	p.view = viewOf(r, s)
	p.layers = layersOf(r, p.view)
	p.facts = factsOf(r, p.view)
	p.view.columns = p.w / unit
	if p.facts.tickets <= mostBars {
		p.view.columns *= 2 // steps are exactly below the bars
	}
	return p
}

// viewOf returns the stretch of time that is shown. For a whole run it adds a little time at the end, so that
// the last event is visible.
func viewOf(r *run, s settings) view {
	if !s.from.IsZero() {
		from, to := r.at(s.from), r.at(s.to)
		return view{from: from, to: max(to, from+1)}
	}
	end := r.last
	switch {
	case end == 0:
		end = instant(time.Second)
	default:
		end = end.plus(time.Duration(end/50 + 1))
	}
	return view{from: 0, to: end}
}

// at returns where an instant lies from left to right.
func (p *picture) at(i instant) int { return p.x + p.view.scale(i, p.w) }

// draw returns the file.
func (p *picture) draw() []byte {
	p.y = margin
	p.drawHeader()
	top := p.y
	noteLanes := p.collectNotes()
	p.y += noteLanes * lane
	if noteLanes > 0 {
		p.y += 4 * unit
	}
	plotTop := p.y
	if p.facts.tickets <= mostBars {
		p.drawBars()
	} else {
		p.drawCrowd()
	}
	p.drawRefusals()
	p.drawRows()
	p.y -= rowGap
	plotBottom := p.y
	p.drawNotes(top, plotTop, plotBottom)
	p.drawAxis(plotTop, plotBottom)
	return p.assemble()
}

// assemble puts the layers together and says in words what is drawn.
func (p *picture) assemble() []byte {
	title := p.title()
	description := strings.Join(p.sentences, " ")
	h := fnv.New32a()
	for _, s := range [][]byte{[]byte(title), []byte(description), p.header.Bytes(), p.back.Bytes(), p.body.Bytes(), p.over.Bytes()} {
		h.Write(s)
	}
	id := fmt.Sprintf("fg%08x", h.Sum32())

	out := canvas{colors: p.colors}
	height := p.y + margin - 4*unit
	out.printf(`<svg xmlns="http://www.w3.org/2000/svg" class="flowguard" role="img" aria-labelledby="%s-t %s-d" width="%s" height="%s" viewBox="0 0 %s %s" font-family="%s">`+"\n",
		id, id, px(p.width), px(height), px(p.width), px(height), "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif")
	out.printf("<title id=\"%s-t\">%s</title>\n<desc id=\"%s-d\">%s</desc>\n", id, text(title), id, text(description))
	if p.settings.scheme == Auto {
		out.printf("<style>%s</style>\n", dark.rules())
	}
	out.printf(`<defs><pattern id="%s-p" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0V6" stroke-width="2" %s/></pattern></defs>`+"\n", id, out.stroke("pause"))
	out.rect(0, 0, p.width, height, `rx="8" `+out.fill("paper"))
	for _, layer := range []*canvas{&p.header, &p.back, &p.body, &p.over} {
		out.Write([]byte(strings.ReplaceAll(layer.String(), "#PAUSE", "#"+id+"-p")))
	}
	out.printf("</svg>\n")
	return out.Bytes()
}

func (p *picture) title() string {
	if p.settings.title != "" {
		return p.settings.title
	}
	if text := p.run.limitsAt(p.view.from); text != "" {
		return "Limits " + text
	}
	return "Timeline"
}

// limitsAt returns the limits that held at an instant, as text.
func (r *run) limitsAt(at instant) string {
	text := ""
	for i, g := range r.regimes {
		if i == 0 || g.from <= at {
			text = g.limits.String()
		}
	}
	return text
}

func (p *picture) drawHeader() {
	c := &p.header
	room := (p.width - 2*margin) * 10 / (sizeTitle * 60)
	c.label(margin, p.y+14*unit, sizeTitle, anchorStart, "ink", bold, short(p.title(), room))
	p.y += 18 * unit
	room = (p.width - 2*margin) * 10 / (sizeText * 56)
	for _, line := range wrap(p.facts.String(), room) {
		c.label(margin, p.y+16*unit, sizeText, anchorStart, "muted", "", line)
		p.y += 17 * unit
	}
	p.sentences = append(p.sentences, p.facts.String())
	p.y += 7 * unit
	p.drawLegend()
}

// drawLegend shows what colours and signs mean, in as many lines as it takes.
func (p *picture) drawLegend() {
	c := &p.header
	x, y := margin, p.y+14*unit
	entry := func(s string, width int, sign func(x, y int)) {
		if need := (width + 6*unit) + widthOf(s, sizeSmall); x > margin && x+need > p.width-margin {
			x, y = margin, y+18*unit
		}
		sign(x, y)
		x += width + 6*unit
		c.label(x, y, sizeSmall, anchorStart, "ink", "", s)
		x += widthOf(s, sizeSmall) + 16*unit
	}
	for i, name := range p.layers.names {
		entry(name, 10*unit, func(x, y int) { c.rect(x, y-9*unit, 10*unit, 10*unit, `rx="2" `+c.fill(flowColor(i))) })
	}
	if p.layers.grey != "" {
		entry(p.layers.grey, 10*unit, func(x, y int) { c.rect(x, y-9*unit, 10*unit, 10*unit, `rx="2" `+c.fill("other")) })
	}
	color := "muted"
	if len(p.layers.names) == 0 {
		color = flowColor(0)
	}
	if p.facts.tickets > 0 && p.facts.tickets <= mostBars {
		entry("waits", 18*unit, func(x, y int) { c.rect(x, y-6*unit, 18*unit, 4*unit, waitOpacity+c.fill(color)) })
		entry("holds its permits", 18*unit, func(x, y int) { c.rect(x, y-9*unit, 18*unit, 10*unit, `rx="2" `+c.fill(color)) })
		if p.facts.gaveUp > 0 {
			entry("gave up", 9*unit, func(x, y int) { c.path(cross(x+4*unit, y-4*unit, 4*unit), `stroke-width="1.6" `+c.stroke("ink")) })
		}
		if p.facts.undone > 0 {
			entry("undone", 18*unit, func(x, y int) {
				c.rect(x, y-9*unit, 18*unit, 10*unit, `rx="2" stroke-width="1.2" `+c.stroke(color))
			})
		}
	}
	if p.facts.refused > 0 {
		entry("refused", 9*unit, func(x, y int) { c.path(triangle(x+4*unit, y-8*unit, 8*unit), c.fill("alarm")) })
	}
	if p.facts.paused > 0 {
		entry("paused", 18*unit, func(x, y int) {
			c.rect(x, y-9*unit, 18*unit, 10*unit, pauseAttrs)
		})
	}
	if p.facts.away > 0 {
		entry(outOfReach, 18*unit, func(x, y int) {
			c.rect(x, y-9*unit, 18*unit, 10*unit, awayAttrs+c.fill("muted"))
		})
	}
	if len(p.run.observed) > 0 {
		entry("what the server says is left", 18*unit, func(x, y int) {
			c.path("M"+px(x)+" "+px(y-8*unit)+"v4h18", `stroke-width="1.4" stroke-dasharray="3 2" `+c.stroke("mark"))
		})
	}
	if len(p.run.regimes) > 0 {
		entry("limit", 18*unit, func(x, y int) { c.path("M"+px(x)+" "+px(y-4*unit)+"h18", `stroke-width="1.4" `+c.stroke("limit")) })
	}
	p.y = y + 14*unit
}

const (
	waitOpacity = `opacity="0.4" `
	pauseAttrs  = `fill="url(#PAUSE)" opacity="0.45"`
	awayAttrs   = `opacity="0.16" `
)

func cross(x, y, r int) string {
	d, back := px(2*r), px(-2*r)
	return "M" + px(x-r) + " " + px(y-r) + "l" + d + " " + d + "m" + back + " 0l" + d + " " + back
}

func triangle(x, y, size int) string {
	return "M" + px(x-size/2) + " " + px(y) + "h" + px(size) + "l" + px(-size/2) + " " + px(size) + "z"
}

// name writes what a row is, left of it.
func (p *picture) name(y int, name string, lines ...string) {
	const room, boldRoom, mostLines = 23, 20, 3 // more lines would run into the next row
	if parts := wrap(name, boldRoom); len(parts) > 1 && len(lines) < mostLines {
		name = parts[0]
		lines = append([]string{strings.Join(parts[1:], " ")}, lines...)
	}
	p.body.label(margin, y+11*unit, sizeText, anchorStart, "ink", bold, short(name, boldRoom))
	for _, line := range lines {
		y += 15 * unit
		p.body.label(margin, y+11*unit, sizeSmall, anchorStart, "muted", "", short(line, room+2))
	}
}

// field is the ground on which a row is drawn.
func (p *picture) field(h int) {
	p.back.rect(p.x, p.y, p.w, h, p.back.fill("faint"))
}

// drawAxis draws the lines and labels of time.
func (p *picture) drawAxis(top, bottom int) {
	step := instant(niceStep(time.Duration(p.view.to-p.view.from), p.w/unit/84))
	first := p.view.from - p.view.from%step
	if first < p.view.from {
		first += step
	}
	c := &p.back
	var lines strings.Builder
	for t := first; t <= p.view.to && t >= p.view.from; t += step {
		x := p.at(t)
		lines.WriteString("M" + px(x) + " " + px(top) + "V" + px(bottom+5*unit))
		p.over.label(x, bottom+19*unit, sizeSmall, anchorMiddle, "muted", "", length(time.Duration(t)))
	}
	c.path(lines.String(), `stroke-width="1" `+c.stroke("grid"))
	p.y = bottom + 24*unit
	if p.run.started {
		p.y += 16 * unit
		p.over.label(p.width-margin, p.y, sizeSmall, anchorEnd, "muted", "", "0s is "+p.run.start.UTC().Format("2006-01-02 15:04:05.999 MST"))
	}
}

// flowLayers says in which layer, and so in which colour, each flow is drawn.
type flowLayers struct {
	of    []int    // by the index of the flow
	names []string // of the layers that have a colour of their own; none if there are no flows
	grey  string   // what the grey layer shows, such as "3 other flows"
	count int
}

// layersOf gives the flows with the most tickets in view a colour each.
func layersOf(r *run, v view) flowLayers {
	tickets := make([]int, len(r.flows))
	for i := range r.spans {
		if s := &r.spans[i]; s.in(v) {
			tickets[s.flow]++
		}
	}
	for _, f := range r.refused {
		if v.shows(f.at) {
			tickets[f.flow]++
		}
	}
	var shown []int
	for i, n := range tickets {
		if n > 0 {
			shown = append(shown, i)
		}
	}
	slices.SortStableFunc(shown, func(a, b int) int { return tickets[b] - tickets[a] })
	l := flowLayers{of: make([]int, len(r.flows)), count: maxFlows + 1}
	for i := range l.of {
		l.of[i] = maxFlows
	}
	var greys []string
	if extra := len(shown) - maxFlows; extra > 0 {
		shown = shown[:maxFlows]
		greys = append(greys, plural(extra, "other flow"))
	}
	slices.Sort(shown) // in the order in which they came
	for layer, flow := range shown {
		l.of[flow] = layer
		name := short(r.flows[flow], 24)
		if name == "" {
			name = "no flow"
		}
		l.names = append(l.names, fmt.Sprintf("%s (%s)", name, count(tickets[flow])))
	}
	if len(shown) == 1 && r.flows[shown[0]] == "" {
		l.names = nil
	}
	if len(r.charged) > 0 || r.heldAll > 0 {
		greys = append(greys, "before or elsewhere")
	}
	l.grey = strings.Join(greys, ", ")
	return l
}

func (l *flowLayers) layer(flow int32) int {
	if flow == elsewhere {
		return maxFlows
	}
	return l.of[flow]
}

// in reports whether the ticket waited or held permits in the view, or was granted there.
func (s *span) in(v view) bool {
	end := s.left
	if end == unknown {
		end = forever
	}
	return s.enqueued <= v.to && end >= v.from
}
