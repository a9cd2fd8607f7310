package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The reasons for which a ticket is not granted that a caller may want to tell apart with
// [errors.Is]. A context's end is told by [context.Canceled] and [context.DeadlineExceeded].
var (
	// ErrClosed: the scheduler is closed, or draining and takes no newcomers.
	ErrClosed = errors.New("scheduler: closed")

	// ErrNoPermit: no permit was free at once and the scheduler is [NonBlocking]. The error that
	// wraps it is a [*NoPermitError], which says when to come back.
	ErrNoPermit = errors.New("scheduler: no permit free now")

	// ErrQueueFull: the ticket would have to wait and the line is as long as [WithMaxQueue]
	// allows. The error that wraps it is a [*QueueFullError].
	ErrQueueFull = errors.New("scheduler: the line is full")

	// ErrTooLarge: the weight is above what a limit can ever hold, so waiting would not help. The
	// error that wraps it is a [*TooLargeError].
	ErrTooLarge = errors.New("scheduler: weight too large")
)

// InvalidError says which value cannot work and what was expected.
type InvalidError struct {
	What string // the value's name, such as "Limits.MaxBurst" or "weight"
	Got  any
	Want string
}

// Error names the value, what it must be and what it was.
func (e *InvalidError) Error() string {
	return fmt.Sprintf("scheduler: %s must be %s, got %v", e.What, e.Want, e.Got)
}

// ParseError says where a text does not read as limits.
type ParseError struct {
	Text   string
	Offset int // in bytes, where the trouble begins
	Reason string
	Err    error // an *InvalidError if the text reads well but the value cannot work
}

// Error quotes the text from where it stops making sense.
func (e *ParseError) Error() string {
	near := e.Text[e.Offset:]
	if near == "" {
		return fmt.Sprintf("scheduler: limits %q end too early: %s", e.Text, e.Reason)
	}
	return fmt.Sprintf("scheduler: limits %q, at byte %d (%q): %s", e.Text, e.Offset, near, e.Reason)
}

// Unwrap returns Err.
func (e *ParseError) Unwrap() error { return e.Err }

// DeadlineError refuses a ticket at once because its context's deadline comes before the earliest
// instant at which it could be granted. It unwraps to [context.DeadlineExceeded].
type DeadlineError struct {
	Wait  time.Duration // from now to the earliest possible grant
	Left  time.Duration // from now to the deadline, negative if it is past
	Limit string        // the limit that binds, such as "3/2s"
}

// Error says how long the wait would have been and which limit binds.
func (e *DeadlineError) Error() string {
	if e.Left < 0 {
		return fmt.Sprintf("scheduler: the deadline passed %v ago: %v", -e.Left, context.DeadlineExceeded)
	}
	return fmt.Sprintf("scheduler: the earliest grant is in %v (limit %s) but the deadline is in %v: %v; allow more time",
		e.Wait, e.Limit, e.Left, context.DeadlineExceeded)
}

// Unwrap returns [context.DeadlineExceeded].
func (e *DeadlineError) Unwrap() error { return context.DeadlineExceeded }

// NoPermitError is what a [NonBlocking] scheduler returns instead of waiting. It unwraps to
// [ErrNoPermit].
type NoPermitError struct {
	Wait  time.Duration // until a ticket taken now could be granted, as [Scheduler.WaitTime] counts
	Limit string        // the limit that binds, such as "3/2s" or "burst 2"
}

// Error says which limit binds and when to come back.
func (e *NoPermitError) Error() string {
	if e.Wait == 0 {
		return fmt.Sprintf("%v (limit %s); come back when a permit has been released", ErrNoPermit, e.Limit)
	}
	return fmt.Sprintf("%v (limit %s); come back in %v", ErrNoPermit, e.Limit, e.Wait)
}

// Unwrap returns [ErrNoPermit].
func (e *NoPermitError) Unwrap() error { return ErrNoPermit }

// TooLargeError refuses a weight that no waiting would make fit. It unwraps to [ErrTooLarge].
type TooLargeError struct {
	Weight int
	Most   int    // the largest weight that can be granted
	Limit  string // the limit that says so
}

// Error says what the most is and which limit says so.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%v: %d permits asked for, limit %s allows at most %d; ask for less or split the work",
		ErrTooLarge, e.Weight, e.Limit, e.Most)
}

// Unwrap returns [ErrTooLarge].
func (e *TooLargeError) Unwrap() error { return ErrTooLarge }

// QueueFullError refuses a ticket that would have to wait in a full line. It unwraps to
// [ErrQueueFull].
type QueueFullError struct {
	Max int // what WithMaxQueue was given
}

// Error says how long the line may be.
func (e *QueueFullError) Error() string {
	return fmt.Sprintf("%v: %d may wait; come back later or allow more with WithMaxQueue", ErrQueueFull, e.Max)
}

// Unwrap returns [ErrQueueFull].
func (e *QueueFullError) Unwrap() error { return ErrQueueFull }

// errGivenUp is what a ticket is told that its caller gave up.
var errGivenUp = fmt.Errorf("scheduler: the ticket was given up: %w", context.Canceled)

// gaveUp returns the error for a caller whose context ended before a grant.
func gaveUp(ctx context.Context) error { return ended(ctx, "gave up before a permit was granted") }

// drainCut returns the error for a Drain whose context ended before the drain did.
func drainCut(ctx context.Context) error {
	return ended(ctx, "stopped waiting for the drain, which goes on")
}

func ended(ctx context.Context, what string) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause != err {
		return fmt.Errorf("scheduler: %s: %w: %w", what, err, cause)
	}
	return fmt.Errorf("scheduler: %s: %w", what, err)
}
