package scheduler_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/scheduler/schedulertest"
)

// Hundreds of goroutines do all that callers do, on the real clock, a bounded number of times. The
// record must break no limit, and nothing may be left in use.
func TestStress(t *testing.T) {
	for _, text := range []string{
		"50/ms 900/20ms burst 12",
		"20/ms from release burst 30",
		"40/ms 100/5ms from release",
		"burst 5",
		"1000000/s 5000000/min", // seldom met, so that the core is lent out most of the time
	} {
		t.Run(text, func(t *testing.T) {
			l := limits(t, text)
			var rec schedulertest.Recorder
			s := start(t, l, &rec)
			const goroutines, each = 300, 20
			var wg sync.WaitGroup
			for g := range goroutines {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(uint64(g), 7))
					for range each {
						behave(t, s, r)
					}
				})
			}
			wg.Wait()
			got := s.Stats()
			if got.InUse != 0 || got.Waiting != 0 {
				t.Errorf("left behind: %+v", got)
			}
			s.Close()
			record := rec.Tickets()
			if err := schedulertest.Check(l, record, scheduler.Forever); err != nil {
				t.Error(err)
			}
			t.Logf("%d tickets, %d granted", len(record), len(record.Granted()))
			if len(record.Granted()) < goroutines {
				t.Errorf("only %d granted", len(record.Granted()))
			}
		})
	}
}

func behave(t *testing.T, s *scheduler.Scheduler, r *rand.Rand) {
	ctx := background
	weight := 1 + r.IntN(5)
	switch r.IntN(8) {
	case 0: // tries
		if held, ok := s.TryAcquireN(weight); ok {
			held.Release()
		}
		s.AllowN(weight)
	case 1: // a panic in the work
		defer func() {
			if r := recover(); r != nil && r != "oh" {
				t.Errorf("recovered %v", r)
			}
		}()
		s.Do(ctx, func(context.Context) error { panic("oh") })
	case 2, 3: // a deadline
		ctx, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(20_000))*time.Microsecond)
		defer cancel()
		held, err := s.AcquireN(ctx, weight)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		held.Release()
	case 4: // somebody cancels
		ctx, cancel := context.WithCancel(ctx)
		go cancel()
		held, err := s.AcquireN(ctx, weight)
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		held.Cancel()
	case 5: // a ticket that is given up, perhaps after its grant
		queued, err := s.Enqueue(weight)
		if err != nil {
			t.Error(err)
		}
		go queued.Cancel()
		if err := <-queued.Ready(); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		queued.Cancel()
	default:
		held, err := s.AcquireN(ctx, weight)
		if err != nil {
			t.Error(err)
		}
		held.Release()
		held.Release()
	}
}
