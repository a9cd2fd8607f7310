package keyed_test

import (
	"context"
	"errors"
	"testing"
)

// A context that is done never waits for a permit, nor takes one, also where permits are free.
func TestWaitOfDoneContext(t *testing.T) {
	set := perKey(t, "5/s")
	if err := set.Wait(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if err := set.Wait(done, "a"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n := set.Stats("a").Granted; n != 1 {
		t.Errorf("%d were granted, want 1", n)
	}
}
