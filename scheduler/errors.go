package scheduler

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Forever is the longest wait. As the Wait of a refusal it means that no time can be given, because a
// permit must first be released, or [Scheduler.Resume] called. [Scheduler.WaitTime] returns it
// for a ticket that would never be granted.
const Forever time.Duration = math.MaxInt64

// The reasons for which a ticket is not granted that a caller may want to tell apart with
// [errors.Is]. A context's end is told by [context.Canceled] and [context.DeadlineExceeded].
var (
	// ErrClosed: the scheduler is closed, or draining and takes no newcomers.
	ErrClosed = errors.New("scheduler: closed")

	// ErrNoPermit: no permit was free at once and the scheduler is [NonBlocking]. The error that
	// wraps it is a [*NoPermitError], which says when to come back.
	ErrNoPermit = errors.New("scheduler: no permit is free now")

	// ErrQueueFull: the ticket would have to wait and the line is as long as [WithMaxQueue]
	// allows. The error that wraps it is a [*QueueFullError].
	ErrQueueFull = errors.New("scheduler: the line is full")

	// ErrTooLarge: the weight, or a cost, is above what a limit can ever hold, so waiting would not
	// help. The error that wraps it is a [*TooLargeError].
	ErrTooLarge = errors.New("scheduler: the weight is too large")
)

// InvalidError says which value cannot work and what was expected.
type InvalidError struct {
	What string // the value's name, such as "Limits.MaxBurst" or "weight"
	Got  any
	Want string // what it must be, such as "1 or more", or must have, such as "have a window"
}

// Error names the value, what it must be and what it was.
func (e *InvalidError) Error() string { return "scheduler: " + e.sentence() }

// sentence is Error without the package's name.
func (e *InvalidError) sentence() string {
	must, got := "must be", e.Got
	if strings.HasPrefix(e.Want, "have ") {
		must = "must"
	}
	if got == nil {
		got = "nil"
	}
	return fmt.Sprintf("%s %s %s, got %v", e.What, must, e.Want, got)
}

// ParseError says where a text does not read as limits, and what was expected there.
type ParseError struct {
	Text   string
	Offset int    // in bytes, where the trouble begins
	Reason string // what was expected at Offset, what is there, and how to write it
	Err    error  // an *InvalidError if the text reads well but the value cannot work
}

// Error quotes what comes before Offset, or the end of it if it is long, and gives the reason.
func (e *ParseError) Error() string {
	before := strings.TrimSpace(e.Text[:e.Offset])
	if before == "" {
		return "scheduler: limits: " + e.Reason
	}
	return fmt.Sprintf("scheduler: limits: after %q: %s", lastOf(before), e.Reason)
}

// Unwrap returns Err.
func (e *ParseError) Unwrap() error { return e.Err }

// DeadlineError refuses a ticket at once because its context's deadline comes before the earliest
// instant at which it could be granted. It unwraps to [context.DeadlineExceeded].
type DeadlineError struct {
	Wait  time.Duration // until the earliest grant; Forever if that depends on a release or Resume alone
	Left  time.Duration // until the deadline; negative if it has passed
	Limit string        // the limit that binds, such as "3/2s", or "pause"
}

// Error compares the wait with the deadline and says which limit binds.
func (e *DeadlineError) Error() string {
	switch {
	case e.Left < 0:
		return fmt.Sprintf("scheduler: the deadline passed %v ago: %v", -e.Left, context.DeadlineExceeded)
	case e.Wait == Forever:
		return fmt.Sprintf("scheduler: no permit can be granted before the deadline in %v (%s): %v; %s",
			e.Left, because(e.Limit), context.DeadlineExceeded, comeBack(e.Wait, e.Limit))
	}
	return fmt.Sprintf("scheduler: the earliest grant is in %v (%s) but the deadline is in %v: %v; allow more time",
		e.Wait, because(e.Limit), e.Left, context.DeadlineExceeded)
}

// Unwrap returns [context.DeadlineExceeded].
func (e *DeadlineError) Unwrap() error { return context.DeadlineExceeded }

// Timeout returns true, as that of [context.DeadlineExceeded] does. It makes url.Error.Timeout and
// os.IsTimeout true for a request that was refused.
func (e *DeadlineError) Timeout() bool { return true }

// NoPermitError is what a [NonBlocking] scheduler returns instead of waiting. It unwraps to
// [ErrNoPermit].
type NoPermitError struct {
	// Wait is how long it takes at least until a ticket can be granted, as [Scheduler.WaitTimeN] counts,
	// but never 0: it is [Forever] if that depends on nothing but a release or [Scheduler.Resume],
	// because then no time can be given.
	Wait time.Duration

	// Limit is the limit that binds, such as "3/2s" or "burst 2". During a pause it is "pause",
	// unless a window needs longer than the pause lasts.
	Limit string
}

// Error says which limit binds and when to come back.
func (e *NoPermitError) Error() string {
	return fmt.Sprintf("%v (%s); %s", ErrNoPermit, because(e.Limit), comeBack(e.Wait, e.Limit))
}

// Unwrap returns [ErrNoPermit].
func (e *NoPermitError) Unwrap() error { return ErrNoPermit }

// TooLargeError refuses a weight, or a cost in a unit, that no waiting would make fit. It unwraps to
// [ErrTooLarge].
type TooLargeError struct {
	Weight int    // what was asked for: the weight, or the cost in Unit
	Unit   Unit   // "": the weight
	Most   int    // the most that can be granted
	Limit  string // the limit that says so
}

// Error says what the most is and which limit says so.
func (e *TooLargeError) Error() string {
	if e.Unit != "" {
		return fmt.Sprintf("scheduler: cost of %d %s exceeds limit %s; ask for at most %d", e.Weight, e.Unit, e.Limit, e.Most)
	}
	return fmt.Sprintf("scheduler: weight %d exceeds limit %s; ask for at most %d", e.Weight, e.Limit, e.Most)
}

// Unwrap returns [ErrTooLarge].
func (e *TooLargeError) Unwrap() error { return ErrTooLarge }

// QueueFullError refuses a ticket that would have to wait in a full line. It unwraps to
// [ErrQueueFull].
type QueueFullError struct {
	Max int // what WithMaxQueue was given

	// Wait is how long it takes until the head of the line can be granted, so that the line becomes
	// shorter. Where Max is 0, so that no line forms, it is how long until the ticket itself could be
	// granted. It is more than 0, and [Forever] if a permit must first be released, or
	// [Scheduler.Resume] called.
	Wait time.Duration
}

// Error says how long the line may be and when to come back.
func (e *QueueFullError) Error() string {
	room, wait := fmt.Sprintf("at most %d may wait", e.Max), e.Wait
	if e.Max == 0 {
		room = "no ticket may wait"
	}
	if wait == Forever {
		wait = 0 // not only a release helps: a ticket may give up its place
	}
	return fmt.Sprintf("%v: %s; %s, or allow more with WithMaxQueue", ErrQueueFull, room, comeBack(wait, ""))
}

// Unwrap returns [ErrQueueFull].
func (e *QueueFullError) Unwrap() error { return ErrQueueFull }

// because names the limit that binds.
func because(limit string) string {
	if limit == pauseLimit {
		return "paused"
	}
	return "limit " + limit
}

// comeBack says when to ask again.
func comeBack(wait time.Duration, limit string) string {
	switch {
	case wait <= 0:
		return "come back later"
	case wait < Forever:
		return fmt.Sprintf("come back in %v", wait)
	case limit == pauseLimit:
		return "come back when it is resumed"
	}
	return "come back when a permit has been released"
}

// pauseLimit is the Limit of a refusal that is due to a pause.
const pauseLimit = "pause"

// RetryAfter returns how long to wait before asking again for the permit that err refused. It looks
// through wrapped errors.
//
// A [*NoPermitError] and a [*QueueFullError] give their Wait, and so does a [*DeadlineError], after
// which a new context is needed. If ok is true, d is more than 0, so a loop that sleeps for d does not
// spin. Asking earlier is pointless. Asking then may fail again, because others ask too.
//
// It returns false if waiting does not help: the weight is too large or a value invalid, the scheduler
// is closed, a context has ended, or err is nil or of another kind. It also returns false if no time
// can be given, because a permit must first be released, or [Scheduler.Resume] called; a scheduler
// that is not [NonBlocking] waits for that too.
func RetryAfter(err error) (d time.Duration, ok bool) {
	var advice interface{ retryAfter() time.Duration }
	if !errors.As(err, &advice) {
		return 0, false
	}
	d = advice.retryAfter()
	if d <= 0 || d == Forever {
		return 0, false
	}
	return d, true
}

func (e *NoPermitError) retryAfter() time.Duration  { return e.Wait }
func (e *QueueFullError) retryAfter() time.Duration { return e.Wait }

func (e *DeadlineError) retryAfter() time.Duration {
	if e.Left < 0 {
		return Forever // the context has ended
	}
	return e.Wait
}

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
	timeout := errors.Is(err, context.DeadlineExceeded)
	if cause != err {
		return &endedError{fmt.Errorf("scheduler: %s: %w: %w", what, err, cause), timeout}
	}
	return &endedError{fmt.Errorf("scheduler: %s: %w", what, err), timeout}
}

// endedError says that a context has ended. Its cause may be a refusal with a Wait, but waiting does
// not help a context that has ended: RetryAfter must find this error first.
type endedError struct {
	error
	timeout bool
}

func (e *endedError) Unwrap() error             { return e.error }
func (e *endedError) retryAfter() time.Duration { return Forever }

// Timeout reports whether the deadline of the context passed, as the context's own error would.
func (e *endedError) Timeout() bool { return e.timeout }
