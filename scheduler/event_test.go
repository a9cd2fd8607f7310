package scheduler_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// What is set is logged, and nothing else.
func TestLogValue(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		event scheduler.Event
		want  string
	}{
		{scheduler.Event{Kind: scheduler.EventGranted, Number: 7, Weight: 2, Flow: "a b", Wait: time.Second, Costs: []ticket.Cost{{Unit: "tokens", Amount: 9}}},
			`kind=granted ticket=7 flow="a b" weight=2 costs.tokens=9 wait=1s`},
		{scheduler.Event{Kind: scheduler.EventRefused, Weight: 1, Err: errors.New("no"), Missed: 3}, `kind=refused weight=1 error=no missed=3`},
		{scheduler.Event{Kind: scheduler.EventObserved, Window: scheduler.PerSecond(3), Until: at}, `kind=observed left=0 window=3/s until=2026-01-02T03:04:05.000Z`},
		{scheduler.Event{Kind: scheduler.EventLimits, Limits: scheduler.MustParseLimits("3/s burst 2")}, `kind=limits limits="3/s burst 2"`},
		{scheduler.Event{Kind: scheduler.EventCharged, Weight: 4, Window: scheduler.PerDay(5)}, `kind=charged weight=4 window=5/day`},
		{scheduler.Event{Kind: scheduler.EventEnqueued, Number: 7, Weight: 1, Flow: "a", Share: 3}, `kind=enqueued ticket=7 flow=a share=3 weight=1`},
		{scheduler.Event{Kind: scheduler.EventPaused}, `kind=paused`},
		{scheduler.Event{Kind: scheduler.EventSettled, Number: 1, Weight: 1}, `kind=settled ticket=1 weight=1`},
	} {
		c.event.At = at
		var text strings.Builder
		log := slog.New(slog.NewTextHandler(&text, nil))
		log.Info("m", "e", c.event)
		_, got, _ := strings.Cut(text.String(), " e.")
		want := strings.ReplaceAll(strings.Replace(c.want, " ", " at=2026-01-02T03:04:05.000Z ", 1), " ", " e.")
		if !strings.Contains(c.want, " ") {
			want = c.want + " e.at=2026-01-02T03:04:05.000Z"
		}
		want = strings.NewReplacer(`"a e.b"`, `"a b"`, `"3/s e.burst e.2"`, `"3/s burst 2"`).Replace(want)
		if got != want+"\n" {
			t.Errorf("\n got %swant %s", got, want)
		}
	}
}
