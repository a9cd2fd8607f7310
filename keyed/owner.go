package keyed

import (
	"runtime"
	"time"

	"github.com/flowguard-go/flowguard/internal/alarm"
)

// owner is the goroutine that owns the state of its keys. The state itself is a local of run: nothing else
// can reach it.
type owner[K comparable] struct {
	*box[K]
	alarm *alarm.Alarm

	batch   []message[K]
	replies []reply[K]
}

type reply[K comparable] struct {
	to     chan<- answer[K]
	answer answer[K]
}

// run is the owner's life, turn after turn: receive, read the clock, do what is asked and what is due, set the
// alarm, reply. Replying last makes every reply a barrier. Between turns the state is lent out.
func (o *owner[K]) run(st *state[K]) {
	lent := o.lendIfIdle(st)
	for over, workLeft := false, false; !over; {
		batch := o.receive(workLeft)
		if lent {
			st = o.callIn()
		}
		read := o.Now()
		st.setTime(read)
		for i := range batch {
			o.serve(st, &batch[i])
		}
		workLeft = st.work()
		over = st.finished()
		st.armed = st.agenda.first()
		o.alarm.Set(time.Duration(read), time.Duration(st.armed))
		o.underway.Add(-int64(len(batch)))
		lent = o.lendIfIdle(st)
		o.reply()
	}
	o.end(st)
}

// lendIfIdle lends the state unless there is more to do already. It reports whether it did.
func (o *owner[K]) lendIfIdle(st *state[K]) bool {
	if !o.lends || st.draining || len(o.in) > 0 {
		return false
	}
	o.lend(st)
	return true
}

// receive returns all messages that have come. If there are none it waits for a message or a tick, unless work
// is left to do.
func (o *owner[K]) receive(workLeft bool) (batch []message[K]) {
	clear(o.batch)
	o.batch = o.batch[:0]
	if workLeft {
		runtime.Gosched() // callers wait for processors too, of which there may be fewer than owners
	} else {
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
func (o *owner[K]) serve(st *state[K], m *message[K]) {
	var a answer[K]
	st.apply(m, &a)
	if m.answer != nil {
		o.replies = append(o.replies, reply[K]{m.answer, a})
	}
}

// reply sends the answers of this turn. Each goes to a channel of the asker's with a slot free.
func (o *owner[K]) reply() {
	for _, r := range o.replies {
		r.to <- r.answer
	}
	clear(o.replies)
	o.replies = o.replies[:0]
}

// end answers the messages that are still under way, and leaves nothing behind.
func (o *owner[K]) end(st *state[K]) {
	st.draining = true
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
	st.end()
	o.remains = st
	close(o.ended)
	o.reply()
}
