package keyed

import (
	"context"
	"time"

	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// Key is one key of a set, for code that takes a scheduler. It has methods of a [scheduler.Scheduler], and is a
// [scheduler.Source] for pipeline, flowhttp and other packages. [Set.Key] makes one.
//
// A Key is only a name. Making one does not add the key to the set. It stays valid when the set forgets the
// key. Two Keys of one set and key are equal. The set is not garbage collected while a Key of it is in use.
type Key[K comparable] struct {
	set *Set[K]
	key K
}

// Key returns a key of the set.
func (s *Set[K]) Key(k K) Key[K] { return Key[K]{s, k} }

// Handle returns a handle that takes permits of the key and can do nothing else. It works like the handle of a
// scheduler, except that jobs of its [scheduler.Handle.Group] are refused. Each use of it allocates. If that
// matters, call the methods of the set.
func (k Key[K]) Handle() *scheduler.Handle { return inside.NewHandle(k).(*scheduler.Handle) }

// Name returns the key itself.
func (k Key[K]) Name() K { return k.key }

// Acquire is [Set.Acquire].
func (k Key[K]) Acquire(ctx context.Context) (ticket.Ticket, error) { return k.set.Acquire(ctx, k.key) }

// AcquireN is [Set.AcquireN].
func (k Key[K]) AcquireN(ctx context.Context, weight int, costs ...ticket.Cost) (ticket.Ticket, error) {
	return k.set.AcquireN(ctx, k.key, weight, costs...)
}

// AcquireNow is [Set.AcquireNow].
func (k Key[K]) AcquireNow(weight int, costs ...ticket.Cost) (ticket.Ticket, error) {
	return k.set.AcquireNow(k.key, weight, costs...)
}

// Wait is [Set.Wait].
func (k Key[K]) Wait(ctx context.Context) error { return k.set.Wait(ctx, k.key) }

// WaitN is [Set.WaitN].
func (k Key[K]) WaitN(ctx context.Context, weight int, costs ...ticket.Cost) error {
	return k.set.WaitN(ctx, k.key, weight, costs...)
}

// TryAcquire is [Set.TryAcquire].
func (k Key[K]) TryAcquire() (ticket.Ticket, bool) { return k.set.TryAcquire(k.key) }

// TryAcquireN is [Set.TryAcquireN].
func (k Key[K]) TryAcquireN(weight int, costs ...ticket.Cost) (ticket.Ticket, bool) {
	return k.set.TryAcquireN(k.key, weight, costs...)
}

// Allow is [Set.Allow].
func (k Key[K]) Allow() bool { return k.set.Allow(k.key) }

// AllowN is [Set.AllowN].
func (k Key[K]) AllowN(weight int, costs ...ticket.Cost) bool {
	return k.set.AllowN(k.key, weight, costs...)
}

// Enqueue is [Set.Enqueue].
func (k Key[K]) Enqueue(weight int, costs ...ticket.Cost) (ticket.Ticket, error) {
	return k.set.Enqueue(k.key, weight, costs...)
}

// Do is [Set.Do].
func (k Key[K]) Do(ctx context.Context, f func(context.Context) error) error {
	return k.set.Do(ctx, k.key, f)
}

// DoN is [Set.DoN].
func (k Key[K]) DoN(ctx context.Context, weight int, f func(context.Context, ticket.Ticket) error, costs ...ticket.Cost) error {
	return k.set.DoN(ctx, k.key, weight, f, costs...)
}

// WaitTime is [Set.WaitTime].
func (k Key[K]) WaitTime() time.Duration { return k.set.WaitTime(k.key) }

// WaitTimeN is [Set.WaitTimeN].
func (k Key[K]) WaitTimeN(weight int, costs ...ticket.Cost) time.Duration {
	return k.set.WaitTimeN(k.key, weight, costs...)
}

// Stats is [Set.Stats].
func (k Key[K]) Stats() scheduler.Stats { return k.set.Stats(k.key) }

// Windows is [Set.Windows].
func (k Key[K]) Windows() []scheduler.WindowStats { return k.set.Windows(k.key) }

// Limits is [Set.Limits].
func (k Key[K]) Limits() scheduler.Limits { return k.set.Limits(k.key) }

// Clock is [Set.Clock].
func (k Key[K]) Clock() scheduler.Clock { return k.set.Clock() }

// SetLimits is [Set.SetLimits].
func (k Key[K]) SetLimits(l scheduler.Limits) error { return k.set.SetLimits(k.key, l) }

// Charge is [Set.Charge].
func (k Key[K]) Charge(w scheduler.Window, n int) error { return k.set.Charge(k.key, w, n) }

// Observe is [Set.Observe].
func (k Key[K]) Observe(w scheduler.Window, left int, d time.Duration, of ...ticket.Ticket) error {
	return k.set.Observe(k.key, w, left, d, of...)
}

// Pause is [Set.Pause].
func (k Key[K]) Pause() error { return k.set.Pause(k.key) }

// PauseUntil is [Set.PauseUntil].
func (k Key[K]) PauseUntil(t time.Time) error { return k.set.PauseUntil(k.key, t) }

// PauseFor is [Set.PauseFor].
func (k Key[K]) PauseFor(d time.Duration) error { return k.set.PauseFor(k.key, d) }

// Resume is [Set.Resume].
func (k Key[K]) Resume() error { return k.set.Resume(k.key) }
