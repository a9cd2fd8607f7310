package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/ratelimiter"
	"github.com/flowguard-go/flowguard/scheduler"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

// Case 1: one caller, permits free.

func BenchmarkFreeAcquire(b *testing.B) {
	b.Run("1 window", func(b *testing.B) {
		alone(b, flowguard(scheduler.Limits{Windows: windows(1)}), rateWaits(1), uber(), failsafeLimiter())
	})
	b.Run("4 windows", func(b *testing.B) {
		alone(b, flowguard(scheduler.Limits{Windows: windows(4)}), rateWaits(4))
	})
	b.Run("burst", func(b *testing.B) {
		alone(b, flowguard(scheduler.Limits{MaxBurst: 4}), xsemaphore(4), channel(4), failsafeBulkhead(4))
	})
	for _, n := range []int{1, 4} {
		b.Run(fmt.Sprintf("burst and %s", count(n, "window")), func(b *testing.B) {
			alone(b, flowguard(scheduler.Limits{Windows: windows(n), MaxBurst: 4}), both(n, 4))
		})
	}
}

// The limiters that are compared here have no release, so Wait is what takes their place.
func BenchmarkFreeWait(b *testing.B) {
	b.Run("1 window", func(b *testing.B) {
		alone(b, flowguardWait(scheduler.Limits{Windows: windows(1)}), rateWaits(1), uber(), failsafeLimiter())
	})
	b.Run("4 windows", func(b *testing.B) {
		alone(b, flowguardWait(scheduler.Limits{Windows: windows(4)}), rateWaits(4))
	})
}

func BenchmarkFreeTry(b *testing.B) {
	b.Run("1 window", func(b *testing.B) {
		alone(b, flowguardTry(scheduler.Limits{Windows: windows(1)}), rateAllow(), failsafeTry())
	})
	b.Run("4 windows", func(b *testing.B) {
		alone(b, flowguardTry(scheduler.Limits{Windows: windows(4)}), rateAllow())
	})
	b.Run("burst", func(b *testing.B) {
		alone(b, flowguardTry(scheduler.Limits{MaxBurst: 4}), semaphoreTry(4), channelTry(4), bulkheadTry(4))
	})
	for _, n := range []int{1, 4} {
		b.Run(fmt.Sprintf("burst and %s", count(n, "window")), func(b *testing.B) {
			alone(b, flowguardTry(scheduler.Limits{Windows: windows(n), MaxBurst: 4}), rateAllow())
		})
	}
}

// Allow is a try without a release, as the others have it.
func BenchmarkFreeAllow(b *testing.B) {
	b.Run("1 window", func(b *testing.B) {
		alone(b, flowguardAllow(scheduler.Limits{Windows: windows(1)}), rateAllow(), failsafeTry())
	})
	b.Run("4 windows", func(b *testing.B) {
		alone(b, flowguardAllow(scheduler.Limits{Windows: windows(4)}), rateAllow())
	})
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

var errRefused = errors.New("refused though permits were free")

// trying makes a contender of a try and a release.
func trying(name string, make func() (try func() bool, release func())) contender {
	return contender{name, func(tb testing.TB) func(context.Context) error {
		try, release := make()
		return func(context.Context) error {
			if !try() {
				return errRefused
			}
			release()
			return nil
		}
	}}
}

func nothing() {}

func flowguardTry(limits scheduler.Limits) contender {
	return contender{"flowguard", func(tb testing.TB) func(context.Context) error {
		s := start(tb, limits)
		return func(context.Context) error {
			t, ok := s.TryAcquire()
			if !ok {
				return errRefused
			}
			t.Release()
			return nil
		}
	}}
}

func flowguardAllow(limits scheduler.Limits) contender {
	return contender{"flowguard", func(tb testing.TB) func(context.Context) error {
		s := start(tb, limits)
		return func(context.Context) error {
			if !s.Allow() {
				return errRefused
			}
			return nil
		}
	}}
}

func rateAllow() contender {
	return trying("rate.Allow", func() (func() bool, func()) {
		return rate.NewLimiter(plenty, plenty).Allow, nothing
	})
}

func failsafeTry() contender {
	return trying("failsafe limiter", func() (func() bool, func()) {
		return ratelimiter.NewBursty[any](plenty, time.Second).TryAcquirePermit, nothing
	})
}

func semaphoreTry(n int64) contender {
	return trying("semaphore", func() (func() bool, func()) {
		sem := semaphore.NewWeighted(n)
		return func() bool { return sem.TryAcquire(1) }, func() { sem.Release(1) }
	})
}

func channelTry(n int) contender {
	return trying("channel", func() (func() bool, func()) {
		slots := make(chan struct{}, n)
		try := func() bool {
			select {
			case slots <- struct{}{}:
				return true
			default:
				return false
			}
		}
		return try, func() { <-slots }
	})
}

func bulkheadTry(n uint) contender {
	return trying("failsafe bulkhead", func() (func() bool, func()) {
		bulk := bulkhead.New[any](n)
		return bulk.TryAcquirePermit, bulk.ReleasePermit
	})
}
