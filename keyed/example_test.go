package keyed_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
)

func Example() {
	plans := map[string]scheduler.Limits{
		"free": scheduler.MustParseLimits("2/s"),
		"paid": scheduler.MustParseLimits("100/s burst 20"),
	}
	plan := func(user string) scheduler.Limits {
		if user == "alice" {
			return plans["paid"]
		}
		return plans["free"]
	}
	mock := clock.NewMock()
	set, err := keyed.New(plan, keyed.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer set.Close()

	for range 3 {
		for _, user := range []string{"alice", "bob"} {
			t, ok := set.TryAcquire(user)
			fmt.Println(user, ok)
			t.Release() // does nothing if ok is false
		}
	}
	fmt.Println(set.Len(), "keys; bob may go on in", set.WaitTime("bob"))
	mock.Add(time.Second)
	fmt.Println(set.Len(), "keys")
	// Output:
	// alice true
	// bob true
	// alice true
	// bob true
	// alice true
	// bob false
	// 2 keys; bob may go on in 1s
	// 0 keys
}

func ExampleMaxKeys() {
	perUser := func(int) scheduler.Limits { return scheduler.MustParseLimits("1/s") }
	set, err := keyed.New(perUser, keyed.MaxKeys(2), keyed.WithClock(clock.NewMock()))
	if err != nil {
		log.Fatal(err)
	}
	defer set.Close()
	for user := range 3 {
		_, err := set.Acquire(context.Background(), user)
		fmt.Println(user, err, errors.Is(err, keyed.ErrTooManyKeys))
	}
	// Output:
	// 0 <nil> false
	// 1 <nil> false
	// 2 keyed: too many keys: 2 are in use, and a key is kept while its windows remember it; come back later, allow more with MaxKeys, or let new keys share limits with Overflow true
}
