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

func ExampleOverflow() {
	perUser := func(int) scheduler.Limits { return scheduler.MustParseLimits("1/s") }
	set, err := keyed.New(perUser, keyed.MaxKeys(2), keyed.Overflow(scheduler.MustParseLimits("3/s")), keyed.WithClock(clock.NewMock()))
	if err != nil {
		log.Fatal(err)
	}
	defer set.Close()
	served := 0
	for user := range 10 {
		if t, ok := set.TryAcquire(user); ok {
			served++
			t.Release()
		}
	}
	fmt.Println(served, "of 10 users served: 2 by limits of their own, 3 by those that the others share")
	// Output:
	// 5 of 10 users served: 2 by limits of their own, 3 by those that the others share
}

func ExampleWithin() {
	mock := clock.NewMock()
	all, err := scheduler.New(scheduler.MustParseLimits("4/s"), scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer all.Close()
	perUser := func(string) scheduler.Limits { return scheduler.MustParseLimits("3/s") }
	set, err := keyed.New(perUser, keyed.Within(all))
	if err != nil {
		log.Fatal(err)
	}
	defer set.Close()

	for _, user := range []string{"alice", "alice", "alice", "alice", "bob", "bob"} {
		t, err := set.AcquireNow(user, 1)
		fmt.Println(user, err)
		t.Release()
	}
	// Output:
	// alice <nil>
	// alice <nil>
	// alice <nil>
	// alice scheduler: no permit is free now (limit 3/s); come back in 1s
	// bob <nil>
	// bob scheduler: no permit is free now (limit 4/s); come back in 1s
}

func ExampleSet_Do() {
	perHost := func(string) scheduler.Limits { return scheduler.MustParseLimits("burst 2") }
	set, err := keyed.New(perHost, keyed.WithMaxQueue(100))
	if err != nil {
		log.Fatal(err)
	}
	defer set.Close()
	err = set.Do(context.Background(), "example.org", func(ctx context.Context) error {
		fmt.Println("two at once at most for", "example.org:", set.Stats("example.org").InUse)
		return nil
	})
	fmt.Println(err, set.Len())
	// Output:
	// two at once at most for example.org: 1
	// <nil> 0
}

func ExampleSet_Enqueue() {
	set, err := keyed.New(func(string) scheduler.Limits { return scheduler.MustParseLimits("burst 1") })
	if err != nil {
		log.Fatal(err)
	}
	defer set.Close()
	first, _ := set.Enqueue("alice", 1)
	second, _ := set.Enqueue("alice", 1)
	fmt.Println(<-first.Ready(), set.Stats("alice").Waiting)
	first.Release()
	fmt.Println(<-second.Ready(), set.Stats("alice").Waiting)
	second.Release()
	fmt.Println(set.Drain(context.Background()))
	// Output:
	// <nil> 1
	// <nil> 0
	// <nil>
}

func ExampleSet_SetLimits() {
	mock := clock.NewMock()
	free := scheduler.MustParseLimits("1/min")
	set, err := keyed.New(func(string) scheduler.Limits { return free }, keyed.WithClock(mock), keyed.NonBlocking())
	if err != nil {
		log.Fatal(err)
	}
	defer set.Close()
	take := func() {
		t, err := set.Acquire(context.Background(), "alice")
		fmt.Println(err)
		t.Release()
	}
	take()
	take()
	set.SetLimits("alice", scheduler.MustParseLimits("2/min")) // she has paid
	take()
	fmt.Println(set.Limits("alice"), set.Windows("alice")[0])
	// Output:
	// <nil>
	// scheduler: no permit is free now (limit 1/min); come back in 1m0s
	// <nil>
	// 2/min 2/min: 2 used, 0 remaining
}

func ExampleSet_Observe() {
	mock := clock.NewMock()
	perHost := scheduler.PerMinute(60)
	set, err := keyed.New(func(string) scheduler.Limits {
		return scheduler.Limits{Windows: []scheduler.Window{perHost}}
	}, keyed.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer set.Close()
	set.Observe("a.example", perHost, 0, 30*time.Second) // it said: none left for 30 seconds
	set.PauseFor("b.example", 10*time.Second)            // it said: 429, Retry-After: 10
	set.Charge("c.example", perHost, 60)                 // another process has used them up
	for _, host := range []string{"a.example", "b.example", "c.example", "d.example"} {
		fmt.Println(host, set.WaitTime(host))
	}
	// Output:
	// a.example 30s
	// b.example 10s
	// c.example 1m0s
	// d.example 0s
}

func ExampleSet_Snapshot() {
	mock := clock.NewMock()
	daily := func(string) scheduler.Limits { return scheduler.MustParseLimits("100/day") }
	set, err := keyed.New(daily, keyed.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	t, _ := set.TryAcquireN("alice", 40)
	t.Release()
	set.Close()
	kept := set.Snapshot() // after Close it misses nothing; write it to a file as JSON

	next, err := keyed.New(daily, keyed.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer next.Close()
	if err := next.Restore(kept); err != nil {
		log.Fatal(err)
	}
	fmt.Println(next.Windows("alice")[0])
	// Output:
	// 100/day: 40 used, 60 remaining
}
