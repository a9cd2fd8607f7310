package keyed_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/pipeline"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

func perKey(tb testing.TB, limits string, opts ...keyed.Option) *keyed.Set[string] {
	tb.Helper()
	l := scheduler.MustParseLimits(limits)
	set, err := keyed.New(func(string) scheduler.Limits { return l }, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { set.Close() })
	return set
}

// The handle of a key does all that a handle does, for that key.
func TestKeyHandle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := perKey(t, "2/s 9 tokens/s burst 3")
		defer set.Close()
		h := set.Key("a").Handle()
		if set.Len() != 0 {
			t.Error("naming a key made it known")
		}
		first, err := h.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		second, ok := h.TryAcquireN(1, tokens.Of(5))
		if !ok {
			t.Fatal("no second permit")
		}
		if err := second.Settle(tokens.Of(4)); err != nil {
			t.Error(err)
		}
		var none *scheduler.NoPermitError
		if _, err := h.AcquireNow(1); !errors.As(err, &none) || none.Wait != time.Second {
			t.Errorf("AcquireNow: %v", err)
		}
		if w := h.WaitTime(); w != time.Second {
			t.Errorf("WaitTime is %v", w)
		}
		if h.Limits().MaxBurst != 3 || len(h.Limits().Windows) != 2 || h.Windows()[1].Used != 4 || !h.Clock().Now().Equal(time.Now()) {
			t.Errorf("limits %v, windows %v", h.Limits(), h.Windows())
		}
		third, err := h.Enqueue(1)
		if err != nil {
			t.Fatal(err)
		}
		if w := set.WaitTime("b"); w != 0 {
			t.Errorf("another key waits %v", w)
		}
		start := time.Now()
		<-third.Ready()
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("waited %v", waited)
		}
		first.Release()
		second.Release()
		third.Cancel()
		called := false
		if err := h.Do(t.Context(), func(context.Context) error { called = true; return nil }); err != nil || !called {
			t.Errorf("Do: %v, called %v", err, called)
		}
	})
}

// No method of a handle is forgotten: called for a key, none looks for a scheduler that is not there.
func TestKeyHandleMethods(t *testing.T) {
	h := reflect.ValueOf(perKey(t, "1000/s").Key("a").Handle())
	args := map[reflect.Type]any{
		reflect.TypeFor[context.Context]():                            t.Context(),
		reflect.TypeFor[int]():                                        1,
		reflect.TypeFor[func(context.Context) error]():                func(context.Context) error { return nil },
		reflect.TypeFor[func(context.Context, ticket.Ticket) error](): func(context.Context, ticket.Ticket) error { return nil },
	}
	for i := range h.NumMethod() {
		m, name := h.Method(i), h.Type().Method(i).Name
		var in []reflect.Value
		for j := range m.Type().NumIn() {
			if m.Type().IsVariadic() && j == m.Type().NumIn()-1 {
				break
			}
			arg, ok := args[m.Type().In(j)]
			if !ok {
				t.Fatalf("%s takes a %v: say here what to call it with", name, m.Type().In(j))
			}
			in = append(in, reflect.ValueOf(arg))
		}
		for _, out := range m.Call(in) {
			if err, ok := out.Interface().(error); ok {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// A group's jobs wait in one line of a scheduler, so they are refused, and the group ends.
func TestKeyHandleHasNoGroup(t *testing.T) {
	set := perKey(t, "1/s")
	g, ctx := set.Key("a").Handle().Group(context.Background())
	g.Go(func() error { t.Error("a job ran"); return nil })
	var invalid *scheduler.InvalidError
	if err := g.Wait(); !errors.As(err, &invalid) {
		t.Errorf("Wait: %v", err)
	}
	<-ctx.Done()
}

// Two names of one key are equal, so that they can be keys of a map.
func TestKeysAreNames(t *testing.T) {
	set, other := perKey(t, "1/s"), perKey(t, "1/s")
	if a, b := set.Key("a"), set.Key("a"); a != b || a.Name() != "a" {
		t.Error("two names of one key differ")
	}
	if set.Key("a") == set.Key("b") || set.Key("a") == other.Key("a") {
		t.Error("names of different keys are equal")
	}
}

// A stage of a pipeline may take its permits from a key.
func TestKeyInPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := perKey(t, "1/s")
		defer set.Close()
		in := make(chan int)
		go func() {
			defer close(in)
			for i := range 3 {
				in <- i
			}
		}()
		start := time.Now()
		var got []string
		for i := range pipeline.Throttle(t.Context(), set.Key("a"), in) {
			got = append(got, fmt.Sprint(i, "@", time.Since(start)))
		}
		if want := []string{"0@0s", "1@1s", "2@2s"}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

// One host is called once a second, whoever calls it.
func ExampleSet_Key() {
	set, err := keyed.New(func(host string) scheduler.Limits { return scheduler.MustParseLimits("1/h") })
	if err != nil {
		log.Fatal(err)
	}
	defer set.Close()
	fetch := func(ctx context.Context, path string) (string, error) { return "page " + path, nil }
	ofHost := scheduler.Wrap(set.Key("example.com"), fetch)
	page, err := ofHost(context.Background(), "/")
	fmt.Println(page, err)
	_, free := set.TryAcquire("example.com")
	fmt.Println(free)
	// Output:
	// page / <nil>
	// false
}
