package scheduler

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/ticket"
)

// subscriber hears of every event, from the holder of the state: its methods must return at once.
type subscriber interface {
	send(e Event)
	end() // there are no more
}

// feed is the scheduler's side of a Watcher. It does not lead to the scheduler, which could otherwise
// never be forgotten.
type feed struct {
	events chan Event
	lost   uint64        // since the last event that was sent; only the holder of the state touches it
	missed atomic.Uint64 // in all
}

func (f *feed) send(e Event) {
	e.Missed = f.lost
	select {
	case f.events <- e:
		f.lost = 0
	default:
		f.lost++
		f.missed.Add(1)
	}
}

func (f *feed) end() { close(f.events) }

// subscribe begins a subscription.
func (st *state) subscribe(s subscriber) {
	st.feeds = append(st.feeds, s)
	st.watched, st.setBy = true, st.step()
}

// unsubscribe ends a subscription, if it has not ended.
func (st *state) unsubscribe(s subscriber) {
	if i := slices.Index(st.feeds, s); i >= 0 {
		st.feeds = slices.Delete(st.feeds, i, i+1)
		s.end()
	}
	st.watched = len(st.feeds) > 0
}

// The three that follow are not inlined, or their events would be on the stack of every call that waits
// and make it twice as large.

//go:noinline
func (st *state) noteRefusal(r *request, err error) {
	st.emit(Event{Kind: EventRefused, Weight: r.weight, Costs: line.CostsOf[ticket.Cost](r.costs), Flow: r.flow.Name(), Err: err})
}

//go:noinline
func (st *state) noteGrant(p *line.Place, f *line.Flow, wait time.Duration) {
	st.emit(Event{Kind: EventGranted, Number: ticket.Number(p.Number), Weight: p.Weight, Costs: st.core.costsOf(p), Flow: f.Name(), Wait: wait})
}

// costsOf returns what the ticket at p costs, in the units that it named.
func (c *core) costsOf(p *line.Place) (costs []ticket.Cost) {
	for i, n := range c.line.Costs.Of(p) {
		if n != line.Unnamed {
			costs = append(costs, c.columns[i+1].unit.Of(n))
		}
	}
	return costs
}

// noteAtOnce tells of a ticket that was granted as it came.
func (st *state) noteAtOnce(p *line.Place, r *request) {
	st.note(EventEnqueued, p, r.flow, nil)
	st.note(EventGranted, p, r.flow, nil)
}

// note tells what happened to the ticket at p.
//
//go:noinline
func (st *state) note(what EventKind, p *line.Place, f *line.Flow, err error) {
	if st.watched {
		share := 0
		if what == EventEnqueued {
			share = 1
			if f != nil {
				share = f.Share
			}
		}
		st.emit(Event{Kind: what, Number: ticket.Number(p.Number), Weight: p.Weight, Costs: st.core.costsOf(p), Flow: f.Name(), Share: share, Err: err})
	}
}

// emit tells all who watch.
func (st *state) emit(e Event) {
	if !st.watched {
		return
	}
	e.At = st.eventTime(st.core.now)
	for _, f := range st.feeds {
		e := e
		e.Limits, e.Costs = e.Limits.clone(), slices.Clone(e.Costs) // readers may do with them what they like
		f.send(e)
	}
}
