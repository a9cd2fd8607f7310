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
			`"windows":[{"window":"3/2s","used":0,"remaining":3},{"window":"9/day from release","used":0,"remaining":9}]}`},
		{"one waits", func() { s.TryAcquireN(2); s.Flow("a", 1).Enqueue(2) }, `{"waiting":1,"flows":1,"in_use":2,"granted":1,"paused":false,"next_wake":"1970-01-01T00:00:02Z",` +
			`"windows":[{"window":"3/2s","used":2,"remaining":1},{"window":"9/day from release","used":2,"remaining":7}]}`},
		{"paused", func() { s.PauseFor(time.Hour) }, `{"waiting":1,"flows":1,"in_use":2,"granted":1,"paused":true,"resumes":"1970-01-01T01:00:00Z","next_wake":"1970-01-01T01:00:00Z",` +
			`"windows":[{"window":"3/2s","used":2,"remaining":1},{"window":"9/day from release","used":2,"remaining":7}]}`},
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

func ExampleWindowStats_MarshalJSON() {
	limits := scheduler.MustParseLimits("3/2s 100/day burst 2")
	s, err := scheduler.New(limits)
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
	//   "remaining": 2
	//  },
	//  {
	//   "window": "100/day",
	//   "used": 1,
	//   "remaining": 99
	//  }
	// ] <nil>
}
