package scheduler

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/flowguard-go/flowguard/internal/cell"
	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/internal/line"
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
		case 1: // to the instant at which a charge expires
			if at := moment(one.Forgettable(int64(now))); at > now && r.IntN(5) == 0 {
				now = at
			} else if one.First.Size > 0 {
				now = max(now, moment(entries(&one.First)[0].At+rules.Windows[0].Per))
			}
		default:
			now += moment(r.Int64N(int64(time.Millisecond)))
		}
		n := 1 + r.IntN(3)
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
				w.Emptied = 0
			}
			a, b := kept(*w), kept(*other.Window(i))
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
	c.Init(&r.Rules)
	return c
}

func entries(w *cell.Window) (all []cell.Entry) {
	ring := w.Ring()
	for i := range int(w.Size) {
		all = append(all, ring[(int(w.Head)+i)%len(ring)])
	}
	return all
}

// kept returns what is kept of a window apart from where its entries are.
func kept(w cell.Window) cell.Window {
	return cell.Window{Size: w.Size, Gone: w.Gone, Total: w.Total, Opened: w.Opened, Latest: w.Latest, Emptied: w.Emptied, Rare: w.Rare}
}

// Limits of other kinds are left to a core.
func TestNotSimple(t *testing.T) {
	for _, text := range []string{"3/s from release", "3/s evenly", "3/s 9 tokens/s", "3/d from reset", "9 tokens/s"} {
		if newRules(MustParseLimits(text)).Simple {
			t.Errorf("%s is simple", text)
		}
	}
}

// newTestSeat returns a seat whose clock stands still at the moment 0, and its register.
func newTestSeat() (*seat, *cell.Register) {
	r := new(cell.Register)
	work, _ := inside.NewSeats(clock.NewMock(), unlimited, false).(func(*cell.Register) (any, any))(r)
	return work.(*seat), r
}

// A key that is forgotten leaves nothing of it: neither what SetLimits had left to do for it, nor the memory of its windows.
func TestForgottenKeyLeavesNothing(t *testing.T) {
	s, now := newTestSeat()
	own, other := MustParseLimits("2/s"), MustParseLimits("9/s")
	c := new(cell.Cell)
	s.InitCell(c, own)
	r := rulesOf(c)
	s.Open(c, "a")
	s.Pause(inside.Never)
	if _, err := s.Configure(other); err != nil {
		t.Fatal(err)
	}
	waiting := make([]*line.Place, 2*perTurn)
	for i := range waiting {
		waiting[i] = line.NewPlace()
		if err := s.Arrive(waiting[i], inside.Request{Weight: 5, Deadline: inside.Never}, true); err != nil {
			t.Fatal(err)
		}
	}
	if later, err := s.Configure(own); !later || err != nil {
		t.Fatalf("%v, %v: want more to do later", later, err)
	}
	for _, p := range waiting {
		s.Cancel(p, p.Number)
	}
	s.Resume()
	if left := s.Leave(); !left.Forget {
		t.Fatalf("%+v: want a key to be forgotten", left)
	}
	s.Forget(c)
	if len(s.unfinished) > 0 {
		t.Error("there is more to do for the key")
	}
	for _, l := range r.spare {
		if l.thinning {
			t.Error("a core that is kept for others expects tickets to be sent away")
		}
	}

	s.InitCell(c, own)
	s.Open(c, "a")
	s.Pause(int64(time.Hour)) // the key keeps its core
	s.Leave()
	now.SetTime(int64(time.Hour))
	s.Open(c, "a")
	s.Leave()
	s.Forget(c)
	if len(r.spare) == 0 {
		t.Fatal("no core is kept for others")
	}
	for _, l := range r.spare {
		if l.windows[0].past.ring != nil {
			t.Error("a core that is kept for others keeps the memory of the key")
		}
	}
}

// The limits that a key was given are those of no other key, and change with nothing that the caller does later.
func TestConfigureCopies(t *testing.T) {
	s, _ := newTestSeat()
	c, l := new(cell.Cell), MustParseLimits("2/s")
	s.InitCell(c, MustParseLimits("2/s"))
	s.Open(c, "a")
	s.Configure(l)
	l.Windows[0].Permits = 9
	if got := s.Limits().Windows[0].Permits; got != 2 {
		t.Errorf("%d permits, want 2", got)
	}
}

// A key sleeps again when its pause or its observation is over, even while the cores of others are awake. Then its cell
// decides.
func TestSleepsAgain(t *testing.T) {
	limits := MustParseLimits("2/s")
	for name, disturb := range map[string]func(s *seat){
		"pause":       func(s *seat) { s.Pause(int64(time.Second)) },
		"observation": func(s *seat) { s.Observe(limits.Windows[0], 1, int64(time.Second), nil, 0) },
	} {
		s, now := newTestSeat()
		c := new(cell.Cell)
		s.InitCell(c, limits)
		s.Open(c, "a")
		disturb(s)
		s.Leave()
		if c.Dormant() {
			t.Fatalf("%s: the key sleeps while it lasts", name)
		}
		now.SetTime(int64(time.Second))
		s.Open(c, "a")
		s.Pass(inside.Request{Weight: 1, Deadline: inside.Never})
		s.Leave()
		if !c.Dormant() {
			t.Errorf("%s: the key does not sleep when it is over", name)
		}
	}
}

// A key whose window notes corrections beside its entries keeps its core until none are noted. What counts is the same at
// any time.
func TestCorrectedWindowStaysAwake(t *testing.T) {
	const n = 2 * blockSize
	s, now := newTestSeat()
	c := new(cell.Cell)
	s.InitCell(c, MustParseLimits("1000/h"))
	places := make([]*line.Place, n)
	for i := range places {
		now.SetTime(int64(i))
		s.Open(c, "a")
		places[i] = line.NewPlace()
		if err := s.Arrive(places[i], inside.Request{Weight: 1, Deadline: inside.Never}, true); err != nil {
			t.Fatal(err)
		}
		s.Leave()
	}
	s.Open(c, "a")
	s.Cancel(places[10], places[10].Number) // it was not told yet, so the grant is undone
	s.Leave()
	for i := range n - 1 {
		now.SetTime(int64(time.Hour) + int64(i))
		s.Open(c, "a")
		want := n - 1 - i
		if i < 10 {
			want--
		}
		if got := s.Stats().Windows[0].Used; got != want {
			t.Fatalf("%d are used when %d have expired, want %d", got, i+1, want)
		}
		s.Leave()
	}
}

// Keys with equal limits share rules as long as one of them is there, however many others have come since. Rules that no key
// has and that were not asked for lately are forgotten.
func TestRuleBook(t *testing.T) {
	var b ruleBook
	limits := func(i int) Limits { return Limits{Windows: []Window{PerSecond(1 + i)}} }
	used := b.find(limits(0))
	used.cells += 2
	b.find(limits(1)) // by no key
	for i := range 2 * len(b.recent) {
		b.find(limits(2 + i))
	}
	if b.find(limits(0)) != used {
		t.Error("the rules of two keys are not found")
	}
	if n := len(b.all); n > 1+len(b.recent) {
		t.Errorf("%d rules are kept", n)
	}
	for i := range 2 * len(b.recent) {
		b.find(limits(2 + i))
	}
	if b.leave(used); b.all[used.text] != used {
		t.Error("the rules of a key are forgotten")
	}
	if b.leave(used); b.all[used.text] != nil {
		t.Error("the rules of no key are kept")
	}
}
