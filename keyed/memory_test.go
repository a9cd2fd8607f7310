package keyed_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
)

// A key whose one window remembers up to four grants takes 350 bytes at most, apart from its name, and nothing once it is
// forgotten.
func TestMemoryOfAKey(t *testing.T) {
	const keys = 50_000
	names := make([]string, keys)
	for i := range names {
		names[i] = "user-" + strconv.Itoa(i)
	}
	mock := clock.NewMock()
	l := scheduler.MustParseLimits("10/min")
	set, err := keyed.New(func(string) scheduler.Limits { return l }, keyed.WithClock(mock))
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	before := heap()
	for range 4 {
		mock.Add(time.Millisecond)
		for _, k := range names {
			w, ok := set.TryAcquire(k)
			if !ok {
				t.Fatal("no permit")
			}
			w.Release()
		}
	}
	if each := (heap() - before) / keys; each > 350 {
		t.Errorf("a key takes %.0f bytes", each)
	}
	mock.Add(time.Minute)
	if n := set.Len(); n != 0 {
		t.Errorf("%d keys are left", n)
	}
	if left := heap() - before; left > 1<<20 {
		t.Errorf("%.0f bytes are left of %d keys", left, keys)
	}
}
