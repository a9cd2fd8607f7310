package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// walkInBubble returns what each section prints, and how long the walk takes.
func walkInBubble(t *testing.T) (sections [][]string, took time.Duration) {
	svg := filepath.Join(t.TempDir(), "picture.svg")
	defer func() {
		checkPicture(t, svg, sections[len(sections)-1])
		sections = sections[:len(sections)-1]
	}()
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		began := time.Now()
		if err := walk(context.Background(), &out, svg); err != nil {
			t.Error(err)
		}
		took = time.Since(began)
		for part := range strings.SplitSeq(strings.TrimSpace(out.String()), "\n\n") {
			sections = append(sections, strings.Split(part, "\n"))
		}
	})
	return sections, took
}

// checkPicture looks whether the last line names the picture and the picture is of the first section.
func checkPicture(t *testing.T, file string, last []string) {
	t.Helper()
	if want := []string{"A picture of the first section: " + file}; !slices.Equal(last, want) {
		t.Errorf("the last line is %q, want %q", last, want)
	}
	svg, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Quickstart: Acquire and Release", "7 tickets in 4.5s: 7 granted.", "burst 2: peak 2 of 2", "3/2s: peak 3 of 3"} {
		if !strings.Contains(string(svg), want) {
			t.Errorf("the picture does not say %q", want)
		}
	}
}

func TestWalk(t *testing.T) {
	sections, took := walkInBubble(t)
	if took > 30*time.Second {
		t.Errorf("the walk takes %v", took)
	}
	want := [][]string{
		nil, // told by goroutines in any order: TestManyGoroutines
		{
			"2. Do, limits 2/s",
			"  0.00s  call 1",
			"  0.00s  call 2",
			"  1.00s  call 3",
			"  1.00s  call 4",
			"  2.00s  call 5",
			"  2.00s  call 6",
			"  2.00s  call 7 has 300ms and is refused: limit 2/s needs 1s",
		}, {
			"3. Wrap, limits 1/500ms",
			"  0.00s  square(0) = 0",
			"  0.50s  square(1) = 1",
			"  1.00s  square(2) = 4",
			"  1.50s  square(3) = 9",
			"  2.00s  square(4) = 16",
		}, {
			"4. Non-blocking, limits 2/s",
			"  0.00s  ticket 1 is granted",
			"  0.40s  ticket 2 is granted",
			"  0.80s  no permit; the next is free in 200ms",
			"  1.20s  ticket 3 is granted",
			"  1.60s  ticket 4 is granted",
			"  2.00s  no permit; the next is free in 200ms",
		}, {
			"5. Select, limits 1/2s",
			"  0.00s  ticket 1 is granted",
			"  1.00s  ticket 2 gives up after 1s",
			"  2.00s  ticket 3 is granted",
		},
	}
	if len(sections) != len(want) {
		t.Fatalf("%d sections, want %d", len(sections), len(want))
	}
	for i, lines := range want {
		if i > 0 && !slices.Equal(sections[i], lines) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(sections[i], "\n"), strings.Join(lines, "\n"))
		}
	}
}

// Goroutines wake in any order, so what happens at one instant is told in any order. Whatever it is,
// the start of each ticket is fixed and no prefix of the telling shows more than two at work.
func TestManyGoroutines(t *testing.T) {
	sections, _ := walkInBubble(t)
	line := regexp.MustCompile(`^ +(\d\.\d\d)s  ticket (\d) (starts|ends)$`)
	var starts, ends []string
	atWork := 0
	for _, text := range sections[0][1:] {
		m := line.FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("unexpected line %q", text)
		}
		if m[3] == "starts" {
			starts = append(starts, m[2]+" at "+m[1])
			atWork++
		} else {
			ends = append(ends, m[2]+" at "+m[1])
			atWork--
		}
		if atWork > 2 {
			t.Errorf("%d at work after %q, burst is 2", atWork, text)
		}
	}
	slices.Sort(starts)
	slices.Sort(ends)
	want := "[1 at 0.00 2 at 0.00 3 at 0.50 4 at 2.00 5 at 2.00 6 at 2.50 7 at 4.00]"
	if got := fmt.Sprint(starts); got != want {
		t.Errorf("starts\n%s, want\n%s", got, want)
	}
	want = "[1 at 0.50 2 at 0.50 3 at 1.00 4 at 2.50 5 at 2.50 6 at 3.00 7 at 4.50]"
	if got := fmt.Sprint(ends); got != want {
		t.Errorf("ends\n%s, want\n%s", got, want)
	}
}
