package engine

import (
	"errors"
	"time"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/quota"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/screen"
	"github.com/flowguard-go/flowguard/scheduler"
)

// Quota says what a run shares with others through a server.
type Quota struct {
	Name   string // such as "quota github-api"
	Server string // its address
}

// server is what a run knows of the server of its quota.
type server struct {
	granted bool      // it has leased something to this run
	failing time.Time // when it was first seen not to answer, while a job waited; zero: it answers
	lost    bool      // and the user has been told
}

// lookEvery is how often a run looks whether the server answers. One that has not answered twice in a row is
// lost. A single exchange may fail, and what is leased bridges that.
const lookEvery = time.Second

// patience is how long a run waits for a server that has never answered.
const patience = 5 * time.Second

// looks returns a channel that says when to look at the server. Without a server it never does.
func (q *Quota) looks() (look <-chan time.Time, stop func()) {
	if q == nil {
		return nil, func() {}
	}
	t := time.NewTicker(lookEvery)
	return t.C, t.Stop
}

// lookAtServer tells the user when a job waits for a server that does not answer, and when it answers
// again. If it has never answered, its address or its rights are probably wrong, and the run ends.
func (r *run) lookAtServer() {
	s := &r.server
	err := r.Turns.Stats().Quota.Err
	switch {
	case err == nil && s.lost:
		r.Screen.Say("%s: %s answers again after %s", r.Quota.Name, r.Quota.Server, screen.Short(time.Since(s.failing)))
		*s = server{granted: s.granted}
	case err == nil:
		s.failing = time.Time{}
	case r.head == nil || s.lost: // nothing waits for it, or the user knows
	case s.failing.IsZero():
		s.failing = time.Now()
	case !s.granted && time.Since(s.failing) < patience:
	case !s.granted:
		r.Screen.Say("%v; %s leases nothing", quota.Explain(err), r.Quota.Server)
		r.stop(StatusError)
	default:
		s.lost = true
		r.Screen.Say("%v; waiting for %s, Ctrl-C ends the run", quota.Explain(err), r.Quota.Server)
	}
}

// quotaIn says when the job that waits may get its permit.
func (r *run) quotaIn(stats scheduler.Stats, now time.Time) string {
	if r.server.lost {
		return "waiting for " + r.Quota.Server + " for " + screen.Short(now.Sub(r.server.failing))
	}
	var own time.Time // when the windows would have room if this run were alone
	for _, w := range stats.Windows {
		if w.Remaining == 0 && w.NextFree.After(own) {
			own = w.NextFree
		}
	}
	if d := own.Sub(now); !own.IsZero() && d > 0 {
		return "next in at least " + screen.Short(d)
	}
	return "waiting for " + r.Quota.Name
}

// refusal returns why a ticket was refused, in words for people.
func refusal(err error) error {
	var q *scheduler.QuotaError
	if errors.As(err, &q) {
		return quota.Explain(q.Err)
	}
	return err
}
