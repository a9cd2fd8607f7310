package scheduler

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/flowguard-go/flowguard/internal/weight"
)

// quota is the part of a shared quota that is leased to this scheduler. It is a limit like others, and decides
// when an exchange is due. It is plain data that is told the time; quotaloop.go has the goroutine.
//
// What the source has heard of counts there as used; the rest counts as held until the next request. So a
// grant that is undone gives its permits back only if no request has told of it yet.
type quota struct {
	core *core // whose limit it is
	name string
	away Away

	source QuotaSource // of a key; nil: not opened; see seatquota.go

	stock int    // leased and not used
	until moment // when the stock is void
	low   int    // below that an exchange is due

	// When the stock ran out. Those who were granted it come back at once if they want more, and with them in line
	// the next request asks for a turn. One made before that would ask only for stock ahead, and theirs would wait for its reply.
	ranOut moment

	used    uint64     // since New
	usedAt  moment     // when the last of it was granted
	waiting weight.Sum // of the tickets in line

	// Of the exchanges:
	serial   uint64
	underway bool
	asked    moment // when the last request was made
	told     uint64 // what it said of used
	inUse    int    // what it said of what is in use
	kept     moment // grants up to then are not given back
	resend   bool   // the next request has the past
	want     int    // what is wanted ahead
	missed   int    // the weight of a failed try since the last request
	beat     time.Duration
	remind   time.Duration
	soonest  moment // no exchange before, unless the beat says so
	err      error  // of the last exchange
	failures int    // since the last that went well
	refused  bool   // the source will never lease anything
	wanted   moment // when a ticket last was to wait for the quota, or would have been if the source were not away

	stirred bool   // an exchange may be due earlier than before
	armed   moment // when the goroutine will look by itself
}

// The pace of exchanges before the source has set one.
const (
	firstBeat = 300 * time.Millisecond
	firstWait = 10 * time.Millisecond // after a failure
)

func newQuota(c *core, name string, away Away) *quota {
	return &quota{core: c, name: name, away: away, beat: firstBeat, resend: true, armed: never, kept: -horizon}
}

// usable returns what is leased now.
func (q *quota) usable(now moment) int {
	if now >= q.until {
		return 0
	}
	return q.stock
}

func (q *quota) fits(now moment, n int) bool {
	return n <= q.stock && now < q.until || q.sharing(now) && q.shareHolds(n)
}

// sharing reports whether a part of the limits is used without a lease.
func (q *quota) sharing(now moment) bool {
	return q.err != nil && q.away.kind == awayShare && now >= q.until && !q.refused
}

// shareHolds reports whether n more permits are within the part.
func (q *quota) shareHolds(n int) bool {
	c := q.core
	for i := range c.windows {
		if w := &c.windows[i]; n > w.Permits/q.away.share-w.used() {
			return false
		}
	}
	return c.burst.max == 0 || n <= c.burst.max/q.away.share-c.burst.held.Saturated()
}

// roomAt returns when the next exchange may bring what is missing, which is a lower bound. While a part of
// the limits is used without a lease, it knows when the part has room.
func (q *quota) roomAt(now moment, ahead *foreseen, d demand) (at moment, sure bool) {
	if q.err != nil && q.away.kind == awayShare && !q.refused {
		return q.shareRoomAt(now, ahead, d.weight)
	}
	before := ahead.amount(permits)
	if !(weight.Sum{Low: uint64(q.usable(now))}).Less(plus(before, d.weight)) {
		return now, true
	}
	if q.underway || q.core.burst.max > 0 { // where a burst is shared, a release makes an exchange due
		return now, false
	}
	return max(now, min(q.soonest, q.asked.after(q.beat))), false
}

func plus(s weight.Sum, n int) weight.Sum {
	s.Add(n)
	return s
}

func (q *quota) shareRoomAt(now moment, ahead *foreseen, n int) (at moment, sure bool) {
	if n <= q.usable(now) && ahead.empty() {
		return now, true
	}
	c := q.core
	at = max(now, q.until)
	for i := range c.windows {
		w := &c.windows[i]
		part := w.Permits / q.away.share
		if n > part {
			return at, false
		}
		free, _ := w.freeAt(now, w.used()-(part-n))
		at = max(at, free)
	}
	sure = c.burst.max == 0 || n <= c.burst.max/q.away.share-c.burst.held.Saturated()
	return at, sure && ahead.empty()
}

func (q *quota) grant(now moment, n int) {
	if now < q.until && n <= q.stock {
		if q.stock -= n; q.stock == 0 {
			q.ranOut = now
		}
		if q.stock < q.low {
			q.stirred = true
		}
	} else {
		q.kept, q.wanted = now, now // it came from no lease, so it goes back to none
	}
	q.used += uint64(n)
	q.usedAt = now
}

func (q *quota) release(moment, int) {
	if q.core.burst.max > 0 && q.core.line.Len() > 0 {
		q.soonest, q.stirred = 0, true // the place that is free may be what the head waits for
	}
}

func (q *quota) undo(_, at moment, n int) {
	if at > q.kept {
		q.used -= uint64(n)
		q.stock += n
	}
}

// String names the quota in errors.
func (q *quota) String() string { return q.name }

// join and leave note that a ticket waits, or waits no more.
func (q *quota) join(n int) {
	q.waiting.Add(n)
	q.wanted = q.core.now
	q.stirred = true
}

func (q *quota) leave(n int) {
	q.waiting.Subtract(n)
	q.stirred = true
}

// miss notes that a caller that does not wait asked for n permits and got none.
func (q *quota) miss(n int) {
	if n > q.usable(q.core.now) {
		q.missed = max(q.missed, n)
		q.wanted = q.core.now
		q.stirred = true
	}
}

// head returns what the head of the line asks for if it waits for the quota, else 0.
func (q *quota) head(now moment) int {
	p, _ := q.core.line.First()
	if p == nil || p.Weight <= q.usable(now) || q.core.closed {
		return 0
	}
	return p.Weight
}

// due returns when the next exchange is due, never if there is nothing to tell and nothing to ask.
func (q *quota) due(now moment) moment {
	if q.underway || q.refused {
		return never
	}
	at := never
	switch {
	case q.hasNews(now):
		at = q.asked.after(q.beat)
	case q.remembers():
		at = q.asked.after(max(q.beat, q.remind))
	}
	if q.stock > 0 && q.core.line.Len() > 0 {
		at = min(at, max(q.soonest, q.until)) // then the head waits for the quota
	}
	switch {
	case q.resend && q.serial > 0, q.missed > 0, q.head(now) > 0, q.stock > 0 && q.stock < q.low:
		at = min(at, q.soonest)
	case q.stock < q.low:
		at = min(at, max(q.soonest, q.ranOut.after(q.beat/64)))
	}
	return at
}

// hasNews reports whether the source must hear of the scheduler at each beat. After a failure the scheduler asks whether
// the source is back.
func (q *quota) hasNews(now moment) bool { return q.err != nil || q.tells(now) }

// tells reports whether there is anything to tell the source. Otherwise it would count leased permits as used and
// permits in use as released, and keep no turn for a line that waits.
func (q *quota) tells(now moment) bool {
	c := q.core
	return q.stock > 0 || q.head(now) > 0 || q.used != q.told || c.burst.max > 0 && (q.inUse > 0 || !c.burst.held.IsZero())
}

// remembers reports whether windows remember grants. Then the source must hear of the scheduler from time to time, so
// that it can ask for them if it has lost its memory.
func (q *quota) remembers() bool {
	c := q.core
	for i := range c.windows {
		if c.windows[i].past.sum() > 0 {
			return true
		}
	}
	return false
}

// pastMoments is how many moments of a window a request tells apart.
const pastMoments = 64

// request makes the next request. What is not needed is given back with it: all of the stock if the head
// cannot use it or nothing was used lately.
func (q *quota) request(now moment) QuotaRequest {
	c := q.core
	head := q.head(now)
	recent := q.used - q.told
	if q.err == nil {
		q.plan(now, recent)
	}
	switch {
	case now >= q.until, head > 0, c.closed:
		q.stock = 0
	case q.err != nil: // let it last for as long as it may
	case recent == 0:
		q.stock = 0
	default:
		q.stock = min(q.stock, max(q.want, 1))
	}
	q.serial++
	r := QuotaRequest{
		Limits:  c.limits,
		Serial:  q.serial,
		Used:    q.used,
		Age:     q.usedAt.until(now),
		Leased:  q.stock,
		InUse:   c.burst.held.Saturated(),
		Head:    head,
		Ahead:   q.want - min(q.stock, q.want),
		Closing: c.closed,
	}
	switch {
	case head > 0:
		r.Waiting = q.waiting.Saturated()
	case q.missed > q.stock:
		r.Head = q.missed - q.stock
		r.Waiting = r.Head
	}
	if q.resend {
		r.Past = make([][]QuotaUse, len(c.windows))
		for i := range c.windows {
			past := c.windows[i].past.coarse(pastMoments)
			for at, n := range past.charges() {
				r.Past[i] = append(r.Past[i], QuotaUse{at.until(now), n})
			}
		}
	}
	q.underway, q.asked, q.told, q.inUse, q.kept, q.missed = true, now, q.used, r.InUse, now, 0
	return r
}

// plan sets how much is wanted ahead: as much as a beat uses at the rate since the last request, and at most
// twice what was used since then.
func (q *quota) plan(now moment, recent uint64) {
	n := float64(recent)
	since := max(q.asked.until(now), time.Microsecond)
	q.want = int(min(n*min(2, 1.5*float64(q.beat)/float64(since)), math.MaxInt32))
}

// replied notes what the source replied to the last request. It reports whether the source was lost, or
// is back.
func (q *quota) replied(now moment, r QuotaReply, err error) (lost, back bool) {
	before := q.err
	q.underway, q.err, q.stirred = false, err, true
	if err != nil {
		q.refused = errors.Is(err, ErrQuotaRefused)
		q.low = 0
		q.soonest = now.after(min(firstWait<<min(q.failures, 10), q.beat/2))
		q.failures++
		return before == nil, false
	}
	q.failures = 0
	if r.Beat > 0 {
		q.beat = r.Beat
	}
	if r.Remind > 0 {
		q.remind = r.Remind
	}
	if q.resend = r.Resend; q.resend {
		q.soonest = now
		return false, before != nil
	}
	if r.For > 0 {
		q.until = q.asked.after(r.For)
	}
	if now < q.until {
		q.stock += max(0, r.Leased)
	} else {
		q.stock = 0 // the reply came too late
	}
	q.low = q.stock / 2
	q.soonest = now
	if r.Again > 0 {
		q.soonest = now.after(r.Again)
	} else if q.head(now) > 0 {
		q.soonest = now.after(q.beat / 16) // a source that says nothing is not asked without pause
	}
	return false, before != nil
}

// refuses returns why a ticket that must wait for the quota is refused, or nil if it may wait.
func (q *quota) refuses(n int) error {
	if q.err == nil || !q.refused && q.away.kind != awayReject || q.fits(q.core.now, n) {
		return nil
	}
	q.wanted = q.core.now
	return &QuotaError{q.name, q.err}
}

// quotaName returns what errors call the quota of a source.
func quotaName(src QuotaSource) string {
	if s, ok := src.(fmt.Stringer); ok {
		return "quota " + s.String()
	}
	return "quota"
}
