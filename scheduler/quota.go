package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// QuotaSource leases permits of a quota that several schedulers share, usually in several processes. Implement
// it to keep a quota somewhere new. Module flowredis has a source for Redis and Valkey.
//
// A scheduler makes one exchange at a time, in a goroutine of its own. It goes on granting what it has leased
// meanwhile. Exchange must return soon after ctx ends, and should itself bound how long it takes.
type QuotaSource interface {
	// Exchange tells the source the scheduler's situation, and returns what the scheduler may use. After an error
	// the scheduler does not know whether the source received the request. An error that wraps [ErrQuotaRefused]
	// says that later exchanges will fail too.
	Exchange(ctx context.Context, r QuotaRequest) (QuotaReply, error)
}

// QuotaOpener makes a [QuotaSource] for each scheduler. If the source of [WithQuota] implements it, [New] calls
// Open and uses what that returns.
type QuotaOpener interface {
	Open(QuotaMember) (QuotaSource, error)
}

// QuotaMember describes a scheduler that shares a quota.
type QuotaMember struct {
	Limits Limits // all that share a quota must have the same
	Key    string // see WithQuotaKey
}

// QuotaRequest is a scheduler's situation at one moment. All of its values are absolute, so losing or repeating
// a request does no harm. If a reply never arrives, its lease is not in Leased of the next request, and is not
// used.
type QuotaRequest struct {
	Limits Limits

	// Serial numbers the requests of the scheduler: 1, 2, 3, … A source ignores a request whose number is not
	// above all that it has seen.
	Serial uint64

	Used   uint64        // permits granted since New
	Age    time.Duration // how long ago the last of them was granted
	Leased int           // permits leased and not used; the scheduler gives back all others that it held
	InUse  int           // permits granted and not released

	Head    int // the least that is of use: the weight of the first ticket in line if it waits for the quota, or of a try that failed; else 0
	Waiting int // what all tickets in line ask for, including the first
	Ahead   int // what the scheduler also wants, for tickets to come

	// Past is what each window remembers, in the order of Limits.Windows, oldest first. The first request has it,
	// and the first after a reply with Resend.
	Past [][]QuotaUse

	Closing bool // the scheduler is closing and will use nothing more
}

// QuotaUse says that Permits permits were granted Age ago, or earlier.
type QuotaUse struct {
	Age     time.Duration
	Permits int
}

// QuotaReply is what a scheduler may use.
type QuotaReply struct {
	Leased int           // permits, in addition to those that the request says are leased
	For    time.Duration // how long it may use all that is leased, counted from when the request was made; 0: as before
	Beat   time.Duration // how often it must make a request while it has anything to tell; 0: as before
	Remind time.Duration // the same while it has nothing to tell, but its windows remember grants; 0: as before, at first as Beat
	Again  time.Duration // nothing more can be leased before that; 0: it got all it wanted
	Resend bool          // the source does not know the scheduler any more, which must make a request with Past at once
}

// ErrQuotaRefused says that a [QuotaSource] will never lease anything to the scheduler, for instance because
// its limits differ from those of the others. The source wraps it in its error. The scheduler then refuses
// every ticket with a [*QuotaError].
var ErrQuotaRefused = errors.New("scheduler: the quota refuses this scheduler")

// QuotaError refuses a ticket because the source of the quota leases nothing to this scheduler. With
// [AwayReject] it also refuses a ticket for which nothing is leased while the source cannot be reached. It
// unwraps to [ErrNoPermit].
type QuotaError struct {
	Limit string // the quota, such as "quota github-api"
	Err   error  // what the source said
}

// Error names the quota and includes the source's error.
func (e *QuotaError) Error() string {
	if errors.Is(e.Err, ErrQuotaRefused) {
		return fmt.Sprintf("scheduler: %s leases nothing to this scheduler: %v", e.Limit, e.Err)
	}
	return fmt.Sprintf("scheduler: nothing is leased of %s and its source cannot be reached: %v; come back later", e.Limit, e.Err)
}

// Unwrap returns [ErrNoPermit]. It does not return Err, which may be the end of a context that is not the caller's.
func (e *QuotaError) Unwrap() error { return ErrNoPermit }

// WithQuota makes the scheduler share its limits with others, also in other processes. It grants only what src
// leases to it, and also keeps the limits itself. Together the schedulers never exceed the limits in any
// interval. Each serves its own line in order, as it does without a quota. Package flowredis explains how that
// works.
//
// The owner never waits for the source. Leased permits are granted as fast as without a quota. A ticket for
// which none is leased waits, and the scheduler asks for more. A try sees what is leased at that moment, and so
// does a call of a [NonBlocking] scheduler. If it fails because of the quota, the scheduler asks for more.
// [Scheduler.WaitTime] and the refusal of deadlines know only when the next exchange is due, so they are lower
// bounds. Refusals name the quota as Limit.
//
// Stats.Quota says what is leased. Watch has events for when the source is lost and when it is back.
// [Scheduler.Charge] and [Scheduler.Observe] tell this scheduler alone. SetLimits and Restore return an
// [*InvalidError], because the other schedulers would not know.
//
// Nothing is exchanged while the scheduler is idle. It is idle if no ticket waits, nothing is leased, and no
// window remembers a grant. With a MaxBurst, no permit may be in use either.
//
// The windows must count permits, from grant and not evenly. Otherwise New returns an [*InvalidError]. Close
// tells the source what was used, which it waits for up to two seconds.
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

// WithQuotaKey makes the scheduler share the quota of a key. Each key of a source has a quota of its own, with
// all of the limits. It needs WithQuota with a [QuotaOpener].
func WithQuotaKey(key string) Option {
	return optionFunc(func(cfg *config) error {
		cfg.quotaKey = key
		return nil
	})
}

// WithQuotaAway says what the scheduler does while the source of its quota cannot be reached and nothing is
// leased any more. The default is [AwayWait].
func WithQuotaAway(a Away) Option {
	return optionFunc(func(cfg *config) error {
		cfg.away = a
		return a.damage()
	})
}

// damage returns what is wrong with a, or nil.
func (a Away) damage() error {
	if a.kind == awayShare && a.share < 1 {
		return &InvalidError{"the number of AwayLocalShare", a.share, "1 or more"}
	}
	return nil
}

// Away says what a scheduler does while the source of its quota cannot be reached and nothing is leased. The
// zero value is AwayWait().
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

// AwayReject refuses tickets that would have to wait for the quota, also those already in line, with a
// [*QuotaError]. Limits are never exceeded.
func AwayReject() Away { return Away{kind: awayReject} }

// AwayLocalShare makes the scheduler go on by itself with one n-th of each limit, rounded down. Let n be at
// least the number of schedulers. Then they keep within the limits together, except in the first Per after the
// source is lost and in the first Per after it is back. In those intervals some may have used more than their
// part. A ticket whose weight is more than the part waits.
func AwayLocalShare(n int) Away { return Away{awayShare, n} }

// QuotaStats is the state of a scheduler's quota. It marshals to JSON and back. An error becomes its text.
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

// notShareable returns why no quota can have the limits, or nil.
func (l Limits) notShareable() error {
	for i, w := range l.Windows {
		name := fmt.Sprintf("Limits.Windows[%d].", i)
		switch {
		case w.From != FromGrant:
			return &InvalidError{name + "From", w.From, "FromGrant where a quota is shared"}
		case w.Unit != "":
			return &InvalidError{name + "Unit", w.Unit, "\"\" where a quota is shared: it counts permits"}
		case w.Evenly:
			return &InvalidError{name + "Evenly", w.Evenly, "false where a quota is shared"}
		}
	}
	return nil
}

// openQuota returns the source for a scheduler with the limits, or nil if it shares no quota.
func (cfg *config) openQuota(l Limits) (QuotaSource, error) {
	if cfg.quota == nil {
		if cfg.quotaKey != "" {
			return nil, &InvalidError{"the key of WithQuotaKey", fmt.Sprintf("%q without WithQuota", cfg.quotaKey), "used together with WithQuota"}
		}
		return nil, nil
	}
	if err := l.notShareable(); err != nil {
		return nil, err
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
