package timeline

import (
	"math"
	"slices"
	"strconv"
	"testing"
	"time"
)

func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1,000"}, {count(-1234567), "-1,234,567"}, {count(-100), "-100"},
		{brief(-5), "-5"}, {brief(999_999), "999,999"}, {brief(1_000_000), "1M"}, {brief(1_350_000), "1.35M"}, {brief(1_999_999), "1.99M"},
		{brief(20_050_000), "20M"}, {brief(20_150_000), "20.1M"}, {brief(200_999_999), "200M"}, {brief(999_999_999), "999M"}, {brief(1_010_000_000), "1.01G"},
		{brief(math.MaxInt32), "2.14G"},
		{length(0), "0s"}, {length(time.Minute), "1m"}, {length(time.Hour), "1h"}, {length(90 * time.Minute), "1h30m"},
		{length(36 * time.Hour), "36h"}, {length(49 * time.Hour), "2d1h"}, {length(48 * time.Hour), "2d"},
		{length(-1500 * time.Millisecond), "-1.5s"}, {length(10 * time.Minute), "10m"}, {length(time.Hour + time.Second), "1h0m1s"},
		{about(1234567 * time.Nanosecond), "1.23ms"}, {about(999 * time.Nanosecond), "999ns"}, {about(12345 * time.Millisecond), "12.3s"},
		{about(1000 * time.Hour), "41d16h"}, {about(61 * time.Second), "1m1s"},
		{percent(0, 10), "0 %"}, {percent(1, 1000), "< 1 %"}, {percent(999, 1000), "99 %"}, {percent(10, 10), "100 %"}, {percent(1, 0), "0 %"},
		{plural(1, "ticket"), "1 ticket"}, {plural(2000, "ticket"), "2,000 tickets"},
		{px(15), "1.5"}, {px(-5), "-0.5"}, {px(20), "2"},
		{short("abcdef", 4), "abc…"}, {short("abc", 4), "abc"}, {short("a\nb", 4), "a·b"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if strconv.IntSize == 64 {
		most := int64(math.MaxInt64)
		if got := brief(int(most)); got != "9.22E" {
			t.Errorf("the largest number is %q", got)
		}
	}
	if got := wrap("one two three four", 9); !slices.Equal(got, []string{"one two", "three", "four"}) {
		t.Errorf("wrapped to %q", got)
	}
}

// Steps of the axis grow, and there is one for every span.
func TestNiceSteps(t *testing.T) {
	if !slices.IsSorted(niceSteps) {
		t.Errorf("not in order: %v", niceSteps)
	}
	for span := time.Duration(1); span > 0 && span < math.MaxInt64/3; span *= 3 {
		if n := span / niceStep(span, 8); n > 8 {
			t.Errorf("%v is divided into %d", span, n)
		}
	}
	for _, c := range []struct{ span, want time.Duration }{
		{4 * time.Second, 500 * time.Millisecond}, {11 * time.Second, 2 * time.Second}, {100 * time.Minute, 15 * time.Minute}, {30 * 24 * time.Hour, 5 * 24 * time.Hour},
	} {
		if got := niceStep(c.span, 8); got != c.want {
			t.Errorf("of %v: %v, want %v", c.span, got, c.want)
		}
	}
}
