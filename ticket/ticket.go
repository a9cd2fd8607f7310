// Package ticket has the type [Ticket], which a caller gets from a scheduler. A ticket is a place in line and,
// once granted, the permits that came with it.
//
// Acquire, TryAcquire and Enqueue of package scheduler return tickets. A program imports this package
// only to write the types' names.
package ticket

import (
	"context"
	"fmt"

	"github.com/flowguard-go/flowguard/internal/line"
)

// Number is the place of a ticket in the order of grants. A scheduler numbers the tickets it accepts 1, 2, 3, …
// in the order in which it receives them. The number 0 means no ticket.
type Number uint64

// Ticket is a place in line and, once granted, the permits that came with it.
//
// A ticket that Acquire or TryAcquire returned is granted already: do the work, then call
// [Ticket.Release]. A ticket that Enqueue returned waits: receive from [Ticket.Ready] first, or call
// [Ticket.Cancel].
//
// Every ticket must end in a Release or a Cancel. Otherwise its permits stay in use for as long as the
// scheduler lives. Both methods may be called in any order and any number of times.
//
// A Ticket is a small value. It may be copied, and all copies are the same ticket. Its methods may be
// called from any goroutine. The zero Ticket is what failed calls return: it holds nothing, and to
// release or cancel it does nothing.
type Ticket line.Handle

// Cost is how much of a unit a ticket asks for, such as 900 tokens. Unit.Of of package scheduler makes one.
type Cost struct {
	Unit   string
	Amount int // 0 or more
}

// String returns the amount and the unit, such as "900 tokens".
func (c Cost) String() string { return fmt.Sprintf("%d %s", c.Amount, c.Unit) }

// Number returns the ticket's number, 0 for the zero Ticket. Within a flow, grants follow these numbers.
func (t Ticket) Number() Number { return Number((*line.Handle)(&t).Number()) }

// Weight returns how many permits the ticket asks for or holds.
func (t Ticket) Weight() int { return (*line.Handle)(&t).Weight() }

// Ready returns a channel that delivers exactly one value: nil when the ticket is granted, or the
// reason why it never will be. It is made for select:
//
//	select {
//	case err := <-t.Ready():
//		// granted if err is nil
//	case <-timeout:
//		t.Cancel()
//	}
//
// For a ticket from Enqueue every call returns the same channel, which the first one makes. A ticket that
// Acquire or TryAcquire returned has been granted already: each call makes a channel that holds a nil. For the
// zero Ticket each call makes a channel that holds an error.
func (t Ticket) Ready() <-chan error { return (*line.Handle)(&t).Ready() }

// Release gives the permits of a granted ticket back, so that they no longer count as in use. It
// gives no window budget back, because the work has been done. Release does nothing if the ticket was
// released before, if it still waits, or if the scheduler is closed. After Acquire and TryAcquire
//
//	defer t.Release()
//
// is right. After Enqueue use Cancel, which also gives up a ticket that still waits. Release may wait
// for the scheduler to take the message, but never for a permit.
func (t Ticket) Release() { (*line.Handle)(&t).Release() }

// Settle says what the ticket's work really cost, in one or several units that the ticket named when it
// was taken. Call it once the cost is known, and before Release:
//
//	t, err := s.AcquireN(ctx, 1, tokens.Of(estimate))
//	…
//	defer t.Release()
//	used, err := call(ctx)
//	…
//	return t.Settle(tokens.Of(used))
//
// The amounts replace the estimates, or what an earlier Settle said. Units that are not named keep theirs, and
// an amount named twice is summed. The limits then count as if the ticket had been granted with these amounts.
// If the estimate was too high, the difference is free at once, and tickets that wait for it are granted before
// Settle returns. If it was too low, the difference is charged, even if a limit is then exceeded, and tickets
// behind wait for longer. Charges that no longer count, because their window has passed, stay as they are.
//
// It returns an error, and changes nothing, if the ticket still waits, has ended or is the zero Ticket, if an
// amount is below 0, or if the ticket did not name the unit. It does not drop a cost silently, because later
// tickets could then exceed a limit. If you know nothing beforehand, name the unit with an amount of 0. After
// Close, Settle does nothing and returns nil.
func (t Ticket) Settle(costs ...Cost) error {
	list := line.NewCostList()
	defer list.Recycle()
	for _, c := range costs {
		list.Add(line.Cost(c))
	}
	return (*line.Handle)(&t).Settle(list)
}

// Cancel gives the ticket up, whatever its state:
//
//   - A ticket that waits leaves the line, and the tickets behind it move up at once. Ready delivers an
//     error that wraps [context.Canceled].
//   - A granted ticket whose grant has not been received from [Ticket.Ready] is undone as if it had
//     never been granted: its permits and its window budget are free again. Ready delivers the same
//     error.
//   - A granted ticket whose grant was received is released, as by [Ticket.Release]. So
//     defer t.Cancel() is right after Enqueue.
//   - A ticket that has ended stays as it is.
//
// When Cancel returns, all this has happened.
func (t Ticket) Cancel() { (*line.Handle)(&t).Cancel() }

type contextKey struct{}

// NewContext returns a context that carries the ticket, so that work can find it with [FromContext].
func NewContext(ctx context.Context, t Ticket) context.Context {
	return context.WithValue(ctx, contextKey{}, t)
}

// FromContext returns the ticket that ctx carries, and whether it carries one. The stages of package pipeline
// give their work such a context if they have a cost. The work can then call [Ticket.Settle].
func FromContext(ctx context.Context) (t Ticket, ok bool) {
	t, ok = ctx.Value(contextKey{}).(Ticket)
	return t, ok
}
