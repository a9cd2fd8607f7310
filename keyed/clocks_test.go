package keyed_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// A story is what is done to a set of many keys, at multiples of a tick. It is told on several clocks and to a naive
// oracle, which keeps all that ever was in lists and looks through them. All must give the same record.

const tick = 50 * time.Millisecond

type deed struct {
	what   string // "pass" n ticks, "enqueue", "try", "release", "cancel", "count"
	key, n int    // n: weight, ticks, or which ticket
}

// storyLimits are limits in words and for the oracle.
var storyLimits = []struct {
	text    string
	windows []oracleWindow
	burst   int
}{
	{"3/2s", []oracleWindow{{3, 2 * time.Second, false}}, 0},
	{"2/s 5/4s", []oracleWindow{{2, time.Second, false}, {5, 4 * time.Second, false}}, 0},
	{"2/s burst 2", []oracleWindow{{2, time.Second, false}}, 2},
	{"burst 3", nil, 3},
	{"3/3s from release burst 2", []oracleWindow{{3, 3 * time.Second, true}}, 2},
	{"2/100ms 4/s", []oracleWindow{{2, 100 * time.Millisecond, false}, {4, time.Second, false}}, 0},
	{"70000/s burst 4", []oracleWindow{{70000, time.Second, false}}, 4},
}

type oracleWindow struct {
	permits     int
	per         time.Duration
	fromRelease bool
}

const storyKeys = 40

func newStory(r *rand.Rand) (story []deed) {
	for range 600 {
		d := deed{"enqueue", r.IntN(storyKeys), 1 + r.IntN(2)}
		switch r.IntN(12) {
		case 0, 1, 2:
			d = deed{"pass", 0, 1 + r.IntN(8)}
		case 3, 4:
			d.what = "try"
		case 5, 6, 7, 8:
			d = deed{"release", 0, r.IntN(1000)}
		case 9:
			d = deed{"cancel", 0, r.IntN(1000)}
		case 10:
			d = deed{"count", 0, 0}
		}
		story = append(story, d)
	}
	return append(story, deed{"pass", 0, 100}, deed{"count", 0, 0})
}

// oracle is what a set should do.
type oracle struct {
	now     time.Duration
	tickets []*oracleTicket
	record  []string
}

type oracleTicket struct {
	key, weight       int
	granted, gone     bool
	grantedAt, goneAt time.Duration
}

func (t *oracleTicket) waits() bool { return !t.granted && !t.gone }
func (t *oracleTicket) held() bool  { return t.granted && !t.gone }

func (o *oracle) fits(key, weight int) bool {
	l := storyLimits[key%len(storyLimits)]
	for _, w := range l.windows {
		if o.used(key, w)+weight > w.permits {
			return false
		}
	}
	if l.burst == 0 {
		return true
	}
	for _, t := range o.tickets {
		if t.key == key && t.held() {
			weight += t.weight
		}
	}
	return weight <= l.burst
}

func (o *oracle) used(key int, w oracleWindow) (n int) {
	for _, t := range o.tickets {
		from := t.grantedAt
		if w.fromRelease {
			from = t.goneAt
		}
		if t.key == key && t.granted && (w.fromRelease && !t.gone || from+w.per > o.now) {
			n += t.weight
		}
	}
	return n
}

// grant grants the heads of all lines as long as they fit.
func (o *oracle) grant() {
	heads := map[int]bool{}
	for i, t := range o.tickets {
		if t.waits() && !heads[t.key] {
			if heads[t.key] = !o.fits(t.key, t.weight); !heads[t.key] {
				t.granted, t.grantedAt = true, o.now
				o.record = append(o.record, fmt.Sprint(i, "@", o.now))
			}
		}
	}
}

// keys counts the keys of which something is to be remembered.
func (o *oracle) keys() (n int) {
	for key := range storyKeys {
		known := slices.ContainsFunc(o.tickets, func(t *oracleTicket) bool { return t.key == key && (t.waits() || t.held()) })
		for _, w := range storyLimits[key%len(storyLimits)].windows {
			known = known || o.used(key, w) > 0
		}
		if known {
			n++
		}
	}
	return n
}

func (o *oracle) do(d deed) {
	switch d.what {
	case "pass":
		for range d.n {
			o.now += tick
			o.grant()
		}
	case "enqueue":
		o.tickets = append(o.tickets, &oracleTicket{key: d.key, weight: d.n})
	case "try":
		waits := slices.ContainsFunc(o.tickets, func(t *oracleTicket) bool { return t.key == d.key && t.waits() })
		ok := !waits && o.fits(d.key, d.n)
		o.record = append(o.record, fmt.Sprint("try ", ok))
		if ok {
			o.tickets = append(o.tickets, &oracleTicket{key: d.key, weight: d.n, granted: true, grantedAt: o.now})
		}
	case "release", "cancel":
		if t := o.at(d.n); t != nil && (t.held() || d.what == "cancel" && t.waits()) {
			t.gone, t.goneAt = true, o.now
		}
	case "count":
		o.record = append(o.record, fmt.Sprint(o.keys(), " keys"))
	}
	o.grant()
}

// at returns one of the tickets, mostly of the last.
func (o *oracle) at(n int) *oracleTicket {
	if i := len(o.tickets) - 1 - n%40; i >= 0 {
		return o.tickets[i]
	}
	return nil
}

// teller does what a story says to a set.
type teller struct {
	t       *testing.T
	set     *keyed.Set[int]
	pass    func(ticks time.Duration)
	settled func() // when all that is due is done

	now     time.Duration
	tickets []ticket.Ticket
	keys    []int
	known   []bool // what was told
	record  []string
}

func newTeller(t *testing.T, opts ...keyed.Option) *teller {
	t.Helper()
	set, err := keyed.New(func(k int) scheduler.Limits {
		return scheduler.MustParseLimits(storyLimits[k%len(storyLimits)].text)
	}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return &teller{t: t, set: set}
}

func (w *teller) add(key int, k ticket.Ticket, known bool) {
	w.tickets, w.keys, w.known = append(w.tickets, k), append(w.keys, key), append(w.known, known)
}

func (w *teller) do(d deed) {
	switch d.what {
	case "pass":
		for range d.n {
			w.pass(tick)
			w.now += tick
			w.note()
		}
	case "enqueue":
		k, err := w.set.Enqueue(d.key, d.n)
		if err != nil {
			w.t.Fatal(err)
		}
		w.add(d.key, k, false)
	case "try":
		k, ok := w.set.TryAcquireN(d.key, d.n)
		w.record = append(w.record, fmt.Sprint("try ", ok))
		if ok {
			w.add(d.key, k, true)
		}
	case "release", "cancel":
		i := len(w.tickets) - 1 - d.n%40
		switch {
		case i < 0:
		case d.what == "cancel":
			w.tickets[i].Cancel()
			w.known[i] = true
		case w.known[i]:
			w.tickets[i].Release()
		}
	case "count":
		w.record = append(w.record, fmt.Sprint(w.set.Len(), " keys"))
	}
	w.note()
}

// note records which tickets were granted.
func (w *teller) note() {
	if slices.Contains(w.known, false) {
		w.settled()
	}
	for i, k := range w.tickets {
		if w.known[i] {
			continue
		}
		select {
		case err := <-k.Ready():
			if w.known[i] = true; err != nil {
				w.t.Fatal(err)
			}
			w.record = append(w.record, fmt.Sprint(i, "@", w.now))
		default:
		}
	}
}

// skippingClock is a clock whose time of day is set forward and back again and again, while what it measures goes on.
type skippingClock struct {
	*clock.Mock
	readings atomic.Int64
}

func (c *skippingClock) Now() time.Time {
	return c.Mock.Now().Add(time.Duration(c.readings.Add(1)%3-1) * time.Hour)
}

func (c *skippingClock) Since(t time.Time) time.Duration { return c.Mock.Now().Sub(t) }

// steppingClock is a clock that can be set back, with what it measures, as one without a monotonic part can.
type steppingClock struct {
	*clock.Mock
	back atomic.Int64
}

func (c *steppingClock) Now() time.Time {
	return c.Mock.Now().Add(-time.Duration(c.back.Load()))
}

func (c *steppingClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// On the mock clock, on the mock clock in a bubble, on the plain clock in a bubble, where the time of day is set all the
// time, and where the clock steps back after each tick and catches up at the next, many keys do what the oracle says,
// to the instant, with lending and without.
func TestClocksAndOracle(t *testing.T) {
	for seed := range uint64(max(4, *runs/8)) {
		r := rand.New(rand.NewPCG(seed, 7))
		story := newStory(r)
		var want oracle
		for _, d := range story {
			want.do(d)
		}
		shards := keyed.Shards(1 << (seed % 3))
		onMock := func(t *testing.T, opts ...keyed.Option) *teller {
			mock := clock.NewMock()
			w := newTeller(t, append(opts, shards, keyed.WithClock(mock))...)
			w.pass = func(d time.Duration) { mock.Set(mock.Now().Add(d)) }
			w.settled = w.ask
			return w
		}
		inBubble := func(tell func(t *testing.T, w *teller), begin func(t *testing.T) *teller) func(*testing.T) {
			return func(t *testing.T) { synctest.Test(t, func(t *testing.T) { tell(t, begin(t)) }) }
		}
		tell := func(t *testing.T, w *teller) {
			defer w.set.Close()
			for i, d := range story {
				if w.do(d); !slices.Equal(w.record, want.record[:min(len(w.record), len(want.record))]) {
					at := len(w.record) - 1
					for at > 0 && !slices.Equal(w.record[:at], want.record[:at]) {
						at--
					}
					t.Fatalf("deed %d, %+v: the record goes on with\n%v, want\n%v", i, d, w.record[at:], want.record[at:min(at+9, len(want.record))])
				}
			}
			if len(w.record) != len(want.record) {
				t.Fatalf("the record lacks %v", want.record[len(w.record):])
			}
		}
		name := fmt.Sprint("seed ", seed, " ")
		if seed < 2 { // out of a bubble a mock clock really sleeps for each tick
			t.Run(name+"mock", func(t *testing.T) { tell(t, onMock(t)) })
		}
		t.Run(name+"mock in a bubble, keeps its state", inBubble(tell, func(t *testing.T) *teller { return onMock(t, keyed.KeepState()) }))
		t.Run(name+"mock in a bubble", inBubble(tell, func(t *testing.T) *teller {
			w := onMock(t)
			w.settled = synctest.Wait
			return w
		}))
		t.Run(name+"plain clock in a bubble", inBubble(tell, func(t *testing.T) *teller {
			w := newTeller(t, shards)
			w.pass, w.settled = time.Sleep, synctest.Wait
			return w
		}))
		t.Run(name+"time of day is set", inBubble(tell, func(t *testing.T) *teller {
			c := &skippingClock{Mock: clock.NewMock()}
			w := newTeller(t, shards, keyed.WithClock(c))
			w.pass = func(d time.Duration) { c.Mock.Set(c.Mock.Now().Add(d)) }
			w.settled = synctest.Wait
			return w
		}))
		for _, opts := range [][]keyed.Option{{}, {keyed.KeepState()}} {
			t.Run(fmt.Sprint(name, "clock steps back ", len(opts)), inBubble(tell, func(t *testing.T) *teller {
				c := &steppingClock{Mock: clock.NewMock()}
				w := newTeller(t, append(opts, shards, keyed.WithClock(c))...)
				w.pass = func(d time.Duration) {
					c.back.Store(0)
					c.Mock.Set(c.Mock.Now().Add(d))
					w.set.Len() // all owners have seen what it shows
					synctest.Wait()
					c.back.Store(int64(time.Duration(r.IntN(20)) * tick))
				}
				w.settled = synctest.Wait
				return w
			}))
		}
	}
}

// ask makes all grants that are due: it asks the owner of each key for which somebody waits.
func (w *teller) ask() {
	asked := map[int]bool{}
	for i, k := range w.keys {
		if !w.known[i] && !asked[k] {
			w.set.Stats(k)
			asked[k] = true
		}
	}
}
