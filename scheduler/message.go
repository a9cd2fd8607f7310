package scheduler

import (
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
)

// verb says what a message asks for.
type verb uint8

const (
	verbAcquire         verb = iota // put place in line, tell it how that ends
	verbTry                         // the same, but refuse where it would have to wait
	verbNow                         // the same, and say why
	verbAllow                       // grant a ticket and take its permits back, or refuse it, and answer which
	verbEnqueue                     // put place in line, answer whether it stands there, tell it how that ends
	verbEnqueueMember               // the same for one of members
	verbWithdraw                    // the caller of acquire has gone and was told nothing
	verbCancel                      // the ticket is given up
	verbRelease                     // the permits are given back
	verbSettle                      // the ticket's work cost what costs say
	verbWait                        // answer how long a ticket of the weight would wait
	verbWindows                     // answer with the stats of the windows alone
	verbStats                       // answer with the stats
	verbConfigure                   // replace the limits; answer when those that no longer fit have gone
	verbPause                       // no grants until the clock shows until; never: until resume
	verbResume                      // end all pauses
	verbCharge                      // permits of the window were used elsewhere
	verbObserve                     // at most weight more permits of the window until the clock shows until; place: of the ticket whose answer says so
	verbSnapshot                    // fill the snapshot
	verbRestore                     // charge what the snapshot remembers
	verbWatch                       // send events to feed
	verbUnwatch                     // send no more
	verbShareContext                // answer which shared context need not tell of its end
	verbContextEnded                // withdraw the tickets that rely on a shared context; no answer
	verbWithdrawMembers             // withdraw some of members; answer whether any are left
	verbDrain                       // take no newcomers, end when all is done
	verbQuotaRequest                // fill the exchange with the next request if it is due, else with when it is
	verbQuotaReply                  // the exchange has the source's reply
	verbClose                       // end now; no answer
)

// brief reports whether a borrower of the state may do what the verb asks for. The others take longer,
// or promise that the owner's alarm is set when they are answered.
func (v verb) brief() bool {
	switch v {
	case verbEnqueue, verbEnqueueMember, verbWithdraw, verbCancel, verbRelease, verbSettle, verbWindows, verbShareContext, verbQuotaRequest, verbQuotaReply:
		return true
	}
	return false
}

// changes reports whether the verb changes how the scheduler works, so that a closed one refuses it.
func (v verb) changes() bool {
	switch v {
	case verbConfigure, verbPause, verbResume, verbCharge, verbObserve, verbRestore, verbWatch:
		return true
	}
	return false
}

// call returns what a ticket that comes with the verb wants.
func (v verb) call() call {
	switch v {
	case verbTry, verbAllow:
		return callTry
	case verbNow:
		return callNow
	case verbEnqueue, verbEnqueueMember:
		return callEnqueue
	}
	return callAcquire
}

// message asks for something. Which of the fields are set depends on the verb.
type message struct {
	verb    verb
	place   *line.Place
	number  uint64 // of the ticket meant
	request        // flow: also that of the ticket meant
	err     error  // what a ticket that is withdrawn is told
	member  *member
	members *members
	context *sharedContext
	*change
	answer chan<- answer // for those that are answered; has a slot free
}

// change is what the rarer messages carry, so that the others stay small.
type change struct {
	limits   *Limits
	window   Window
	until    moment // what the clock then shows
	snapshot *Snapshot
	epoch    time.Time // when moment 0 was, by the present time of day
	feed     subscriber
	exchange *exchange
}

// answer is what the owner says at the end of the turn.
type answer struct {
	number  uint64
	err     error
	stats   *Stats
	windows []WindowStats
	wait    time.Duration
	more    bool
	stopped *sharedContext
}

// apply does what the message asks for, and fills in its answer. It reports later if the answer follows
// when a chore is done.
func (st *state) apply(m *message, a *answer) (later bool) {
	if st.core.closed && m.verb.changes() {
		a.err = ErrClosed
		return false
	}
	switch m.verb {
	case verbAcquire, verbTry, verbNow:
		if err := st.arrive(m.verb.call(), m.place, &m.request); err != nil {
			m.place.Tell(err)
		}
	case verbAllow:
		a.err = st.allow(&m.request)
	case verbEnqueue:
		a.err = st.arrive(callEnqueue, m.place, &m.request)
		a.number = m.place.Number
	case verbEnqueueMember:
		a.err = st.enqueueMember(m.members, m.member, &m.request)
	case verbWithdraw:
		st.withdraw(m.place, m.flow, m.err)
	case verbCancel:
		st.cancel(m.place, m.number, m.flow)
	case verbRelease:
		st.release(m.place, m.number, m.flow)
	case verbSettle:
		a.err = st.settle(m.place, m.number, m.flow, m.costs)
	case verbWait:
		a.wait = st.core.wait(&m.request)
	case verbWindows:
		a.windows = st.windows()
	case verbStats:
		stats := st.stats()
		a.stats = &stats
	case verbConfigure:
		c, err := st.configure(m.limits)
		if c != nil {
			c.answer = m.answer
			return true
		}
		a.err = err
	case verbPause:
		st.setPause(m.until)
	case verbResume:
		st.resume()
	case verbCharge:
		a.err = st.spend(m.window, m.weight)
	case verbObserve:
		a.err = st.observe(m.window, m.weight, m.until, m.place, m.number)
	case verbSnapshot:
		*m.snapshot = st.core.snapshot(m.epoch)
	case verbRestore:
		if a.err = st.core.notShared("Restore"); a.err == nil {
			st.core.restore(m.snapshot, m.epoch)
			st.emit(Event{Kind: EventRestored})
		}
	case verbWatch:
		st.subscribe(m.feed)
	case verbUnwatch:
		st.unsubscribe(m.feed)
	case verbShareContext:
		a.stopped = st.contexts.install(m.context)
	case verbContextEnded:
		st.contextEnded(m.context, m.err)
	case verbWithdrawMembers:
		a.more = st.withdrawMembers(m.members, m.flow, m.err)
	case verbQuotaRequest:
		st.quotaRequest(m.exchange)
	case verbQuotaReply:
		st.quotaReply(m.exchange)
	case verbDrain:
		st.core.draining = true
	case verbClose:
		st.close()
	}
	return false
}
