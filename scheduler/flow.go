package scheduler

import "github.com/flowguard-go/flowguard/internal/line"

// Flow returns a view of the scheduler whose tickets stand in a line of their own, that of the key: a
// tenant, a host, a user. It can be used wherever a *Scheduler can, and apart from its line it is the
// scheduler: the same limits, Stats and Close. To code that is only to take permits give the view's
// [Scheduler.Handle].
//
// In a flow tickets are granted in the order of their numbers. Flows that wait take turns by weighted
// fair queueing: what they are granted is in proportion to their shares, 1 to 1,000,000, whatever the
// lengths of their lines. (Elsewhere a share is called a flow's weight.) For any two flows and any
// stretch of time in which both wait, the weights granted to each, divided by its share, differ by no
// more than the sum of their largest tickets' weights divided by their shares: with shares and weights
// of 1, by 2 tickets. The algorithm is self-clocked fair queueing (S. J. Golestani, "A Self-Clocked Fair
// Queueing Scheme for Broadband Applications", INFOCOM 1994). Where a ticket names costs in other units,
// what counts for its flow is its dominant share instead of its weight: the largest, over permits and units,
// of what it asks for divided by the lowest rate of that unit, expressed in permits (A. Ghodsi et al.,
// "Dominant Resource Fairness", NSDI 2011, and "Multi-Resource Fair Queueing for Packet Processing", SIGCOMM
// 2012). So a flow of a few large calls and one of many small ones get the same part of the limit that each
// needs most. Where no window counts permits, a permit counts as much as one of the unit with the lowest
// rate. An idle flow saves nothing up. A grant that
// was undone counts as a turn.
//
// The ticket whose turn it is holds up all others until it fits, and trying fails while a ticket waits
// in any flow, so the limits are used as if there were one line. Tickets of the scheduler itself are of
// the flow with the empty key, with a share of 1. A flow need not be announced and leaves nothing
// behind: it costs memory while it has a ticket in line, about 300 bytes. A grant costs the same
// however many flows wait, if the tickets at their heads have few different ratios of weight to share,
// and grows with the logarithm of the number of ratios.
//
// Views of one key are views of one flow; where their shares differ, that of the latest ticket counts.
// With a share out of range every call for a permit fails, with an [*InvalidError] where it returns an
// error. Calling Flow on a view is the same as on the scheduler. It allocates the view; keep it, or make
// one for each call.
func (s *Scheduler) Flow(key string, share int) *Scheduler {
	v := &Scheduler{handle: s.handle}
	v.handle.flow, v.handle.invalid = nil, nil
	if share < 1 || share > line.MaxShare {
		v.handle.invalid = &InvalidError{"the share of a flow", share, "from 1 to 1,000,000"}
	} else {
		v.handle.flow = &line.Flow{Key: key, Share: share}
	}
	return v
}
