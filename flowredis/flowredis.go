package flowredis

import (
	"fmt"
	"time"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/redis/go-redis/v9"
)

// Share makes a scheduler share its limits with all schedulers, in any process, that share the quota of that
// name on the same server. Together they never exceed the limits in any interval. It is an option of
// [scheduler.New]:
//
//	s, err := scheduler.New(limits, flowredis.Share(rdb, "github-api"))
//
// Every scheduler of a quota must have the same limits, lease and recovery. If one differs, it is refused with
// a [*LimitsError] while one of the others runs. The option may be used for several schedulers. With
// [scheduler.WithQuotaKey] each key has a quota of its own.
//
// The client must have ContextTimeoutEnabled. Otherwise a stopped server would block exchanges for longer than
// a lease. MaxRetries should be -1, because the scheduler itself tries again. scheduler.New returns a
// [*scheduler.InvalidError] for a client without ContextTimeoutEnabled, and for invalid options.
//
// The first use of a name waits for one lease, because the server may have lost its memory.
func Share(rdb redis.Scripter, name string, opts ...Option) scheduler.Option {
	return scheduler.WithQuota(newShare(rdb, name, opts))
}

// ShareKeys makes a [keyed.Set] share the limits of each key with the same key of all sets, in any process,
// that share the quotas of that name on the same server. It is an option of [keyed.New]:
//
//	set, err := keyed.New(limitsOf, flowredis.ShareKeys(rdb, "tenants"))
//
// Each key has a quota of its own, named by fmt.Sprint of the key. A scheduler with [Share] of the name and
// [scheduler.WithQuotaKey] of the key shares it too. The conditions of Share on the client, the limits and the
// options hold for each key. keyed.New returns a [*scheduler.InvalidError] for a client or options that Share
// would refuse.
//
// A key that is used or remembers grants makes at least three exchanges in each lease, so the number of
// exchanges grows with the number of such keys. For limits of an hour and thousands of keys choose a longer
// [Lease]. Or choose [Quarantine], with which keys that only remember grants make no exchanges. All keys of a
// name are in one slot of a cluster. The first use of a name waits for one lease. Later keys do not wait for
// that.
func ShareKeys(rdb redis.Scripter, name string, opts ...Option) keyed.Option {
	return keyed.WithQuota(newShare(rdb, name, opts))
}

func newShare(rdb redis.Scripter, name string, opts []Option) *share {
	s := &share{name: name, lease: time.Second}
	for _, opt := range opts {
		opt(s)
	}
	s.invalid = invalid(rdb, s)
	if s.invalid == nil {
		s.engine = newRedisEngine(rdb, name)
	}
	return s
}

func invalid(rdb redis.Scripter, s *share) error {
	if rdb == nil {
		return &scheduler.InvalidError{What: "the client of Share", Got: nil, Want: "a client such as redis.NewClient makes"}
	}
	if !timesOut(rdb) {
		return &scheduler.InvalidError{What: "the client of Share", Got: "one without ContextTimeoutEnabled", Want: "one with ContextTimeoutEnabled"}
	}
	if s.name == "" {
		return &scheduler.InvalidError{What: "the name of Share", Got: `""`, Want: "one that all who share the quota use"}
	}
	if s.lease < minLease || s.lease > maxLease {
		return &scheduler.InvalidError{What: "the duration of Lease", Got: s.lease, Want: fmt.Sprintf("from %v to %v", minLease, maxLease)}
	}
	if s.onLoss > Optimistic {
		return &scheduler.InvalidError{What: "the Recovery of OnLoss", Got: uint8(s.onLoss), Want: "Recollect, Quarantine or Optimistic"}
	}
	return nil
}

// timesOut reports whether a client obeys the deadlines of contexts, as far as its options show.
func timesOut(rdb redis.Scripter) bool {
	switch c := rdb.(type) {
	case *redis.Client:
		return c != nil && c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		return c != nil && c.Options().ContextTimeoutEnabled
	case *redis.Ring:
		return c != nil && c.Options().ContextTimeoutEnabled
	}
	return true
}

// A lease is long enough for exchanges over a slow line, and short enough that a dead scheduler does not keep its
// permits for long.
const (
	minLease = 50 * time.Millisecond
	maxLease = 5 * time.Minute
)

// Option changes how a quota is shared.
type Option func(*share)

// Lease sets how long a scheduler may use its leased permits without another exchange. The default is a second.
// A scheduler that is silent for that long counts as dead. Its leased permits then count as used, and the
// permits that it holds of a MaxBurst as released. Lease also sets the pace: a scheduler makes at least three
// exchanges in this time while it has anything to tell. It can be from 50 ms to 5 minutes. Choose at least ten
// times a round trip.
func Lease(d time.Duration) Option { return func(s *share) { s.lease = d } }

// OnLoss sets what happens when the server has lost its memory. The default is [Recollect].
func OnLoss(r Recovery) Option { return func(s *share) { s.onLoss = r } }

// Recovery says what happens when the server has lost its memory, because it was restarted or flushed.
type Recovery uint8

const (
	// Recollect waits for one lease, in which the running schedulers send again what their windows remember. It is
	// exact if all schedulers that used permits within a window are heard in that time. If one has ended or is cut
	// off, the permits that it used are forgotten.
	Recollect Recovery = iota

	// Quarantine grants nothing for a lease and the longest window. It is exact whatever has happened to the
	// schedulers. With a window of an hour it takes an hour.
	Quarantine

	// Optimistic goes on at once as if nothing had been used. It may exceed limits after each loss.
	Optimistic
)

// String returns "Recollect", "Quarantine" or "Optimistic".
func (r Recovery) String() string {
	switch r {
	case Recollect:
		return "Recollect"
	case Quarantine:
		return "Quarantine"
	case Optimistic:
		return "Optimistic"
	}
	return fmt.Sprintf("Recovery(%d)", uint8(r))
}

// LimitsError says that schedulers that share a quota have different limits or options. Tickets are refused
// with a [*scheduler.QuotaError] that has it as Err. It wraps [scheduler.ErrQuotaRefused].
type LimitsError struct {
	Quota string
	Here  string // what this scheduler has
	There string // what the other running schedulers have
}

// Error says what is different and what to do.
func (e *LimitsError) Error() string {
	return fmt.Sprintf("flowredis: quota %s: this scheduler has %s, the others have %s; give all of them the same limits and options, or share another name", e.Quota, e.Here, e.There)
}

// Unwrap returns [scheduler.ErrQuotaRefused].
func (e *LimitsError) Unwrap() error { return scheduler.ErrQuotaRefused }
