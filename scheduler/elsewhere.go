package scheduler

import (
	"context"
	"time"

	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/ticket"
)

// elsewhere is the source of a handle whose permits do not come from a scheduler: a key of a keyed.Set.
type elsewhere interface {
	AcquireN(ctx context.Context, weight int, costs ...ticket.Cost) (ticket.Ticket, error)
	AcquireNow(weight int, costs ...ticket.Cost) (ticket.Ticket, error)
	TryAcquireN(weight int, costs ...ticket.Cost) (ticket.Ticket, bool)
	AllowN(weight int, costs ...ticket.Cost) bool
	Enqueue(weight int, costs ...ticket.Cost) (ticket.Ticket, error)
	WaitTimeN(weight int, costs ...ticket.Cost) time.Duration
	Limits() Limits
	Windows() []WindowStats
	Clock() Clock
}

func init() {
	inside.NewHandle = func(key any) any { return &Handle{other: key.(elsewhere)} }
	inside.MaxBurst = func(h any) int { return h.(*Handle).maxBurst() }
}

// errNoGroup refuses a job that would take its permit elsewhere, because a group cannot withdraw its jobs from
// a line there.
var errNoGroup = &InvalidError{"the source of a Group", "a key of a keyed.Set", "a scheduler or a flow; start goroutines that call Acquire instead"}
