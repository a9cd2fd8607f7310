package scheduler_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
)

func TestStatsAsJSON(t *testing.T) {
	mock := clock.NewMock()
	mock.Set(time.Unix(0, 0).UTC())
	s := start(t, scheduler.MustParseLimits("3/2s 9/day from release"), scheduler.WithClock(mock))
	for _, c := range []struct {
		name string
		do   func()
		want string
	}{
		{"new", func() {}, `{"waiting":0,"flows":0,"in_use":0,"granted":0,"paused":false,` +
			`"windows":[{"window":"3/2s","used":0,"remaining":3},{"window":"9/day from release","used":0,"remaining":9}],"totals":{"enqueued":0,"released":0,"given_up":0,"undone":0,"refused":{},"waited":0}}`},
		{"one waits", func() { s.TryAcquireN(2); s.Flow("a", 1).Enqueue(2) }, `{"waiting":1,"flows":1,"in_use":2,"granted":1,"paused":false,"next_wake":"1970-01-01T00:00:02Z",` +
			`"windows":[{"window":"3/2s","used":2,"remaining":1,"next_free":"1970-01-01T00:00:02Z"},{"window":"9/day from release","used":2,"remaining":7}],"totals":{"enqueued":2,"released":0,"given_up":0,"undone":0,"refused":{},"waited":0,"waits":[1]}}`},
		{"paused", func() { s.PauseFor(time.Hour) }, `{"waiting":1,"flows":1,"in_use":2,"granted":1,"paused":true,"resumes":"1970-01-01T01:00:00Z","next_wake":"1970-01-01T01:00:00Z",` +
			`"windows":[{"window":"3/2s","used":2,"remaining":1,"next_free":"1970-01-01T00:00:02Z"},{"window":"9/day from release","used":2,"remaining":7}],"totals":{"enqueued":2,"released":0,"given_up":0,"undone":0,"refused":{},"waited":0,"waits":[1]}}`},
	} {
		c.do()
		before := s.Stats()
		text, err := json.Marshal(before)
		if err != nil || string(text) != c.want {
			t.Errorf("%s: %v\n got %s\nwant %s", c.name, err, text, c.want)
		}
		var after scheduler.Stats
		if err := json.Unmarshal(text, &after); err != nil || !reflect.DeepEqual(after, before) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", c.name, err, after, before)
		}
	}
}

// What the embedded window says of itself must not take the place of the whole.
func TestWindowStatsAsText(t *testing.T) {
	want := scheduler.WindowStats{Window: scheduler.Window{Permits: 3, Per: 2 * time.Second, From: scheduler.FromRelease}, Used: 1, Remaining: 2}
	text, err := want.MarshalText()
	if err != nil || string(text) != "3/2s from release: 1 used, 2 remaining" {
		t.Errorf("%s, %v", text, err)
	}
	var got scheduler.WindowStats
	if err := got.UnmarshalText(text); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("", "window", want)
	if !strings.Contains(logged.String(), "1 used, 2 remaining") {
		t.Errorf("logged as %s", logged.String())
	}
	for _, bad := range []string{"", "3/2s", "3/2s: ", "3/2x: 1 used, 2 remaining", "3/2s: one used, 2 remaining", "3/2s: 1 used"} {
		got := want
		if err := got.UnmarshalText([]byte(bad)); err == nil || !strings.HasPrefix(err.Error(), "scheduler: ") || got != want {
			t.Errorf("%q: %v, %+v", bad, err, got)
		}
	}
	for _, bad := range []string{`"3/2s"`, `{"window":"3/2x"}`, `{"window":"burst 2"}`, `{"used":"1"}`} {
		got := want
		if err := json.Unmarshal([]byte(bad), &got); err == nil || got != want {
			t.Errorf("%s: %v, %+v", bad, err, got)
		}
	}
	got = want
	if err := json.Unmarshal([]byte("null"), &got); err != nil || got != want {
		t.Errorf("null: %v, %+v", err, got)
	}
	if _, err := json.Marshal(scheduler.WindowStats{}); err == nil {
		t.Error("a window that cannot work was written")
	}
	if _, err := (scheduler.WindowStats{}).MarshalText(); err == nil {
		t.Error("a window that cannot work was written")
	}
}

// A mock clock, so that the times are the same in each run.
func ExampleWindowStats_MarshalJSON() {
	mock := clock.NewMock()
	mock.Set(time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC))
	limits := scheduler.MustParseLimits("3/2s 100/day burst 2")
	s, err := scheduler.New(limits, scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	s.TryAcquire()

	text, err := json.MarshalIndent(s.Stats().Windows, "", " ")
	fmt.Println(string(text), err)
	// Output:
	// [
	//  {
	//   "window": "3/2s",
	//   "used": 1,
	//   "remaining": 2,
	//   "next_free": "2026-01-02T15:04:07Z"
	//  },
	//  {
	//   "window": "100/day",
	//   "used": 1,
	//   "remaining": 99,
	//   "next_free": "2026-01-03T15:04:05Z"
	//  }
	// ] <nil>
}

// NextFree is when Remaining grows, whichever of the permits and the observations keep it low.
func TestNextFree(t *testing.T) {
	mock := clock.NewMock()
	epoch := mock.Now()
	s := start(t, scheduler.MustParseLimits("3/2s"), scheduler.WithClock(mock))
	window := scheduler.Per(3, 2*time.Second)
	for _, c := range []struct {
		name          string
		do            func()
		wantRemaining int
		want          time.Duration // since the epoch; 0: never by time alone
	}{
		{"all remain", func() {}, 3, 0},
		{"the oldest permit goes first", func() { s.TryAcquire(); mock.Add(time.Second); s.TryAcquire() }, 1, 2 * time.Second},
		{"overfull: two must go", func() { s.Charge(window, 2) }, 0, 3 * time.Second},
		{"the server leaves less", func() { mock.Add(2 * time.Second); s.Observe(window, 2, 5*time.Second) }, 1, 8 * time.Second},
	} {
		c.do()
		var want time.Time
		if c.want > 0 {
			want = epoch.Add(c.want)
		}
		if got := s.Stats().Windows[0]; got.Remaining != c.wantRemaining || !got.NextFree.Equal(want) {
			t.Errorf("%s: %d remain, more at %v, want %d and %v", c.name, got.Remaining, got.NextFree, c.wantRemaining, want)
		}
	}
}

// A permit that is held frees nothing until it is given back.
func TestNextFreeFromRelease(t *testing.T) {
	mock := clock.NewMock()
	s := start(t, scheduler.MustParseLimits("1/2s from release"), scheduler.WithClock(mock))
	held, _ := s.TryAcquire()
	if got := s.Stats().Windows[0].NextFree; !got.IsZero() {
		t.Errorf("more at %v while the permit is held", got)
	}
	mock.Add(time.Second)
	held.Release()
	if got, want := s.Stats().Windows[0].NextFree, mock.Now().Add(2*time.Second); !got.Equal(want) {
		t.Errorf("more at %v, want %v", got, want)
	}
}

// Even spacing keeps the next permit away, and a reset brings all of them at once. Of a unit it is its costs
// that count.
func TestNextFreeOfOtherWindows(t *testing.T) {
	mock := clock.NewMock()
	mock.Set(time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC))
	const tokens scheduler.Unit = "tokens"
	s := start(t, scheduler.MustParseLimits("60/min evenly 5/h from reset 10 tokens/s"), scheduler.WithClock(mock))
	if _, ok := s.TryAcquireN(1, tokens.Of(3)); !ok {
		t.Fatal("no permit")
	}
	for i, want := range []struct {
		remaining int
		next      time.Time
	}{
		{0, mock.Now().Add(time.Second)},
		{4, time.Date(2026, 1, 2, 16, 0, 0, 0, time.UTC)},
		{7, mock.Now().Add(time.Second)},
	} {
		if got := s.Stats().Windows[i]; got.Remaining != want.remaining || !got.NextFree.Equal(want.next) {
			t.Errorf("%v: %d remain, more at %v, want %d and %v", got.Window, got.Remaining, got.NextFree, want.remaining, want.next)
		}
	}
}
