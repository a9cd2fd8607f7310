package scheduler

import "github.com/flowguard-go/flowguard/ticket"

// Flow returns a view of the scheduler whose tickets stand in a line of their own, that of the key: a
// tenant, a host, a user. All that takes a *Scheduler takes it too, and everything else about it is the
// scheduler's: limits, Stats, Close.
//
// In a flow tickets are granted in the order of their numbers. Flows that wait take turns by weighted
// fair queueing: what they are granted is in proportion to their shares, 1 to 1,000,000, whatever the
// lengths of their lines. (Elsewhere a share is called a flow's weight.) For any two flows and any
// stretch of time in which both wait, the weights granted to each, divided by its share, differ by no
// more than the sum of their largest tickets' weights divided by their shares: with shares and weights
// of 1, by 2 tickets. See [ticket.Lines] for the algorithm and its source. An idle flow saves nothing
// up. A grant that was undone counts as a turn.
//
// The ticket whose turn it is holds up all others until it fits, and trying fails while anybody waits
// in any flow, so the limits are used as if there were one line. Tickets of the scheduler itself are of
// the flow with the empty key, with a share of 1. A flow need not be announced and leaves nothing
// behind: it costs memory while it has a ticket in line, about 250 bytes. A grant costs the same
// however many wait; see [ticket.Lines].
//
// Views of one key are views of one flow; where their shares differ, that of the latest ticket counts.
// With a share out of range every call for a permit fails, with an [*InvalidError] where it returns an
// error. Calling Flow on a view is the same as on the scheduler. It allocates the view; keep it, or make
// one for each call.
func (s *Scheduler) Flow(key string, share int) *Scheduler {
	v := &Scheduler{box: s.box, root: s.root}
	if share < 1 || share > ticket.MaxShare {
		v.invalid = &InvalidError{"the share of a flow", share, "from 1 to 1,000,000"}
	} else {
		v.flow = &ticket.Flow{Key: key, Share: share}
	}
	return v
}
