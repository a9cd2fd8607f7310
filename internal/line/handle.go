package line

import "errors"

// Handle is what a caller holds for a place in line and, once granted, for the permits that came with
// it. Package ticket shows it to callers as ticket.Ticket, and says there what its methods promise.
//
// It has four words. The compiler keeps a larger struct in memory, and copying it between frames takes a
// quarter of the time of a call that need not wait. So it has a pointer to its desk, because an interface takes
// two words.
type Handle struct {
	desk   *Desk // nil: the zero Handle
	place  *Place
	number uint64
	weight int
}

// Desk is where tickets are given back. A scheduler has one. The number says which ticket is meant. Its place
// may serve another ticket by now, and a call with an old number must then do nothing.
type Desk interface {
	// Release gives back the permits of a granted ticket.
	Release(p *Place, n uint64)
	// Cancel gives up a ticket in any state.
	Cancel(p *Place, n uint64)
	// Settle says what the work of a granted ticket really cost. It does not keep the list.
	Settle(p *Place, n uint64, costs *CostList) error
}

// Grant makes the zero Handle the handle of the ticket at p. The ticket is granted, and its caller knows that.
func (h *Handle) Grant(d *Desk, p *Place) {
	h.desk, h.place, h.number, h.weight = d, p, p.Number, p.Weight
}

// GrantAs is Grant for a ticket of weight 1 whose number is not in its place.
func (h *Handle) GrantAs(d *Desk, p *Place, n uint64) {
	h.desk, h.place, h.number, h.weight = d, p, n, 1
}

// Wait makes the zero Handle the handle of the ticket at p. Its caller will learn from [Handle.Ready] what
// becomes of the ticket. The number and the weight are passed in because the place already belongs to the owner
// of its line.
func (h *Handle) Wait(d *Desk, p *LazyPlace, n uint64, weight int) {
	h.desk, h.place, h.number, h.weight = d, &p.Place, n, weight
}

// Desk returns where the ticket is given back, nil for the zero Handle.
func (h *Handle) Desk() Desk {
	if h.desk == nil {
		return nil
	}
	return *h.desk
}

// Place returns the place that the ticket was granted at. Only the owner of its line may look into it.
func (h *Handle) Place() *Place { return h.place }

// Number returns the ticket's number, 0 for the zero Handle.
func (h *Handle) Number() uint64 { return h.number }

// Weight returns how many permits the ticket asks for or holds.
func (h *Handle) Weight() int { return h.weight }

var errNoTicket = errors.New("ticket: the zero Ticket is never granted; look at the error that came with it")

// Ready returns a channel that delivers exactly one value: nil when the ticket is granted, or the
// reason why it never will be.
func (h *Handle) Ready() <-chan error {
	if h.place != nil {
		if waits, ok := h.place.listener.(*LazyPlace); ok {
			return waits.Ready()
		}
	}
	known := make(chan error, 1)
	if h.place == nil {
		known <- errNoTicket
	} else {
		known <- nil // it was granted before the caller got the handle
	}
	return known
}

// Release gives the permits of a granted ticket back at its desk.
func (h *Handle) Release() {
	if h.desk != nil {
		(*h.desk).Release(h.place, h.number)
	}
}

// Settle says at its desk what the ticket's work really cost.
func (h *Handle) Settle(costs *CostList) error {
	if h.desk == nil {
		return errNoTicket
	}
	return (*h.desk).Settle(h.place, h.number, costs)
}

// Cancel gives the ticket up at its desk.
func (h *Handle) Cancel() {
	if h.desk != nil {
		(*h.desk).Cancel(h.place, h.number)
	}
}
