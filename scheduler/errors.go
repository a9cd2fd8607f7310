package scheduler

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Forever is the longest wait. In an error it means that the wait depends on a release or on
// [Scheduler.Resume], so that no time can be given. [Scheduler.WaitTime] returns it for a ticket that would
// never be granted.
const Forever time.Duration = math.MaxInt64

// These are reasons why a ticket is not granted. Use [errors.Is] to tell them apart. If a context ended, the
// error wraps [context.Canceled] or [context.DeadlineExceeded].
var (
	// ErrClosed: the scheduler is closed, or is draining and accepts no new tickets.
	ErrClosed = errors.New("scheduler: closed")

	// ErrNoPermit: no permit was free at once and the scheduler is [NonBlocking]. The error that
	// wraps it is a [*NoPermitError], which says when to come back.
	ErrNoPermit = errors.New("scheduler: no permit is free now")

	// ErrQueueFull: the ticket would have to wait, and the line is as long as [WithMaxQueue] allows. The error
	// that wraps it is a [*QueueFullError].
	ErrQueueFull = errors.New("scheduler: the line is full")

	// ErrTooLarge: the weight, or a cost, is above what a limit can ever hold, so waiting would not
	// help. The error that wraps it is a [*TooLargeError].
	ErrTooLarge = errors.New("scheduler: the weight is too large")
)

// InvalidError says which value is invalid and what was expected.
type InvalidError struct {
	What string // the value's name, such as "Limits.MaxBurst" or "weight"
	Got  any
	Want string // what is expected of it, such as "1 or more" or "have a window"
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

// ParseError says where a text is not valid as limits, and what was expected there.
type ParseError struct {
	Text   string
	Offset int    // in bytes, where the fault begins
	Reason string // what was expected at Offset, what is there, and how to write it
	Err    error  // an *InvalidError if the text is well formed but a value is invalid
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

// NoPermitError is the error of a [NonBlocking] scheduler that would have to wait, and of
// [Scheduler.AcquireNow]. It unwraps to [ErrNoPermit].
type NoPermitError struct {
	// Wait is the least time until a ticket can be granted, as [Scheduler.WaitTimeN] computes it. It is never 0.
	// It is [Forever] if only a release or [Scheduler.Resume] can help, because then no time can be given.
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

// TooLargeError refuses a weight, or a cost in a unit, that a limit can never hold. It unwraps to
// [ErrTooLarge].
type TooLargeError struct {
	Weight int    // what was asked for: the weight, or the cost in Unit
	Unit   Unit   // "": the weight
	Most   int    // the most that can be granted
	Limit  string // the limit that says so
}

// Error says how much can be granted at most, and which limit sets that.
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

	// Wait is the time until the head of the line can be granted, which shortens the line. If Max is 0, no line
	// forms, and Wait is the time until the ticket itself could be granted. It is more than 0. It is [Forever] if
	// a permit must first be released, or [Scheduler.Resume] called.
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
// It returns the Wait of a [*NoPermitError], a [*QueueFullError] or a [*DeadlineError]. After a DeadlineError
// the caller needs a new context too. If ok is true, d is more than 0, so a loop that sleeps for d does not
// spin. There is no point in asking earlier. Asking after d may fail too, because other callers ask as well.
//
// It returns false if waiting does not help. That is so if the weight is too large, a value is invalid, the
// scheduler is closed, a context has ended, or err is nil or of another kind. It also returns false if no time
// can be given, because a permit must first be released, or [Scheduler.Resume] called. A scheduler that is not
// [NonBlocking] waits for that too.
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

// errGivenUp is what a ticket is told if its caller gave it up.
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

// endedError says that a context has ended. Its cause may be a refusal with a Wait, but waiting does not help
// once a context has ended. So RetryAfter must find this error first.
type endedError struct {
	error
	timeout bool
}

func (e *endedError) Unwrap() error             { return e.error }
func (e *endedError) retryAfter() time.Duration { return Forever }

// Timeout reports whether the deadline of the context passed, as the context's own error would.
func (e *endedError) Timeout() bool { return e.timeout }
