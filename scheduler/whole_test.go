package scheduler

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/ticket"
)

// TestWholeAgainstOracle does to a scheduler, through its public methods and on a mock clock, what
// TestTwin does to its core, with lending and without.
func TestWholeAgainstOracle(t *testing.T) {
	runs := 1_500
	if raceEnabled || testing.Short() {
		runs = 200
	}
	seed := seed(t)
	synctest.Test(t, func(t *testing.T) { // where the mock's sleeps cost nothing
		for run := range runs {
			r := rand.New(rand.NewPCG(seed, uint64(run)))
			if err := whole(r, tinyLimits[run%len(tinyLimits)], run%3); err != nil {
				t.Fatalf("run %d: %v", run, err)
			}
		}
	})
}

func whole(r *rand.Rand, l Limits, way int) error {
	mock := clock.NewMock()
	mock.Set(twinEpoch)
	epoch := mock.Now()
	opts := []Option{WithClock(mock)}
	opts = append(opts, [][]Option{nil, {KeepCount()}, {KeepCore()}}[way]...)
	s, err := New(l, opts...)
	if err != nil {
		return err
	}
	defer s.Close()
	o := newSlowCore(l, epoch, unlimited, false)
	type holder struct {
		ticket.Ticket
		told bool
	}
	var tickets []*holder
	number := 0
	flows := 1 + r.IntN(2)*(len(twinFlows)-1) // often one
	for range 60 {
		weight := r.IntN(min(o.most(""), 9)) + 1
		var costs []ticket.Cost
		if r.IntN(2) == 0 {
			for range r.IntN(3) {
				if u := o.units[r.IntN(max(1, len(o.units))):]; len(u) > 0 {
					costs = append(costs, u[0].Of(r.IntN(o.most(u[0])/2+1)))
				}
			}
		}
		asks, _ := o.asks(weight, costs)
		atOnce := o.line.Flows() == 0 && o.fits(asks)
		flow := twinFlows[r.IntN(flows)]
		s := s.Flow(flow.Key, flow.Share)
		what := ""
		switch k := r.IntN(10); {
		case k < 3: // at once, by either method that can
			what = fmt.Sprintf("take %d", weight)
			var got ticket.Ticket
			ok := false
			if atOnce && k == 0 {
				got, err = s.AcquireN(context.Background(), weight, costs...)
				ok = err == nil
			} else {
				got, ok = s.TryAcquireN(weight, costs...)
			}
			if ok != atOnce {
				return fmt.Errorf("%s: granted %v, want %v", what, ok, atOnce)
			}
			if ok {
				o.arrive(callTry, number, weight, costs, never, flow)
				tickets = append(tickets, &holder{got, true})
				number++
			}
		case k == 3:
			what = fmt.Sprintf("enqueue %d", weight)
			got, err := s.Enqueue(weight, costs...)
			if err != nil {
				return err
			}
			o.arrive(callEnqueue, number, weight, costs, never, flow)
			tickets = append(tickets, &holder{Ticket: got})
			number++
		case k < 8 && len(tickets) > 0:
			i := r.IntN(len(tickets))
			h := tickets[i]
			waits := false
			for _, w := range o.line.All() {
				waits = waits || w.ID == i
			}
			switch {
			case k == 4 && !waits && !h.told:
				what = fmt.Sprintf("receive %d", i)
				h.told = true
				if err := <-h.Ready(); err != nil && !errors.Is(err, errGivenUp) {
					return err
				}
			case k == 6 && len(o.units) > 0:
				to := o.units[r.IntN(len(o.units))]
				costs := []ticket.Cost{to.Of(r.IntN(o.most(to) + 2))}
				what = fmt.Sprintf("settle %d at %v", i, costs)
				want := o.settle(i, costs)
				if err := h.Settle(costs...); (err == nil) != want {
					return fmt.Errorf("%s: %v, want success %v", what, err, want)
				}
			case k == 5:
				what = fmt.Sprintf("cancel %d", i)
				switch {
				case waits:
					o.line.Remove(i)
				case !h.told && o.holds(i):
					o.undo(i)
				default:
					o.release(i)
				}
				h.Cancel()
			default:
				what = fmt.Sprintf("release %d", i)
				o.release(i)
				h.Release()
			}
		default:
			to := o.now + []moment{0, 1, 3, moment(r.IntN(100))}[r.IntN(4)]
			// Not past the next wake: on the way the owner would act, or not, as it gets to run.
			if wake := o.wake(); wake < to || wake != never && r.IntN(2) == 0 {
				to = wake - moment(r.IntN(2))
			}
			what = fmt.Sprintf("time %d", to)
			s.Stats() // what was sent at this moment is to be applied at it
			mock.Set(epoch.Add(time.Duration(to)))
			s.Stats()
			o.now = max(o.now, to)
		}
		o.pump()
		// Mostly the next call follows at once: a Stats calls the core in, and takes all messages.
		if r.IntN(3) > 0 {
			continue
		}
		got, want := s.Stats(), o.stats()
		if n := got.Totals; n.Enqueued != got.Granted+n.Undone+n.GivenUp+uint64(got.Waiting) {
			return fmt.Errorf("tickets are missing in %+v", got)
		}
		want.Totals = got.Totals // the twin compares them
		if !reflect.DeepEqual(got, want) {
			return fmt.Errorf("way %d, limits %v, after %s at %d:\n got %+v\nwant %+v", way, l, what, o.now, got, want)
		}
	}
	return nil
}
