package scheduler

import (
	"testing"
	"time"

	"github.com/benbjohnson/clock"
)

// A snapshot makes no observation looser: neither how many are left, nor until when.
func TestRestoreKeepsWhatWasObserved(t *testing.T) {
	const short, long = time.Minute, 2 * time.Minute
	l := Limits{Windows: []Window{PerHour(10)}}
	for _, c := range []struct {
		left, restored       int
		leftFor, restoredFor time.Duration
		wait                 time.Duration
	}{
		{0, 5, short, long, long},
		{5, 0, short, long, long},
		{0, 5, long, short, long},
		{5, 0, long, short, short},
	} {
		mock := clock.NewMock()
		before, s := newScheduler(t, l, mock), newScheduler(t, l, mock)
		before.Observe(PerHour(10), c.restored, c.restoredFor)
		s.Observe(PerHour(10), c.left, c.leftFor)
		if err := s.Restore(before.Snapshot()); err != nil {
			t.Fatal(err)
		}
		if remaining, wait := s.Stats().Windows[0].Remaining, s.WaitTime(); remaining != 0 || wait != c.wait {
			t.Errorf("%+v: %d remain, the wait is %v", c, remaining, wait)
		}
	}
}
