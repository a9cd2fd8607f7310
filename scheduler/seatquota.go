package scheduler

import (
	"time"

	"github.com/flowguard-go/flowguard/internal/cell"
	"github.com/flowguard-go/flowguard/internal/inside"
)

// seatQuota is the common part of the quotas of a seat's keys. Each key has a quota of its own, which decides
// when its exchanges are due. Package keyed makes the exchanges.
//
// A key that shares a quota does not sleep. It makes exchanges as long as it remembers anything, and is
// forgotten soon after.
type seatQuota struct {
	name string
	away Away
}

func init() {
	inside.CheckAway = func(a any) error { return a.(Away).damage() }
}

// NotShareable returns why no quota can have the limits, or nil.
func (s seatShared) NotShareable(l Limits) error { return l.notShareable() }

// ShareQuotas makes each key share its limits with others, through a source. It is called once, before all else.
func (s *seat) ShareQuotas(src QuotaSource, a Away) { s.quota = &seatQuota{quotaName(src), a} }

// begin makes the core of a new key share its limits.
func (sq *seatQuota) begin(c *core) {
	fresh := newQuota(c, sq.name, sq.away)
	if c.quota != nil { // the core served another key
		*c.quota = *fresh
		return
	}
	c.quota = fresh
	c.enforce()
}

// QuotaDue returns when the next exchange for a key that was open is due, or inside.Never if one is running.
func (s *seat) QuotaDue(c *cell.Cell) int64 {
	l := live(c)
	return int64(l.quota.due(l.now))
}

// QuotaRequest makes the next request for the key that is open, if it is due. The source is nil until QuotaReply has
// named it.
func (s *seat) QuotaRequest() (r QuotaRequest, src QuotaSource, due bool) {
	c := s.core
	if c.closed || c.quota.due(c.now) > c.now {
		return r, nil, false
	}
	return c.quota.request(c.now), c.quota.source, true
}

// QuotaReply applies the source's reply to the key that is open. It reports whether that goes on in Work.
func (s *seat) QuotaReply(src QuotaSource, r QuotaReply, err error) (later bool) {
	s.core.quota.source = src
	s.looks = perTurn
	s.quotaReply(&exchange{reply: r, err: err})
	s.grant()
	return len(s.chores) > 0
}

// QuotaOpened notes the source of a key, after the end.
func (s *seat) QuotaOpened(c *cell.Cell, src QuotaSource) {
	if l := live(c); l != nil {
		l.quota.source = src
	}
}

// QuotaOwes reports, after the end, whether the source of a key may count more than was used.
func (s *seat) QuotaOwes(c *cell.Cell) bool {
	l := live(c)
	return l != nil && l.quota.source != nil && l.quota.err == nil && (l.quota.underway || l.quota.tells(l.now))
}

// QuotaFarewell returns the last request for a key for which QuotaOwes is true.
func (s *seat) QuotaFarewell(c *cell.Cell) (QuotaRequest, QuotaSource) {
	l := live(c)
	l.closed = true
	q := *l.quota // others may look at what remains
	return q.request(max(l.now, s.now())), q.source
}

// keepsError is how long a key is kept because its source failed or refuses it. So a caller that asks again
// meanwhile gets the error without waiting for an exchange.
const keepsError = 10 * time.Second

// forgettable returns the first instant at which a new quota would be as good, apart from what windows remember. It
// is never if an exchange is to come before.
func (q *quota) forgettable(now moment) moment {
	switch {
	case q.underway:
		return never
	case q.refused:
		return q.asked.after(keepsError)
	case q.missed > 0 || q.tells(now):
		return never
	case q.err != nil:
		return q.wanted.after(keepsError)
	case q.resend && q.serial > 0:
		return never
	}
	return now
}
