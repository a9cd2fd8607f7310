package scheduler

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowguard-go/flowguard/internal/settings"
	"github.com/flowguard-go/flowguard/ticket"
)

// mailbox is all that the owner and its callers share. Everything that is asked of the owner goes
// through the one channel, so that it is applied in the order in which it was sent.
type mailbox struct {
	in      chan message
	clock   Clock
	epoch   time.Time         // instant 0
	journal *settings.Journal // nil outside tests

	over    atomic.Bool   // the owner takes no more messages
	ended   chan struct{} // closed when the owner has ended
	remains *core         // what it left; written before ended is closed, and read only thereafter

	limits atomic.Pointer[Limits] // as they are now; what they point to is never changed

	tick chan struct{} // a hint to the owner: to look at the clock, to set the timer

	underway atomic.Int64 // messages that were sent and not yet applied

	answers sync.Pool // of chan answer, empty
	places  sync.Pool // of idle *ticket.Place with Reused set

	lends bool // false only in tests
	lending
}

func newMailbox(set settings.Settings) *mailbox {
	return &mailbox{
		in:      make(chan message, mailboxSize),
		clock:   set.Clock,
		epoch:   set.Clock.Now(),
		journal: set.Journal,
		tick:    make(chan struct{}, 1),
		ended:   make(chan struct{}),
		lends:   !set.KeepCore,
		lending: lending{home: make(chan *core, 1)},
	}
}

// mailboxSize is how many messages may wait while the owner is at work. A longer box would let
// senders run further ahead, not be served sooner.
const mailboxSize = 64

// verb says what a message asks for.
type verb uint8

const (
	acquire   verb = iota // put place in line, tell it how that ends
	try                   // the same, but refuse where it would have to wait
	enqueue               // put place in line, answer whether it stands there, tell it how that ends
	withdraw              // the caller of acquire has gone and was told nothing; answer when done
	cancel                // the ticket is given up; answer when done
	release               // the permits are given back; answer when done
	wait                  // answer how long a ticket of the weight would wait
	stats                 // answer with the stats
	configure             // replace the limits; answer when done
	pause                 // no grants until the deadline, never for until resume; answer
	resume                // end all pauses; answer
	spent                 // permits of a window were used elsewhere; answer
	snapshot              // fill the snapshot; answer
	restore               // charge what the snapshot remembers; answer
	watch                 // send events to feed; answer
	unwatch               // send no more; answer
	enlist                // put a job's ticket in line; answer
	dispel                // the context of a crowd has ended
	disband               // withdraw some of the jobs of a group; answer whether any are left
	drain                 // take no newcomers, end when all is done
	shut                  // end now
)

// changes reports whether the verb changes how the scheduler works, so that a closed one refuses it.
func (v verb) changes() bool {
	switch v {
	case configure, pause, resume, spent, restore, watch:
		return true
	}
	return false
}

type message struct {
	verb    verb
	place   *ticket.Place
	number  ticket.Number // cancel, release: the ticket meant
	request               // acquire, try, enqueue, wait; flow: of the ticket meant; deadline: end of a pause
	limits  *Limits       // configure; spent: one window
	feed    *feed         // watch, unwatch

	snapshot *Snapshot  // snapshot, restore
	epoch    *time.Time // snapshot, restore: when instant 0 was, by the present time of day

	job    *job          // enlist
	group  *Group        // disband
	crowd  *crowd        // dispel
	answer chan<- answer // for those that are answered; has a slot free
}

// answer is what the owner says at the end of the turn.
type answer struct {
	number ticket.Number
	err    error
	stats  Stats
	wait   time.Duration
	more   bool
}

type reply struct {
	to     chan<- answer
	answer answer
}

// hint makes the owner look at the clock and set its timer.
func (b *mailbox) hint() {
	select {
	case b.tick <- struct{}{}:
	default:
	}
}

// now reads the clock. Since is cheaper than Now, which reads the time of day too.
func (b *mailbox) now() instant { return min(instant(b.clock.Since(b.epoch)), horizon) }

// instant returns t as the core counts time.
func (b *mailbox) instant(t time.Time) instant { return max(instant(t.Sub(b.epoch)), -horizon) }

// time returns t as the world counts time.
func (b *mailbox) time(t instant) time.Time { return b.epoch.Add(time.Duration(t)) }

// send gives the owner a message and reports whether it was taken: it is refused after the end. The
// owner never waits for anything but messages and its timer, so send waits no longer than a turn, and
// a message that was taken is answered.
func (b *mailbox) send(m message) bool {
	if b.over.Load() {
		return false
	}
	b.underway.Add(1)
	if b.over.Load() {
		b.underway.Add(-1)
		return false
	}
	b.in <- m
	return true
}

// acquireByMessage asks the owner for a ticket and returns the place that it comes to, or nil after the
// end. It is not inlined, or the message would be on the stack of every call that waits.
//
//go:noinline
func (b *mailbox) acquireByMessage(r request) *ticket.Place {
	p := b.place()
	if !b.send(message{verb: acquire, place: p, request: r}) {
		return nil
	}
	return p
}

// place returns an idle place that serves again.
func (b *mailbox) place() *ticket.Place {
	if p, ok := b.places.Get().(*ticket.Place); ok {
		return p
	}
	p := ticket.NewPlace()
	p.Reused = true
	return p
}
