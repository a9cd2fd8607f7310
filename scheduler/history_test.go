package scheduler

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/flowguard-go/flowguard/internal/cell"
)

// A history as a story: what is done at which time, and what then counts.
func TestHistory(t *testing.T) {
	type step struct {
		at   moment
		do   string // add, remove (what was charged at the instant of), or look
		n    int
		of   moment
		sum  int
		next moment // when the oldest permit is free; never if there is none
	}
	for name, steps := range map[string][]step{
		"slides": {
			{0, "add", 2, 0, 2, 10},
			{3, "add", 1, 0, 3, 10},
			{9, "look", 0, 0, 3, 10},
			{10, "look", 0, 0, 1, 13},
			{12, "look", 0, 0, 1, 13},
			{13, "look", 0, 0, 0, never},
		},
		"one instant, one entry": {
			{5, "add", 1, 0, 1, 15},
			{5, "add", 1, 0, 2, 15},
			{14, "look", 0, 0, 2, 15},
			{15, "look", 0, 0, 0, never},
		},
		"removes part of an entry": {
			{0, "add", 3, 0, 3, 10},
			{4, "add", 2, 0, 5, 10},
			{5, "remove", 1, 0, 4, 10},
			{10, "look", 0, 0, 2, 14},
		},
		"removes an entry from the middle": {
			{0, "add", 1, 0, 1, 10},
			{1, "add", 1, 0, 2, 10},
			{2, "add", 1, 0, 3, 10},
			{3, "remove", 1, 1, 2, 10},
			{10, "look", 0, 0, 1, 12},
			{12, "look", 0, 0, 0, never},
		},
		"removes the newest": {
			{0, "add", 1, 0, 1, 10},
			{1, "add", 1, 0, 2, 10},
			{2, "remove", 1, 1, 1, 10},
			{2, "add", 1, 0, 2, 10},
			{10, "look", 0, 0, 1, 12},
		},
		"removes nothing that has expired": {
			{0, "add", 1, 0, 1, 10},
			{3, "add", 1, 0, 2, 10},
			{10, "remove", 1, 0, 1, 13},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(Per(5, 10))
			for i, s := range steps {
				h.expire(s.at)
				switch s.do {
				case "add":
					h.add(s.at, s.n)
				case "remove":
					h.remove(s.at, s.of, s.n)
				}
				next := never
				if h.sum() > 0 {
					next = h.freeAt(1)
				}
				if h.sum() != s.sum || next != s.next {
					t.Fatalf("step %d: sum %d, next %d, want %d and %d", i, h.sum(), next, s.sum, s.next)
				}
			}
		})
	}
}

// Beyond 65,536 permits instants are rounded up: a permit comes back at most Per/65,536 late and
// never early. An exact history beside it is the measure.
func TestLargeWindowRounding(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine does all of it")
	}
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 0))
		w := Per(200_000, []time.Duration{day, time.Hour, time.Second, 100 * time.Microsecond}[seed])
		late := moment(w.Per) / exactEntries
		large, exact := newHistory(w), newHistory(w)
		exact.quantum, exact.limit = 0, w.Permits
		now, worst := moment(0), moment(0)
		type charged struct {
			at moment
			n  int
		}
		var recent []charged
		for range 300_000 {
			switch r.IntN(20) {
			case 0:
				now += moment(r.Int64N(int64(w.Per) / 50))
			default:
				now += moment(r.Int64N(int64(w.Per)/100_000 + 2))
			}
			large.expire(now)
			exact.expire(now)
			if n := r.IntN(3) + 1; large.sum()+n <= w.Permits {
				large.add(now, n)
				exact.add(now, n)
				recent = append(recent, charged{now, n})
			}
			if len(recent) > 0 && r.IntN(10) == 0 {
				i := len(recent) - 1 - r.IntN(min(len(recent), 50))
				c := recent[i]
				if c.at <= now-moment(w.Per) {
					continue
				}
				large.remove(now, c.at, c.n)
				exact.remove(now, c.at, c.n)
				recent = append(recent[:i], recent[i+1:]...)
			}
			if large.sum() < exact.sum() {
				t.Fatalf("seed %d: at %d %d permits count, of which %d were forgotten early", seed, now, exact.sum(), exact.sum()-large.sum())
			}
			if exact.sum() > 0 {
				// The permits that still count, counted from the newest, expire at the instants that
				// exact says, or up to the quantum later.
				n := 1 + r.IntN(exact.sum())
				a := exact.freeAt(n)
				b := large.freeAt(n + large.sum() - exact.sum())
				if b < a || b > a+late {
					t.Fatalf("seed %d: at %d permit %d is free at %d, exactly it was %d, quantum %d", seed, now, n, b, a, late)
				}
				worst = max(worst, b-a)
			}
			if large.size > mostEntries {
				t.Fatalf("seed %d: %d entries", seed, large.size)
			}
		}
		if worst == 0 && late > 0 {
			t.Errorf("seed %d: nothing was ever rounded, so the test shows nothing", seed)
		}
		t.Logf("%v: worst lateness %d of %d ns, %d entries at the end", w, worst, late, large.size)
	}
}

// A window is exact up to 65,536 permits.
func TestExactUpTo65536(t *testing.T) {
	h := newHistory(Per(65_536, day))
	for i := range 65_536 {
		h.add(moment(i), 1)
	}
	if h.size != 65_536 || h.freeAt(65_536) != moment(day)+65_535 {
		t.Errorf("%d entries, last free at %d", h.size, h.freeAt(65_536))
	}
}

// The memory of a window grows with use and has a bound that does not depend on its permits.
func TestWindowMemory(t *testing.T) {
	const permits = 10_000_000
	w := newWindow(Per(permits, day), 0)
	if len(w.past.ring) != 0 {
		t.Errorf("an unused window holds %d entries", len(w.past.ring))
	}
	for i := range permits {
		now := moment(i) * moment(day) / permits
		w.past.expire(now)
		w.grant(now, 1)
	}
	if w.used() != permits {
		t.Errorf("%d used", w.used())
	}
	bytes := len(w.past.ring) * int(unsafe.Sizeof(cell.Entry{}))
	t.Logf("%d bytes for a full window of %d a day", bytes, permits)
	if bytes >= 2_000_000 {
		t.Errorf("%d bytes", bytes)
	}
}

// The bound on entries holds for the worst that can come: charges just too far apart to share one.
func TestEntriesAreBounded(t *testing.T) {
	for _, per := range []time.Duration{day, time.Second, 131_071, 65_536, 65_535, 7} {
		h := newHistory(Per(1_000_000, per))
		most := 0
		for now := moment(0); now < 3*moment(per); now += h.quantum + 1 {
			h.expire(now)
			h.add(now, 1)
			most = max(most, h.size)
		}
		if most > mostEntries || len(h.ring) > mostEntries {
			t.Errorf("per %v: %d entries, ring of %d", per, most, len(h.ring))
		}
	}
}

// What was merged may stand between a charge and the instant that its entry counts from, so none is
// taken back any more.
func TestMergedHistoryTakesNothingBack(t *testing.T) {
	w := Per(100_000, exactEntries*1_000) // a quantum of 1,000
	own, other := newHistory(w), newHistory(w)
	own.add(1_050, 6)
	own.add(2_001, 1)
	own.merge(&history{}, 2_100) // changes nothing
	own.add(2_002, 1)
	own.remove(2_100, 2_002, 1)
	other.add(150, 1)
	other.add(1_102, 1)
	own.merge(&other, 2_500)
	own.remove(2_500, 1_050, 6)
	if own.sum() != 9 {
		t.Errorf("%d count", own.sum())
	}
	for at, n := range own.charges() {
		if n < 1 {
			t.Errorf("%d at %d", n, at)
		}
	}

	exact, none := newHistory(Per(9, 1_000)), newHistory(Per(9, 1_000))
	exact.vagueUntil = 5
	exact.merge(&none, 7)
	none.add(6, 1)
	exact.merge(&none, 7)
	if exact.vagueUntil != 5 {
		t.Errorf("vague until %d", exact.vagueUntil)
	}
}

// slowHistory is what a history must be, as a plain slice of entries.
type slowHistory struct {
	per     time.Duration
	quantum moment
	entries []slowEntry
}

type slowEntry struct {
	opened, at moment
	n          int
}

func (h *slowHistory) expire(now moment) {
	for len(h.entries) > 0 && h.entries[0].at <= now-moment(h.per) {
		h.entries = h.entries[1:]
	}
}

func (h *slowHistory) add(now moment, n int) {
	last := len(h.entries) - 1
	if last < 0 || now-h.entries[last].opened > h.quantum {
		h.entries = append(h.entries, slowEntry{now, now, n})
		return
	}
	h.entries[last].at = now
	h.entries[last].n += n
}

func (h *slowHistory) remove(now, at moment, n int) {
	if at <= now-moment(h.per) {
		return
	}
	i := slices.IndexFunc(h.entries, func(e slowEntry) bool { return e.at >= at })
	if h.entries[i].n -= n; h.entries[i].n > 0 {
		return
	}
	h.entries = slices.Delete(h.entries, i, i+1)
	if i == len(h.entries) && i > 0 {
		h.entries[i-1].opened = h.entries[i-1].at - h.quantum
	}
}

func (h *slowHistory) charges() iter.Seq2[moment, int] {
	return func(yield func(moment, int) bool) {
		for _, e := range h.entries {
			if !yield(e.at, e.n) {
				return
			}
		}
	}
}

// differ returns how the two histories differ, or "". It asks when the permits are free whose numbers
// are given.
func differ(got *history, want *slowHistory, free ...int) string {
	next, stop := iter.Pull2(got.charges())
	defer stop()
	sum := 0
	for at, n := range want.charges() {
		gotAt, gotN, ok := next()
		if !ok || gotAt != at || gotN != n {
			return fmt.Sprintf("%d at %d, want %d at %d", gotN, gotAt, n, at)
		}
		for _, k := range free {
			if k > sum && k <= sum+n && got.freeAt(k) != at.after(want.per) {
				return fmt.Sprintf("permit %d is free at %d, want %d", k, got.freeAt(k), at.after(want.per))
			}
		}
		sum += n
	}
	if at, n, ok := next(); ok || got.sum() != sum {
		return fmt.Sprintf("sum %d, want %d, and then %d at %d", got.sum(), sum, n, at)
	}
	return ""
}

// Random charges that are taken back in any order, beside a slice of entries that does the same.
func TestHistoryBesideSlice(t *testing.T) {
	for _, c := range []struct {
		permits int
		per     time.Duration
		quantum moment
		ops     int
	}{
		{1, 7, 0, 2_000},
		{2, 7, 0, 2_000},
		{3, 9, 2, 2_000},
		{7, 40, 0, 20_000},
		{7, 40, 3, 20_000},
		{250, 1_000, 0, 50_000},
		{300, 1_000, 0, 50_000}, // a block and a bit
		{1_024, 5_000, 0, 100_000},
		{2_000, 10_000, 3, 100_000},
		{3_000, 15_000, 0, 200_000},
		{70_000, exactEntries * 4, 4, 60_000}, // a window that is coarse by itself
	} {
		t.Run(fmt.Sprintf("%d in %d by %d", c.permits, c.per, c.quantum), func(t *testing.T) {
			if testing.Short() && c.ops > 20_000 {
				t.Skip("it needs many operations until all has happened")
			}
			seed := rand.Uint64()
			r := rand.New(rand.NewPCG(seed, 0))
			h := newHistory(Per(c.permits, c.per))
			if c.permits > exactEntries && h.quantum != c.quantum {
				t.Fatalf("quantum %d", h.quantum)
			}
			h.quantum = c.quantum
			slow := &slowHistory{per: c.per, quantum: c.quantum}
			type charged struct {
				at moment
				n  int
			}
			var taken []charged // not taken back
			now := moment(0)
			var wrapped, compacted, corrected, expired int
			var least, step, weight, undo, order int
			for op := range c.ops {
				if phase := min(4*c.permits, c.ops/10); op%phase == 0 { // another way to use it
					least, step = 0, []int{1, 2 + 2*int(c.quantum), 4 * int(c.per) / c.permits}[r.IntN(3)]
					weight = 1 + r.IntN(2)*min(5, c.permits-1)
					undo, order = r.IntN(100), r.IntN(3)
					switch op / phase % 4 {
					case 0: // fill it
						least, step, weight, undo = 1, 0, 1, 0
					case 1: // and replace what is in it, before it expires
						least, step, weight, undo, order = 1, 0, 1, 45, 2
					}
				}
				before := h.ring
				switch {
				case len(taken) > 0 && r.IntN(100) < undo:
					i := []int{0, len(taken) - 1, r.IntN(len(taken))}[order]
					x := taken[i]
					taken = slices.Delete(taken, i, i+1)
					if x.at <= now-moment(c.per) {
						expired++
					}
					h.remove(now, x.at, x.n)
					slow.remove(now, x.at, x.n)
				default:
					now += moment(least + r.IntN(step+1))
					if r.IntN(10*c.permits) == 0 {
						now += moment(r.Int64N(2 * int64(c.per)))
					}
					h.expire(now)
					slow.expire(now)
					if n := 1 + r.IntN(weight); h.sum()+n <= c.permits {
						h.add(now, n)
						slow.add(now, n)
						taken = append(taken, charged{now, n})
					}
					if len(taken) > 2*c.permits {
						taken = taken[c.permits:]
					}
				}
				if len(h.ring) > 0 && len(h.ring) == len(before) && &h.ring[0] != &before[0] {
					compacted++
				}
				if h.head+h.size > len(h.ring) {
					wrapped++
				}
				for _, n := range h.tooHigh {
					if n > 0 {
						corrected++
						break
					}
				}
				if 3*len(h.ring) > 4*min(c.permits, mostEntries)+2 {
					t.Fatalf("seed %d, op %d: a ring of %d for %d permits", seed, op, len(h.ring), c.permits)
				}
				if (h.size > 0) != (h.sum() > 0) {
					t.Fatalf("seed %d, op %d: %d entries of %d permits", seed, op, h.size, h.sum())
				}
				if r.IntN(1+h.size/20) == 0 {
					k := 1 + r.IntN(max(1, h.sum()))
					if d := differ(&h, slow, 1, k, h.sum()); d != "" {
						t.Fatalf("seed %d, op %d, at %d: %s", seed, op, now, d)
					}
				}
			}
			t.Logf("a ring of %d; %d wrapped, %d compacted, %d with corrections, %d expired", len(h.ring), wrapped, compacted, corrected, expired)
			switch {
			case wrapped == 0 && c.permits > 2 && c.permits < exactEntries:
				t.Error("the ring never wrapped, so the test shows too little")
			case compacted == 0 && c.permits > 3 && c.quantum == 0:
				t.Error("the ring was never compacted, so the test shows too little")
			case corrected == 0 && c.permits > blockSize:
				t.Error("no block was ever corrected, so the test shows too little")
			case expired == 0 && c.permits < exactEntries:
				t.Error("nothing that had expired was taken back, so the test shows too little")
			}
		})
	}
}

// What is charged adds up to MaxInt at most, and counts for as long as if there were no such bound.
func TestHistorySaturates(t *testing.T) {
	const per = 100
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 2_000 {
		h := newHistory(Per(math.MaxInt, per))
		slow := &slowHistory{per: per} // may hold more than an int
		sum := func(now moment) (sum int) {
			for at, n := range slow.charges() {
				if at > now-per {
					sum += min(n, math.MaxInt-sum)
				}
			}
			return sum
		}
		now := moment(0)
		for range 12 {
			now += moment(r.IntN(30))
			h.expire(now)
			n := []int{1, 5, math.MaxInt / 2, math.MaxInt - 7, math.MaxInt}[r.IntN(5)]
			over := n > math.MaxInt-h.sum()
			h.add(now, n)
			slow.entries = append(slow.entries, slowEntry{now, now, n})
			if h.sum() == math.MaxInt && h.freeAt(h.sum()) != now+per {
				t.Fatalf("seed %d: full at %d until %d", seed, now, h.freeAt(h.sum()))
			}
			if over {
				if h.remove(now, now, n); h.sum() != math.MaxInt {
					t.Fatalf("seed %d: took back what may count for others: %d", seed, h.sum())
				}
			}
		}
		for end := now + per; now <= end; now++ {
			if h.expire(now); h.sum() != sum(now) {
				t.Fatalf("seed %d: at %d %d count, want %d", seed, now, h.sum(), sum(now))
			}
			if h.sum() > 0 {
				if at := h.freeAt(1); sum(at-1) != h.sum() || sum(at) == h.sum() {
					t.Fatalf("seed %d: at %d the oldest is free at %d", seed, now, at)
				}
			}
		}
	}
}

// More may be charged than the window permits. Then too the entries are bounded, and nothing is freed
// early.
func TestOverchargedHistory(t *testing.T) {
	const charges = 3 * exactEntries
	h := newHistory(Per(5, charges))
	var exact []moment
	for now := range moment(charges) {
		h.add(now, 1)
		exact = append(exact, now)
		if now%7 == 3 {
			h.remove(now, now-2, 1)
			exact = slices.Delete(exact, len(exact)-3, len(exact)-2)
		}
	}
	if h.sum() != len(exact) || len(h.ring) > mostEntries*4/3 {
		t.Errorf("%d count, want %d; a ring of %d", h.sum(), len(exact), len(h.ring))
	}
	for now := moment(charges); now < 2*charges; now++ {
		h.expire(now)
		for len(exact) > 0 && exact[0] <= now-charges {
			exact = exact[1:]
		}
		if h.sum() < len(exact) {
			t.Fatalf("at %d %d count, want %d at least", now, h.sum(), len(exact))
		}
	}
	if h.sum() != 0 {
		t.Errorf("%d left", h.sum())
	}
}

// Without removals such a window has no more entries than any other. The ring is not made anew for
// each charge.
func TestMostEntries(t *testing.T) {
	h := newHistory(Per(5, day))
	rings := 0
	for now := range moment(2 * exactEntries) {
		before := h.ring
		if h.add(now, 1); len(before) == 0 || &before[0] != &h.ring[0] {
			rings++
		}
	}
	if h.size != mostEntries || len(h.ring) != mostEntries || rings > 20 {
		t.Errorf("%d entries in a ring of %d, made anew %d times", h.size, len(h.ring), rings)
	}
}

// A window of 65,536 permits stays exact when charges are taken back and others take their place.
func TestExactAfterRemovals(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine does all of it")
	}
	h := newHistory(Per(exactEntries, day))
	held := make([]moment, 0, exactEntries)
	for now := range moment(3 * exactEntries) {
		if len(held) == exactEntries {
			i := rand.IntN(exactEntries)
			h.remove(now, held[i], 1)
			held[i] = now
		} else {
			held = append(held, now)
		}
		h.add(now, 1)
	}
	slices.Sort(held)
	i := 0
	for at, n := range h.charges() {
		if at != held[i] || n != 1 {
			t.Fatalf("%d at %d, want 1 at %d", n, at, held[i])
		}
		i++
	}
	if i != exactEntries || len(h.ring) > mostEntries*4/3 {
		t.Errorf("%d entries in a ring of %d", i, len(h.ring))
	}
}

// Entries that are empty go with the oldest or the newest entry beside them.
func TestEmptiedAtTheEnds(t *testing.T) {
	for _, c := range []struct {
		removed []moment
		size    int
	}{
		{[]moment{1, 2, 0}, 2},
		{[]moment{2, 3, 4}, 2},
		{[]moment{3, 1, 2, 0}, 1},
		{[]moment{3, 1, 2, 4}, 1},
		{[]moment{3, 1, 2}, 5},
		{[]moment{2, 1, 3, 0, 4}, 0},
	} {
		h := newHistory(Per(5, day))
		for at := range moment(5) {
			h.add(at, 1)
		}
		for _, at := range c.removed {
			h.remove(4, at, 1)
		}
		if h.size != c.size {
			t.Errorf("without %v, %d entries are left, want %d", c.removed, h.size, c.size)
		}
	}
}

// To take a charge back writes to few slots and looks at few, wherever it is. What else it does, it
// does once for each entry that it drops.
func TestRemoveTakesFewSteps(t *testing.T) {
	if testing.Short() {
		t.Skip("it copies the ring for each step that it counts")
	}
	const n = 40_000
	order := rand.Perm(n)
	for name, pick := range map[string]func(i int) int{
		"newest first": func(i int) int { return n - 1 - i },
		"oldest first": func(i int) int { return i },
		"random order": func(i int) int { return order[i] },
	} {
		t.Run(name, func(t *testing.T) {
			h, now := full(n)
			most := 0
			for i := range n {
				at := now - n + moment(pick(i))
				if i%97 != 0 {
					h.remove(now-1, at, 1)
					continue
				}
				steps := 0
				h.search(func(slot int) bool { steps++; return h.at(slot) >= at })
				ring, tooHigh := slices.Clone(h.ring), slices.Clone(h.tooHigh)
				h.remove(now-1, at, 1)
				for j := range ring {
					if ring[j] != h.ring[j] {
						steps++
					}
				}
				for j := range tooHigh {
					if tooHigh[j] != h.tooHigh[j] {
						steps++
					}
				}
				most = max(most, steps)
			}
			t.Logf("%d steps at most", most)
			if blocks := n/blockSize + 1; most > 16+2*blockSize+blocks {
				t.Errorf("%d steps", most)
			}
			if h.sum() != 0 || h.size != 0 {
				t.Errorf("%d left in %d entries", h.sum(), h.size)
			}
		})
	}
}

// To look for the moment at which permits are free takes few steps, also after charges were taken back.
func TestFreeAtTakesFewSteps(t *testing.T) {
	h, now := full(exactEntries)
	for i := moment(1); i < exactEntries; i += 3 {
		h.remove(now-1, now-i, 1)
	}
	for k := 1; k <= h.sum(); k += 1_000 {
		steps := 0
		i := h.search(func(slot int) bool { steps++; return h.totalAt(slot)-h.gone >= uint64(k) })
		if got, want := h.freeAt(k), h.at(h.slot(i)).after(h.per); got != want || steps > 17 {
			t.Fatalf("permit %d is free at %d, want %d; %d steps", k, got, want, steps)
		}
	}
}

// Entries that were emptied cost few moves, and bounded memory, while others take their place.
func TestCompactionIsPaidFor(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 10, 256, 1_000} {
		h := newHistory(Per(n, day))
		var held []moment
		removed, moved := 0, 0
		for now := range moment(50 * n) {
			if len(held) == n {
				i := rand.IntN(n)
				h.remove(now, held[i], 1)
				held[i] = held[n-1]
				held = held[:n-1]
				removed++
			}
			before := h.ring
			h.add(now, 1)
			held = append(held, now)
			if len(before) > 0 && &before[0] != &h.ring[0] {
				moved += len(before)
			}
		}
		if moved > 4*removed+4*n {
			t.Errorf("%d permits: %d entries moved for %d that were emptied", n, moved, removed)
		}
		if len(h.ring) > (4*n+2)/3 {
			t.Errorf("%d permits: a ring of %d", n, len(h.ring))
		}
	}
}

// full returns a history of n entries, 1 ns apart, of which each holds one permit, and the moment after
// the last. Its ring is used all around.
func full(n int) (history, moment) {
	h := newHistory(Per(n, time.Duration(n)))
	now := moment(0)
	for range n + n/2 {
		h.expire(now)
		h.add(now, 1)
		now++
	}
	return h, now
}

var sizes = []int{10, 1_000, exactEntries}

// A full window that slides: for each charge that comes another expires.
func BenchmarkHistorySlide(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h, now := full(n)
			used := 0
			for b.Loop() {
				h.expire(now)
				h.add(now, 1)
				used += h.sum()
				now++
			}
			if used < b.N {
				b.Error("the window is empty")
			}
		})
	}
}

func BenchmarkHistoryFreeAt(b *testing.B) {
	for _, n := range sizes {
		for _, k := range []int{1, n / 2, n} {
			b.Run(fmt.Sprintf("%d of %d", k, n), func(b *testing.B) {
				h, now := full(n)
				for b.Loop() {
					if h.freeAt(k) < now {
						b.Fatal("free already")
					}
				}
			})
		}
	}
}

// The cost of taking a charge back, where all of a full window are.
func BenchmarkHistoryRemove(b *testing.B) {
	const n = 40_000
	order := rand.New(rand.NewPCG(1, 1)).Perm(n)
	for name, pick := range map[string]func(i int) int{
		"newest first": func(i int) int { return n - 1 - i },
		"oldest first": func(i int) int { return i },
		"random order": func(i int) int { return order[i] },
	} {
		b.Run(name, func(b *testing.B) {
			var h history
			left := 0
			for b.Loop() {
				if left == 0 {
					h, left = newHistory(Per(n, n)), n
					for i := range n {
						h.add(moment(i), 1)
					}
				}
				h.remove(n-1, moment(pick(n-left)), 1)
				left--
			}
		})
	}
}
