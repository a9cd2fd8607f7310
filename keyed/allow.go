package keyed

import "github.com/flowguard-go/flowguard/ticket"

// Allow reports whether one permit of the key is free now. If so, it takes the permit and gives it back at once.
// See [Set.AllowN].
func (s *Set[K]) Allow(k K) bool { return s.AllowN(k, 1) }

// AllowN grants a ticket of the key with the given weight and costs if it need not wait, gives its permits back,
// and returns true. Otherwise it returns false. It is for work that is limited only by rate and does not wait, such
// as a request that a server serves or refuses. It does what [Set.TryAcquireN] and then Release do, and allocates
// nothing if the set remembers the key.
func (s *Set[K]) AllowN(k K, weight int, costs ...ticket.Cost) bool {
	t, ok := s.TryAcquireN(k, weight, costs...)
	t.Release()
	return ok
}
