package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// QuotaSource leases permits of a quota that several schedulers share, such as those of several processes.
// Module flowredis has one for Redis and Valkey. It is for those who write another one.
//
// A scheduler makes one exchange at a time, in a goroutine of its own, and never waits for it to grant what
// it has. The source must return soon after ctx ends, and should end a call by itself that takes long.
type QuotaSource interface {
	// Exchange tells the source how things are with the scheduler, and returns what it may use. An error
	// means that it is not known whether the source has heard of it. One that wraps [ErrQuotaRefused] means
	// that no later exchange will go better.
	Exchange(ctx context.Context, r QuotaRequest) (QuotaReply, error)
}

// QuotaOpener is a [QuotaSource] that serves several schedulers. [New] calls Open for the one that its
// scheduler exchanges with.
type QuotaOpener interface {
	Open(QuotaMember) (QuotaSource, error)
}

// QuotaMember describes a scheduler that is to share a quota.
type QuotaMember struct {
	Limits Limits // all that share a quota must have the same
	Key    string // see WithQuotaKey
}

// QuotaRequest is how things are with a scheduler at one moment. All of it is absolute, so losing or repeating
// a request does no harm. What is leased by a reply that never arrives is not in Leased of the next request,
// and will not be used.
type QuotaRequest struct {
	Limits Limits

	// Serial counts the requests of the scheduler: 1, 2, 3, … A source ignores one that is not above
	// all that it has seen.
	Serial uint64

	Used   uint64        // permits granted since New
	Age    time.Duration // how long ago the last of them was granted
	Leased int           // permits leased and not used; what the scheduler held besides, it gives back
	InUse  int           // permits granted and not released

	Head    int // what the first ticket in line asks for if it waits for the quota, or what a try lacked; less is of no use; 0: neither
	Waiting int // what all tickets in line ask for, that one included
	Ahead   int // what the scheduler wants besides, for tickets to come

	// Past is what the windows remember. It is there in the first request, and after a reply with Resend.
	Past []QuotaPast

	Closing bool // the scheduler ends: it will use nothing more
}

// QuotaPast is what one window remembers, the oldest first.
type QuotaPast []QuotaUse

// QuotaUse says that so many permits were granted so long ago, or earlier.
type QuotaUse struct {
	Age     time.Duration
	Permits int
}

// QuotaReply is what a scheduler may use.
type QuotaReply struct {
	Leased int           // permits, in addition to those that the request says are leased
	For    time.Duration // how long it may use all that is leased, from the making of the request on; 0: as before
	Beat   time.Duration // it is to make a request at least so often while it has anything to tell; 0: as before
	Again  time.Duration // there is nothing more for it before that; 0: it got all it wanted
	Resend bool          // the source has forgotten the scheduler: make a request with Past at once
}

// ErrQuotaRefused is wrapped by the errors of a [QuotaSource] that will never lease anything to the scheduler,
// for instance because its limits are not those of the others. Every ticket is then refused with a
// [*QuotaError].
var ErrQuotaRefused = errors.New("scheduler: the quota refuses this scheduler")

// QuotaError refuses a ticket because nothing is leased for it and the source of the quota cannot be
// reached, or refuses to lease anything. Without [AwayReject] only the latter refuses tickets. It unwraps to
// [ErrNoPermit].
type QuotaError struct {
	Limit string // the quota, such as "quota github-api"
	Err   error  // what the source said
}

// Error names the quota and says what its source said.
func (e *QuotaError) Error() string {
	if errors.Is(e.Err, ErrQuotaRefused) {
		return fmt.Sprintf("scheduler: %s leases nothing to this scheduler: %v", e.Limit, e.Err)
	}
	return fmt.Sprintf("scheduler: nothing is leased of %s and its source cannot be reached: %v; come back later", e.Limit, e.Err)
}

// Unwrap returns [ErrNoPermit]. It does not return Err, which may be the end of a context that is not the caller's.
func (e *QuotaError) Unwrap() error { return ErrNoPermit }

// WithQuota makes the scheduler share its limits with others, in other processes too: it grants only what src
// leases to it, and keeps the limits itself besides. Together they then never exceed the limits in any
// interval. Each of them serves its own line in order, as without a quota. Package flowredis tells how that works.
//
// The owner never waits for the source. Permits that are leased are granted as fast as without a quota. A
// ticket for which none is leased waits, and the scheduler asks for more. A try sees what is leased at that
// moment, and so does [NonBlocking]; one that fails for the quota asks for more. [Scheduler.WaitTime] and the
// refusal of deadlines know only when the next exchange is due, so they are lower bounds. Refusals name the
// quota as Limit.
//
// Stats.Quota tells what is leased, and Watch when the source is lost and when it is back. [Scheduler.Charge]
// and [Scheduler.Observe] tell this scheduler alone. SetLimits and Restore return an [*InvalidError]: the others
// would not know.
//
// Nothing is exchanged while the scheduler is idle: no ticket waits, nothing is leased, no window remembers a
// grant and, if there is a MaxBurst, no permit is in use.
//
// The windows must count permits from grant and not evenly, or New returns an [*InvalidError]. Close tells the
// source what was used, and waits for that for up to two seconds.
func WithQuota(src QuotaSource) Option {
	return optionFunc(func(cfg *config) error {
		if src == nil {
			return &InvalidError{"the source of WithQuota", nil, "a source such as flowredis.Share makes"}
		}
		if cfg.quota != nil {
			return &InvalidError{"the source of WithQuota", "another one", "the only one"}
		}
		cfg.quota = src
		return nil
	})
}

// WithQuotaKey makes the scheduler share a quota of its own for the key, where a source has many: each key
// has a quota with all of the limits. It needs WithQuota with a [QuotaOpener].
func WithQuotaKey(key string) Option {
	return optionFunc(func(cfg *config) error {
		cfg.quotaKey = key
		return nil
	})
}

// WithQuotaAway says what the scheduler does while the source of its quota cannot be reached and nothing is
// leased any more. Without it tickets wait.
func WithQuotaAway(a Away) Option {
	return optionFunc(func(cfg *config) error {
		if a.kind == awayShare && a.share < 1 {
			return &InvalidError{"the number of AwayLocalShare", a.share, "1 or more"}
		}
		cfg.away = a
		return nil
	})
}

// Away is what a scheduler does while the source of its quota cannot be reached and nothing is leased.
// The zero value is that of [AwayWait].
type Away struct {
	kind  awayKind
	share int
}

type awayKind uint8

const (
	awayWait awayKind = iota
	awayReject
	awayShare
)

// AwayWait makes tickets wait until the source is back. Limits are never exceeded.
func AwayWait() Away { return Away{} }

// AwayReject refuses tickets that would have to wait for the quota with a [*QuotaError], those in line too.
// Limits are never exceeded.
func AwayReject() Away { return Away{kind: awayReject} }

// AwayLocalShare makes the scheduler go on with one n-th of each limit by itself, rounded down. If n is at
// least the number of schedulers, they keep within the limits together, except in the first Per after the source is
// lost and in the first Per after it is back: then some may have used more than their part. A ticket whose
// weight is more than the part waits.
func AwayLocalShare(n int) Away { return Away{awayShare, n} }

// QuotaStats is what a scheduler knows of its quota. It marshals to JSON and back; an error becomes its text.
type QuotaStats struct {
	Leased int       // permits that may be granted without an exchange
	Until  time.Time // when they must be given up unless an exchange extends that; zero if nothing is leased
	Err    error     // why the last exchange failed; nil if it did not
}

type quotaStats struct {
	Leased int       `json:"leased"`
	Until  time.Time `json:"until,omitzero"`
	Err    string    `json:"error,omitempty"`
}

// MarshalJSON returns an object with the members leased, until and error.
func (q QuotaStats) MarshalJSON() ([]byte, error) {
	s := quotaStats{Leased: q.Leased, Until: q.Until}
	if q.Err != nil {
		s.Err = q.Err.Error()
	}
	return json.Marshal(s)
}

// UnmarshalJSON reads what [QuotaStats.MarshalJSON] writes.
func (q *QuotaStats) UnmarshalJSON(data []byte) error {
	var s quotaStats
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	*q = QuotaStats{Leased: s.Leased, Until: s.Until}
	if s.Err != "" {
		q.Err = errors.New(s.Err)
	}
	return nil
}

// openQuota returns the source that a scheduler with the limits exchanges with, nil if it shares no quota.
func (cfg *config) openQuota(l Limits) (QuotaSource, error) {
	if cfg.quota == nil {
		if cfg.quotaKey != "" {
			return nil, &InvalidError{"the key of WithQuotaKey", fmt.Sprintf("%q without WithQuota", cfg.quotaKey), "used together with WithQuota"}
		}
		return nil, nil
	}
	for i, w := range l.Windows {
		name := fmt.Sprintf("Limits.Windows[%d].", i)
		switch {
		case w.From != FromGrant:
			return nil, &InvalidError{name + "From", w.From, "FromGrant where a quota is shared"}
		case w.Unit != "":
			return nil, &InvalidError{name + "Unit", w.Unit, "\"\" where a quota is shared: it counts permits"}
		case w.Evenly:
			return nil, &InvalidError{name + "Evenly", w.Evenly, "false where a quota is shared"}
		}
	}
	opener, ok := cfg.quota.(QuotaOpener)
	switch {
	case ok:
		return opener.Open(QuotaMember{Limits: l.clone(), Key: cfg.quotaKey})
	case cfg.quotaKey != "":
		return nil, &InvalidError{"the source of WithQuota", fmt.Sprintf("a %T, which has no keys", cfg.quota), "a QuotaOpener where WithQuotaKey is given"}
	}
	return cfg.quota, nil
}
