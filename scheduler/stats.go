package scheduler

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Stats is a consistent view of a scheduler, taken between two operations. It marshals to JSON and back. In
// JSON a zero time is left out, and a window is a text:
//
//	{"waiting":1, "flows":1, "in_use":2, "granted":7, "paused":false,
//	 "next_wake":"2026-01-02T15:04:05Z", "windows":[{"window":"3/2s", "used":3, "remaining":0}],
//	 "totals":{"enqueued":8, "released":5, …}}
type Stats struct {
	Waiting  int           `json:"waiting"`            // tickets in line
	Flows    int           `json:"flows"`              // flows with a ticket in line; see Scheduler.Flow
	InUse    int           `json:"in_use"`             // permits granted and not yet given back
	Granted  uint64        `json:"granted"`            // tickets granted so far, less those undone because their caller had gone
	Paused   bool          `json:"paused"`             // a pause stops all grants
	Resumes  time.Time     `json:"resumes,omitzero"`   // when the pause ends by itself; zero if it does not
	NextWake time.Time     `json:"next_wake,omitzero"` // when the owner will next act by itself; zero if no ticket waits, or a permit must first be released
	Windows  []WindowStats `json:"windows"`            // in the order of Limits.Windows
	Quota    QuotaStats    `json:"quota,omitzero"`     // of a shared quota; see WithQuota
	Totals   Totals        `json:"totals"`             // what became of all tickets so far
}

// WindowStats says how full a window is. In JSON it is an object:
//
//	{"window":"3/2s", "used":1, "remaining":2, "next_free":"2026-01-02T15:04:05Z"}
type WindowStats struct {
	Window
	Used      int // permits, or what the window counts, that count now
	Remaining int // what this window allows to be granted now, 0 or more; 0 while it spaces grants

	// NextFree is the instant at which Remaining next grows if nothing is granted or released until then. It is
	// zero if all permits remain, or if a permit must be released first.
	NextFree time.Time
}

// String says how full the window is, such as "3/2s: 1 used, 2 remaining".
func (w WindowStats) String() string {
	return fmt.Sprintf("%v: "+usage, w.Window, w.Used, w.Remaining)
}

const usage = "%d used, %d remaining"

// WindowStats needs the four methods that follow, because those of the embedded Window would leave out Used and
// Remaining.

// windowStats is a WindowStats in JSON.
type windowStats struct {
	Window    Window    `json:"window"`
	Used      int       `json:"used"`
	Remaining int       `json:"remaining"`
	NextFree  time.Time `json:"next_free,omitzero"`
}

// MarshalJSON returns an object with the members window, used, remaining and, unless it is zero,
// next_free.
func (w WindowStats) MarshalJSON() ([]byte, error) {
	return json.Marshal(w.named())
}

// UnmarshalJSON reads what [WindowStats.MarshalJSON] writes.
func (w *WindowStats) UnmarshalJSON(data []byte) error {
	named := w.named()
	if err := json.Unmarshal(data, &named); err != nil {
		return err
	}
	*w = WindowStats{named.Window, named.Used, named.Remaining, named.NextFree}
	return nil
}

func (w WindowStats) named() windowStats {
	return windowStats{w.Window, w.Used, w.Remaining, w.NextFree}
}

// MarshalText returns [WindowStats.String], which leaves out NextFree. It returns an [*InvalidError] if the
// window is invalid. Loggers such as [log/slog.TextHandler] use it.
func (w WindowStats) MarshalText() ([]byte, error) {
	if _, err := w.Window.MarshalText(); err != nil {
		return nil, err
	}
	return []byte(w.String()), nil
}

// UnmarshalText reads what [WindowStats.MarshalText] writes.
func (w *WindowStats) UnmarshalText(text []byte) error {
	window, rest, _ := strings.Cut(string(text), ": ")
	var read WindowStats
	if err := read.Window.UnmarshalText([]byte(window)); err != nil {
		return err
	}
	if _, err := fmt.Sscanf(rest, usage, &read.Used, &read.Remaining); err != nil {
		return fmt.Errorf("scheduler: expected the use of a window, such as \"3/2s: 1 used, 2 remaining\", got %q", text)
	}
	*w = read
	return nil
}
