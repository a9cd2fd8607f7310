package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// columnsOf counts instants that are all there, one by one.
func columnsOf(at []time.Duration) (width time.Duration, count []int) {
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

// A histogram that does not know when the last job will begin counts as if it knew.
func TestHistogram(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 0))
		var h histogram
		var at []time.Duration
		now, step := time.Duration(0), time.Duration(1)<<r.IntN(50)
		for range 1 + r.IntN(500) {
			switch r.IntN(3) {
			case 0:
				now += time.Duration(r.Int64N(int64(step)))
			case 1:
				now += step.Round(time.Duration(1) << r.IntN(40))
			}
			if now > 1<<61 {
				break
			}
			h.add(now)
			at = append(at, now)
		}
		width, count := h.columns()
		wantWidth, want := columnsOf(at)
		if width != wantWidth || !slices.Equal(count, want) {
			t.Fatalf("seed %d, last at %v: columns of %v: %v, want of %v: %v", seed, at[len(at)-1], width, count, wantWidth, want)
		}
		if n := cap(h.count); n > 10_000 {
			t.Fatalf("seed %d: %d counts", seed, n)
		}
	}
}

func TestFineWidths(t *testing.T) {
	all := slices.Concat(fineWidths, columnWidths)
	for i := range fineWidths {
		for _, w := range all {
			if fine := fineWidth(i); w > fine && w%fine != 0 {
				t.Errorf("%v does not go into %v", fine, w)
			}
		}
	}
}
