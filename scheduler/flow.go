package scheduler

import "github.com/flowguard-go/flowguard/internal/line"

// Flow returns a view of the scheduler whose tickets wait in a line of their own, the flow of the key. A key
// names a tenant, a host or a user. The view can be used wherever a *Scheduler can. It has the same limits,
// Stats and Close. Give the view's [Scheduler.Handle] to code that may only take permits.
//
// Within a flow, tickets are granted in the order of their numbers. Flows that wait take turns by weighted fair
// queueing. Each is granted permits in proportion to its share, however long its line is. A share is from 1 to
// 1,000,000. Other libraries call it a weight. The bound is this: take two flows, and any stretch of time in
// which both wait. Divide the weight granted to each by its share. The two results differ by at most the sum of
// each flow's largest weight divided by its share. With shares and weights of 1 that is 2 tickets. The
// algorithm is self-clocked fair queueing (S. J. Golestani, "A Self-Clocked Fair Queueing Scheme for Broadband
// Applications", INFOCOM 1994).
//
// If a ticket names costs, its dominant share counts in place of its weight. For each unit, divide what the
// ticket asks for by the lowest rate of that unit. The largest result, expressed in permits, is the dominant
// share (A. Ghodsi et al., "Dominant Resource Fairness", NSDI 2011, and "Multi-Resource Fair Queueing for
// Packet Processing", SIGCOMM 2012). So a flow of few large calls and a flow of many small calls each get the
// same part of the limit that they use most. If no window counts permits, a permit counts as much as one of the
// unit with the lowest rate. An idle flow gains no credit. An undone grant counts as a turn.
//
// The ticket whose turn it is holds up all others until it fits, and a try fails while a ticket waits in any
// flow. So the limits are used as if there were one line. Tickets of the scheduler itself belong to the flow
// with the empty key and a share of 1. A flow needs no registration. It takes about 300 bytes while it has a
// ticket in line, and none afterwards. The time of a grant does not depend on how many flows wait. It grows
// with the logarithm of the number of different ratios of weight to share among the flows' first tickets.
//
// Views of one key are views of one flow. If their shares differ, the share of the latest ticket counts. If a
// share is out of range, every call for a permit fails. A call that returns an error returns an
// [*InvalidError]. Flow of a view is the same as Flow of the scheduler. Flow allocates the view. Keep it, or
// make one for each call.
func (s *Scheduler) Flow(key string, share int) *Scheduler {
	v := new(Scheduler)
	v.handle.init(s.handle.shared, s.handle.box)
	v.handle.root = s.handle.root
	if share < 1 || share > line.MaxShare {
		v.handle.invalid = &InvalidError{"the share of a flow", share, "from 1 to 1,000,000"}
	} else {
		v.handle.flow = &line.Flow{Key: key, Share: share}
	}
	return v
}
