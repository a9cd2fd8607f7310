package screen

import (
	"fmt"
	"strings"
	"time"
)

// Count returns the number with its noun, such as "1 line" or "3 lines".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Short rounds to what a person cares about.
func Short(d time.Duration) string {
	const day = 24 * time.Hour
	for _, precision := range []time.Duration{time.Millisecond, 100 * time.Millisecond, time.Second, time.Minute, time.Hour} {
		rounded := d.Round(precision)
		switch {
		case precision == time.Millisecond && rounded < time.Second,
			precision == 100*time.Millisecond && rounded < time.Minute,
			precision == time.Second && rounded < time.Hour:
			return rounded.String()
		case precision == time.Minute && rounded < day:
			return fmt.Sprintf("%dh%02dm", rounded/time.Hour, rounded%time.Hour/time.Minute)
		case precision == time.Hour && rounded < 1000*day:
			return fmt.Sprintf("%dd%dh", rounded/day, rounded%day/time.Hour)
		}
	}
	return fmt.Sprintf("%d days", d/day)
}

// Rate returns how many of something there were in a time, such as "4.9/s" or "20/min".
func Rate(n int, in time.Duration) string {
	if n == 0 || in <= 0 {
		return "0/s"
	}
	perSecond := float64(n) / in.Seconds()
	switch {
	case perSecond >= 1:
		return Number(perSecond) + "/s"
	case perSecond*60 >= 1:
		return Number(perSecond*60) + "/min"
	default:
		return Number(perSecond*3600) + "/h"
	}
}

// Number returns a number with two digits or more.
func Number(f float64) string {
	if f >= 9.95 {
		return fmt.Sprintf("%.0f", f)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0")
}

// Bar returns a bar of the given width of which a share from 0 to 1 is filled.
func Bar(share float64, width int) string {
	filled := int(min(max(share, 0), 1) * float64(width))
	return "[" + strings.Repeat("#", filled) + strings.Repeat(".", width-filled) + "]"
}

// Shown returns the beginning of a text that fits the width, without what would upset a terminal.
func Shown(text string, width int) string {
	runes := []rune(text)
	if len(runes) > width {
		runes = append(runes[:width-1], '…')
	}
	for i, r := range runes {
		if r < ' ' || r == 0x7f {
			runes[i] = '?'
		}
	}
	return string(runes)
}
