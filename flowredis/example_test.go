package flowredis_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/flowguard-go/flowguard/flowredis"
	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/redis/go-redis/v9"
)

// All processes that share the quota of a name keep its limits together. Nothing is exchanged before the first
// ticket, so New needs no server.
func ExampleShare() {
	rdb := redis.NewClient(&redis.Options{
		Addr:                  "localhost:6379",
		ContextTimeoutEnabled: true,
		MaxRetries:            -1,
	})
	defer rdb.Close()
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(100), scheduler.PerHour(5000)}, MaxBurst: 20}
	s, err := scheduler.New(limits, flowredis.Share(rdb, "github-api", flowredis.Lease(2*time.Second), flowredis.OnLoss(flowredis.Quarantine)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	fmt.Println(s.Limits(), "leased:", s.Stats().Quota.Leased)
	// Output: 100/s 5000/h burst 20 leased: 0
}

// Each key has a quota of its own, which all processes share. Nothing is exchanged before the first ticket of a key.
func ExampleShareKeys() {
	rdb := redis.NewClient(&redis.Options{
		Addr:                  "localhost:6379",
		ContextTimeoutEnabled: true,
		MaxRetries:            -1,
	})
	defer rdb.Close()
	limitsOf := func(tenant string) scheduler.Limits {
		return scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(100), scheduler.PerHour(5000)}}
	}
	set, err := keyed.New(limitsOf, flowredis.ShareKeys(rdb, "tenants", flowredis.Lease(30*time.Second)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer set.Close()
	fmt.Println(set.Limits("alice"), "leased:", set.Stats("alice").Quota.Leased)
	// Output: 100/s 5000/h leased: 0
}

// A client that would block exchanges on a stopped server is refused.
func ExampleShare_client() {
	rdb := redis.NewClient(&redis.Options{Addr: "localhost:6379"})
	defer rdb.Close()
	_, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(100)}}, flowredis.Share(rdb, "github-api"))
	var invalid *scheduler.InvalidError
	if errors.As(err, &invalid) {
		fmt.Println("want", invalid.Want)
	}
	// Output: want one with ContextTimeoutEnabled
}
