package keyed

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/internal/loop"
	"github.com/flowguard-go/flowguard/scheduler"
)

// WithQuota makes the set share the limits of each key with the same key of other sets, also in other processes. It
// does for each key what [scheduler.WithQuota] with [scheduler.WithQuotaKey] does for a scheduler: a key grants only
// what src leases to it, and together the sets never exceed its limits in any interval. The name of the quota is
// fmt.Sprint(k), so a string stands for itself. Keys with the same text share one quota, so the text must tell apart
// keys that are to have their own. A scheduler with WithQuotaKey of that name shares it too. flowredis.ShareKeys
// makes this option for Redis and Valkey.
//
// Calls wait for the source only if they wait for permits. A key that was not used lately has nothing leased.
// So its first ticket waits for an exchange, and a try fails and asks for more. If callers must not wait for
// long, use [Set.Acquire] with a context that ends soon, rather than a try.
//
// A key makes exchanges only while it has something to tell or its windows remember grants, as often as
// [scheduler.QuotaReply] says. Then it is forgotten as without a quota. If the source fails, the set
// remembers that for ten seconds after the last call that needed it. If the source refuses the key, the set asks again
// after ten seconds. No key has a goroutine or a
// timer. The exchanges of all keys are made by up to 64 goroutines, which end when none is due. Keys for which
// an exchange is due are served in turn. The set opens a source for a key before its first exchange, and drops
// it when it forgets the key.
//
// src must be a [scheduler.QuotaOpener]. If it has a method Validate() error, New returns its error. The
// windows must count permits, from grant and not evenly. Otherwise the call that names the key returns a
// [*scheduler.InvalidError]. If the source cannot be opened for a key, tickets of the key are refused with a
// [*scheduler.QuotaError]. New refuses [Overflow] and [Within] together with it, and [Set.SetLimits] and
// [Set.Restore] return an InvalidError.
//
// Close ends running exchanges, and tells the source what was used. It waits for that for up to two seconds.
// Permits that could not be reported by then count as used at the end of their lease.
//
// A key takes about 2.5 kB while it is remembered.
func WithQuota(src scheduler.QuotaSource) Option {
	return optionFunc(func(cfg *config) error {
		switch {
		case src == nil:
			return invalid("the source of WithQuota", nil, "a source such as flowredis.ShareKeys makes")
		case cfg.quota != nil:
			return invalid("the source of WithQuota", "another one", "the only one")
		}
		if _, ok := src.(scheduler.QuotaOpener); !ok {
			return invalid("the source of WithQuota", fmt.Sprintf("a %T, which has no keys", src), "a QuotaOpener")
		}
		cfg.quota = src
		if v, ok := src.(interface{ Validate() error }); ok {
			return v.Validate()
		}
		return nil
	})
}

// WithQuotaAway says what a key does while the source of its quota cannot be reached and nothing is leased, as
// [scheduler.WithQuotaAway] says it of a scheduler. The default is [scheduler.AwayWait].
func WithQuotaAway(a scheduler.Away) Option {
	return optionFunc(func(cfg *config) error {
		cfg.away = a
		return inside.CheckAway(a)
	})
}

// checkQuota returns an error for an option that cannot be used with a quota, or nil.
func (cfg *config) checkQuota() error {
	switch {
	case cfg.within != nil:
		return invalid("the scheduler of Within", "one beside WithQuota", "none; leave one of both out")
	case cfg.overflow != nil:
		return invalid("the limits of Overflow", fmt.Sprintf("%v beside WithQuota", cfg.overflow), "none; new keys beyond MaxKeys are refused")
	}
	return nil
}

// notShared returns why a call is refused if quotas are shared.
func notShared(call string) error {
	return invalid("the set of "+call, "one that shares quotas", "one without WithQuota")
}

// exchanges makes the exchanges of all keys of a set with the source of their quotas. A key whose exchange is
// due gets in line. A goroutine takes the first key in line, asks the key's owner for the request, makes the
// exchange, and gives the owner the reply. While there is a line, there is a bounded number of such goroutines.
// They end when the line is empty. So the owners never wait, and a request is made just before it is sent.
//
// When the set has ended, the keys report their use in the same way.
type exchanges[K comparable] struct {
	opener scheduler.QuotaOpener
	boxes  []*box[K]

	ctx    context.Context // of exchanges; ends with the set
	cancel context.CancelFunc

	mu      sync.Mutex
	due     []*entry[K]            // in line
	busy    map[*entry[K]]struct{} // being exchanged for
	running int                    // goroutines
	owners  int                    // that have not ended
	over    bool                   // all have ended: due has those whose farewell is to be said

	farewell    context.Context // of what is said at the end
	endFarewell context.CancelFunc
	done        chan struct{} // closed when all is said
}

const (
	mostExchanges   = 64              // under way at a time
	closingExchange = 2 * time.Second // for all that is said at the end
)

// exchange is what a goroutine and an owner tell each other of one exchange.
type exchange struct {
	due     bool // there is a request
	request scheduler.QuotaRequest
	source  scheduler.QuotaSource // nil: to be opened

	reply scheduler.QuotaReply
	err   error
}

func newExchanges[K comparable](opener scheduler.QuotaOpener, owners int) *exchanges[K] {
	x := &exchanges[K]{opener: opener, owners: owners, busy: make(map[*entry[K]]struct{}), done: make(chan struct{})}
	x.ctx, x.cancel = context.WithCancel(context.Background())
	return x
}

// planExchange puts the key in line if an exchange is due. It returns when to look at the key again.
func (st *state[K]) planExchange(e *entry[K], s inside.Standing) (at int64) {
	switch {
	case e.queued && s.Forget:
		return inside.Never // its turn comes
	case e.queued || st.closed:
		return s.At
	}
	if due := st.seat.QuotaDue(&e.cell); due > st.Latest {
		return min(s.At, due)
	}
	e.queued = true
	st.box.quotas.push(e)
	return s.At
}

// push puts a key in line.
func (x *exchanges[K]) push(e *entry[K]) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return
	}
	x.due = append(x.due, e)
	x.start()
}

// start begins as many goroutines as the line needs and there may be.
func (x *exchanges[K]) start() {
	for x.running-len(x.busy) < len(x.due) && x.running < mostExchanges {
		x.running++
		go x.run()
	}
}

// run serves keys in line until there are none.
func (x *exchanges[K]) run() {
	for e, farewell := x.next(nil, false); e != nil; e, farewell = x.next(e, farewell) {
		if farewell {
			x.sayFarewell(e)
		} else {
			x.exchange(e)
		}
	}
}

// next returns the first key in line, nil if there is none, and whether its farewell is to be said. The key that was
// served last may have to say one too.
func (x *exchanges[K]) next(served *entry[K], saidFarewell bool) (e *entry[K], farewell bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if served != nil {
		delete(x.busy, served)
		if x.over && !saidFarewell {
			x.due = append(x.due, served)
		}
	}
	if len(x.due) == 0 {
		x.running--
		x.endIfDone()
		return nil, false
	}
	e, x.due[0] = x.due[0], nil
	x.due = x.due[1:]
	x.busy[e] = struct{}{}
	return e, x.over
}

// exchange makes the exchange that is due for a key.
func (x *exchanges[K]) exchange(e *entry[K]) {
	var ex exchange
	m := message[K]{verb: verbQuotaRequest, hash: e.hash, key: e.key, entry: e, change: &change[K]{exchange: &ex}}
	if _, ok := e.box.ask(&m); !ok || !ex.due {
		return
	}
	if ex.source == nil {
		ex.source, ex.err = x.opener.Open(scheduler.QuotaMember{Limits: ex.request.Limits, Key: fmt.Sprint(e.key)})
		if ex.err != nil {
			ex.err = unopened{ex.err}
		}
	}
	if ex.err == nil {
		ex.reply, ex.err = ex.source.Exchange(x.ctx, ex.request)
	}
	m.verb = verbQuotaReply
	a, ok := e.box.ask(&m)
	for m.verb = verbGoOn; ok && a.more; {
		a, ok = e.box.ask(&m)
	}
	if !ok {
		e.box.keepSource(e, ex.source)
	}
}

// unopened says why there is no source for a key. It refuses the key.
type unopened struct{ error }

func (e unopened) Unwrap() []error { return []error{scheduler.ErrQuotaRefused, e.error} }

// ownerEnded is called by each owner when it has ended. The last one ends the exchanges that are under way, and has the
// farewells of all keys said.
func (x *exchanges[K]) ownerEnded() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.owners--; x.owners > 0 {
		return
	}
	x.over = true
	x.cancel()
	x.farewell, x.endFarewell = context.WithTimeout(context.Background(), closingExchange)
	x.due = nil
	for _, b := range x.boxes {
		x.due = append(x.due, b.owing(x.busy)...)
	}
	x.start()
	x.endIfDone()
}

// endIfDone notes that all is said, if it is.
func (x *exchanges[K]) endIfDone() {
	if x.over && x.running == 0 {
		x.endFarewell()
		close(x.done)
	}
}

// owing returns, after the end, the keys for which the source may count more than was used, except those that
// are busy.
func (b *box[K]) owing(busy map[*entry[K]]struct{}) (all []*entry[K]) {
	st := b.Remains()
	b.after.Lock()
	defer b.after.Unlock()
	for e := range st.keys.all() {
		if _, ok := busy[e]; !ok && st.seat.QuotaOwes(&e.cell) {
			all = append(all, e)
		}
	}
	return all
}

// keepSource notes, after the end, what was opened for a key.
func (b *box[K]) keepSource(e *entry[K], src scheduler.QuotaSource) {
	st := b.Remains()
	b.after.Lock()
	defer b.after.Unlock()
	if !e.forgotten() {
		st.seat.QuotaOpened(&e.cell, src)
	}
}

// sayFarewell tells the source what a key has used, after the end.
func (x *exchanges[K]) sayFarewell(e *entry[K]) {
	if x.farewell.Err() != nil {
		return
	}
	if r, src := e.box.lastRequest(e); src != nil {
		src.Exchange(x.farewell, r)
	}
}

func (b *box[K]) lastRequest(e *entry[K]) (r scheduler.QuotaRequest, src scheduler.QuotaSource) {
	st := b.Remains()
	b.after.Lock()
	defer b.after.Unlock()
	if !e.forgotten() && st.seat.QuotaOwes(&e.cell) {
		return st.seat.QuotaFarewell(&e.cell)
	}
	return r, nil
}

// wait waits until all is said, if the source lets it.
func (x *exchanges[K]) wait() {
	if x != nil {
		loop.Await(x.done, closingExchange)
	}
}
