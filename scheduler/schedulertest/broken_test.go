package schedulertest_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/scheduler/schedulertest"
)

// What Check finds says when it was.
func TestBrokenSaysWhen(t *testing.T) {
	for _, c := range []struct {
		name, limits string
		record       schedulertest.Tickets
		want         schedulertest.BrokenError
	}{
		{"window", "2/s", schedulertest.Tickets{
			{Number: 1, Weight: 2, Turn: 1, Enqueued: at(0), Granted: at(0)},
			{Number: 2, Weight: 1, Turn: 2, Enqueued: at(0), Granted: at(0.5)},
		}, schedulertest.BrokenError{Ticket: 2, Limit: "2/s", From: at(-0.5), To: at(0.5)}},
		{"burst", "burst 1", schedulertest.Tickets{
			{Number: 1, Weight: 1, Turn: 1, Enqueued: at(0), Granted: at(0), Released: at(3)},
			{Number: 2, Weight: 1, Turn: 2, Enqueued: at(0), Granted: at(2)},
		}, schedulertest.BrokenError{Ticket: 2, Limit: "burst 1", From: at(2), To: at(2)}},
		{"late", "2/s", schedulertest.Tickets{
			{Number: 1, Weight: 2, Turn: 1, Enqueued: at(0), Granted: at(0)},
			{Number: 2, Weight: 1, Turn: 2, Enqueued: at(0), Granted: at(1.5)},
		}, schedulertest.BrokenError{Ticket: 2, From: at(1), To: at(1.5)}},
		{"order", "5/s", schedulertest.Tickets{
			{Number: 1, Weight: 1, Turn: 2, Enqueued: at(0), Granted: at(0)},
			{Number: 2, Weight: 1, Turn: 1, Enqueued: at(0), Granted: at(0)},
		}, schedulertest.BrokenError{Ticket: 1, From: at(0), To: at(0)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			limits := scheduler.MustParseLimits(c.limits)
			found := schedulertest.Check(limits, c.record, 0)
			var broken *schedulertest.BrokenError
			if !errors.As(found, &broken) {
				t.Fatalf("found %v", found)
			}
			if broken.Ticket != c.want.Ticket || broken.Limit != c.want.Limit || !broken.From.Equal(c.want.From) || !broken.To.Equal(c.want.To) {
				t.Errorf("got %+v, want %+v", *broken, c.want)
			}
			var svg bytes.Buffer
			if err := schedulertest.Picture(&svg, limits, c.record, found); err != nil {
				t.Fatal(err)
			}
			if got := svg.String(); !strings.Contains(got, "Broken: ") || strings.Contains(got, "BROKEN") != (c.want.Limit != "") {
				t.Errorf("the picture does not show it:\n%s", got)
			}
		})
	}
}

func TestPictureOfWhatIsWhole(t *testing.T) {
	record := schedulertest.Tickets{{Number: 1, Weight: 1, Turn: 1, Enqueued: at(0), Granted: at(0), Released: at(1)}}
	var svg bytes.Buffer
	if err := schedulertest.Picture(&svg, scheduler.MustParseLimits("2/s"), record, nil); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(svg.String(), "1 ticket in 1s: 1 granted.") {
		t.Error(svg.String())
	}
}

// noting is a TB that notes a failure instead of failing.
type noting struct {
	testing.TB
	message string
}

func (n *noting) Helper()                           {}
func (n *noting) Errorf(format string, args ...any) { n.message = fmt.Sprintf(format, args...) }

// Verify says nothing about what is whole. Otherwise it fails the test and leaves a picture.
func TestVerify(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	mock := clock.NewMock()
	var rec schedulertest.Recorder
	s := start(t, "2/s", scheduler.WithClock(mock), &rec)
	enqueue(t, s, 6)
	schedulertest.Advance(t, s, mock, 3*time.Second)

	tb := &noting{TB: t}
	schedulertest.Verify(tb, &rec, scheduler.MustParseLimits("2/s"), 0)
	if tb.message != "" {
		t.Fatal(tb.message)
	}
	schedulertest.Verify(tb, &rec, scheduler.MustParseLimits("3/2s"), scheduler.Forever)
	message, file, ok := strings.Cut(tb.message, "\na picture of it: ")
	if !ok || !strings.HasPrefix(message, "limit 3/2s: with ticket 4, granted at ") {
		t.Fatalf("said %q", tb.message)
	}
	if !strings.HasSuffix(file, "flowguard-TestVerify.svg") {
		t.Errorf("file %q", file)
	}
	svg, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Broken: limit 3/2s: with ticket 4", "BROKEN at 1s", "first at 1s"} {
		if !strings.Contains(string(svg), want) {
			t.Errorf("nothing says %q in\n%s", want, svg)
		}
	}

	t.Setenv("TMPDIR", "/nowhere/at/all")
	schedulertest.Verify(tb, &rec, scheduler.MustParseLimits("3/2s"), scheduler.Forever)
	if os.TempDir() == "/nowhere/at/all" && !strings.Contains(tb.message, "there is no picture of it: ") {
		t.Errorf("said %q", tb.message)
	}
}
