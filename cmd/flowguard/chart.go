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

// columnWidths are the lengths of time that a column may stand for. They go well with windows, so that a
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

// columns counts the instants, which are in order, in intervals of a length that makes the number of
// intervals fit.
func columns(at []time.Duration) (width time.Duration, count []int) {
	last := at[len(at)-1]
	width = columnWidths[len(columnWidths)-1]
	for last/width >= chartWidth {
		width *= 2
	}
	for _, w := range columnWidths {
		if last/w < chartWidth {
			width = w
			break
		}
	}
	count = make([]int, last/width+1)
	for _, t := range at {
		count[t/width]++
	}
	return width, count
}

// chart draws when jobs begin, in eighths of a character.
func chart(at []time.Duration) string {
	width, count := columns(at)
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
