package scheduler

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// settled is a charge that may change, as its owner remembers it.
type settled struct {
	at moment
	n  int
}

// sumOf returns what counts of the charges that were made after since.
func sumOf(charges []settled, since moment) (sum int) {
	for _, c := range charges {
		if c.at > since {
			sum += c.n
		}
	}
	return sum
}

// Charges are corrected at random, up and down and to nothing, and the history is compared with a list of
// what they are. In a coarse one a charge may count for a quantum longer.
func TestInsertBesideList(t *testing.T) {
	ops := 30_000
	if testing.Short() {
		ops = 3_000
	}
	for _, c := range []struct {
		permits int
		per     time.Duration
		quantum moment
	}{
		{3, 20, 0},
		{40, 200, 0},
		{4_000, 20_000, 0}, // with corrections of whole blocks
		{exactEntries + 1, 20_000, 7},
		{exactEntries + 1, 300, 1},
	} {
		t.Run(fmt.Sprintf("%d in %d by %d", c.permits, c.per, c.quantum), func(t *testing.T) {
			seed := seed(t)
			r := rand.New(rand.NewPCG(seed, uint64(c.per)))
			h := newHistory(Per(c.permits, c.per))
			h.quantum = c.quantum
			var charges []settled
			now, opened, joined := moment(0), 0, 0
			for op := range ops {
				switch k := r.IntN(10); {
				case k < 4:
					now += moment(r.IntN(int(c.per)/min(c.permits, 1_000)*3 + 2))
					h.expire(now)
					charges = append(charges, settled{at: now})
					if len(charges) > 3*min(c.permits, 1_000)+60 {
						charges = charges[1:]
					}
				case len(charges) > 0:
					x := &charges[r.IntN(len(charges))]
					if k == 4 {
						x = &charges[len(charges)-1]
					}
					n := []int{0, 1, x.n + 1, r.IntN(5)}[r.IntN(4)]
					before := h.size
					switch {
					case n < x.n:
						h.remove(now, x.at, x.n-n)
					case n > x.n:
						h.insert(now, x.at, n-x.n)
						opened += h.size - before
						joined += 1 - (h.size - before)
					}
					if x.at > now-moment(c.per) { // what has expired stays
						x.n = n
					}
				}
				got, least := h.sum(), sumOf(charges, now-moment(c.per))
				most := sumOf(charges, now-moment(c.per)-c.quantum)
				if got < least || got > most {
					t.Fatalf("seed %d, op %d, at %d: %d count, want %d to %d", seed, op, now, got, least, most)
				}
				if got == 0 || r.IntN(8) > 0 {
					continue
				}
				k := 1 + r.IntN(got)
				at := h.freeAt(k)
				if sumOf(charges, at-moment(c.per)) > got-k && c.quantum == 0 {
					t.Fatalf("seed %d, op %d, at %d: %d free at %d is early", seed, op, now, k, at)
				}
				if at > now+1 && sumOf(charges, at-1-moment(c.per)-c.quantum) <= got-k && c.quantum == 0 {
					t.Fatalf("seed %d, op %d, at %d: %d free at %d is late", seed, op, now, k, at)
				}
				if c.quantum == 0 {
					newest := settled{}
					for _, x := range charges {
						if x.n > 0 && x.at > now-moment(c.per) {
							if x.at > newest.at || newest.n == 0 {
								newest = settled{at: x.at}
							}
							newest.n += x.n
						}
					}
					if at, n := h.newest(); at != newest.at || n != newest.n {
						t.Fatalf("seed %d, op %d, at %d: newest is %d at %d, want %d at %d", seed, op, now, n, at, newest.n, newest.at)
					}
				}
			}
			t.Logf("%d entries opened, %d joined", opened, joined)
			if opened == 0 || joined == 0 {
				t.Error("the test shows too little")
			}
		})
	}
}

// If there is no room for another entry, what is inserted counts for longer, and is taken back from there.
func TestInsertWithoutRoom(t *testing.T) {
	w := Per(10_000_000, 10*time.Duration(mostEntries)*time.Second)
	h := newHistory(w)
	h.quantum = 1
	for i := range mostEntries {
		h.add(moment(i*10), 1)
	}
	now := moment(mostEntries * 10)
	h.insert(now, 5, 3)
	if h.size != mostEntries || h.sum() != mostEntries+3 {
		t.Fatalf("%d entries of %d", h.size, h.sum())
	}
	if got, want := h.freeAt(4), moment(10)+moment(w.Per); got != want {
		t.Errorf("free at %d, want %d", got, want)
	}
	// There is room again, but an entry that was made now would be taken for that of the charge before.
	h.remove(now, 0, 1)
	h.insert(now, 6, 1)
	h.remove(now, 5, 3)
	if got, want := h.freeAt(2), moment(10)+moment(w.Per); h.sum() != mostEntries || got != want {
		t.Errorf("%d count, and 2 are free at %d, want %d", h.sum(), got, want)
	}
}

// What does not fit into an int is not charged, and then nothing is taken back for it.
func TestInsertSaturates(t *testing.T) {
	h := newHistory(Per(10, 100))
	h.add(0, 5)
	h.add(10, 7)
	h.insert(10, 0, math.MaxInt)
	if h.sum() != math.MaxInt {
		t.Fatalf("%d count", h.sum())
	}
	if h.remove(10, 0, math.MaxInt); h.sum() != math.MaxInt {
		t.Errorf("%d count", h.sum())
	}
	if h.expire(100); h.sum() != 7 {
		t.Errorf("%d count at the end", h.sum())
	}
	h.insert(110, 0, 5)
	if h.expire(110); h.sum() != 0 {
		t.Errorf("%d count, inserted after the end", h.sum())
	}
}

// What a ticket costs more counts from the instant of its grant also if a snapshot was restored at that instant, or since.
func TestInsertAfterMerge(t *testing.T) {
	w := Per(4, 25)
	before, h := newHistory(w), newHistory(w)
	before.add(10, 1)
	h.merge(&before, 24)
	h.add(33, 1)
	h.insert(33, 24, 2)
	var got []settled
	for at, n := range h.charges() {
		got = append(got, settled{at, n})
	}
	if want := []settled{{10, 1}, {24, 2}, {33, 1}}; !slices.Equal(got, want) {
		t.Errorf("charged %v, want %v", got, want)
	}
}
