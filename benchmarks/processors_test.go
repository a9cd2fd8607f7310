package main

import (
	"testing"
	"time"
)

// used is what the process had used up of its processors when a measurement began.
type used struct {
	began     time.Time
	processor time.Duration
}

func processorTime() used { return used{time.Now(), processorTimeSoFar()} }

// report says how many processors were at work on average. Where that is less than there are, the callers
// hardly met, or something else kept the processors busy.
func (u used) report(b *testing.B) {
	b.StopTimer()
	if now := processorTimeSoFar(); now > 0 {
		b.ReportMetric(float64(now-u.processor)/float64(time.Since(u.began)), busy)
	}
}
