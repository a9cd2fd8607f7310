package keyed_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
)

// shelf is a source for sets of one process. It hands out a number of permits of each key, once. A real one, such as that
// of flowredis, counts them by windows.
type shelf struct {
	mu   *sync.Mutex
	left map[string]int
	key  string
}

func (s shelf) String() string { return "shelf" }

func (s shelf) Open(m scheduler.QuotaMember) (scheduler.QuotaSource, error) {
	s.key = m.Key
	return s, nil
}

func (s shelf) Exchange(_ context.Context, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(r.Waiting, s.left[s.key])
	s.left[s.key] -= n
	return scheduler.QuotaReply{Leased: n, For: time.Second}, nil
}

// Two sets, which might be in two processes, share the limits of each key.
func ExampleWithQuota() {
	source := shelf{mu: new(sync.Mutex), left: map[string]int{"alice": 3, "bob": 100}}
	perTenant := func(string) scheduler.Limits { return scheduler.MustParseLimits("3/h") }
	var sets []*keyed.Set[string]
	for range 2 {
		set, err := keyed.New(perTenant, keyed.WithQuota(source)) // or flowredis.ShareKeys(rdb, "tenants")
		if err != nil {
			log.Fatal(err)
		}
		defer set.Close()
		sets = append(sets, set)
	}
	ctx := context.Background()
	fmt.Println(sets[0].WaitN(ctx, "alice", 2), sets[1].WaitN(ctx, "alice", 1), sets[1].WaitN(ctx, "bob", 3))

	_, err := sets[1].AcquireNow("alice", 1)
	var no *scheduler.NoPermitError
	fmt.Println(errors.As(err, &no), no.Limit)
	// Output:
	// <nil> <nil> <nil>
	// true quota shelf
}

// unplugged is a source that cannot be reached.
type unplugged struct{ shelf }

func (u unplugged) Open(scheduler.QuotaMember) (scheduler.QuotaSource, error) { return u, nil }

func (unplugged) Exchange(context.Context, scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
	return scheduler.QuotaReply{}, errors.New("connection refused")
}

// While the source is away, a ticket waits, unless WithQuotaAway says otherwise.
func ExampleWithQuotaAway() {
	perTenant := func(string) scheduler.Limits { return scheduler.MustParseLimits("3/h") }
	set, err := keyed.New(perTenant, keyed.WithQuota(unplugged{}), keyed.WithQuotaAway(scheduler.AwayReject()))
	if err != nil {
		log.Fatal(err)
	}
	defer set.Close()
	_, err = set.Acquire(context.Background(), "alice")
	fmt.Println(err)
	// Output: scheduler: nothing is leased of quota shelf and its source cannot be reached: connection refused; come back later
}
