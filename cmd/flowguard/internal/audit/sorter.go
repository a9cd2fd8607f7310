package audit

import "sort"

// Sorter sorts calls that are a little out of order in a log. Servers write a line when an answer is sent, but
// with the instant of the request. Sorter holds a call back until another comes that is later by Slack. It
// holds back no more than a fixed number of calls.
type Sorter struct {
	Slack int64 // in nanoseconds
	Emit  func(Call)

	OutOfOrder int64 // calls that came too late to be put in their place; they were left out

	held []Call // in order; those before head are gone
	head int
	last int64 // the latest instant that was emitted
	any  bool
}

// mostHeld is how many calls are held back at most: 1 MiB of them.
const mostHeld = 1 << 16

// Add takes the next call of the log.
func (s *Sorter) Add(c Call) {
	if s.any && c.At < s.last {
		s.OutOfOrder++
		return
	}
	if n := len(s.held); n == s.head || s.held[n-1].At <= c.At {
		s.held = append(s.held, c)
	} else {
		i := s.head + sort.Search(n-s.head, func(i int) bool { return s.held[s.head+i].At > c.At })
		s.held = append(s.held, Call{})
		copy(s.held[i+1:], s.held[i:])
		s.held[i] = c
	}
	newest := s.held[len(s.held)-1].At
	for s.head < len(s.held) && (s.held[s.head].At <= newest-s.Slack || len(s.held)-s.head > mostHeld) {
		s.emit()
	}
	if s.head > mostHeld {
		s.held = s.held[:copy(s.held, s.held[s.head:])]
		s.head = 0
	}
}

// Flush emits all that is held back.
func (s *Sorter) Flush() {
	for s.head < len(s.held) {
		s.emit()
	}
	s.held, s.head = s.held[:0], 0
}

func (s *Sorter) emit() {
	c := s.held[s.head]
	s.head++
	s.last, s.any = c.At, true
	s.Emit(c)
}
