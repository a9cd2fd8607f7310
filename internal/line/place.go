// Package line holds what a scheduler keeps for its tickets: a [Place] for each, a first-in, first-out
// queue for each [Flow] that waits, and in [Lines] the decision which flow is served next.
//
// It has no limits, windows or clocks. Everything in it is plain data that one goroutine owns, except
// [Handle], which callers hold as a ticket.
package line

// State says where the ticket at a place is on its way from the line to its end.
type State uint8

// The states of a place, in the order in which a ticket passes through them.
const (
	Idle    State = iota // no ticket: not yet in line, refused, or ended
	Queued               // in line
	Holding              // granted and not yet given back
)

// Place is what the owner of a line keeps for one ticket. The place and everything in it belong to
// that owner. Others hold a *Place only as the name of a ticket, together with the ticket's number.
//
// A place may serve one ticket after another. That is safe because every ticket has a new number: a
// ticket whose number no longer matches is over.
//
// A place takes 64 bytes, one cache line.
type Place struct {
	Number uint64
	Weight int // stays the same while the ticket is in line
	State  State
	Reused bool   // the place serves again when its ticket has ended; set by the code that made it
	Marked bool   // for its owner to tell some places from others
	Round  uint8  // for its owner to count in which round it was granted
	Row    uint32 // of Lines.Costs; 0: the ticket names no unit
	At     int64  // when it began to wait or, once granted, to hold; in its owner's units of time

	listener   Listener
	prev, next *Place
}

// Listener is told what becomes of the ticket at a place. The owner of the line calls its methods, so
// they must return at once.
type Listener interface {
	// Told receives nil when the ticket is granted, or the reason why it never will be.
	Told(err error)
	// TakeBack takes back what was told last. It reports false if the caller may have acted on it.
	TakeBack() bool
}

// NewPlace returns an idle place whose listener is a channel, [Place.Ready].
func NewPlace() *Place { return &Place{listener: make(channelListener, 1)} }

// PlaceFor returns an idle place with a listener of its own, for types that embed a place.
func PlaceFor(l Listener) Place { return Place{listener: l} }

// Listener returns the place's listener. It never changes, so any goroutine may ask for it.
func (p *Place) Listener() Listener { return p.listener }

// Ready returns the channel that delivers what [Place.Tell] was told. It is nil for a place that
// [NewPlace] did not make.
func (p *Place) Ready() <-chan error {
	c, _ := p.listener.(channelListener)
	return c
}

// Tell says what became of the ticket: nil for granted, or the reason why it never will be. It never
// blocks, because the owner tells a ticket one thing, and another only after [Place.TakeBack] returned
// true.
func (p *Place) Tell(err error) { p.listener.Told(err) }

// TakeBack takes back what was told. It reports whether that was still there, which means that the
// caller of the ticket has not received it.
func (p *Place) TakeBack() bool { return p.listener.TakeBack() }

// channelListener is a listener with one slot, so telling never blocks.
type channelListener chan error

// Told implements [Listener].
func (c channelListener) Told(err error) { c <- err }

// TakeBack implements [Listener].
func (c channelListener) TakeBack() bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
