package scheduler

import (
	"context"
	"fmt"
	"time"

	"github.com/flowguard-go/flowguard/internal/alarm"
	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/internal/loop"
)

// exchanger is the goroutine that exchanges with the source of a quota, one exchange at a time. It asks for
// the next request when that is due, and hands the reply in, as callers ask for permits. The state rings its
// bell when a request is due earlier than it expects.
type exchanger struct {
	handle Handle // without a root: a scheduler that is forgotten ends
	source QuotaSource
	bell   chan struct{}
	alarm  *alarm.Alarm

	ctx    context.Context // ends with the owner
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended
}

// exchange is what the state and the exchanger tell each other.
type exchange struct {
	due     moment // when a request is due, if it is not now
	request QuotaRequest
	now     bool // request is to be made

	reply QuotaReply
	err   error
}

// Close waits for the last exchange no longer than this.
const closingExchange = 2 * time.Second

// shareQuota makes the core share a quota, and returns what exchanges with its source.
func (st *state) shareQuota(source QuotaSource, away Away, box *mailbox) *exchanger {
	st.core.quota = newQuota(st.core, quotaName(source), away)
	st.core.enforce()
	st.quotaBell = make(chan struct{}, 1)
	x := &exchanger{
		source: source,
		bell:   st.quotaBell,
		done:   make(chan struct{}),
	}
	x.handle.init(st.shared, box)
	x.ctx, x.cancel = context.WithCancel(context.Background())
	read := func() time.Duration { return time.Duration(st.shared.now()) }
	x.alarm = alarm.New(st.clock.AfterFunc, read, x.ring)
	return x
}

func (x *exchanger) ring() {
	select {
	case x.bell <- struct{}{}:
	default:
	}
}

// run is the exchanger's life: ask what is due, wait or exchange, hand in the reply. At the end it tells the
// source what was used.
func (x *exchanger) run() {
	defer close(x.done)
	defer x.alarm.Off()
	go x.cancelAtEnd()
	var e exchange
	for x.ask(verbQuotaRequest, &e) {
		if !e.now {
			x.alarm.Set(time.Duration(x.handle.shared.now()), time.Duration(e.due))
			select {
			case <-x.bell:
			case <-x.handle.box.Ended():
			}
			continue
		}
		e.reply, e.err = x.source.Exchange(x.ctx, e.request)
		x.ask(verbQuotaReply, &e)
	}
	x.sayFarewell()
}

// cancelAtEnd ends the present exchange when the scheduler ends.
func (x *exchanger) cancelAtEnd() {
	<-x.handle.box.Ended()
	x.cancel()
}

// ask has the state do what the verb says. It returns false when the scheduler has ended.
func (x *exchanger) ask(v verb, e *exchange) bool {
	_, ok := x.handle.ask(&message{verb: v, change: &change{exchange: e}})
	return ok
}

// sayFarewell tells the source that the scheduler has ended, if it has ever heard of it and can be reached.
func (x *exchanger) sayFarewell() {
	q := *x.handle.box.Remains().core.quota // others may look at what remains
	if q.serial == 0 || q.err != nil {
		return
	}
	r := q.request(q.core.now.after(0))
	r.Age = max(0, q.usedAt.until(x.handle.shared.now()))
	ctx, cancel := context.WithTimeout(context.Background(), closingExchange)
	defer cancel()
	x.source.Exchange(ctx, r)
}

// wait waits until the goroutine has ended, if its source lets it.
func (x *exchanger) wait() {
	if x != nil {
		loop.Await(x.done, closingExchange)
	}
}

// stirQuota rings the exchanger's bell if an exchange is due earlier than the exchanger expects.
func (st *state) stirQuota() {
	q := st.core.quota
	if q == nil || !q.stirred {
		return
	}
	q.stirred = false
	if at := q.due(st.core.now); at < q.armed {
		q.armed = at
		select {
		case st.quotaBell <- struct{}{}:
		default:
		}
	}
}

// quotaRequest makes the next request if it is due.
func (st *state) quotaRequest(e *exchange) {
	q := st.core.quota
	e.due = q.due(st.core.now)
	if e.now = e.due <= st.core.now && !st.core.closed; e.now {
		e.request = q.request(st.core.now)
	}
	q.stirred, q.armed = false, e.due
	if e.due != never {
		e.due = e.due.after(-st.core.behind)
	}
}

// quotaReply does what the source replied.
func (st *state) quotaReply(e *exchange) {
	q := st.core.quota
	lost, back := q.replied(st.core.now, e.reply, e.err)
	q.armed = -horizon // the exchanger will look
	switch {
	case lost:
		st.emit(Event{Kind: EventQuotaLost, Err: e.err})
	case back:
		st.emit(Event{Kind: EventQuotaBack})
	}
	if e.err != nil && q.head(st.core.now) > 0 {
		if why := q.refuses(q.head(st.core.now)); why != nil {
			st.begin(&chore{why: func(*line.Place) error { return why }})
		}
	}
}

func (st *state) quotaStats() QuotaStats {
	q := st.core.quota
	s := QuotaStats{Err: q.err, Leased: q.usable(st.core.now)}
	if s.Leased > 0 {
		s.Until = st.timeOf(q.until)
	}
	return s
}

// notShared returns why a call cannot be made where a quota is shared, or nil.
func (c *core) notShared(call string) error {
	if c.quota == nil {
		return nil
	}
	return &InvalidError{"the scheduler of " + call, fmt.Sprintf("one that shares %q", c.quota), "one without WithQuota"}
}
