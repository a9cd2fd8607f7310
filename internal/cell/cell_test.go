package cell

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The cell charges what every limit has room for, as a list of all charges tells, and nothing else. It leaves open
// only what it has no memory for.
func TestCellBesideAList(t *testing.T) {
	type made struct {
		opened, at int64 // apart only if charges share it
		n          int
	}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		rules := &Rules{Simple: true, MaxBurst: r.IntN(2) * (1 + r.IntN(4))}
		for range r.IntN(4) {
			per := 1 + r.Int64N(50)
			rules.Windows = append(rules.Windows, Limit{Permits: 1 + r.IntN(12), Per: per, Quantum: r.Int64N(2) * r.Int64N(per)})
		}
		var c Cell
		c.Init(rules)
		lists := make([][]made, len(rules.Windows))
		var now int64
		open, charges := 0, 0
		for step := range 500 {
			now += r.Int64N(8)
			n := 1 + r.IntN(3)
			fits, full := rules.MaxBurst == 0 || c.Held+n <= rules.MaxBurst, false
			for i, l := range rules.Windows {
				lists[i] = slices.DeleteFunc(lists[i], func(m made) bool { return m.at <= now-l.Per })
				used := 0
				for _, m := range lists[i] {
					used += m.n
				}
				fits = fits && used+n <= l.Permits
				last := len(lists[i]) - 1
				full = full || last+1 >= fewEntries && lists[i][last].opened < now-l.Quantum
			}
			switch charged, decided := c.Charge(now, n); {
			case !decided && full:
				open++
			case !decided:
				t.Fatalf("seed %d, step %d: nothing decided, with %v", seed, step, lists)
			case charged != fits:
				t.Fatalf("seed %d, step %d: charged %v, want %v", seed, step, charged, fits)
			case charged:
				charges++
				for i, l := range rules.Windows {
					if last := len(lists[i]) - 1; last >= 0 && lists[i][last].opened >= now-l.Quantum {
						lists[i][last].at = now
						lists[i][last].n += n
					} else {
						lists[i] = append(lists[i], made{now, now, n})
					}
				}
				c.Held += n
			}
			if c.Held > 0 && r.IntN(2) == 0 {
				c.Held--
			}
			want := now
			for i, l := range rules.Windows {
				if last := len(lists[i]) - 1; last >= 0 {
					want = max(want, lists[i][last].at+l.Per)
				}
			}
			if got := c.Forgettable(now); got != want {
				t.Fatalf("seed %d, step %d: forgettable at %d, want %d", seed, step, got, want)
			}
			if k := r.IntN(len(rules.Windows) + 200); k < len(rules.Windows) { // a core gives it more memory
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
	w.Head, w.Size, w.Emptied = 7, 0, 2
	if w.SetRing(w.Ring()); len(w.Ring()) != fewEntries || w.Head != 0 || w.Emptied != 0 {
		t.Errorf("a window that has come to remember nothing is not as a new one: %+v", w)
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
