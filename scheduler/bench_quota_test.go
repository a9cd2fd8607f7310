package scheduler_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// ample leases whatever is wanted.
var ample = exchangeFunc(func(_ context.Context, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
	return scheduler.QuotaReply{Leased: max(r.Head, r.Waiting) + math.MaxInt32 - r.Leased, For: time.Hour, Beat: time.Second}, nil
})

// What a shared quota costs a caller while enough is leased.
func BenchmarkAcquireReleaseQuota(b *testing.B) {
	s := start(b, scheduler.Limits{Windows: []scheduler.Window{plenty}, MaxBurst: 4}, scheduler.WithQuota(ample))
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		t, err := s.Acquire(ctx)
		if err != nil {
			b.Fatal(err)
		}
		t.Release()
	}
}
