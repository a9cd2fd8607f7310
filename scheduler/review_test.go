package scheduler

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
)

func reviewCore(l Limits) *core {
	c := &core{epoch: time.Unix(0, 0)}
	c.init(l, unlimited, false)
	return c
}

func reviewTake(t *testing.T, c *core, weight int, f *line.Flow, costs ...line.Cost) (*line.Place, verdict) {
	t.Helper()
	r := &request{weight: weight, deadline: never, flow: f}
	if len(costs) > 0 {
		r.costs = line.NewCostList()
		for _, x := range costs {
			r.costs.Add(x)
		}
	}
	p := line.NewPlace()
	v, err := c.decide(callAcquire, r)
	if err != nil {
		t.Fatal(err)
	}
	switch v {
	case verdictGranted:
		if r.costs != nil {
			c.keepCosts(p)
		}
		c.grantAtOnce(p, r)
	case verdictQueued:
		c.join(p, r)
	}
	return p, v
}

// What a restored observation says is left is used up by grants.
func TestReviewRestoredObservationIsUsedUp(t *testing.T) {
	l := Limits{Windows: []Window{PerMinute(100)}}
	c := reviewCore(l)
	if err := c.observe(l.Windows[0], 3, moment(50*time.Second), nil); err != nil {
		t.Fatal(err)
	}
	snap := c.snapshot(time.Unix(0, 0))
	d := reviewCore(l)
	d.restore(&snap, time.Unix(0, 0))
	for range 3 {
		if _, v := reviewTake(t, d, 1, nil); v != verdictGranted {
			t.Fatal("not granted within what is left")
		}
	}
	if _, v := reviewTake(t, d, 1, nil); v == verdictGranted {
		t.Error("a fourth was granted where the server has 3 left")
	}
}

// A forecast sees the order in which flows take turns, also at ties of fractions.
func TestReviewAheadAtTies(t *testing.T) {
	const u Unit = "u"
	bad := 0
	var first string
	for _, per := range []int{3, 5, 6, 7, 9, 11, 13} {
		for k := 1; k < 8; k++ {
			c := reviewCore(Limits{Windows: []Window{PerMinute(17 * k), u.PerMinute(per)}, MaxBurst: 1})
			a, b := &line.Flow{Key: "a", Share: 1}, &line.Flow{Key: "b", Share: 1}
			one := line.Cost{Unit: string(u), Amount: 1}
			reviewTake(t, c, 1, nil)
			reviewTake(t, c, 1, a, one)
			reviewTake(t, c, 1, a, one)
			two := line.Cost{Unit: string(u), Amount: 2}
			r := &request{weight: 1, deadline: never, flow: b, costs: line.NewCostList()}
			r.costs.Add(two)
			if err := c.price(r); err != nil {
				t.Fatal(err)
			}
			ahead := 0
			c.line.Ahead(c.turn(c.asked(r)), b, func(*line.Place) { ahead++ })
			weight := c.line.WeightAhead(c.turn(c.asked(r)), b)
			p, _ := reviewTake(t, c, 1, b, two)
			served := 0
			for {
				q, _ := c.line.First()
				if q == p {
					break
				}
				c.line.Serve()
				served++
			}
			if served != ahead || weight > served {
				bad++
				if first == "" {
					first = fmt.Sprintf("%v: Ahead says %d, WeightAhead %d, served before it %d", c.limits, ahead, weight, served)
				}
			}
		}
	}
	if bad > 0 {
		t.Errorf("%d wrong, first: %s", bad, first)
	}
}

// Settling far above what is left does not wrap around.
func TestReviewObservedDoesNotWrap(t *testing.T) {
	const u Unit = "u"
	w := u.PerSecond(10)
	c := reviewCore(Limits{Windows: []Window{w}})
	p, _ := reviewTake(t, c, 1, nil, line.Cost{Unit: "u", Amount: 1})
	q, _ := reviewTake(t, c, 1, nil, line.Cost{Unit: "u", Amount: 1})
	if err := c.observe(w, 5, moment(time.Minute), nil); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*line.Place{p, q} {
		list := line.NewCostList()
		list.Add(line.Cost{Unit: "u", Amount: math.MaxInt})
		if err := c.settle(p, list); err != nil {
			t.Fatal(err)
		}
	}
	c.advance(moment(2 * time.Second))
	if left := c.windows[0].remaining(c.now); left > 0 {
		t.Errorf("%d left until a minute has passed, of which more than all was used", left)
	}
}

// Limits that New takes, SetLimits takes too.
func TestReviewThousandUnits(t *testing.T) {
	var l Limits
	for i := range maxWindows {
		l.Windows = append(l.Windows, Unit(fmt.Sprintf("u%d", i)).PerSecond(1))
	}
	if err := l.Validate(); err != nil {
		t.Fatal(err)
	}
	c := reviewCore(l)
	if err := c.tooManyUnits(l); err != nil {
		t.Error(err)
	}
}

// Who gives up when the scheduler ends goes on only when the owner has done with the message: it has the
// costs, whose list serves again.
func TestReviewWithdrawWaitsForTheEnd(t *testing.T) {
	s, err := New(Limits{MaxBurst: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := new(Handle)
	h.init(s.handle.shared, newMailbox(false, false))
	o := newOwner(h.shared, h.box)
	o.Refuse(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.withdraw(line.NewPlace(), true, ErrClosed)
	}()
	select {
	case <-done:
		t.Error("withdrawn while the owner may still read the message")
	case <-time.After(20 * time.Millisecond):
	}
	o.Leave(nil)
	<-done
}

// An overrun settled after the time of day was set counts with what it belongs to.
func TestReviewSettleAfterStep(t *testing.T) {
	const u Unit = "u"
	w := Window{Permits: 10, Per: day, From: FromReset, Unit: u}
	c := reviewCore(Limits{Windows: []Window{w}})
	c.advance(moment(time.Hour))
	p, _ := reviewTake(t, c, 1, nil, line.Cost{Unit: "u", Amount: 4})
	c.advance(moment(2 * time.Hour))
	c.setEpoch(time.Unix(0, 0).Add(22*time.Hour + 30*time.Minute)) // now 00:30 of the next day; the grant was at 23:30
	list := line.NewCostList()
	list.Add(line.Cost{Unit: "u", Amount: 9})
	before := c.windows[0].used()
	if err := c.settle(p, list); err != nil {
		t.Fatal(err)
	}
	if got := c.windows[0].used(); before == 4 && got != 9 {
		t.Errorf("the estimate of 4 counts (%d), settled to 9 it counts %d", before, got)
	}
}
