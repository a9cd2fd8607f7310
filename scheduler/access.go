package scheduler

import "slices"

// Limits returns the limits that New was given. The copy shares nothing with the scheduler.
func (s *Scheduler) Limits() Limits {
	l := s.limits
	l.Windows = slices.Clone(l.Windows)
	return l
}

// Clock returns the clock that the scheduler reads, so that what is built around it can count time
// as it does.
func (s *Scheduler) Clock() Clock { return s.clock }
