package keyed_test

import (
	"fmt"
	"log"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
)

// A server that limits each client by rate alone serves a request or refuses it, and has nothing to release.
func ExampleSet_Allow() {
	set, err := keyed.New(func(client string) scheduler.Limits { return scheduler.MustParseLimits("2/min") })
	if err != nil {
		log.Fatal(err)
	}
	defer set.Close()
	for _, client := range []string{"alice", "alice", "bob", "alice"} {
		fmt.Println(client, set.Allow(client))
	}
	// Output:
	// alice true
	// alice true
	// bob true
	// alice false
}

// A request that does more takes more.
func ExampleSet_AllowN() {
	set, err := keyed.New(func(client string) scheduler.Limits { return scheduler.MustParseLimits("10/min") })
	if err != nil {
		log.Fatal(err)
	}
	defer set.Close()
	fmt.Println(set.AllowN("alice", 8), set.AllowN("alice", 3), set.AllowN("alice", 2))
	// Output:
	// true false true
}

// Code that takes a key need not know the set.
func ExampleKey_Allow() {
	set, err := keyed.New(func(client string) scheduler.Limits { return scheduler.MustParseLimits("2/min") })
	if err != nil {
		log.Fatal(err)
	}
	defer set.Close()
	alice := set.Key("alice")
	fmt.Println(alice.Allow(), alice.Handle().Allow(), alice.AllowN(1))
	// Output:
	// true true false
}
