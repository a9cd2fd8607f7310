// Package quota lets runs share their limits with others, on other machines too, through a Redis or Valkey server.
package quota

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/flowguard-go/flowguard/flowredis"
	"github.com/flowguard-go/flowguard/scheduler"
)

// The client's own log would appear in the middle of the progress line.
func init() { logging.Disable() }

// Quota is a set of limits that all programs share that name it.
type Quota struct {
	name   string
	server string // its address
	client *redis.Client
	opts   []flowredis.Option
}

// Example is what people write.
const Example = "redis://localhost:6379#github-api"

// passwordInEnv is where redis-cli looks for a password. In a command line everybody on the machine can read it.
const passwordInEnv = "REDISCLI_AUTH"

// Parse reads where a quota is: the URL of a server as package redis reads it, with redis, rediss or unix as
// its scheme, and the name of the quota behind #. In the query, lease and on_loss are those of package
// flowredis. Errors do not contain the password. It connects to nothing. Call Close in the end.
func Parse(text string) (*Quota, error) {
	u, err := url.Parse(text)
	if err != nil { // the error may have a part of the password
		return nil, fmt.Errorf("it is not a URL; write it like %s, and in a password %%40 for @, %%2F for / and %%25 for %%", Example)
	}
	q := &Quota{name: u.Fragment}
	if q.name == "" {
		return nil, fmt.Errorf("the name of the quota is missing; write it behind #, like %s", Example)
	}
	u.Fragment, u.RawFragment = "", ""
	query := u.Query()
	if err := q.ownOptions(query); err != nil {
		return nil, err
	}
	u.RawQuery = query.Encode()
	opts, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, fmt.Errorf("%w; write it like %s", err, Example)
	}
	if opts.Password == "" {
		opts.Password = os.Getenv(passwordInEnv)
	}
	// As flowredis needs it: flowredis asks again by itself, and a stopped server must not block it.
	opts.ContextTimeoutEnabled, opts.MaxRetries, opts.DialerRetries = true, -1, 1
	q.server, q.client = opts.Addr, redis.NewClient(opts)
	return q, nil
}

// ownOptions takes what is meant for package flowredis out of the query.
func (q *Quota) ownOptions(query url.Values) error {
	if text := query.Get("lease"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("lease=%s is not a duration; write it like lease=5s", text)
		}
		q.opts = append(q.opts, flowredis.Lease(d))
	}
	if text := query.Get("on_loss"); text != "" {
		recovery, known := recoveries[text]
		if !known {
			return fmt.Errorf("on_loss=%s is not known; it is recollect, quarantine or optimistic", text)
		}
		q.opts = append(q.opts, flowredis.OnLoss(recovery))
	}
	query.Del("lease")
	query.Del("on_loss")
	return nil
}

var recoveries = map[string]flowredis.Recovery{
	"recollect": flowredis.Recollect, "quarantine": flowredis.Quarantine, "optimistic": flowredis.Optimistic,
}

// Check returns an error if there are limits that a server cannot keep.
func Check(l scheduler.Limits) error {
	for _, w := range l.Windows {
		if w.Unit != "" || w.Evenly || w.From != scheduler.FromGrant {
			return fmt.Errorf("%v cannot be shared; runs can share windows such as 5/s or 100/min, which slide and count calls, and a burst", w)
		}
	}
	return nil
}

// String names the quota.
func (q *Quota) String() string { return "quota " + q.name }

// Server is where its server is.
func (q *Quota) Server() string { return q.server }

// Option makes a scheduler share the quota.
func (q *Quota) Option() scheduler.Option { return flowredis.Share(q.client, q.name, q.opts...) }

// patience is how long a server may take to answer at first, from a dial to far away and with TLS.
const patience = 5 * time.Second

// Explain returns what a server has to say about a run that it refuses, in words for people.
func Explain(err error) error {
	var l *flowredis.LimitsError
	if errors.As(err, &l) {
		return fmt.Errorf("quota %s: this run has %s; the others have %s; give all the same -limits, lease and on_loss, or name another quota behind #",
			l.Quota, l.Here, l.There)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "flowredis: "))
}

// Reach returns an error if the server does not answer.
func (q *Quota) Reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return q.client.Ping(ctx).Err()
}

// Evicts returns the policy by which the server may drop keys to save memory, and with them what runs have used; "" if it drops
// none, or does not tell.
func (q *Quota) Evicts(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	info, err := q.client.InfoMap(ctx, "memory").Result()
	if err != nil {
		return ""
	}
	memory := info["Memory"]
	if policy := memory["maxmemory_policy"]; memory["maxmemory"] != "0" && policy != "noeviction" {
		return policy
	}
	return ""
}

// Close ends the connections. Close the schedulers first.
func (q *Quota) Close() error { return q.client.Close() }
