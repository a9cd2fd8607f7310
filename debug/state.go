package debug

import (
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// Report is what state.json answers with: the schedulers, by name.
type Report struct {
	Schedulers []State `json:"schedulers"`
}

// State is the present state of one scheduler. In JSON:
//
//	{"name":"github", "at":"2026-01-02T15:04:05Z", "open":true, "limits":"3/2s burst 2",
//	 "max_burst":2, "stats":{…}, "wait_seconds":0.5}
type State struct {
	Name     string          `json:"name"`
	At       time.Time       `json:"at"`        // by the scheduler's clock
	Open     bool            `json:"open"`      // false: closed or draining
	Limits   string          `json:"limits"`    // as scheduler.ParseLimits reads them
	MaxBurst int             `json:"max_burst"` // 0: no cap
	Stats    scheduler.Stats `json:"stats"`

	// The least time that a ticket of weight 1 taken now would wait; see [scheduler.Scheduler.WaitTimeN]. It is
	// left out if the ticket would never be granted.
	Wait *float64 `json:"wait_seconds,omitempty"`
}

func stateOf(n named) State {
	limits := n.s.Limits()
	state := State{Name: n.name, Limits: limits.String(), MaxBurst: limits.MaxBurst, Stats: n.s.Stats()}
	if wait := n.s.WaitTime(); wait != scheduler.Forever {
		seconds := wait.Seconds()
		state.Open, state.Wait = true, &seconds
	}
	state.At = n.s.Clock().Now()
	return state
}
