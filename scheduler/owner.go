package scheduler

import (
	"time"

	"github.com/flowguard-go/flowguard/internal/alarm"
	"github.com/flowguard-go/flowguard/internal/loop"
)

// owner is the goroutine that owns the state, and what it needs to speak with the world. The state
// itself is a local of run: nothing else can reach it.
type owner struct {
	*shared
	*mailbox
	loop.Turns[state, message, answer]
	alarm *alarm.Alarm
	read  moment // what the clock showed in this turn
}

func newOwner(sh *shared, box *mailbox) *owner {
	read := func() time.Duration { return time.Duration(sh.now()) }
	return &owner{
		shared: sh, mailbox: box,
		Turns: loop.NewTurns[state, message, answer](&box.Mailbox),
		alarm: alarm.New(sh.clock.AfterFunc, read, box.Hint),
	}
}

// run does turn after turn: receive, read the clock, advance, grant, set the alarm, reply. Between turns it
// lends the state; see package loop.
func (o *owner) run(st *state) {
	lent := o.lendIfIdle(st)
	for over, workLeft := false, false; !over; {
		batch := o.Receive(workLeft)
		if lent {
			st = o.callIn()
		}
		o.read = o.now()
		st.beginTurn(o.read)
		for i := range batch {
			o.serve(st, &batch[i])
		}
		o.Answer(st.workOn(), answer{})
		st.grant()
		over, workLeft = st.core.finished(), len(st.chores) > 0
		o.setAlarm(st)
		o.Applied()
		lent = o.lendIfIdle(st)
		o.Reply()
	}
	o.end(st)
}

// lendIfIdle lends the state unless there is more to do already. It reports whether it did.
func (o *owner) lendIfIdle(st *state) bool {
	if !o.lends || st.core.draining || o.More() {
		return false
	}
	o.lend(st)
	return true
}

// serve does what a message asks for and notes its answer.
func (o *owner) serve(st *state, m *message) {
	var a answer
	later := st.apply(m, &a)
	st.grant()
	if !later {
		o.Answer(m.answer, a)
	}
}

// setAlarm sets the alarm to the instant at which the head of the line first fits. It counts from what
// the clock showed in this turn, which is behind the core's time if the clock stepped back.
func (o *owner) setAlarm(st *state) {
	st.stirQuota()
	st.armed = st.core.wake()
	o.alarm.Set(time.Duration(o.read), time.Duration(st.armed))
}

// end serves the messages that were already sent, and leaves nothing behind.
func (o *owner) end(st *state) {
	st.core.draining, st.core.closed = true, true
	o.alarm.Off()
	o.Refuse(func(m *message) { o.serve(st, m) })
	for _, c := range st.chores {
		o.Answer(c.answer, answer{}) // it has no tickets left to look at
	}
	st.end()
	o.Leave(st)
}
