package scheduler

import (
	"math/rand/v2"
	"testing"
	"time"
)

// better reports whether a remembers better than b what w should. Either may be nil.
func better(w, a, b *window) bool {
	rank := func(x *window) (class int, per time.Duration, used int) {
		switch {
		case x == nil || x.From != w.From:
			return 0, 0, 0
		case x.Window == w.Window:
			class = 3
		case x.Per == w.Per:
			class = 2
		default:
			class = 1
		}
		return class, x.Per, x.used()
	}
	classA, perA, usedA := rank(a)
	classB, perB, usedB := rank(b)
	switch {
	case classA != classB:
		return classA > classB
	case perA != perB:
		return perA > perB
	}
	return usedA > usedB
}

// The ancestor of each window is one that no other is better than.
func TestAncestors(t *testing.T) {
	r := rand.New(rand.NewPCG(seed(t), 0))
	random := func() window {
		w := newWindow(Window{Permits: 1 + r.IntN(3), Per: time.Duration(1 + r.IntN(4)), From: Instant(r.IntN(2))}, 0)
		if n := r.IntN(3); n > 0 {
			w.past.add(0, n)
		}
		if w.From == FromRelease {
			w.held.Add(r.IntN(3))
		}
		return w
	}
	for range 20_000 {
		before := make([]window, r.IntN(7))
		mostUsed := 0
		for i := range before {
			before[i] = random()
			mostUsed = max(mostUsed, before[i].used())
		}
		a := newAncestors(before)
		if a.mostUsed[""] != mostUsed {
			t.Fatalf("%d used at most, want %d", a.mostUsed[""], mostUsed)
		}
		w := random()
		got := a.of(&w)
		if got != nil && got.From != w.From {
			t.Fatalf("%v inherits from %v", w.Window, got.Window)
		}
		for i := range before {
			if better(&w, &before[i], got) {
				t.Fatalf("%v inherits from %+v, but %+v is better", w.Window, got, before[i])
			}
		}
	}
}

// What new limits remember of what was granted under the old.
func TestInheritStory(t *testing.T) {
	t.Run("the same window keeps its history", func(t *testing.T) {
		tell(t, "3/s 2/10s", `
			0s    acquire 2        -> 1 granted
			500ms limits 3/s 9/min
			500ms used 0           -> 2
			500ms used 1           -> 2
			1s    used 0           -> 0
			1s    used 1           -> 2
		`)
	})
	t.Run("one of the same length", func(t *testing.T) {
		tell(t, "3/s 9/10s", `
			0s    acquire 2        -> 1 granted
			2s    acquire 1        -> 2 granted
			2s    limits 5/s 7/10s
			2s    used 0           -> 1
			2s    used 1           -> 3
			3s    used 0           -> 0
			10s   used 1           -> 1
		`)
	})
	t.Run("the fullest of the same length", func(t *testing.T) {
		tell(t, "3/s 4/s 5/s", `
			0s    charge 2
			0s    acquire 1        -> 1 granted
			0s    limits 6/s
			0s    used 0           -> 3
		`)
	})
	t.Run("the longest", func(t *testing.T) {
		tell(t, "3/s 9/10s", `
			0s    acquire 2        -> 1 granted
			2s    limits 5/3s 7/min
			2s    used 0           -> 2
			2s    used 1           -> 2
			3s    used 0           -> 0
			59s   used 1           -> 2
			60s   used 1           -> 0
		`)
	})
	// What was granted is known, but not from when on it counts: as if from now.
	t.Run("another instant to count from", func(t *testing.T) {
		tell(t, "9/s", `
			0s    acquire 3                -> 1 granted
			0s    acquire 2                -> 2 granted
			500ms release 1
			600ms limits 9/s from release
			600ms used 0                   -> 5
			1500ms release 2
			1500ms used 0                  -> 5
			1600ms used 0                  -> 2
			2500ms used 0                  -> 0
		`)
		tell(t, "9/s from release", `
			0s    acquire 3                -> 1 granted
			0s    acquire 2                -> 2 granted
			500ms release 1
			600ms limits 9/s
			600ms used 0                   -> 5
			600ms undo 2
			600ms used 0                   -> 5
			1599ms used 0                  -> 5
			1600ms used 0                  -> 0
		`)
	})
	t.Run("what is granted at once after it can be undone", func(t *testing.T) {
		tell(t, "9/s from release", `
			0s    limits 9/s
			0s    acquire 3                -> 1 granted
			0s    used 0                   -> 3
			0s    undo 1
			0s    used 0                   -> 0
		`)
	})
	t.Run("of a burst alone", func(t *testing.T) {
		tell(t, "burst 9", `
			0s    acquire 3                -> 1 granted
			0s    limits 9/s 9/s from release
			0s    used 0                   -> 0
			0s    used 1                   -> 3
		`)
	})
	t.Run("an observation", func(t *testing.T) {
		tell(t, "9/s", `
			0s    observe 2 by 30s
			0s    limits 8/s
			0s    left 0           -> 2
			30s   left 0           -> 8
		`)
	})
	t.Run("those that fit are granted, with all that counts", func(t *testing.T) {
		tell(t, "2/10s", `
			0s    acquire 2        -> 1 granted
			0s    acquire 2        -> 2 waits
			0s    acquire 1        -> 3 waits
			1s    limits 4/10s     -> 2 granted
			1s    wake             -> 10s
			2s    limits 4/2s      -> 3 granted
		`)
	})
}
