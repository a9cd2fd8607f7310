package keyed

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// Snapshot holds the grants of a set that still count. [Set.Snapshot] makes one, and [Set.Restore] uses it. It
// marshals to JSON if K does.
type Snapshot[K comparable] struct {
	Version int              `json:"version"` // 1; Restore takes no other
	Keys    []KeySnapshot[K] `json:"keys"`    // in no order
}

// KeySnapshot is what is remembered of one key.
type KeySnapshot[K comparable] struct {
	Key K `json:"key"`
	scheduler.Snapshot
}

// snapshotVersion is the version of the snapshots that this package makes and takes.
const snapshotVersion = 1

// snapshotsPerTurn is how many keys an owner puts into a snapshot at a time, so that others are served between.
const snapshotsPerTurn = 64

// Snapshot returns what the set remembers, each key as [scheduler.Scheduler.Snapshot] would. It also works
// after Close. It reads a few keys at a time, so other callers are served meanwhile. Each key is as it was at
// one instant, and later grants of the key are not in it. So it is complete only after Close. It does not
// contain limits that [Set.SetLimits] has set, nor the grants that keys beyond [MaxKeys] share. It costs some
// microseconds for each key.
func (s *Set[K]) Snapshot() Snapshot[K] {
	snap := Snapshot[K]{Version: snapshotVersion, Keys: []KeySnapshot[K]{}}
	for _, b := range s.boxes {
		snap.Keys = append(snap.Keys, b.snapshot()...)
	}
	return snap
}

// snapshot returns what the owner's keys remember.
func (b *box[K]) snapshot() (all []KeySnapshot[K]) {
	epoch := b.Epoch()
	for part := uint64(0); part < tableParts; {
		named, ok := b.ask(&message[K]{verb: verbKeys, number: part})
		if !ok {
			return b.snapshotOfRemains(epoch) // all there is
		}
		part = named.number
		for keys := range slices.Chunk(named.keys, snapshotsPerTurn) {
			a, ok := b.ask(&message[K]{verb: verbSnapshot, change: &change[K]{keys: keys, epoch: epoch}})
			if !ok {
				return b.snapshotOfRemains(epoch)
			}
			all = append(all, a.snapshots...)
		}
	}
	return all
}

// snapshotOfRemains returns what is left after the end.
func (b *box[K]) snapshotOfRemains(epoch time.Time) (all []KeySnapshot[K]) {
	st := b.Remains()
	b.after.Lock()
	defer b.after.Unlock()
	for e := range st.keys.all() {
		st.open(e)
		all = append(all, KeySnapshot[K]{e.key, st.seat.Snapshot(epoch)})
		st.seat.Leave()
	}
	return all
}

// snapshots returns what the keys remember, as far as they are there.
func (st *state[K]) snapshots(keys []K, epoch time.Time) (all []KeySnapshot[K]) {
	for _, k := range keys {
		if e := st.known(st.box.hash(k), k); e != nil {
			st.open(e)
			all = append(all, KeySnapshot[K]{k, st.seat.Snapshot(epoch)})
			st.leave(e)
		}
	}
	return all
}

// Restore charges the keys with what a snapshot remembers, as [scheduler.Scheduler.Restore] does. Call it right
// after [New]. It makes each key of the snapshot whose grants still count, with the limits that the function of
// New returns for the key.
//
// It returns a [*scheduler.InvalidError] for a snapshot that is damaged or of another version, and then changes
// nothing. If there are more keys than [MaxKeys] allows, it restores that many, beginning with those that
// remember most, and returns a [*TooManyKeysError]. If a key's limits are invalid, or the set is closed, it
// stops with that error.
func (s *Set[K]) Restore(snap Snapshot[K]) error {
	if s.quotas != nil {
		return notShared("Restore")
	}
	if snap.Version != snapshotVersion {
		return invalid("keyed.Snapshot.Version", snap.Version, fmt.Sprint(snapshotVersion))
	}
	for i := range snap.Keys {
		if err := s.boxes[0].Damage(&snap.Keys[i].Snapshot); err != nil {
			return fmt.Errorf("keyed: the snapshot of key %v: %w", snap.Keys[i].Key, err)
		}
	}
	order := make([]*KeySnapshot[K], len(snap.Keys))
	for i := range snap.Keys {
		order[i] = &snap.Keys[i]
	}
	slices.SortStableFunc(order, func(a, b *KeySnapshot[K]) int { return cmp.Compare(b.weight(), a.weight()) })
	for _, k := range order {
		b, _ := s.box(k.Key)
		c := &change[K]{snapshot: &k.Snapshot, epoch: b.Epoch()}
		if err := s.tell(k.Key, message[K]{verb: verbRestore, change: c}); err != nil {
			return err
		}
	}
	return nil
}

// weight is how much the key remembers.
func (k *KeySnapshot[K]) weight() (n float64) {
	for _, w := range k.Windows {
		n += float64(w.Held)
		for _, s := range w.Spent {
			n += float64(s.Permits)
		}
	}
	return n
}
