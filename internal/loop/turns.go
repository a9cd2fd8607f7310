package loop

import (
	"runtime"
	"sync"
)

// Turns is what the owner's goroutine keeps from turn to turn. Each turn has one shape: receive, read the
// clock, apply the messages, grant what is due, set the alarm, reply. The owner replies last, so every reply is
// a barrier: earlier messages are applied, due grants are made, and the alarm is set.
type Turns[S, M, A any] struct {
	box     *Mailbox[S, M]
	batch   []M
	replies []reply[A]
}

type reply[A any] struct {
	to     chan<- A
	answer A
}

// NewTurns returns the Turns with which the owner of the mailbox begins.
func NewTurns[S, M, A any](box *Mailbox[S, M]) Turns[S, M, A] { return Turns[S, M, A]{box: box} }

// More reports whether messages wait.
func (t *Turns[S, M, A]) More() bool { return len(t.box.in) > 0 }

// Receive returns all messages that have come. If there are none it waits for a message or a tick,
// unless work is left to do. The caller reads the clock after that, so that no message is applied at an instant
// before it was sent.
func (t *Turns[S, M, A]) Receive(workLeft bool) (batch []M) {
	clear(t.batch)
	t.batch = t.batch[:0]
	if !workLeft {
		select {
		case m := <-t.box.in:
			t.batch = append(t.batch, m)
		case <-t.box.Tick:
		}
	}
	for range len(t.box.in) {
		t.batch = append(t.batch, <-t.box.in)
	}
	return t.batch
}

// Answer notes what to answer at the end of the turn. To may be nil.
func (t *Turns[S, M, A]) Answer(to chan<- A, a A) {
	if to != nil {
		t.replies = append(t.replies, reply[A]{to, a})
	}
}

// Applied notes that what Receive returned is applied.
func (t *Turns[S, M, A]) Applied() { t.box.underway.Add(-int64(len(t.batch))) }

// Reply sends the answers of this turn. Each goes to a channel of the asker's with a slot free.
func (t *Turns[S, M, A]) Reply() {
	for _, r := range t.replies {
		r.to <- r.answer
	}
	clear(t.replies)
	t.replies = t.replies[:0]
}

// Refuse ends the receiving. From now on no message is accepted, and messages that were already sent are
// served. So every message that Send accepted gets its answer, and no caller needs to watch for the end.
func (t *Turns[S, M, A]) Refuse(serve func(*M)) {
	t.box.over.Store(true) // before underway is read: a sender that did not see it has been counted
	for t.box.Underway() > 0 {
		select {
		case m := <-t.box.in:
			serve(&m)
			t.box.underway.Add(-1)
		default:
			runtime.Gosched() // a sender is between counting itself and sending
		}
	}
}

// Leave ends the owner. It leaves the state to all callers, and sends the answers that are still due.
func (t *Turns[S, M, A]) Leave(st *S) {
	t.box.remains = st
	close(t.box.ended)
	t.Reply()
}

// Answers is a pool of channels for answers, each empty and with a slot free.
type Answers[A any] struct{ pool sync.Pool }

// Channel returns a channel.
func (p *Answers[A]) Channel() chan A {
	if to, ok := p.pool.Get().(chan A); ok {
		return to
	}
	return make(chan A, 1)
}

// Recycle takes back a channel whose answer was received.
func (p *Answers[A]) Recycle(to chan A) { p.pool.Put(to) }
