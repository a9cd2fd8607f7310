package flowredis

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/redis/go-redis/v9"
)

//go:embed quota.lua
var script string

// engine runs one call where the memory of a quota is.
type engine interface {
	do(ctx context.Context, key string, c *call) (result, error)
}

// share holds the arguments of Share. It opens a source for each scheduler.
type share struct {
	engine  engine
	name    string
	lease   time.Duration
	onLoss  Recovery
	invalid error
}

// String names the quota in errors.
func (s *share) String() string { return s.name }

// Exchange is needed because WithQuota takes a source. The scheduler calls the Exchange of the source that Open
// returns.
func (s *share) Exchange(context.Context, scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
	return scheduler.QuotaReply{}, fmt.Errorf("flowredis: not opened: %w", scheduler.ErrQuotaRefused)
}

// Validate returns what is wrong with what Share was told, or nil. A set asks before it opens anything.
func (s *share) Validate() error { return s.invalid }

// Open implements [scheduler.QuotaOpener].
func (s *share) Open(m scheduler.QuotaMember) (scheduler.QuotaSource, error) {
	if s.invalid != nil {
		return nil, s.invalid
	}
	src := &source{share: s, key: m.Key, id: randomID(), config: config(s.lease, s.onLoss, m.Limits)}
	src.beat, src.remind = s.lease/3, s.lease/3
	for i, w := range m.Limits.Windows {
		if int64(w.Permits) > mostPermits {
			return nil, &scheduler.InvalidError{What: fmt.Sprintf("Limits.Windows[%d].Permits", i), Got: w.Permits, Want: "at most 2^50 where a quota is shared through an engine"}
		}
		src.beat = min(src.beat, max(w.Per/4, s.lease/50))
		if s.onLoss == Quarantine { // which asks no scheduler what it remembers
			src.remind = max(src.remind, w.Per)
		}
	}
	return src, nil
}

// mostPermits leaves room for sums in the engine's numbers, which count up to 2^53.
const mostPermits = 1 << 50

// source makes the exchanges of one scheduler.
type source struct {
	*share
	key    string
	id     string
	config string
	beat   time.Duration
	remind time.Duration

	known   string    // the generation
	acked   uint64    // the last request that was answered in it
	ackedAt time.Time // when that was made
}

// longestExchange is the longest time to wait for an answer. While the client waits, it notices the deadline of a context
// but not its end, so Close would wait as long.
const longestExchange = time.Second

// String names the quota in errors.
func (s *source) String() string {
	if s.key == "" {
		return s.name
	}
	return s.name + " of " + s.key
}

// Exchange implements [scheduler.QuotaSource].
func (s *source) Exchange(ctx context.Context, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
	ctx, cancel := context.WithTimeout(ctx, min(s.lease/4, longestExchange))
	defer cancel()
	made := time.Now()
	c := call{
		nonce:   randomID(),
		config:  s.config,
		id:      s.id,
		known:   s.known,
		serial:  int64(r.Serial),
		acked:   int64(s.acked),
		silent:  roundUp(time.Since(s.ackedAt)),
		used:    int64(r.Used),
		age:     sooner(r.Age),
		leased:  int64(r.Leased),
		inUse:   int64(r.InUse),
		head:    int64(r.Head),
		waiting: int64(max(r.Waiting, r.Head)),
		ahead:   int64(r.Ahead),
		past:    encodePast(r.Past),
	}
	if s.acked == 0 {
		c.silent = 0
	}
	got, err := s.engine.do(ctx, s.key, &c)
	if err != nil {
		return scheduler.QuotaReply{}, fmt.Errorf("flowredis: quota %s: %w", s, err)
	}
	if err := s.failed(got); err != nil {
		return scheduler.QuotaReply{}, err
	}
	s.known, s.acked, s.ackedAt = got.text, r.Serial, made
	if got.code == codeResend {
		s.acked = 0
		return scheduler.QuotaReply{Resend: true, Beat: s.beat, Remind: s.remind}, nil
	}
	return scheduler.QuotaReply{
		Leased: int(got.lease),
		For:    s.lease - s.lease/slack,
		Beat:   s.beat,
		Remind: s.remind,
		Again:  time.Duration(got.again) * time.Microsecond,
	}, nil
}

// failed returns the error that a result means, or nil.
func (s *source) failed(r result) error {
	switch r.code {
	case codeOK, codeResend:
		return nil
	case codeStale:
		return fmt.Errorf("flowredis: quota %s: a later request has overtaken this one", s)
	case codeDisagree:
		return &LimitsError{Quota: s.String(), Here: describe(s.config), There: describe(r.text)}
	}
	return fmt.Errorf("flowredis: quota %s: the engine answered with code %d", s, r.code)
}

// describe says in words what a config means.
func describe(config string) string {
	var n []int64
	for _, word := range strings.Fields(config) {
		i, _ := strconv.ParseInt(word, 10, 64)
		n = append(n, i)
	}
	if len(n) < 3 {
		return config
	}
	l := scheduler.Limits{MaxBurst: int(n[2])}
	for i := 3; i+1 < len(n); i += 2 {
		l.Windows = append(l.Windows, scheduler.Per(int(n[i]), time.Duration(n[i+1])*time.Microsecond))
	}
	return fmt.Sprintf("%v with a lease of %v, %v", l, time.Duration(n[0])*time.Microsecond, Recovery(n[1]))
}

func randomID() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// redisEngine is an engine that speaks the protocol of Redis.
type redisEngine struct {
	rdb    redis.Scripter
	script string
	sha    string
	name   string
}

// newRedisEngine returns an engine whose script has the name of the quota in its text. So no other program
// and no other quota makes the engine know it.
func newRedisEngine(rdb redis.Scripter, name string) *redisEngine {
	text := "-- " + hex.EncodeToString([]byte(name)) + "\n" + script
	sum := sha1.Sum([]byte(text))
	return &redisEngine{rdb: rdb, script: text, sha: hex.EncodeToString(sum[:]), name: name}
}

// keys returns the keys of the generation and of a quota's memory. Both are in the slot of the name, so a cluster
// has all of a name in one place.
func (e *redisEngine) keys(key string) []string {
	base := "flowguard:{" + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(e.name) + "}"
	return []string{base, base + ":" + key}
}

// do runs the script. An engine that does not know it has been started since it was loaded, so its memory may
// be that of an old dump. Then a flag makes the script forget everything first. The script is loaded only after
// that, so no scheduler finds it together with old memory. (It must be loaded: some engines drop scripts that
// were only run.)
func (e *redisEngine) do(ctx context.Context, key string, c *call) (result, error) {
	keys := e.keys(key)
	got, err := e.rdb.EvalSha(ctx, e.sha, keys, c.args()...).Slice()
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		c.begin = true
		if got, err = e.rdb.Eval(ctx, e.script, keys, c.args()...).Slice(); err == nil {
			err = e.rdb.ScriptLoad(ctx, e.script).Err()
		}
	}
	if err != nil {
		return result{}, err
	}
	return parse(got)
}

var errAnswer = errors.New("the script's answer has another form than expected")

func parse(got []any) (r result, err error) {
	if len(got) != 5 {
		return r, errAnswer
	}
	code, ok0 := got[0].(int64)
	second, third := got[1], got[2]
	clock, ok3 := got[3].(string)
	gen, ok4 := got[4].(string)
	if !ok0 || !ok3 || !ok4 {
		return r, errAnswer
	}
	r.code, r.text = code, gen
	if r.clock, err = strconv.ParseInt(clock, 10, 64); err != nil {
		return r, errAnswer
	}
	if code == codeDisagree {
		var ok bool
		if r.text, ok = second.(string); !ok {
			return r, errAnswer
		}
		return r, nil
	}
	var ok1, ok2 bool
	r.lease, ok1 = second.(int64)
	r.again, ok2 = third.(int64)
	if !ok1 || !ok2 {
		return r, errAnswer
	}
	return r, nil
}
