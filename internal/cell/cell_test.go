package cell

import (
	"math/rand/v2"
	"testing"
)

// The cell charges what every limit has room for, as a list of all charges tells, and nothing else. It leaves open
// only what it has no memory for.
func TestCellBesideAList(t *testing.T) {
	type made struct {
		at int64
		n  int
	}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		rules := &Rules{Simple: true, MaxBurst: r.IntN(2) * (1 + r.IntN(4)), MaxWeight: 1 << 30}
		for range r.IntN(4) {
			rules.Windows = append(rules.Windows, Limit{Permits: 1 + r.IntN(6), Per: 1 + r.Int64N(50)})
		}
		var c Cell
		c.Init(rules)
		var list []made
		var now int64
		open, charges := 0, 0
		for step := range 500 {
			now += r.Int64N(8)
			n := 1 + r.IntN(3)
			fits, moments := rules.MaxBurst == 0 || c.Held+n <= rules.MaxBurst, 0
			for _, l := range rules.Windows {
				used, distinct := 0, map[int64]bool{}
				for _, m := range list {
					if m.at > now-l.Per {
						used += m.n
						distinct[m.at] = true
					}
				}
				fits = fits && used+n <= l.Permits
				moments = max(moments, len(distinct))
			}
			switch charged, decided := c.Charge(now, n); {
			case !decided && moments >= fewEntries:
				open++
			case !decided:
				t.Fatalf("seed %d, step %d: nothing decided, with %d entries", seed, step, moments)
			case charged != fits:
				t.Fatalf("seed %d, step %d: charged %v, want %v", seed, step, charged, fits)
			case charged:
				charges++
				list = append(list, made{now, n})
				c.Held += n
			}
			if c.Held > 0 && r.IntN(2) == 0 {
				c.Held--
			}
			want := now
			if len(list) > 0 {
				for _, l := range rules.Windows {
					want = max(want, list[len(list)-1].at+l.Per)
				}
			}
			if got := c.Forgettable(now); got != want {
				t.Fatalf("seed %d, step %d: forgettable at %d, want %d", seed, step, got, want)
			}
			if k := r.IntN(len(rules.Windows) + 20); k < len(rules.Windows) { // a core gives it more memory
				larger(c.Window(k))
			}
		}
		if charges < 5 || c.Granted != uint64(charges) {
			t.Errorf("seed %d: %d charges, and %d open; granted %d", seed, charges, open, c.Granted)
		}
	}
}

// larger moves the entries to a larger ring.
func larger(w *Window) {
	old := w.Ring()
	ring := make([]Entry, len(old)+3)
	for i := range w.Size {
		ring[i] = old[w.slot(old, i)]
	}
	w.Head = 0
	w.SetRing(ring)
}

// A window has a ring of its own only while its own entries do not suffice.
func TestRing(t *testing.T) {
	var w Window
	w.SetRing(make([]Entry, 9))
	if len(w.Ring()) != fewEntries {
		t.Error("a window that remembers nothing has a large ring")
	}
	w.Size = 1
	if w.SetRing(w.Ring()); w.large != nil {
		t.Error("its own entries are kept as others")
	}
	w.SetRing(make([]Entry, 9))
	at := w.large
	if w.SetRing(make([]Entry, 12)); w.large != at || len(w.Ring()) != 12 {
		t.Error("a larger ring is not kept where the one before was")
	}
}

// Time stands still while the clock is behind.
func TestRegister(t *testing.T) {
	var r Register
	for _, c := range []struct{ reading, latest int64 }{{5, 5}, {3, 5}, {4, 5}, {9, 9}} {
		if r.SetTime(c.reading); r.Read != c.reading || r.Latest != c.latest {
			t.Errorf("%d was read: %+v, want %d", c.reading, r, c.latest)
		}
	}
}
