// Package keyed keeps limits for each of many keys: tenants, users, API keys, addresses, hosts. A [Set] does
// for each key what a scheduler of package scheduler does for one line of callers. The guarantees are the same:
// exact sliding windows, a cap on permits held at once, first in, first out, and nothing charged while waiting.
//
//	set, err := keyed.New(func(user string) scheduler.Limits {
//		return scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(10)}, MaxBurst: 5}
//	})
//	…
//	t, err := set.Acquire(ctx, "alice")
//	if err != nil {
//		return err
//	}
//	defer t.Release()
//
// A key needs no registration. The set makes it at the first call that names it. It forgets the key when
// nothing is left to remember: no ticket waits, no permit is held, all windows are empty, and no pause or
// observation holds. That instant is known, so there is no lifetime to configure. A key is never forgotten to
// make room for another.
//
// No key has a goroutine, a timer or a channel. Keys are spread over several owners by their hashes. Each owner
// is one goroutine. It owns the state of its keys, and lends it to callers as the owner of a scheduler does. An
// idle key takes about 310 bytes, and a set 8 KB for each owner, of which there are 8 for each processor and 64 at
// most.
package keyed
