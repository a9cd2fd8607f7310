package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/screen"
)

const (
	chartWidth  = 64
	chartHeight = 6
)

// columnWidths are the lengths of time that a column may show. They divide common windows evenly, so that a
// steady rate looks steady.
var columnWidths = func() (all []time.Duration) {
	for _, unit := range []time.Duration{time.Microsecond, time.Millisecond, time.Second} {
		for _, n := range []time.Duration{1, 2, 5, 10, 20, 50, 100, 200, 500} {
			if unit < time.Second || n < 60 {
				all = append(all, n*unit)
			}
		}
	}
	for _, minutes := range []time.Duration{1, 2, 5, 10, 20, 30, 60, 120, 240, 480, 720, 1440} {
		all = append(all, minutes*time.Minute)
	}
	return all
}()

// histogram counts the jobs that begin in each stretch of time. It is told of them in order, and does not know
// when the last will begin. So it counts in fine stretches, and joins them when there are too many.
type histogram struct {
	fine  int   // of fineWidth
	count []int // of each stretch of that length
	last  time.Duration
}

// fineWidths are the fine stretches. Each width divides the next one, and all longer columnWidths. After the
// last of them the width doubles.
var fineWidths = []time.Duration{
	time.Microsecond, 10 * time.Microsecond, 100 * time.Microsecond, time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond,
	time.Second, 10 * time.Second, time.Minute, time.Hour, 24 * time.Hour,
}

func fineWidth(i int) time.Duration {
	last := len(fineWidths) - 1
	return fineWidths[min(i, last)] << max(0, i-last)
}

func (h *histogram) add(at time.Duration) {
	for at/fineWidth(h.fine+1) >= chartWidth { // then columns are longer than that
		h.coarsen()
	}
	i := int(at / fineWidth(h.fine))
	for len(h.count) <= i {
		h.count = append(h.count, 0)
	}
	h.count[i]++
	h.last = at
}

func (h *histogram) coarsen() {
	ratio := int(fineWidth(h.fine+1) / fineWidth(h.fine))
	h.fine++
	h.count = join(h.count, ratio)
}

// join adds up each ratio neighbours.
func join(count []int, ratio int) []int {
	if len(count) == 0 {
		return nil
	}
	joined := count[:(len(count)-1)/ratio+1]
	for i, n := range count {
		if i%ratio == 0 {
			joined[i/ratio] = 0 // the old count has been added, or is n
		}
		joined[i/ratio] += n
	}
	return joined
}

// columns returns the counts of the shortest columns that fit, and their length.
func (h *histogram) columns() (width time.Duration, count []int) {
	width = columnWidths[len(columnWidths)-1]
	for h.last/width >= chartWidth {
		width *= 2
	}
	for _, w := range columnWidths {
		if h.last/w < chartWidth {
			width = w
			break
		}
	}
	return width, join(slices.Clone(h.count), int(width/fineWidth(h.fine)))
}

// chart draws when jobs begin, in eighths of a character.
func (h *histogram) chart() string {
	width, count := h.columns()
	most := slices.Max(count)
	label := fmt.Sprint(most)
	var b strings.Builder
	fmt.Fprintf(&b, "jobs that begin, in each %v\n", width)
	for row := chartHeight - 1; row >= 0; row-- {
		side := strings.Repeat(" ", len(label))
		switch row {
		case chartHeight - 1:
			side = label
		case 0:
			side = strings.Repeat(" ", len(label)-1) + "0"
		}
		var line strings.Builder
		for _, n := range count {
			eighths := (n*chartHeight*8 + most - 1) / most // what is not 0 shows
			line.WriteString(blocks[min(max(eighths-row*8, 0), 8)])
		}
		b.WriteString(strings.TrimRight(side+" |"+line.String(), " ") + "\n")
	}
	end := screen.Short(width * time.Duration(len(count)))
	axis := "0" + strings.Repeat(" ", max(1, len(count)-1-len(end))) + end
	b.WriteString(strings.Repeat(" ", len(label)) + " +" + strings.Repeat("-", len(count)) + "\n")
	b.WriteString(strings.Repeat(" ", len(label)+2) + axis + "\n")
	return b.String()
}

var blocks = [...]string{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}
