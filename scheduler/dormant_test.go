package scheduler

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/internal/cell"
)

// What a dormant cell does to what it keeps of its windows is, in every field, what the windows of a core would have
// done, and it decides as they do.
func TestDormantDecidesAsTheCore(t *testing.T) {
	for _, text := range []string{"1/s", "3/2s", "2/s 5/4s burst 3", "20/s", "burst 2", "70000/70s", "9/s 70000/2s"} {
		for seed := range uint64(20) {
			dormantBesideCore(t, MustParseLimits(text), rand.New(rand.NewPCG(seed, 1)))
		}
	}
}

func dormantBesideCore(t *testing.T, l Limits, r *rand.Rand) {
	rules := (&ruleBook{}).find(l)
	one, other := newCell(rules), newCell(rules)
	if !rules.Simple {
		t.Fatalf("%v: not simple", l)
	}
	now, decisions := moment(0), 0
	wake := func(c *cell.Cell) *liveCore {
		core := new(liveCore)
		core.init(l, unlimited, false)
		core.load(c, now)
		return core
	}
	sleep := func(c *cell.Cell) {
		if !live(c).canSleep() {
			t.Fatal("cannot sleep")
		}
		live(c).store(c)
	}
	grant := func(core *liveCore, n int) {
		for i := range core.windows {
			core.windows[i].grant(now, n)
		}
		core.granted++
		core.burst.grant(now, n)
	}
	var held []int
	for i := range 500 {
		switch r.IntN(6) {
		case 0:
			now += moment(r.Int64N(int64(time.Second)))
		case 1: // to the very instant at which something ends to count
			if at := moment(one.Forgettable(int64(now))); at > now && r.IntN(5) == 0 {
				now = at
			} else if one.First.Size > 0 {
				now = max(now, moment(one.First.Ring[one.First.Head].At+rules.Windows[0].Per))
			}
		default:
			now += moment(r.Int64N(int64(time.Millisecond)))
		}
		n := 1 + r.IntN(min(3, rules.MaxWeight))
		if k := r.IntN(10); k == 0 && l.Windows != nil { // what only a core does
			w := l.Windows[r.IntN(len(l.Windows))]
			for _, c := range []*cell.Cell{one, other} {
				wake(c).spend(w, 1)
				sleep(c)
			}
		}
		core := wake(other)
		fits := core.plainFit(n)
		switch charged, decided := one.Charge(int64(now), n); {
		case !decided: // a core makes room
			if l := wake(one); l.plainFit(n) {
				grant(l, n)
			}
			sleep(one)
		case charged != fits:
			t.Fatalf("%v, step %d: %d fit: %v, want %v", l, i, n, charged, fits)
		case charged:
			decisions++
			one.Held += n
		}
		if fits {
			grant(core, n)
			held = append(held, n)
		}
		if len(held) > 0 && r.IntN(2) == 0 {
			one.Held -= held[0]
			core.burst.release(now, held[0])
			held = held[1:]
		}
		want := core.forgettable()
		sleep(other)
		if got := moment(one.Forgettable(int64(now))); got != want {
			t.Fatalf("%v, step %d: forgettable at %v, want %v", l, i, got, want)
		}
		for i := range l.Windows { // a core expires what has ended while another may only look
			w := one.Window(i)
			w.Expire(int64(now) - rules.Windows[i].Per)
			if w.Size == 0 {
				w.Head, w.Emptied = 0, 0
			}
			a, b := *w, *other.Window(i)
			a.Ring, b.Ring = nil, nil
			a.Head, b.Head = 0, 0
			if !reflect.DeepEqual(a, b) || !reflect.DeepEqual(entries(w), entries(other.Window(i))) {
				t.Fatalf("%v, step %d: kept\n%+v %v, want\n%+v %v", l, i, a, entries(w), b, entries(other.Window(i)))
			}
		}
		if one.Held != other.Held || one.Granted != other.Granted {
			t.Fatalf("%v, step %d: held %d granted %d, want %d and %d", l, i, one.Held, one.Granted, other.Held, other.Granted)
		}
	}
	if decisions < 20 {
		t.Errorf("%v: only %d decisions without a core", l, decisions)
	}
}

// newCell returns the cell of a new key.
func newCell(r *rules) *cell.Cell {
	c := new(cell.Cell)
	r.initCell(c, make([]cell.Entry, cell.FirstEntries))
	return c
}

func entries(w *cell.Window) (all []cell.Entry) {
	for i := range w.Size {
		all = append(all, w.Ring[w.Slot(i)])
	}
	return all
}

// Limits of other kinds are left to a core.
func TestNotSimple(t *testing.T) {
	for _, text := range []string{"3/s from release", "3/s evenly", "3/s 9 tokens/s", "3/d from reset", "9 tokens/s"} {
		if newRules(MustParseLimits(text)).Simple {
			t.Errorf("%s is simple", text)
		}
	}
}
