package timeline

import (
	"fmt"
	"slices"
	"time"
)

// note is a stretch of time, or an instant, that lies behind or upon all rows, with a text above them.
type note struct {
	from, to instant
	text     string
	tip      string // shown as a tooltip
	kind     noteKind
	lane     int // -1: there was no room for the text
}

type noteKind uint8

const (
	noteMark noteKind = iota // first, because it gets the first place
	noteLimits
	notePause
	noteAway
	noteRestore
)

// outOfReach says that the source of a quota cannot be reached. Leases go on until they end.
const outOfReach = "quota out of reach"

// maxLanes is how many lines the texts of notes may take.
const maxLanes = 4

// maxNotes is how many notes of a kind are drawn; a picture with more shows nothing behind them.
const maxNotes = 400

// collectNotes finds out what is to be noted, and returns how many lines the texts take.
func (p *picture) collectNotes() (lanes int) {
	shows := func(from, to instant) bool { return from <= p.view.to && to >= p.view.from }
	add := func(n note) {
		if shows(n.from, n.to) {
			p.notes = append(p.notes, n)
		}
	}
	for _, m := range p.settings.marks {
		add(note{from: p.run.at(m.from), to: p.run.at(m.to), text: m.text, tip: m.text, kind: noteMark})
	}
	for i, g := range p.run.regimes {
		if i > 0 {
			text := g.limits.String()
			add(note{from: g.from, to: g.from, text: text, kind: noteLimits,
				tip: fmt.Sprintf("at %s the limits became %s", about(time.Duration(g.from)), text)})
		}
	}
	lasts := func(s stretch, what string, kind noteKind) {
		tip := fmt.Sprintf("%s from %s", what, about(time.Duration(s.from)))
		text := what
		if s.to != forever {
			tip += " to " + about(time.Duration(s.to))
			text += " " + about(time.Duration(s.to-s.from))
		}
		add(note{from: s.from, to: s.to, text: text, tip: tip, kind: kind})
	}
	for _, s := range p.run.pauses {
		lasts(s, "paused", notePause)
	}
	for _, s := range p.run.away {
		lasts(s, outOfReach, noteAway)
	}
	for _, at := range p.run.restored {
		add(note{from: at, to: at, text: "restored", kind: noteRestore, tip: "a snapshot was restored; what it charged is not in the picture"})
	}
	slices.SortStableFunc(p.notes, func(a, b note) int { return int(a.kind) - int(b.kind) })
	var taken [maxLanes][]stretch // in tenths of a pixel
	for i := range p.notes {
		n := &p.notes[i]
		n.lane = -1
		if i > maxNotes {
			continue
		}
		n.text = short(n.text, 60)
		x, w := p.textOf(*n)
		want := stretch{instant(x - 5*unit), instant(x + w + 5*unit)}
		for l := range taken {
			if !slices.ContainsFunc(taken[l], func(s stretch) bool { return s.from < want.to && want.from < s.to }) {
				taken[l] = append(taken[l], want)
				n.lane = l
				lanes = max(lanes, l+1)
				break
			}
		}
	}
	return lanes
}

// textOf returns where the text of a note begins and how wide it is. It begins with the note, or further left
// if it would not fit.
func (p *picture) textOf(n note) (x, w int) {
	w = widthOf(n.text, sizeSmall)
	x = p.at(n.from)
	return max(min(x, p.x+p.w-w), margin), w
}

// drawNotes draws the notes over the whole height of the rows, their texts from top on.
func (p *picture) drawNotes(top, plotTop, bottom int) {
	for i, n := range p.notes {
		if i > maxNotes {
			break
		}
		x := p.at(n.from)
		w := p.at(n.to) - x
		lineTop := plotTop
		textY := top + n.lane*lane + 11*unit
		if n.lane >= 0 {
			lineTop = textY + 3*unit
		}
		c := &p.over
		color := "ink"
		c.printf("<g><title>%s</title>\n", text(n.tip))
		switch n.kind {
		case noteMark:
			color = "mark"
			c.rect(x-5, lineTop, max(w, 2*unit), bottom-lineTop, `opacity="0.16" `+c.fill("mark"))
			c.path("M"+px(x)+" "+px(lineTop)+"V"+px(bottom), `stroke-width="1.2" `+c.stroke("mark"))
		case noteLimits:
			c.path("M"+px(x)+" "+px(lineTop)+"V"+px(bottom), `stroke-width="1.2" stroke-dasharray="4 3" `+c.stroke("limit"))
		case notePause:
			color = "muted"
			c.rect(x, lineTop, max(w, unit), bottom-lineTop, pauseAttrs)
		case noteAway:
			color = "muted"
			c.rect(x, lineTop, max(w, unit), bottom-lineTop, awayAttrs+c.fill("muted"))
		case noteRestore:
			color = "muted"
			c.path("M"+px(x)+" "+px(lineTop)+"V"+px(bottom), `stroke-width="1.2" stroke-dasharray="1 3" `+c.stroke("limit"))
		}
		c.printf("</g>\n")
		if n.lane >= 0 {
			tx, _ := p.textOf(n)
			c.label(tx, textY, sizeSmall, anchorStart, color, "", n.text)
		}
	}
}
