package scheduler

import (
	"runtime"
	"time"

	"github.com/flowguard-go/flowguard/internal/alarm"
)

// owner is the goroutine that owns the state, and what it needs to speak with the world. The state
// itself is a local of run: nothing else can reach it.
type owner struct {
	*shared
	*mailbox
	alarm *alarm.Alarm
	read  moment // what the clock showed in this turn

	batch   []message
	replies []reply
}

type reply struct {
	to     chan<- answer
	answer answer
}

func newOwner(sh *shared, box *mailbox) *owner {
	read := func() time.Duration { return time.Duration(sh.now()) }
	return &owner{shared: sh, mailbox: box, alarm: alarm.New(sh.clock.AfterFunc, read, box.hint)}
}

// run is the owner's life, turn after turn: receive, read the clock, advance, grant, set the alarm,
// reply. Replying last makes every reply a barrier: what was sent before is done, the grants that
// were due are made, and the alarm is set. Between turns the state is lent out; see lend.go.
func (o *owner) run(st *state) {
	lent := o.lendIfIdle(st)
	for over, workLeft := false, false; !over; {
		batch := o.receive(workLeft)
		if lent {
			st = o.callIn()
		}
		o.read = o.now()
		st.beginTurn(o.read)
		for i := range batch {
			o.serve(st, &batch[i])
		}
		o.answer(st.workOn(), answer{})
		st.grant()
		over, workLeft = st.core.finished(), len(st.chores) > 0
		o.setAlarm(st)
		o.underway.Add(-int64(len(batch)))
		lent = o.lendIfIdle(st)
		o.reply()
	}
	o.end(st)
}

// lendIfIdle lends the state unless there is more to do already. It reports whether it did.
func (o *owner) lendIfIdle(st *state) bool {
	if !o.lends || st.core.draining || len(o.in) > 0 {
		return false
	}
	o.lend(st)
	return true
}

// receive returns all messages that have come. If there are none it waits for a message or a tick,
// unless work is left to do. It counts the messages before the clock is read, so that no message is
// applied at an instant before it was sent.
func (o *owner) receive(workLeft bool) (batch []message) {
	clear(o.batch)
	o.batch = o.batch[:0]
	if !workLeft {
		select {
		case m := <-o.in:
			o.batch = append(o.batch, m)
		case <-o.tick:
		}
	}
	for range len(o.in) {
		o.batch = append(o.batch, <-o.in)
	}
	return o.batch
}

// serve does what a message asks for and notes its answer.
func (o *owner) serve(st *state, m *message) {
	var a answer
	later := st.apply(m, &a)
	st.grant()
	if !later {
		o.answer(m.answer, a)
	}
}

// answer notes what to answer at the end of the turn.
func (o *owner) answer(to chan<- answer, a answer) {
	if to != nil {
		o.replies = append(o.replies, reply{to, a})
	}
}

// reply sends the answers of this turn. Each goes to a channel of the asker's with a slot free.
func (o *owner) reply() {
	for _, r := range o.replies {
		r.to <- r.answer
	}
	clear(o.replies)
	o.replies = o.replies[:0]
}

// setAlarm sets the alarm to the instant at which the head of the line first fits. It counts from what
// the clock showed in this turn, which is behind the core's time if the clock stepped back.
func (o *owner) setAlarm(st *state) {
	st.stirQuota()
	st.armed = st.core.wake()
	o.alarm.Set(time.Duration(o.read), time.Duration(st.armed))
}

// end answers the messages that are still under way, and leaves nothing behind. So every message
// that send has taken is answered, and no asker needs to watch for the end.
func (o *owner) end(st *state) {
	st.core.draining, st.core.closed = true, true
	o.alarm.Off()
	o.over.Store(true) // before underway is read: a sender that did not see it has been counted
	for o.underway.Load() > 0 {
		select {
		case m := <-o.in:
			o.serve(st, &m)
			o.underway.Add(-1)
		default:
			runtime.Gosched() // a sender is between counting itself and sending
		}
	}
	for _, c := range st.chores {
		o.answer(c.answer, answer{}) // it has no tickets left to look at
	}
	st.end()
	o.remains = st
	close(o.ended)
	o.reply()
}
