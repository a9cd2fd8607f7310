package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// generous is a source that leases what tickets in line need. A real one, such as that of flowredis, counts what it
// has leased to all schedulers.
type generous struct{}

func (generous) String() string { return "github-api" }

func (generous) Exchange(_ context.Context, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
	return scheduler.QuotaReply{Leased: r.Waiting, For: time.Second}, nil
}

// unreachable is a source that is away.
type unreachable struct{ generous }

func (unreachable) Exchange(context.Context, scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
	return scheduler.QuotaReply{}, errors.New("connection refused")
}

// A scheduler grants what its source leases to it. The first ticket waits for an exchange.
func ExampleWithQuota() {
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(100)}}
	s, err := scheduler.New(limits, scheduler.WithQuota(generous{})) // or flowredis.Share(rdb, "github-api")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	t, err := s.Acquire(context.Background())
	fmt.Println(t.Number(), err)
	t.Release()
	// Output: 1 <nil>
}

// perKey is a source that has a quota for each key.
type perKey struct{ generous }

func (perKey) Open(m scheduler.QuotaMember) (scheduler.QuotaSource, error) {
	fmt.Printf("%v for %s\n", m.Limits, m.Key)
	return generous{}, nil
}

// Each customer has a quota of its own, which all processes share.
func ExampleWithQuotaKey() {
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(100)}}
	for _, customer := range []string{"alice", "bob"} {
		s, err := scheduler.New(limits, scheduler.WithQuota(perKey{}), scheduler.WithQuotaKey(customer))
		if err != nil {
			fmt.Println(err)
			return
		}
		defer s.Close()
	}
	// Output:
	// 100/s for alice
	// 100/s for bob
}

// A ticket waits while the source is away, unless WithQuotaAway says otherwise.
func ExampleWithQuotaAway() {
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(100)}}
	s, err := scheduler.New(limits, scheduler.WithQuota(unreachable{}), scheduler.WithQuotaAway(scheduler.AwayReject()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	_, err = s.Acquire(context.Background())
	fmt.Println(err)
	fmt.Println(errors.Is(err, scheduler.ErrNoPermit))
	// Output:
	// scheduler: nothing is leased of quota github-api and its source cannot be reached: connection refused; come back later
	// true
}

// While the source is away, tickets wait until it is back. They can be given up.
func ExampleAwayWait() {
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(100)}}
	s, err := scheduler.New(limits, scheduler.WithQuota(unreachable{}), scheduler.WithQuotaAway(scheduler.AwayWait()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	ctx, stop := context.WithCancel(context.Background())
	time.AfterFunc(time.Millisecond, stop)
	_, err = s.Acquire(ctx)
	fmt.Println(err)
	// Output: scheduler: gave up before a permit was granted: context canceled
}

// While the source is away, tickets that would have to wait are refused, those in line too.
func ExampleAwayReject() {
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(100)}}
	s, err := scheduler.New(limits, scheduler.WithQuota(unreachable{}), scheduler.WithQuotaAway(scheduler.AwayReject()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	_, err = s.Acquire(context.Background())
	var away *scheduler.QuotaError
	if errors.As(err, &away) {
		fmt.Println(away.Limit, "says:", away.Err)
	}
	// Output: quota github-api says: connection refused
}

// One of four schedulers goes on with a quarter of the limits while the source is away.
func ExampleAwayLocalShare() {
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerHour(100)}}
	s, err := scheduler.New(limits, scheduler.WithQuota(unreachable{}), scheduler.WithQuotaAway(scheduler.AwayLocalShare(4)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	for range 25 {
		if _, err := s.Acquire(context.Background()); err != nil {
			fmt.Println(err)
		}
	}
	_, ok := s.TryAcquire()
	fmt.Println("more than a quarter:", ok)
	// Output: more than a quarter: false
}
