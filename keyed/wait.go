package keyed

import (
	"context"

	"github.com/flowguard-go/flowguard/ticket"
)

// Wait waits for one permit of the key and gives it back at once. See [scheduler.Scheduler.WaitN].
func (s *Set[K]) Wait(ctx context.Context, k K) error { return s.WaitN(ctx, k, 1) }

// WaitN waits until a ticket of the key with the given weight and costs is granted, and gives its permits back. It is
// for work that is limited by rate alone, where there is nothing to hold.
func (s *Set[K]) WaitN(ctx context.Context, k K, weight int, costs ...ticket.Cost) error {
	t, err := s.AcquireN(ctx, k, weight, costs...)
	t.Release()
	return err
}
