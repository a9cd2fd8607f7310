package scheduler

import "github.com/flowguard-go/flowguard/internal/line"

// members are tickets that are withdrawn together: the tickets in line of one group's jobs. Only the holder of
// the state uses them.
type members struct {
	first, last *member
	ended       error // what members are told when they are withdrawn; nil: more may come
	refused     bool  // the scheduler sent one away
}

// member is one of them. It is part of a job, which hears what becomes of the ticket.
type member struct {
	line.Place
	prev, next *member
}

// enqueueMember puts a member's ticket in line, and the member on the list.
func (st *state) enqueueMember(all *members, m *member, r *request) error {
	if all.ended != nil {
		return all.ended
	}
	v, err := st.core.decide(callEnqueue, r)
	if err == nil {
		all.push(m) // before it is told
	}
	st.admit(v, &m.Place, r, err)
	if v == verdictGranted {
		m.Tell(nil)
	}
	return err
}

// withdrawMembers withdraws some of the members, and reports whether there are more.
func (st *state) withdrawMembers(all *members, f *line.Flow, why error) (more bool) {
	all.ended = why
	for range perTurn {
		if all.first == nil {
			return false
		}
		st.giveUp(&all.first.Place, f, why, true)
	}
	return all.first != nil
}

func (l *members) push(m *member) {
	if m.prev = l.last; m.prev != nil {
		m.prev.next = m
	} else {
		l.first = m
	}
	l.last = m
}

// remove takes a member off the list, if it is there.
func (l *members) remove(m *member) {
	switch {
	case m.prev != nil:
		m.prev.next = m.next
	case l.first == m:
		l.first = m.next
	default:
		return
	}
	if m.next != nil {
		m.next.prev = m.prev
	} else {
		l.last = m.prev
	}
	m.prev, m.next = nil, nil
}
