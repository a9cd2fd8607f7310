package scheduler

import (
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"
)

// A history as a story: what is done at which time, and what then counts.
func TestHistory(t *testing.T) {
	type step struct {
		at   moment
		do   string // add, remove (what was charged at the moment of), or look
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
		"one moment, one entry": {
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
			if large.size > exactEntries+2 {
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
	w := newWindow(Per(permits, day))
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
	bytes := len(w.past.ring) * int(unsafe.Sizeof(charge{}))
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
		if most > exactEntries+2 || len(h.ring) > exactEntries+2 {
			t.Errorf("per %v: %d entries, ring of %d", per, most, len(h.ring))
		}
	}
}

// What was merged may stand between a charge and the moment that its entry counts from, so none is
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
		t.Errorf("since %d", exact.vagueUntil)
	}
}
