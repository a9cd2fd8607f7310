package timeline

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// unit is how many parts a pixel has. Coordinates are whole parts.
const unit = 10

// canvas writes SVG. Coordinates are in tenths of a pixel.
//
// Colours are written twice. Attributes, which every program understands, have the colours of the default
// scheme. The style sheet has classes that replace them in the other scheme.
type canvas struct {
	bytes.Buffer
	colors *palette
}

// px writes a coordinate.
func px(v int) string {
	if v%unit == 0 {
		return strconv.Itoa(v / unit)
	}
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	return sign + strconv.Itoa(v/unit) + "." + strconv.Itoa(v%unit)
}

// text escapes the names that users give: flows, titles, marks. It replaces characters that XML cannot have.
func text(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) // writing to a Builder cannot fail
	return b.String()
}

// short cuts a text to the given number of characters. It keeps only printable characters, on one line, because
// a flow's key may have any.
func short(s string, most int) string {
	runes := []rune(s)
	for i, r := range runes {
		if !unicode.IsPrint(r) {
			runes[i] = '·'
		}
	}
	if len(runes) > most {
		return strings.TrimRight(string(runes[:most-1]), " ") + "…"
	}
	return string(runes)
}

func (c *canvas) printf(format string, args ...any) { fmt.Fprintf(c, format, args...) }

// fill is the attributes that fill with a colour.
func (c *canvas) fill(name string) string {
	return fmt.Sprintf(`class="%s" fill="%s"`, name, c.colors.of(name))
}

// stroke is the attributes of a line.
func (c *canvas) stroke(name string) string {
	return fmt.Sprintf(`class="%s-line" fill="none" stroke="%s"`, name, c.colors.of(name))
}

func (c *canvas) rect(x, y, w, h int, attrs string) {
	c.printf(`<rect x="%s" y="%s" width="%s" height="%s" %s/>`+"\n", px(x), px(y), px(w), px(h), attrs)
}

func (c *canvas) path(d, attrs string) {
	if d != "" {
		c.printf(`<path d="%s" %s/>`+"\n", d, attrs)
	}
}

// Sizes of text, in pixels.
const (
	sizeTitle = 17
	sizeText  = 12
	sizeSmall = 11
)

// Where a text is relative to its point.
const (
	anchorStart  = "start"
	anchorMiddle = "middle"
	anchorEnd    = "end"
)

func (c *canvas) label(x, y, size int, anchor, color, extra, s string) {
	if s == "" {
		return
	}
	c.printf(`<text x="%s" y="%s" font-size="%d"`, px(x), px(y), size)
	if anchor != anchorStart {
		c.printf(` text-anchor="%s"`, anchor)
	}
	if extra != "" {
		c.printf(" %s", extra)
	}
	c.printf(" %s>%s</text>\n", c.fill(color), text(s))
}

const bold = `font-weight="600"`

// widthOf is about how wide a text is, in tenths of a pixel: fonts differ.
func widthOf(s string, size int) int { return len([]rune(s)) * size * 57 / 10 }

// trail builds a path of horizontal and vertical lines.
type trail struct {
	b    strings.Builder
	x, y int
}

func (t *trail) move(x, y int) {
	t.b.WriteString("M" + px(x) + " " + px(y))
	t.x, t.y = x, y
}

func (t *trail) toX(x int) {
	if x != t.x {
		t.b.WriteString("H" + px(x))
		t.x = x
	}
}

func (t *trail) toY(y int) {
	if y != t.y {
		t.b.WriteString("V" + px(y))
		t.y = y
	}
}

func (t *trail) close() { t.b.WriteString("Z") }

func (t *trail) String() string { return t.b.String() }
