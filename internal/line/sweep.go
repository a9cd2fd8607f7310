package line

import "slices"

// Sweep goes once through the tickets in line, in as many steps as its caller likes. [Lines.All] does
// the same in one go.
//
// Between two calls of Next the lines may change in any way. Next returns each ticket that was in line when the
// sweep began and still is, once, flow by flow. It returns no ticket that came later.
//
// It belongs to the goroutine that owns the lines.
type Sweep struct {
	lines *Lines
	newer uint64 // tickets with larger numbers came after the sweep began

	// The flows at the indices below todo have not been visited. The order of flows is changed only so
	// that this stays true; see Lines.drop.
	todo  int
	queue *queue // the flow being visited
	next  *Place // the next ticket to return; nil if the flow has no more
}

// Sweep begins a sweep through the lines. It must end: call [Sweep.Next] until that returns nil, or
// [Sweep.Stop]. Until then it costs a few steps for each ticket that leaves.
func (l *Lines) Sweep() *Sweep {
	s := &Sweep{lines: l, newer: l.issued, todo: l.Flows()}
	l.sweeps = append(l.sweeps, s) // in order, because no other has more to do
	return s
}

// Next returns the next ticket of the sweep and its flow, or nil when there is none. The caller may
// take the ticket out of the line. It is O(1) on average.
func (s *Sweep) Next() (*Place, *Flow) {
	if s.lines == nil {
		return nil, nil
	}
	for s.next == nil || s.next.Number > s.newer {
		if s.todo == 0 {
			s.Stop()
			return nil, nil
		}
		s.todo--
		s.lines.sortSweeps(s)
		s.queue = s.lines.at(s.todo)
		s.next = s.queue.first
	}
	p := s.next
	s.next = p.next
	return p, &s.queue.Flow
}

// Covers reports whether the sweep has not ended and the ticket at p, which is in line, was there when it
// began.
func (s *Sweep) Covers(p *Place) bool { return s.lines != nil && p.Number <= s.newer }

// Stop ends the sweep. Next returns nil from then on. Stop does nothing if the sweep has ended.
func (s *Sweep) Stop() {
	if s.lines == nil {
		return
	}
	l := s.lines
	i := slices.Index(l.sweeps, s)
	l.sweeps = slices.Delete(l.sweeps, i, i+1)
	*s = Sweep{}
}

// sortSweeps restores the order of sweeps when s has less to do than before.
func (l *Lines) sortSweeps(s *Sweep) {
	for i := slices.Index(l.sweeps, s); i > 0 && l.sweeps[i-1].todo > s.todo; i-- {
		l.sweeps[i-1], l.sweeps[i] = s, l.sweeps[i-1]
	}
}

// passOver makes no sweep return a place that is about to leave.
func (l *Lines) passOver(p *Place) {
	for _, s := range l.sweeps {
		if s.next == p {
			s.next = p.next
		}
	}
}
