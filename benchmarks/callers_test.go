package main

import (
	"testing"

	"github.com/flowguard-go/flowguard/scheduler"
)

// Case 2: many callers, permits free.
func BenchmarkCallers(b *testing.B) {
	for _, n := range []int{1, 16, 256} {
		b.Run(count(n, "goroutine")+", try", func(b *testing.B) {
			together(b, b.Context(), n, flowguardTry(scheduler.Limits{Windows: windows(1)}), rateAllow(), failsafeTry())
		})
		b.Run(count(n, "goroutine")+", allow", func(b *testing.B) {
			together(b, b.Context(), n, flowguardAllow(scheduler.Limits{Windows: windows(1)}), rateAllow(), failsafeTry())
		})
		b.Run(count(n, "goroutine")+", acquire", func(b *testing.B) {
			together(b, b.Context(), n, flowguard(scheduler.Limits{Windows: windows(1)}), rateWaits(1), uber())
		})
		b.Run(count(n, "goroutine")+", acquire within a burst", func(b *testing.B) {
			together(b, b.Context(), n, flowguard(scheduler.Limits{MaxBurst: n}), xsemaphore(n), channel(n))
		})
	}
}
