package scheduler

import "github.com/flowguard-go/flowguard/internal/line"

// These stand for ask in the three calls that are made most often. They leave out what makes no
// difference there: to build a message, and to read the clock, which is a third of a call. calm.go leaves out more.

// tryNow answers a call that does not wait without the owner, if it can.
func (h *Handle) tryNow(k call, r *request) (p *line.Place, answered bool, err error) {
	st := h.box.borrow()
	if st == nil {
		return nil, false, nil
	}
	defer h.box.giveBack(st) // whatever the clock does
	if !st.timeless() {
		st.catchUp()
	}
	if st.core.takes(r) {
		return st.grantNow(r), true, nil
	}
	if k == callNow && st.core.takesLong(k, r) {
		return nil, false, nil
	}
	v, err := st.core.decideToWait(k, r)
	st.admit(v, nil, r, err)
	return nil, true, err
}

// acquireNow grants a ticket, puts it in line or refuses it without the owner, if it can; done is of the
// context. A forecast behind a long line is left to the owner.
func (h *Handle) acquireNow(r *request, done <-chan struct{}) (p *line.Place, how outcome, err error) {
	st := h.box.borrow()
	if st == nil {
		return nil, outcomeUnanswered, nil
	}
	defer h.box.giveBack(st) // whatever the clock does
	if st.timeless() && r.deadline == never && st.core.takes(r) {
		return st.grantNow(r), outcomeGranted, nil
	}
	st.catchUp()
	if st.core.takes(r) {
		return st.grantNow(r), outcomeGranted, nil
	}
	if st.core.takesLong(callAcquire, r) {
		return nil, outcomeUnanswered, nil
	}
	v, err := st.core.decideToWait(callAcquire, r)
	switch v {
	case verdictQueued:
		p = st.idlePlace()
		how = st.contexts.enter(p, done)
	case verdictRefused:
		how = outcomeRefused
	}
	st.admit(v, p, r, err)
	if st.core.line.Flows() > 1 { // it may be the turn of a newcomer's flow
		st.grant()
	}
	return p, how, err
}

// releaseNow releases a ticket without the owner, if it can.
func (h *Handle) releaseNow(p *line.Place, n uint64) bool {
	st := h.box.borrow()
	if st == nil {
		return false
	}
	defer h.box.giveBack(st)
	// Else reading the clock would change nothing. Where somebody waits it tells for how long.
	if st.core.line.Len() > 0 || st.core.countsReleases || st.watched || st.core.totals.holds {
		st.catchUp()
	}
	st.release(p, n, h.flow)
	st.grant()
	return true
}
