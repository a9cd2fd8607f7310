package scheduler

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
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
	spare := func() *liveCore {
		c := new(liveCore)
		c.init(l, unlimited, false)
		return c
	}
	if !rules.fast.simple {
		t.Fatalf("%v: not simple", l)
	}
	now, decisions := moment(0), 0
	var held []int
	for i := range 500 {
		switch r.IntN(6) {
		case 0:
			now += moment(r.Int64N(int64(time.Second)))
		case 1: // to the very instant at which something ends to count
			if at := one.forgettable(now); at > now && r.IntN(5) == 0 {
				now = at
			} else if one.first.size > 0 {
				now = max(now, one.first.ring[one.first.head].at+rules.fast.windows[0].per)
			}
		default:
			now += moment(r.Int64N(int64(time.Millisecond)))
		}
		n := 1 + r.IntN(min(3, rules.fast.maxWeight))
		if k := r.IntN(10); k == 0 && l.Windows != nil { // what only a core does
			w := l.Windows[r.IntN(len(l.Windows))]
			for _, c := range []*cell{one, other} {
				c.wake(spare(), now)
				c.live.spend(w, 1)
				if !c.live.canSleep() {
					t.Fatal("cannot sleep")
				}
				c.sleep()
			}
		}
		fits, decided := one.fits(now, n)
		other.wake(spare(), now)
		if want := other.live.plainFit(n); decided && fits != want {
			t.Fatalf("%v, step %d: %d fit: %v, want %v", l, i, n, fits, want)
		}
		switch {
		case !decided: // a core makes room
			one.wake(spare(), now)
			if one.live.plainFit(n) {
				for i := range one.live.windows {
					one.live.windows[i].grant(now, n)
				}
				one.live.granted++
				one.live.burst.grant(now, n)
			}
			one.sleep()
		case fits:
			decisions++
			one.charge(now, n)
			one.held += n
		}
		if other.live.plainFit(n) {
			for i := range other.live.windows {
				other.live.windows[i].grant(now, n)
			}
			other.live.granted++
			other.live.burst.grant(now, n)
			held = append(held, n)
		}
		if len(held) > 0 && r.IntN(2) == 0 {
			one.held -= held[0]
			other.live.burst.release(now, held[0])
			held = held[1:]
		}
		want := other.live.forgettable()
		if !other.live.canSleep() {
			t.Fatal("cannot sleep")
		}
		other.sleep()
		if got := one.forgettable(now); got != want {
			t.Fatalf("%v, step %d: forgettable at %v, want %v", l, i, got, want)
		}
		for i := range l.Windows { // a core expires what has ended while another may only look
			one.window(i).expire(now - rules.fast.windows[i].per)
			if one.window(i).size == 0 {
				one.window(i).head, one.window(i).emptied = 0, 0
			}
			a, b := *one.window(i), *other.window(i)
			a.ring, b.ring = nil, nil
			a.head, b.head = 0, 0
			if !reflect.DeepEqual(a, b) || !reflect.DeepEqual(entries(one.window(i)), entries(other.window(i))) {
				t.Fatalf("%v, step %d: kept\n%+v %v, want\n%+v %v", l, i, a, entries(one.window(i)), b, entries(other.window(i)))
			}
		}
		if one.held != other.held || one.granted != other.granted {
			t.Fatalf("%v, step %d: held %d granted %d, want %d and %d", l, i, one.held, one.granted, other.held, other.granted)
		}
	}
	if decisions < 20 {
		t.Errorf("%v: only %d decisions without a core", l, decisions)
	}
}

func entries(d *dormantWindow) (all []charge) {
	for i := range d.size {
		all = append(all, d.ring[d.slot(i)])
	}
	return all
}

// Limits of other kinds are left to a core.
func TestNotSimple(t *testing.T) {
	for _, text := range []string{"3/s from release", "3/s evenly", "3/s 9 tokens/s", "3/d from reset", "9 tokens/s"} {
		if newFastRules(MustParseLimits(text)).simple {
			t.Errorf("%s is simple", text)
		}
	}
}
