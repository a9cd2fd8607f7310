package keyed

import "slices"

// KeepState makes the owners lend nothing, so that every call is a message.
func KeepState() Option {
	return optionFunc(func(cfg *config) error {
		cfg.keepsState = true
		return nil
	})
}

// Shards sets how many owners there are, a power of two.
func Shards(n int) Option {
	return optionFunc(func(cfg *config) error {
		cfg.shards = n
		return nil
	})
}

// Knows reports whether the set remembers the key.
func Knows[K comparable](s *Set[K], k K) (known bool) {
	b, hash := s.box(k)
	st := b.Borrow()
	if st == nil { // of a set that keeps its state
		for part := uint64(0); part < tableParts && !known; {
			a, _ := b.sendAndWait(&message[K]{verb: verbKeys, number: part})
			part, known = a.number, slices.Contains(a.keys, k)
		}
		return known
	}
	defer b.giveBack(st)
	return st.known(hash, k) != nil
}

// MostExchanges is how many exchanges a set makes at a time.
const MostExchanges = mostExchanges

// Exchanging returns how many goroutines make exchanges.
func Exchanging[K comparable](s *Set[K]) int {
	s.quotas.mu.Lock()
	defer s.quotas.mu.Unlock()
	return s.quotas.running
}
