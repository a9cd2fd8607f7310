// Package ticket holds what a caller of a scheduler takes, a [Ticket], and what the scheduler keeps
// for it: a [Place] in a [Line], of which there is one for each [Flow] that waits, and in [Lines] the
// decision whose turn it is.
//
// Most programs meet only Ticket, as the result of Acquire, TryAcquire or Enqueue of package
// scheduler. All else is for those who build schedulers. The package knows nothing of limits, windows
// or clocks.
package ticket

import "errors"

// Number says where a ticket stands in the order of grants. A scheduler numbers the tickets it
// accepts 1, 2, 3, … in the order it receives them. 0 is no ticket.
type Number uint64

// Ticket is a place in line and, once granted, the permits that came with it.
//
// A ticket that Acquire or TryAcquire returned is granted already: do the work, then call
// [Ticket.Release]. One that Enqueue returned waits: receive from [Ticket.Ready] first, or call
// [Ticket.Cancel].
//
// A Ticket is a small value and may be copied; all copies are the same ticket. Its methods may be
// called from any goroutine, in any order, any number of times. Every ticket must end in a Release
// or a Cancel, or its permits stay in use for as long as the scheduler lives. The zero Ticket is
// what failed calls return: it holds nothing, and releasing or cancelling it does nothing.
type Ticket struct {
	desk   Desk
	place  *Place
	ready  <-chan error // nil: granted before the caller got the ticket
	number Number
	weight int
}

// Desk is where tickets are given back. A scheduler has one; programs that use tickets never call
// it. The number is that of the ticket meant: a place may since have been given to another ticket,
// and a call with an old number must then do nothing.
type Desk interface {
	// Release gives back the permits of a granted ticket.
	Release(p *Place, n Number)
	// Cancel gives up a ticket in any state.
	Cancel(p *Place, n Number)
}

// Granted returns the ticket that holds the given place, whose caller has been told of the grant.
func Granted(d Desk, p *Place) Ticket {
	return Ticket{desk: d, place: p, number: p.Number, weight: p.Weight}
}

// Waiting returns the ticket that holds the given place, whose caller will learn from
// [Ticket.Ready] what becomes of it. The number and weight are passed in because the place already
// belongs to its line's owner.
func Waiting(d Desk, p *Place, n Number, weight int) Ticket {
	return Ticket{desk: d, place: p, ready: p.Ready(), number: n, weight: weight}
}

// Number returns the ticket's number, 0 for the zero Ticket. Grants follow these numbers.
func (t Ticket) Number() Number { return t.number }

// Weight returns how many permits the ticket asks for or holds.
func (t Ticket) Weight() int { return t.weight }

var errNoTicket = errors.New("ticket: the zero Ticket is never granted; look at the error that came with it")

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
// For a ticket from Enqueue every call returns the same channel. One that Acquire or TryAcquire
// returned has been granted already: each call makes a channel that holds a nil.
func (t Ticket) Ready() <-chan error {
	if t.ready != nil {
		return t.ready
	}
	known := make(chan error, 1)
	if t.place == nil {
		known <- errNoTicket
	} else {
		known <- nil
	}
	return known
}

// Release gives the permits of a granted ticket back, so that they no longer count as in use. It
// gives no window budget back: the work has been done. Releasing again, releasing after the
// scheduler closed, and releasing a ticket that still waits do nothing. After Acquire and TryAcquire
//
//	defer t.Release()
//
// is right; after Enqueue use Cancel, which also gives up a ticket that still waits. Release may wait
// for the scheduler to take the message, never for a permit.
func (t Ticket) Release() {
	if t.desk != nil {
		t.desk.Release(t.place, t.number)
	}
}

// Cancel gives the ticket up, whatever its state. One that waits leaves the line, and whoever is
// behind moves up at once. One that was granted but whose grant nobody has yet received from
// [Ticket.Ready] is undone as if it had never been: permits and window budget are free again. In
// both cases Ready delivers an error that wraps [context.Canceled]. A ticket whose grant was
// received is released, as by [Ticket.Release], so that defer t.Cancel() is right after Enqueue. One
// that has ended stays as it is. When Cancel
// returns all this has happened.
func (t Ticket) Cancel() {
	if t.desk != nil {
		t.desk.Cancel(t.place, t.number)
	}
}
