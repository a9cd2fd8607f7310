package scheduler

// Limits returns a copy of the limits as they are now.
func (s *Scheduler) Limits() Limits { return s.box.limits.Load().clone() }

// Clock returns the clock that the scheduler reads, so that what is built around it can count time
// as it does.
func (s *Scheduler) Clock() Clock { return s.box.clock }
