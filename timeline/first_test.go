package timeline_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/timeline"
)

// A recording of the first tickets ends by itself, and the picture says so.
func TestRecordFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := scheduler.New(scheduler.MustParseLimits("burst 100"))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		recording, err := timeline.RecordFirst(s, 20)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			if _, err := s.Acquire(t.Context()); err != nil {
				t.Fatal(i, err)
			}
		}
		if svg := draw(t, recording); strings.Contains(svg, "more came") || !strings.Contains(svg, "20 tickets") {
			t.Error("it has ended too early")
		}
		synctest.Wait()
		for range 30 {
			if _, err := s.Acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if svg := draw(t, recording); !strings.Contains(svg, "20 granted. Wait: median 0s, longest 0s. These are the first; more came.") {
			t.Error("the picture does not say that more came")
		}
		if n := recording.Missed(); n > 0 {
			t.Errorf("%d events were missed", n)
		}
		recording.Stop()
		recording.Stop()
	})
}

// A ticket tells what it costs, and what it cost in the end.
func TestTicketsTellCosts(t *testing.T) {
	limits, events := costs()
	svg := draw(t, timeline.New(limits, slices.Values(events)))
	for _, want := range []string{
		"ticket 1 of flow web that costs 900 tokens (settled at 300): came at",
		"ticket 2 of flow web that costs 900 tokens: came at",
		"ticket 3 of flow web that costs 900 tokens (settled at 1,800): came at",
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("no ticket tells %q", want)
		}
	}
}
