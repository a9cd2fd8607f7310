package keyed

import (
	"time"

	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/scheduler"
)

// verb says what a message asks for.
type verb uint8

const (
	verbAcquire      verb = iota // put place in line, tell it how that ends
	verbTry                      // answer with the place of a ticket, if one is granted now
	verbNow                      // the same, and answer why not
	verbAllow                    // grant a ticket and take its permits back, or refuse it, and answer which
	verbEnqueue                  // put place in line, answer whether it stands there, tell it how that ends
	verbWithdraw                 // the caller of acquire has gone and was told nothing
	verbCancel                   // the ticket is given up
	verbRelease                  // the permits are given back
	verbSettle                   // the ticket's work cost what costs say
	verbWait                     // answer how long a ticket would wait
	verbStats                    // answer with the stats and the limits
	verbWindows                  // answer how full the windows are
	verbConfigure                // replace the limits; answer whether that goes on
	verbGoOn                     // do a part of what configure left; answer whether that goes on
	verbPause                    // no grants until the clock shows until; inside.Never: until resume
	verbResume                   // end all pauses
	verbCharge                   // permits of the window were used elsewhere
	verbObserve                  // at most weight more permits of the window until the clock shows until
	verbSnapshot                 // answer with what the keys remember
	verbRestore                  // charge what the snapshot remembers
	verbKeys                     // answer with the keys in the first part of the table, from number on, that has any, and with the number of the next
	verbCount                    // forget what is due; answer how many keys there are, and whether there is more to forget
	verbQuotaRequest             // fill the exchange with the next request of the entry's key, if it is due
	verbQuotaReply               // the exchange has what the source replied; answer whether that goes on
	verbDrain                    // take no newcomers, end when all is done
	verbClose                    // end now; no answer
)

// brief reports whether a borrower of the state may do what the verb asks for. The others promise that the
// owner's alarm is set when they are answered, or are no calls for one key.
func (v verb) brief() bool {
	switch v {
	case verbEnqueue, verbWithdraw, verbCancel, verbRelease, verbSettle, verbWait, verbWindows, verbQuotaRequest, verbQuotaReply:
		return true
	}
	return false
}

// message asks for something. Which of the fields are set depends on the verb.
type message[K comparable] struct {
	verb    verb
	key     K
	hash    uint64            // of the key
	limits  *scheduler.Limits // of the key if it is new; nil: not known
	entry   *entry[K]         // of a ticket, instead of the key
	place   *line.Place
	number  uint64 // of the ticket meant, or of a part of the table
	request inside.Request
	err     error // what a ticket that is withdrawn is told
	*change[K]
	got    **entry[K]       // where to put the key's entry, before place is told
	answer chan<- answer[K] // for those that are answered; has a slot free
}

// change is what the rarer messages carry.
type change[K comparable] struct {
	limits   *scheduler.Limits
	keys     []K
	window   scheduler.Window
	until    int64 // what the clock then shows
	snapshot *scheduler.Snapshot
	epoch    time.Time // when moment 0 was, by the present time of day
	exchange *exchange
}

// answer is what the owner says at the end of the turn.
type answer[K comparable] struct {
	entry     *entry[K]
	place     *line.Place
	number    uint64
	err       error
	wait      time.Duration
	stats     *scheduler.Stats
	limits    *scheduler.Limits
	snapshots []KeySnapshot[K]
	keys      []K
	count     int
	more      bool
}

// apply does what the message asks for, and fills in its answer.
func (st *state[K]) apply(m *message[K], a *answer[K]) {
	switch m.verb {
	case verbRelease:
		st.release(m.entry, m.place, m.number)
	case verbStats, verbWindows:
		st.stats(m.hash, m.key, m.limits, a)
	case verbKeys:
		a.keys, a.number = st.keys.keysFrom(m.number)
	case verbSnapshot:
		a.snapshots = st.snapshots(m.keys, m.epoch)
	case verbCount:
		a.more = st.work()
		a.count = st.keys.length
	case verbDrain:
		st.draining = true
		st.seat.Drain()
	case verbClose:
		st.close()
	default:
		st.applyToKey(m, a)
	}
}

// find returns the entry that the message is about. It is nil, without an error, where there is none and the
// verb needs none.
func (st *state[K]) find(m *message[K]) (*entry[K], error) {
	switch m.verb {
	case verbCancel, verbSettle, verbQuotaRequest, verbQuotaReply:
		if m.entry.forgotten() {
			return nil, nil
		}
		return m.entry, nil
	case verbWithdraw, verbResume, verbGoOn:
		return st.known(m.hash, m.key), nil
	}
	return st.entry(m.hash, m.key, m.limits)
}

// applyToKey is apply for the verbs that are about one key.
func (st *state[K]) applyToKey(m *message[K], a *answer[K]) {
	e, err := st.find(m)
	if err != nil {
		if a.err = err; m.verb == verbAcquire {
			m.place.Tell(err)
		}
		return
	}
	if e == nil {
		if m.verb == verbSettle {
			a.err = st.seat.Ended()
		}
		return
	}
	st.open(e)
	defer st.leave(e)
	s := st.seat
	a.entry = e
	switch m.verb {
	case verbAcquire:
		*m.got = e
		if err := s.Arrive(m.place, m.request, false); err != nil {
			m.place.Tell(err)
		}
	case verbTry:
		a.place = s.Try(m.request)
	case verbAllow:
		a.err = st.allow(m.request)
	case verbNow:
		a.place, a.err = s.AcquireNow(m.request, true)
	case verbEnqueue:
		a.err = s.Arrive(m.place, m.request, true)
		a.number = m.place.Number
	case verbWithdraw:
		s.Withdraw(m.place, m.err)
	case verbCancel:
		s.Cancel(m.place, m.number)
	case verbSettle:
		a.err = s.Settle(m.place, m.number, m.request.Costs)
	case verbWait:
		a.wait = s.Wait(m.request)
	case verbConfigure:
		a.more, a.err = s.Configure(*m.change.limits)
	case verbGoOn:
		a.more = s.Work()
	case verbPause:
		s.Pause(m.until)
	case verbResume:
		s.Resume()
	case verbCharge:
		a.err = s.Charge(m.window, m.request.Weight)
	case verbObserve:
		a.err = s.Observe(m.window, m.request.Weight, m.until, m.place, m.number)
	case verbRestore:
		s.Restore(m.snapshot, m.epoch)
	case verbQuotaRequest:
		e.queued = false
		x := m.exchange
		x.request, x.source, x.due = s.QuotaRequest()
	case verbQuotaReply:
		a.more = s.QuotaReply(m.exchange.source, m.exchange.reply, m.exchange.err)
	}
}
