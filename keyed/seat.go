package keyed

import (
	"context"
	"time"

	"github.com/flowguard-go/flowguard/internal/cell"
	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/scheduler"
)

// seat decides about one key after the other, in the way and with the code of a scheduler. Open makes a key
// the one that is worked on, and Leave ends that. Only the holder of the state may use it.
type seat interface {
	InitCell(c *cell.Cell, first []cell.Entry, l scheduler.Limits)
	Forget(c *cell.Cell)
	Open(c *cell.Cell, key any)
	Within(h *scheduler.Handle, bell func())
	News() (key any)
	Leave() inside.Standing

	ShareQuotas(src scheduler.QuotaSource, a scheduler.Away)
	QuotaDue(c *cell.Cell) int64
	QuotaRequest() (r scheduler.QuotaRequest, src scheduler.QuotaSource, due bool)
	QuotaReply(src scheduler.QuotaSource, r scheduler.QuotaReply, err error) (later bool)
	QuotaOpened(c *cell.Cell, src scheduler.QuotaSource)
	QuotaOwes(c *cell.Cell) bool
	QuotaFarewell(c *cell.Cell) (scheduler.QuotaRequest, scheduler.QuotaSource)

	Try(r inside.Request) *line.Place
	Pass(r inside.Request) bool
	AcquireNow(r inside.Request, long bool) (p *line.Place, err error)
	Acquire(r inside.Request) (p *line.Place, granted bool, err error)
	Arrive(p *line.Place, r inside.Request, enqueued bool) error
	Withdraw(p *line.Place, why error)
	Cancel(p *line.Place, n uint64)
	Release(p *line.Place, n uint64)
	NeedsTime(c *cell.Cell) bool
	ReleaseUntimed(c *cell.Cell, p *line.Place, n uint64) inside.Standing
	Settle(p *line.Place, n uint64, costs *line.CostList) error

	Wait(r inside.Request) time.Duration
	Stats() scheduler.Stats
	Limits() scheduler.Limits
	Configure(l scheduler.Limits) (later bool, err error)
	Pause(until int64)
	Resume()
	Charge(w scheduler.Window, n int) error
	Observe(w scheduler.Window, left int, until int64, p *line.Place, n uint64) error
	Snapshot(epoch time.Time) scheduler.Snapshot
	Restore(snap *scheduler.Snapshot, epoch time.Time)

	Work() (more bool)
	Ended() error
	Drain()
	Close()
	Dismiss()
}

// common is what any goroutine may use of a seat.
type common interface {
	Now() int64
	MomentOf(t time.Time) int64
	MomentIn(d time.Duration) int64
	Epoch() time.Time
	Damage(snap *scheduler.Snapshot) error
	NotShareable(l scheduler.Limits) error
	Place() *line.Place
	Recycle(p *line.Place)
	GaveUp(ctx context.Context) error
	DrainCut(ctx context.Context) error
}
