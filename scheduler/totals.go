package scheduler

import (
	"context"
	"errors"
	"iter"
	"math/bits"
	"sync/atomic"
	"time"
)

// Totals counts what became of all tickets since [New]. The owner counts, so nothing is lost. (A [Watcher] that
// does not keep up loses events.) A total never falls. A snapshot does not hold totals, so a restored scheduler
// begins with 0.
//
// At any time Enqueued is the sum of Stats.Granted, Undone, GivenUp and Stats.Waiting.
//
// In JSON it is an object with the names of the fields in lower case, such as
//
//	{"enqueued":9, "released":5, "given_up":1, "undone":0, "refused":{"no_permit":2}, "waited":1.5, "waits":[3,0,4]}
type Totals struct {
	Enqueued uint64 `json:"enqueued"` // tickets that were accepted, including those granted at once
	Released uint64 `json:"released"` // tickets whose permits were given back; after Close none is counted
	GivenUp  uint64 `json:"given_up"` // tickets that left the line without a grant: the context ended, Cancel, SetLimits, Close
	Undone   uint64 `json:"undone"`   // grants that were taken back because the caller had gone

	Refused Refusals `json:"refused"` // tickets that were not accepted

	// Waited is the sum of the times that granted tickets waited in line, in seconds. Tickets that still wait, and
	// those that gave up, are not in it.
	Waited float64 `json:"waited"`

	// Held is the sum of the times for which released tickets were held, in seconds. It is 0 without the option
	// [WithHeldTime].
	Held float64 `json:"held,omitzero"`

	// Waits is a histogram of how long granted tickets waited, including those that were undone later. Waits[0]
	// counts tickets that did not wait. Waits[i] counts those that waited at least 2^(i-1) nanoseconds and less
	// than 2^i. So Waits[30] is for waits from 0.54 to 1.07 seconds. The last entry is that of the longest wait so
	// far. Waits is empty before the first grant.
	Waits []uint64 `json:"waits,omitempty"`
}

// Refusals counts tickets that were not accepted, by the reason.
type Refusals struct {
	Canceled  uint64 `json:"canceled,omitzero"`          // the context had been canceled before the call
	Deadline  uint64 `json:"deadline_exceeded,omitzero"` // the context's deadline had passed, or came before the earliest possible grant
	Invalid   uint64 `json:"invalid,omitzero"`           // a weight, a cost or a share was invalid
	TooLarge  uint64 `json:"too_large,omitzero"`         // the weight or a cost was above what a limit can ever hold
	QueueFull uint64 `json:"queue_full,omitzero"`        // the line was full
	NoPermit  uint64 `json:"no_permit,omitzero"`         // a try, or a call of a NonBlocking scheduler, found no permit; tries count here unless the scheduler was closed
	Closed    uint64 `json:"closed,omitzero"`            // the scheduler was closed or draining
}

// All yields the name in JSON, such as "queue_full", and the count of each field, in their order. Counts of 0
// are included.
func (r Refusals) All() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for reason, n := range r.list() {
			if !yield(refusalNames[reason], n) {
				return
			}
		}
	}
}

// Sum returns the number of all refusals.
func (r Refusals) Sum() (n uint64) {
	for _, one := range r.list() {
		n += one
	}
	return n
}

func (r *Refusals) list() [reasons]uint64 {
	return [reasons]uint64{r.Canceled, r.Deadline, r.Invalid, r.TooLarge, r.QueueFull, r.NoPermit, r.Closed}
}

// reason says why a ticket was refused. The order is that of the fields of Refusals.
type reason uint8

const (
	reasonCanceled reason = iota
	reasonDeadline
	reasonInvalid
	reasonTooLarge
	reasonQueueFull
	reasonNoPermit
	reasonClosed
	reasons = iota
)

var refusalNames = [reasons]string{"canceled", "deadline_exceeded", "invalid", "too_large", "queue_full", "no_permit", "closed"}

// reasonOf returns the reason for which the error refuses a ticket.
func reasonOf(err error) reason {
	switch err {
	case ErrNoPermit:
		return reasonNoPermit
	case ErrClosed:
		return reasonClosed
	}
	switch err.(type) {
	case *NoPermitError, *QuotaError:
		return reasonNoPermit
	case *QueueFullError:
		return reasonQueueFull
	case *DeadlineError:
		return reasonDeadline
	case *TooLargeError:
		return reasonTooLarge
	case *InvalidError:
		return reasonInvalid
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return reasonDeadline
	}
	return reasonCanceled
}

// totals is the part of Totals that the core counts. It derives the rest from other state.
type totals struct {
	released, givenUp, undone uint64
	refused                   [reasons]uint64
	waited, held              duration
	waits                     *[durationBits + 1]uint64 // by the bits of the wait; nil: no ticket has waited
	holds                     bool                      // held is counted
}

// durationBits is how many bits a wait can have.
const durationBits = 63

// grant counts a granted ticket that waited in line for the given time.
func (t *totals) grant(wait time.Duration) {
	if wait <= 0 {
		return
	}
	if t.waits == nil {
		t.waits = new([durationBits + 1]uint64)
	}
	t.waits[bits.Len64(uint64(wait))]++
	t.waited.add(wait)
}

// enqueued counts the tickets that were accepted. Ticket numbers would not do, because several cores may share
// them.
func (c *core) enqueued() uint64 {
	return c.granted + c.totals.undone + c.totals.givenUp + uint64(c.line.Len())
}

// public returns the totals. The arguments are the parts that totals does not count itself.
func (t *totals) public(enqueued, granted uint64, early *earlyRefusals) Totals {
	refused := t.refused
	for i := range early {
		refused[i] += early[i].Load()
	}
	return Totals{
		Enqueued: enqueued, Released: t.released, GivenUp: t.givenUp, Undone: t.undone,
		Refused: Refusals{refused[0], refused[1], refused[2], refused[3], refused[4], refused[5], refused[6]},
		Waited:  t.waited.seconds(), Held: t.held.seconds(),
		Waits: t.histogram(granted + t.undone),
	}
}

// histogram returns Totals.Waits for the given number of granted tickets.
func (t *totals) histogram(granted uint64) (waits []uint64) {
	if granted == 0 {
		return nil
	}
	waits = []uint64{granted}
	if t.waits == nil {
		return waits
	}
	for i, n := range t.waits {
		if n == 0 {
			continue
		}
		for len(waits) <= i {
			waits = append(waits, 0)
		}
		waits[i] = n
		waits[0] -= n
	}
	return waits
}

// duration is a sum of durations. The waits of many tickets may add up to more than a time.Duration holds.
type duration struct{ high, low uint64 }

func (s *duration) add(d time.Duration) {
	var carry uint64
	s.low, carry = bits.Add64(s.low, uint64(d), 0)
	s.high += carry
}

func (s duration) seconds() float64 {
	return (float64(s.high)*(1<<64) + float64(s.low)) / float64(time.Second)
}

// earlyRefusals counts tickets that were refused without looking at the state. Any goroutine may use it.
type earlyRefusals [reasons]atomic.Uint64

// refuse counts a refusal and returns its error.
func (r *earlyRefusals) refuse(err error) error {
	r[reasonOf(err)].Add(1)
	return err
}
