package scheduler

import (
	"context"

	"github.com/flowguard-go/flowguard/ticket"
)

// Do waits for a permit as [Scheduler.Acquire] does, calls f with ctx, and releases the permit when f returns
// or panics. A panic is not recovered. If Acquire fails, Do returns its error and does not call f. Otherwise it
// returns f's error.
func (s *Scheduler) Do(ctx context.Context, f func(context.Context) error) error {
	return s.handle.Do(ctx, f)
}

// Do is [Scheduler.Do].
func (h *Handle) Do(ctx context.Context, f func(context.Context) error) error {
	if f == nil {
		return errNilFunc("Do")
	}
	t, err := h.acquire(ctx, 1, nil)
	if err != nil {
		return err
	}
	defer t.Release()
	return f(ctx)
}

// DoN is [Scheduler.Do] with a weight and costs, as [Scheduler.AcquireN] takes them. It passes the ticket to f,
// so that f can settle it. f need not release it.
func (s *Scheduler) DoN(ctx context.Context, weight int, f func(context.Context, ticket.Ticket) error, costs ...ticket.Cost) error {
	return s.handle.DoN(ctx, weight, f, costs...)
}

// DoN is [Scheduler.DoN].
func (h *Handle) DoN(ctx context.Context, weight int, f func(context.Context, ticket.Ticket) error, costs ...ticket.Cost) error {
	if f == nil {
		return errNilFunc("DoN")
	}
	t, err := h.AcquireN(ctx, weight, costs...)
	if err != nil {
		return err
	}
	defer t.Release()
	return f(ctx, t)
}

// Wrap returns a function that calls f with a permit. Each call waits for one as [Scheduler.Acquire] does,
// calls f, and releases the permit when f returns or panics. If Acquire fails, the call returns its error and
// the zero R, and f is not called. If f takes several arguments, or none, make A a struct.
func Wrap[A, R any](s Source, f func(context.Context, A) (R, error)) func(context.Context, A) (R, error) {
	h := s.Handle()
	return func(ctx context.Context, a A) (r R, err error) {
		if f == nil {
			return r, errNilFunc("Wrap")
		}
		err = h.Do(ctx, func(ctx context.Context) error {
			r, err = f(ctx, a)
			return err
		})
		return r, err
	}
}

func errNilFunc(of string) error {
	return &InvalidError{"the function of " + of, nil, "a function to call"}
}
