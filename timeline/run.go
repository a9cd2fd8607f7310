package timeline

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// instant counts nanoseconds from the beginning of a run.
type instant int64

const (
	unknown instant = math.MinInt64 // has not happened, or not while it was recorded
	forever instant = math.MaxInt64
)

// plus adds a duration of 0 or more without overflow.
func (i instant) plus(d time.Duration) instant {
	if i > forever-instant(d) {
		return forever
	}
	return i + instant(d)
}

// span is the life of one ticket.
type span struct {
	number                  ticket.Number
	enqueued, granted, left instant // left: the permits went back, it gave up, or was undone
	seq                     uint32  // of its grant
	flow, weight            int32
	costs                   []ticket.Cost // as it was enqueued; see run.settlements
	gaveUp, undone          bool
	before                  bool // it was granted, or came, before the recording began
}

// waits returns from when to when it waited, up to the end of the run.
func (s *span) waits(end instant) (from, to instant) {
	switch {
	case s.granted != unknown:
		return s.enqueued, s.granted
	case s.gaveUp:
		return s.enqueued, s.left
	}
	return s.enqueued, end
}

// held returns from when to when it held its permits.
func (s *span) held(end instant) (from, to instant, ok bool) {
	if s.granted == unknown {
		return 0, 0, false
	}
	if s.left == unknown {
		return s.granted, end, true
	}
	return s.granted, s.left, true
}

// refusal is a ticket that was not accepted.
type refusal struct {
	at     instant
	flow   int32
	reason reason
}

// reason says why a ticket was refused.
type reason uint8

const (
	reasonQueueFull reason = iota
	reasonDeadline
	reasonNoPermit
	reasonTooLarge
	reasonClosed
	reasonOther
	reasons // how many there are
)

func (r reason) String() string {
	return [reasons]string{"line full", "deadline too early", "no permit", "too large", "closed", "other"}[r]
}

func reasonOf(err error) reason {
	switch {
	case errors.Is(err, scheduler.ErrQueueFull):
		return reasonQueueFull
	case errors.Is(err, context.DeadlineExceeded):
		return reasonDeadline
	case errors.Is(err, scheduler.ErrNoPermit):
		return reasonNoPermit
	case errors.Is(err, scheduler.ErrTooLarge):
		return reasonTooLarge
	case errors.Is(err, scheduler.ErrClosed):
		return reasonClosed
	}
	return reasonOther
}

// regime says what limits hold from an instant on.
type regime struct {
	from   instant
	seq    uint32
	limits scheduler.Limits
}

// stretch is a pause, or a time in which the source of a quota could not be reached.
type stretch struct{ from, to instant }

// usage is an amount of a window that was used elsewhere, or what a server said is left of it.
type usage struct {
	at, until instant // until: of an observation
	seq       uint32
	window    scheduler.Window
	n         int
}

// settlement says that a ticket's work cost more or less of a unit than was charged.
type settlement struct {
	at    instant
	seq   uint32
	span  int32
	unit  string
	extra int // below 0: less
}

// run is everything that is known of a scheduler's run.
type run struct {
	start   time.Time // instant 0
	started bool
	last    instant // of the last event, or of the end
	seq     uint32  // counts events

	spans       []span
	open        map[ticket.Number]int32 // those in spans of which more may be heard
	flows       []string                // by the index that spans have
	byKey       map[string]int32
	regimes     []regime
	pauses      []stretch
	away        []stretch // the source of the quota
	refused     []refusal
	charged     []usage // also what windows remember from before
	observed    []usage
	restored    []instant
	settlements []settlement
	settled     map[ticket.Number][]ticket.Cost // what open tickets cost now, if that is not what they cost at first
	heldAll     int                             // permits held from the beginning by tickets that are not known otherwise
	heldOf      map[scheduler.Unit]int          // what they cost in units
	missed      uint64
	most        int  // tickets that are taken in; refused ones count
	full        bool // more came, and nothing is taken in any more
}

func (r *run) begin(limits scheduler.Limits) {
	r.open, r.byKey = map[ticket.Number]int32{}, map[string]int32{}
	r.settled, r.heldOf = map[ticket.Number][]ticket.Cost{}, map[scheduler.Unit]int{}
	r.regimes = []regime{{unknown, 0, limits}}
	r.most = math.MaxInt
}

// inherit takes over what the scheduler remembers of the time before the recording. The first snapshot was made
// before the first event, and the other one after it. For a window that counts from reset only the first is of
// use, because a snapshot says how much such a window counts, but not since when.
func (r *run) inherit(began time.Time, first, snap scheduler.Snapshot, stats scheduler.Stats) {
	r.startAt(began)
	for i, w := range first.Windows {
		if window := first.Limits.Windows[i]; window.From == scheduler.FromReset {
			for _, spent := range w.Spent {
				r.charged = append(r.charged, usage{at: r.at(spent.At), window: window, n: spent.Permits})
			}
		}
	}
	for i, w := range snap.Windows {
		window := snap.Limits.Windows[i]
		if window.From == scheduler.FromReset {
			continue
		}
		if w.Held > 0 && window.Unit != "" {
			r.heldOf[window.Unit] = w.Held
		}
		for _, spent := range w.Spent {
			if at := r.at(spent.At); at < 0 {
				r.charged = append(r.charged, usage{at: at, window: window, n: spent.Permits})
			}
		}
	}
	r.heldAll = stats.InUse
	switch {
	case !stats.Paused:
	case stats.Resumes.IsZero():
		r.pauses = append(r.pauses, stretch{0, forever})
	default:
		r.pauses = append(r.pauses, stretch{0, r.at(stats.Resumes)})
	}
	if stats.Quota.Err != nil {
		r.away = append(r.away, stretch{0, forever})
	}
}

func (r *run) startAt(t time.Time) { r.start, r.started = t, true }

// at converts an instant of the scheduler's clock.
func (r *run) at(t time.Time) instant { return instant(t.Sub(r.start)) }

// close says that nothing happened after the last event until end.
func (r *run) close(end time.Time) {
	if r.started && !r.full {
		r.last = max(r.last, r.at(end))
	}
}

// add takes in the next event.
func (r *run) add(e scheduler.Event) {
	if !r.started {
		r.startAt(e.At)
	}
	if r.open == nil {
		r.begin(scheduler.Limits{})
	}
	isNew := e.Kind == scheduler.EventEnqueued || e.Kind == scheduler.EventRefused
	if r.full = r.full || isNew && len(r.spans)+len(r.refused) >= r.most; r.full {
		return
	}
	at := max(r.at(e.At), 0)
	r.last = max(r.last, at)
	r.seq++
	r.missed += e.Missed
	switch e.Kind {
	case scheduler.EventEnqueued:
		r.addSpan(e, span{enqueued: at, granted: unknown, left: unknown})
	case scheduler.EventGranted:
		s := r.spanOf(e, func(e scheduler.Event) span {
			return span{enqueued: r.at(e.At.Add(-e.Wait)), granted: at, left: unknown}
		})
		s.granted, s.seq = at, r.seq
	case scheduler.EventReleased, scheduler.EventGivenUp, scheduler.EventUndone:
		s := r.spanOf(e, r.unseen)
		s.left = at
		s.gaveUp, s.undone = e.Kind == scheduler.EventGivenUp, e.Kind == scheduler.EventUndone
		delete(r.open, e.Number)
		delete(r.settled, e.Number)
	case scheduler.EventSettled:
		r.settle(e, at)
	case scheduler.EventRefused:
		r.refused = append(r.refused, refusal{at, r.flow(e.Flow), reasonOf(e.Err)})
	case scheduler.EventPaused:
		until := forever
		if !e.Until.IsZero() {
			until = r.at(e.Until)
		}
		r.pause(at, until)
	case scheduler.EventResumed:
		if n := len(r.pauses); n > 0 && r.pauses[n-1].to > at {
			r.pauses[n-1].to = at
		}
	case scheduler.EventLimits:
		r.regimes = append(r.regimes, regime{at, r.seq, e.Limits})
	case scheduler.EventCharged:
		r.charged = append(r.charged, usage{at: at, seq: r.seq, window: e.Window, n: e.Weight})
	case scheduler.EventObserved:
		r.observed = append(r.observed, usage{at: at, until: r.at(e.Until), seq: r.seq, window: e.Window, n: e.Weight})
	case scheduler.EventRestored:
		r.restored = append(r.restored, at)
	case scheduler.EventQuotaLost:
		if n := len(r.away); n == 0 || r.away[n-1].to < at {
			r.away = append(r.away, stretch{at, forever})
		}
	case scheduler.EventQuotaBack:
		if n := len(r.away); n > 0 && r.away[n-1].to > at {
			r.away[n-1].to = at
		}
	}
}

// addSpan adds what is known of a ticket, with the rest from the event.
func (r *run) addSpan(e scheduler.Event, s span) *span {
	s.number, s.flow, s.weight = e.Number, r.flow(e.Flow), int32(min(e.Weight, math.MaxInt32))
	s.costs = e.Costs
	r.open[e.Number] = int32(len(r.spans))
	r.spans = append(r.spans, s)
	return &r.spans[len(r.spans)-1]
}

// spanOf returns the span of the event's ticket. If the ticket is not known, it adds a span from what the event
// implies.
func (r *run) spanOf(e scheduler.Event, otherwise func(scheduler.Event) span) *span {
	if i, ok := r.open[e.Number]; ok {
		return &r.spans[i]
	}
	return r.addSpan(e, otherwise(e))
}

// unseen returns the span of a ticket whose first known event is its end.
func (r *run) unseen(e scheduler.Event) span {
	if e.Kind == scheduler.EventGivenUp {
		return span{enqueued: 0, granted: unknown, before: true}
	}
	r.heldAll = max(r.heldAll-e.Weight, 0)
	for _, c := range e.Costs {
		r.heldOf[scheduler.Unit(c.Unit)] = max(r.heldOf[scheduler.Unit(c.Unit)]-c.Amount, 0)
	}
	return span{enqueued: 0, granted: 0, left: unknown, before: true}
}

// settle notes by how much each cost of a ticket changes. If the ticket was not known before, its earlier cost
// is assumed to equal the present one.
func (r *run) settle(e scheduler.Event, at instant) {
	s := r.spanOf(e, r.unseen)
	was, ok := r.settled[e.Number]
	if !ok {
		was = s.costs
	}
	for _, c := range e.Costs {
		if extra := c.Amount - amountOf(was, c.Unit); extra != 0 {
			r.settlements = append(r.settlements, settlement{at, r.seq, r.open[e.Number], c.Unit, extra})
		}
	}
	r.settled[e.Number] = e.Costs
}

// amountOf returns how much of a unit the costs name.
func amountOf(costs []ticket.Cost, unit string) int {
	for _, c := range costs {
		if c.Unit == unit {
			return c.Amount
		}
	}
	return 0
}

func (r *run) flow(key string) int32 {
	i, ok := r.byKey[key]
	if !ok {
		i = int32(len(r.flows))
		r.byKey[key], r.flows = i, append(r.flows, key)
	}
	return i
}

// pause notes a pause, or how long the present one lasts now: an event tells when all pauses end.
func (r *run) pause(at, until instant) {
	if n := len(r.pauses); n > 0 && r.pauses[n-1].to >= at {
		r.pauses[n-1].to = until
		return
	}
	r.pauses = append(r.pauses, stretch{at, until})
}
