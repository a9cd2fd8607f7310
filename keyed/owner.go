package keyed

import (
	"runtime"
	"time"

	"github.com/flowguard-go/flowguard/internal/alarm"
	"github.com/flowguard-go/flowguard/internal/loop"
	"github.com/flowguard-go/flowguard/scheduler"
)

// owner is the goroutine that owns the state of its keys. The state itself is a local of run: nothing else
// can reach it.
type owner[K comparable] struct {
	*box[K]
	loop.Turns[state[K], message[K], answer[K]]
	alarm *alarm.Alarm
}

func newOwner[K comparable](b *box[K], c scheduler.Clock) *owner[K] {
	read := func() time.Duration { return time.Duration(b.Now()) }
	return &owner[K]{
		box:   b,
		Turns: loop.NewTurns[state[K], message[K], answer[K]](&b.Mailbox),
		alarm: alarm.New(c.AfterFunc, read, b.Hint),
	}
}

// run does turn after turn: receive, read the clock, apply the messages, grant what is due, set the alarm,
// reply. Between turns it lends the state.
func (o *owner[K]) run(st *state[K]) {
	lent := o.lendIfIdle(st)
	for over, workLeft := false, false; !over; {
		if workLeft {
			runtime.Gosched() // there may be fewer processors than owners, and callers need them too
		}
		batch := o.Receive(workLeft)
		if lent {
			st = o.CallIn()
		}
		read := o.Now()
		st.SetTime(read)
		for i := range batch {
			o.serve(st, &batch[i])
		}
		workLeft = st.work()
		over = st.finished()
		st.armed = st.wakeAt()
		o.alarm.Set(time.Duration(read), time.Duration(st.armed))
		o.Applied()
		lent = o.lendIfIdle(st)
		o.Reply()
	}
	o.end(st)
}

// lendIfIdle lends the state unless there is more to do already. It reports whether it did.
func (o *owner[K]) lendIfIdle(st *state[K]) bool {
	if !o.lends || st.draining || o.More() {
		return false
	}
	o.Lend(st)
	return true
}

// serve does what a message asks for and notes its answer.
func (o *owner[K]) serve(st *state[K], m *message[K]) {
	var a answer[K]
	st.apply(m, &a)
	o.Answer(m.answer, a)
}

// end serves the messages that were already sent, and leaves nothing behind.
func (o *owner[K]) end(st *state[K]) {
	st.draining = true
	o.alarm.Off()
	o.Refuse(func(m *message[K]) { o.serve(st, m) })
	st.dismiss()
	o.Leave(st)
	if o.quotas != nil {
		o.quotas.ownerEnded()
	}
}
