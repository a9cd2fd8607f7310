// Package admit takes a permit for a request that a server has received, or says why there is none. The HTTP
// and gRPC adapters share it.
package admit

import (
	"context"
	"errors"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Source is what permits are taken from. A *scheduler.Scheduler and a *scheduler.Handle are sources.
type Source interface {
	AcquireN(ctx context.Context, weight int, costs ...ticket.Cost) (ticket.Ticket, error)
	AcquireNow(weight int, costs ...ticket.Cost) (ticket.Ticket, error)
}

// Reason groups refusals by what a server should answer.
type Reason uint8

const (
	// ReasonGone: the client has gone, or its time is over. No answer is needed.
	ReasonGone Reason = iota
	// ReasonBusy: no permit is free now. A later request can get one.
	ReasonBusy
	// ReasonTooLarge: the request needs more than a limit can ever hold.
	ReasonTooLarge
	// ReasonUnavailable: the line is full, or the scheduler is paused or closed. It is not the fault of
	// this client.
	ReasonUnavailable
	// ReasonInvalid: the server asks for something invalid, such as a weight of 0.
	ReasonInvalid
)

// Refusal says why a request gets no permit.
type Refusal struct {
	Reason Reason
	Wait   time.Duration // until it is worth asking again; 0 if no time can be given
	Limit  string        // the limit that binds, such as "3/2s"; "" if none does
	Err    error         // of package scheduler
}

// Take takes a permit, and waits for it up to maxWait if that is more than 0. The refusal is nil if it has
// got one.
func Take(ctx context.Context, s Source, weight int, maxWait time.Duration, costs ...ticket.Cost) (t ticket.Ticket, no *Refusal) {
	if err := Missing(s); err != nil {
		return t, &Refusal{Reason: ReasonInvalid, Err: err}
	}
	if maxWait > 0 || ctx.Err() != nil {
		t, err := acquireWithin(ctx, s, weight, maxWait, costs)
		if err == nil {
			return t, nil
		}
		if no = refusal(ctx, err); !no.stale() {
			return t, no
		}
	}
	t, err := s.AcquireNow(weight, costs...)
	if err == nil {
		return t, nil
	}
	return t, refusal(ctx, err)
}

// Missing returns an error if the source is a nil pointer, as when a map of schedulers lacks the key. Otherwise
// the request would pass for one that needs no permit.
func Missing(s Source) error {
	missing := false
	switch s := s.(type) {
	case *scheduler.Scheduler:
		missing = s == nil
	case *scheduler.Handle:
		missing = s == nil
	}
	if !missing {
		return nil
	}
	return &scheduler.InvalidError{What: "the scheduler of a request", Want: "a scheduler, or a nil Source for none"}
}

func acquireWithin(ctx context.Context, s Source, weight int, d time.Duration, costs []ticket.Cost) (ticket.Ticket, error) {
	if d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	return s.AcquireN(ctx, weight, costs...)
}

// stale reports whether the reason no longer holds: a permit may be free by now.
func (no *Refusal) stale() bool {
	if e, ok := no.Err.(*scheduler.NoPermitError); ok {
		return e.Wait == 0
	}
	return no.Reason == ReasonBusy && errors.Is(no.Err, context.DeadlineExceeded) // maxWait is over
}

// refusal explains an error of AcquireN; ctx is that of the request, without maxWait.
func refusal(ctx context.Context, err error) *Refusal {
	no := &Refusal{Reason: ReasonGone, Err: err}
	if ctx.Err() != nil {
		return no
	}
	no.explain(err)
	if no.Limit == pauseLimit {
		no.Reason, no.Limit = ReasonUnavailable, ""
	}
	if no.Wait == scheduler.Forever {
		no.Wait = 0
	}
	return no
}

// explain fills in what the first error of a known type says. A server under attack refuses a lot, so it does
// not use errors.As, which allocates for each type that it looks for.
func (no *Refusal) explain(err error) {
	for e := err; e != nil; e = errors.Unwrap(e) {
		switch e := e.(type) {
		case *scheduler.DeadlineError:
			// The deadline is the server's, so to the client this is a permit that is not free now.
			no.Err = &scheduler.NoPermitError{Wait: e.Wait, Limit: e.Limit}
			no.Reason, no.Wait, no.Limit = ReasonBusy, e.Wait, e.Limit
			return
		case *scheduler.NoPermitError:
			no.Err = e
			no.Reason, no.Wait, no.Limit = ReasonBusy, e.Wait, e.Limit
			return
		case *scheduler.QueueFullError:
			no.Reason, no.Wait = ReasonUnavailable, e.Wait
			return
		case *scheduler.TooLargeError:
			no.Reason, no.Limit = ReasonTooLarge, e.Limit
			return
		case *scheduler.InvalidError:
			no.Reason = ReasonInvalid
			return
		}
	}
	no.Reason = ReasonUnavailable
	if errors.Is(err, context.DeadlineExceeded) {
		no.Reason = ReasonBusy
	}
}

// pauseLimit is the Limit of a refusal that is due to a pause.
const pauseLimit = "pause"
