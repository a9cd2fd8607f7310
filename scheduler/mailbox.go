package scheduler

import (
	"sync/atomic"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
)

// mailbox carries messages to the owner, and its answers back. Everything that is asked of the owner
// goes through the one channel, so that it is applied in the order in which it was sent.
type mailbox struct {
	in   chan message
	tick chan struct{} // a hint to the owner: to look at the clock, to set its alarm

	underway atomic.Int64 // messages that were sent and not yet applied

	over    atomic.Bool   // the owner takes no more messages
	ended   chan struct{} // closed when the owner has ended
	remains *state        // what it left; written before ended is closed, and only read thereafter

	lending
}

func newMailbox(lends bool) *mailbox {
	return &mailbox{
		in:      make(chan message, mailboxSize),
		tick:    make(chan struct{}, 1),
		ended:   make(chan struct{}),
		lending: lending{lends: lends, home: make(chan *state, 1)},
	}
}

// mailboxSize is how many messages may wait while the owner is at work. A longer box would let
// senders run further ahead, not be served sooner.
const mailboxSize = 64

// verb says what a message asks for.
type verb uint8

const (
	verbAcquire       verb = iota // put place in line, tell it how that ends
	verbTry                       // the same, but refuse where it would have to wait
	verbEnqueue                   // put place in line, answer whether it stands there, tell it how that ends
	verbEnqueueJob                // the same for a job
	verbWithdraw                  // the caller of acquire has gone and was told nothing
	verbCancel                    // the ticket is given up
	verbRelease                   // the permits are given back
	verbWait                      // answer how long a ticket of the weight would wait
	verbStats                     // answer with the stats
	verbConfigure                 // replace the limits; answer when those that no longer fit have gone
	verbPause                     // no grants until the clock shows until; never: until resume
	verbResume                    // end all pauses
	verbCharge                    // permits of the window were used elsewhere
	verbObserve                   // at most weight more permits of the window until the clock shows until
	verbSnapshot                  // fill the snapshot
	verbRestore                   // charge what the snapshot remembers
	verbWatch                     // send events to feed
	verbUnwatch                   // send no more
	verbShareContext              // answer which shared context need not tell of its end
	verbContextEnded              // withdraw the tickets that rely on a shared context; no answer
	verbWithdrawGroup             // withdraw some of the jobs of a group; answer whether any are left
	verbDrain                     // take no newcomers, end when all is done
	verbClose                     // end now; no answer
)

// brief reports whether a borrower of the state may do what the verb asks for. The others take longer,
// or promise that the owner's alarm is set when they are answered.
func (v verb) brief() bool {
	switch v {
	case verbEnqueue, verbEnqueueJob, verbWithdraw, verbCancel, verbRelease, verbShareContext:
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
	case verbTry:
		return callTry
	case verbEnqueue, verbEnqueueJob:
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
	job     *job
	group   *Group
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
}

// answer is what the owner says at the end of the turn.
type answer struct {
	number  uint64
	err     error
	stats   Stats
	wait    time.Duration
	more    bool
	stopped *sharedContext
}

// hint makes the owner look at the clock and set its alarm.
func (b *mailbox) hint() {
	select {
	case b.tick <- struct{}{}:
	default:
	}
}

// send gives the owner a message and reports whether it was taken: it is refused after the end. The
// owner never waits for anything but messages and its alarm, so send waits no longer than a turn, and
// a message that was taken is answered.
func (b *mailbox) send(m *message) bool {
	if b.over.Load() {
		return false
	}
	b.underway.Add(1)
	if b.over.Load() {
		b.underway.Add(-1)
		return false
	}
	b.in <- *m
	return true
}
