package timeline

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// count writes a number with commas.
func count[T int | uint64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// brief writes a number in three digits or so if it has seven or more: 1.35M. It rounds down, so that what is below a
// limit does not read as the limit.
func brief(n int) string {
	if n < 1_000_000 {
		return count(n)
	}
	letter := 0
	thousands := n / 1000 // so that three digits behind the point are there
	for ; thousands >= 1_000_000; thousands /= 1000 {
		letter++
	}
	whole, rest := thousands/1000, thousands%1000
	s := strconv.Itoa(whole)
	if digits := 3 - len(s); digits > 0 {
		s = strings.TrimRight(s+"."+fmt.Sprintf("%03d", rest)[:digits], "0")
		s = strings.TrimSuffix(s, ".")
	}
	return s + "MGTPE"[letter:letter+1]
}

// plural writes a number and what is counted.
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + one + "s"
}

// length writes a duration without the units that are zero: 1m30s, 2h, 1d12h.
func length(d time.Duration) string {
	const day = 24 * time.Hour
	var b strings.Builder
	if d >= 2*day {
		b.WriteString(strconv.FormatInt(int64(d/day), 10) + "d")
		if d %= day; d == 0 {
			return b.String()
		}
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return b.String() + s
}

// roughly rounds a duration to three digits or so.
func roughly(d time.Duration) time.Duration {
	for limit := time.Microsecond; limit < 100*time.Hour; limit *= 10 {
		if d < limit {
			return d.Round(max(limit/1000, 1))
		}
	}
	return d.Round(time.Minute)
}

// about writes a duration in three digits or so.
func about(d time.Duration) string { return length(roughly(d)) }

// percent writes a part of the whole.
func percent(part, whole time.Duration) string {
	switch {
	case whole <= 0 || part <= 0:
		return "0 %"
	case part >= whole:
		return "100 %"
	}
	p := int(float64(part) / float64(whole) * 100)
	if p == 0 {
		return "< 1 %"
	}
	return strconv.Itoa(p) + " %"
}

// wrap breaks a text into lines of so many characters where it has spaces.
func wrap(text string, most int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > most {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// niceSteps are the distances between marks on the axis that people read well.
var niceSteps = func() []time.Duration {
	var steps []time.Duration
	for d := time.Duration(1); d < 10*time.Second; d *= 10 {
		steps = append(steps, d, 2*d, 5*d)
	}
	steps = append(steps, 10*time.Second, 15*time.Second, 30*time.Second)
	for _, n := range []int{1, 2, 5, 10, 15, 30} {
		steps = append(steps, time.Duration(n)*time.Minute)
	}
	for _, n := range []int{1, 2, 3, 6, 12} {
		steps = append(steps, time.Duration(n)*time.Hour)
	}
	for d := 24 * time.Hour; d < 200*365*24*time.Hour; d *= 10 {
		steps = append(steps, d, 2*d, 5*d)
	}
	return steps
}()

// niceStep returns the shortest step of niceSteps that fits into a span no more than most times.
func niceStep(span time.Duration, most int) time.Duration {
	for _, s := range niceSteps {
		if int64(span/s) <= int64(most) {
			return s
		}
	}
	return niceSteps[len(niceSteps)-1]
}
