package timeline

import (
	"strconv"
	"strings"
)

// maxFlows is how many flows have a colour of their own; the others share one.
const maxFlows = 8

// palette gives a colour for each name. The flows' colours can be told apart by people who do not see
// red or green, and their order puts the most different first.
type palette struct {
	paper, ink, muted, faint, grid, limit, alarm, pause, mark, other string
	flows                                                            [maxFlows]string
}

var light = palette{
	paper: "#ffffff", ink: "#1b1f24", muted: "#5b6570", faint: "#f2f4f7", grid: "#e3e7ec",
	limit: "#3d4650", alarm: "#cc2936", pause: "#7d8792", mark: "#cc2936", other: "#9aa4ae",
	flows: [maxFlows]string{"#2f6fde", "#e58606", "#12927c", "#b8418f", "#7254c9", "#a6861b", "#2b9fc9", "#a2533b"},
}

var dark = palette{
	paper: "#14171c", ink: "#e9edf2", muted: "#9ba6b2", faint: "#1c2027", grid: "#2b313a",
	limit: "#cdd5de", alarm: "#ff6b70", pause: "#8894a1", mark: "#ff6b70", other: "#6f7984",
	flows: [maxFlows]string{"#6ca2ff", "#ffb04d", "#3fd0b0", "#ef82c6", "#ad93ff", "#dfc253", "#6fcdf2", "#e29275"},
}

// names are all that of knows.
func (p *palette) names() []string {
	names := []string{"paper", "ink", "muted", "faint", "grid", "limit", "alarm", "pause", "mark", "other"}
	for i := range maxFlows {
		names = append(names, flowColor(i))
	}
	return names
}

func (p *palette) of(name string) string {
	switch name {
	case "paper":
		return p.paper
	case "ink":
		return p.ink
	case "muted":
		return p.muted
	case "faint":
		return p.faint
	case "grid":
		return p.grid
	case "limit":
		return p.limit
	case "alarm":
		return p.alarm
	case "pause":
		return p.pause
	case "mark":
		return p.mark
	}
	if i, err := strconv.Atoi(strings.TrimPrefix(name, "flow")); err == nil && i < maxFlows {
		return p.flows[i]
	}
	return p.other
}

// flowColor names the colour of the flow in a layer.
func flowColor(layer int) string {
	if layer >= maxFlows {
		return "other"
	}
	return "flow" + strconv.Itoa(layer)
}

// rules is the style sheet that makes a picture dark for viewers that prefer it. Its selectors match only this
// picture, which may be part of a page.
func (p *palette) rules() string {
	var b strings.Builder
	b.WriteString("@media (prefers-color-scheme:dark){")
	for _, name := range p.names() {
		b.WriteString(".flowguard ." + name + "{fill:" + p.of(name) + "}")
		b.WriteString(".flowguard ." + name + "-line{stroke:" + p.of(name) + "}")
	}
	b.WriteString("}")
	return b.String()
}
