package keyed_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	model "github.com/flowguard-go/flowguard/internal/oracle"
	"github.com/flowguard-go/flowguard/scheduler"
)

// quotaPool is a source with a quota for each key, and a network between it and its members that delays, loses,
// repeats and reorders what they say.
type quotaPool struct {
	lease, beat time.Duration
	trouble     trouble

	mu        sync.Mutex
	random    *rand.Rand
	quotas    map[string]*pooledQuota
	down      error // exchanges fail with it
	exchanges int
	underway  int
	most      int // that were under way at a time
}

// trouble says how likely what is, of 1,000 exchanges.
type trouble struct {
	delay                 time.Duration // up to so much, each way
	lose, loseReply, late int           // late: the request comes some leases later, or comes again
	slow                  int           // it takes as long as it takes, up to two leases
}

// wire is the way of one process to the pool, which can be cut.
type wire struct {
	*quotaPool
	cut atomic.Bool
}

func (w *wire) Open(m scheduler.QuotaMember) (scheduler.QuotaSource, error) {
	one, err := w.quotaPool.Open(m)
	one.(*pooledMember).wire = w
	return one, err
}

// pooledQuota is what is known of the quota of a key: a log of what was used, and what each member holds.
type pooledQuota struct {
	limits  scheduler.Limits
	log     []pooledUse
	members []*pooledMember
}

type pooledUse struct {
	at time.Time
	n  int
}

type pooledMember struct {
	pool             *quotaPool
	of               *pooledQuota
	key              string
	wire             *wire // nil: it is never cut
	held, inUse      int
	used, serial     uint64
	owes             int // of used, what was charged when its lease ended
	until            time.Time
	exchanges, waits int
}

func newQuotaPool(seed uint64) *quotaPool {
	return &quotaPool{lease: time.Second, beat: time.Second / 3, random: rand.New(rand.NewPCG(seed, 7)), quotas: map[string]*pooledQuota{}}
}

func (p *quotaPool) String() string { return "pool" }

func (p *quotaPool) Exchange(context.Context, scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
	panic("Open was not called")
}

func (p *quotaPool) Open(m scheduler.QuotaMember) (scheduler.QuotaSource, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.quotas[m.Key]
	if q == nil {
		q = &pooledQuota{limits: m.Limits}
		p.quotas[m.Key] = q
	}
	one := &pooledMember{pool: p, of: q, key: m.Key}
	q.members = append(q.members, one)
	return one, nil
}

func (p *quotaPool) setDown(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = err
}

// calls returns how many exchanges there were.
func (p *quotaPool) calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exchanges
}

// held returns what members of the key hold.
func (p *quotaPool) held(key string) (leased, inUse int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q := p.quotas[key]; q != nil {
		for _, m := range q.members {
			leased, inUse = leased+m.held, inUse+m.inUse
		}
	}
	return leased, inUse
}

var errCut = errors.New("cut off")

var errLate = errors.New("a later request has overtaken this one, or its lease has ended")

func (m *pooledMember) Exchange(ctx context.Context, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
	p := m.pool
	p.mu.Lock()
	m.exchanges++
	p.exchanges++
	p.underway++
	p.most = max(p.most, p.underway)
	defer func() {
		p.mu.Lock()
		p.underway--
		p.mu.Unlock()
	}()
	dice := func(n int) bool { return p.random.IntN(1000) < n }
	delay := func(d time.Duration) time.Duration { return time.Duration(p.random.Int64N(int64(d) + 1)) }
	there, back := delay(p.trouble.delay), delay(p.trouble.delay)
	lost, lostReply, late := dice(p.trouble.lose), dice(p.trouble.loseReply), dice(p.trouble.late)
	again := delay(3 * p.lease)
	patience := p.lease / 4
	if dice(p.trouble.slow) {
		there, back, patience = delay(p.lease), delay(p.lease), 2*p.lease
	}
	down := p.down
	if m.wire != nil && m.wire.cut.Load() {
		down = errCut
	}
	p.mu.Unlock()
	if down != nil {
		return scheduler.QuotaReply{}, down
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	type outcome struct {
		scheduler.QuotaReply
		error
	}
	answer := make(chan outcome, 2)
	send := func(after time.Duration) {
		time.Sleep(after)
		reply, err := m.receive(r)
		time.Sleep(back)
		if !lostReply {
			answer <- outcome{reply, err}
		}
	}
	if late {
		go send(again)
	}
	if !lost {
		go send(there)
	}
	select {
	case o := <-answer:
		return o.QuotaReply, o.error
	case <-ctx.Done():
		return scheduler.QuotaReply{}, ctx.Err()
	}
}

// receive is the pool's side of an exchange.
func (m *pooledMember) receive(r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
	p, q := m.pool, m.of
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	lapsed := !now.Before(m.until)
	for _, one := range q.members {
		if one.held > 0 && !now.Before(one.until) {
			q.log = append(q.log, pooledUse{one.until, one.held})
			one.owes, one.held = one.owes+one.held, 0
		}
		if !now.Before(one.until) {
			one.inUse = 0
		}
	}
	if r.Serial <= m.serial || r.Leased > 0 && lapsed {
		return scheduler.QuotaReply{}, errLate
	}
	if n := int(r.Used-m.used) - m.owes; r.Used > m.used && n > 0 {
		q.log = append(q.log, pooledUse{now.Add(-r.Age), n})
	}
	m.used, m.owes = max(m.used, r.Used), 0
	m.serial, m.held, m.inUse, m.until = r.Serial, r.Leased, r.InUse, now.Add(p.lease)
	reply := scheduler.QuotaReply{For: p.lease - p.lease/50, Beat: p.beat}
	if r.Closing {
		m.held, m.inUse = 0, 0
		return reply, nil
	}
	if n := min(q.free(now), max(r.Waiting, r.Head)+r.Ahead); n > 0 && n >= r.Head {
		reply.Leased = n
		m.held += n
	} else if r.Head > 0 {
		m.waits++
		reply.Again = p.lease / 20
	}
	return reply, nil
}

// free returns what can be leased.
func (q *pooledQuota) free(now time.Time) int {
	held, inUse := 0, 0
	for _, one := range q.members {
		held += one.held
		inUse += one.inUse
	}
	free := 1 << 30
	for _, w := range q.limits.Windows {
		n := held
		for _, l := range q.log {
			if l.at.After(now.Add(-w.Per)) {
				n += l.n
			}
		}
		free = min(free, w.Permits-n)
	}
	if q.limits.MaxBurst > 0 {
		free = min(free, q.limits.MaxBurst-held-inUse)
	}
	return max(0, free)
}

// quotaRecord is what all sets have granted.
type quotaRecord struct {
	mu  sync.Mutex
	all map[int]model.Grants // by key
}

func (r *quotaRecord) note(key, granted, in int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[int]model.Grants{}
	}
	r.all[key] = append(r.all[key], model.Grant{At: time.Now(), Permits: granted, InUse: in})
}
