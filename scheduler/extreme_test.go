package scheduler

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/ticket"
)

// spinClock tells when its timers go off without end.
type spinClock struct {
	*clock.Mock
	fired int
	tell  func()
}

func (c *spinClock) AfterFunc(d time.Duration, f func()) *clock.Timer {
	return c.Mock.AfterFunc(d, func() {
		if c.fired++; c.fired == 2000 {
			c.tell()
		}
		if c.fired < 2000 {
			f()
		}
	})
}

// The largest weights, the longest windows, and clocks that leap as far as a Duration reaches: no number may
// overflow, and no timer may go off without end.
func TestExtremes(t *testing.T) {
	seed := seed(t)
	weights := []int{1, 2, math.MaxInt32, math.MaxInt / 2, math.MaxInt - 1, math.MaxInt, math.MaxInt/2 + 1}
	pers := []time.Duration{maxPer / 50, maxPer / 7, maxPer, maxPer - 1}
	durs := []time.Duration{1, -1, 0, time.Hour, math.MaxInt64, math.MinInt64, maxPer, 1 << 62}
	rounds := 500
	if raceEnabled {
		rounds = 100
	}
	for round := range rounds {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, uint64(round)))
			pick := func() int { return weights[r.IntN(len(weights))] }
			lim := func() Limits {
				var l Limits
				for range r.IntN(4) {
					l.Windows = append(l.Windows, Window{Permits: pick(), Per: pers[r.IntN(len(pers))], From: Instant(r.IntN(2))})
				}
				if len(l.Windows) == 0 || r.IntN(2) == 0 {
					l.MaxBurst = pick()
				}
				return l
			}
			mock := clock.NewMock()
			log := new(EventLog)
			trace := []string{}
			spin := &spinClock{Mock: mock}
			s, err := New(lim(), WithClock(spin), log)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			var ts []ticket.Ticket
			trace = append(trace, fmt.Sprint(s.Limits()))
			spin.tell = func() { t.Errorf("round %d: the owner spins at %v\n%v", round, s.handle.shared.now(), trace) }
			defer func() {
				if v := recover(); v != nil {
					t.Errorf("round %d: %v\n%v", round, v, trace)
				}
			}()
			var snap *Snapshot
			for range 40 {
				f := s
				if r.IntN(2) == 0 {
					f = s.Flow(string(rune('a'+r.IntN(3))), []int{1, 2, 1_000_000}[r.IntN(3)])
				}
				op := ""
				switch r.IntN(12) {
				case 0, 1, 2, 3:
					w := pick()
					op = fmt.Sprint("enqueue ", w)
					if t, err := f.Enqueue(w); err == nil {
						ts = append(ts, t)
					}
				case 4, 5:
					if len(ts) > 0 {
						i := r.IntN(len(ts))
						op = fmt.Sprint("release ", i)
						ts[i].Release()
					}
				case 6:
					if len(ts) > 0 {
						i := r.IntN(len(ts))
						op = fmt.Sprint("cancel ", i)
						ts[i].Cancel()
					}
				case 7:
					d := durs[r.IntN(len(durs))]
					op = fmt.Sprint("pause ", d)
					s.PauseFor(d)
					if r.IntN(2) == 0 {
						s.Resume()
					}
				case 8:
					if ws := s.Limits().Windows; len(ws) > 0 {
						w := ws[r.IntN(len(ws))]
						if r.IntN(2) == 0 {
							op = fmt.Sprint("charge ", w)
							s.Charge(w, min(pick(), w.Permits))
						} else {
							op = fmt.Sprint("observe ", w)
							s.Observe(w, pick(), durs[r.IntN(len(durs))])
						}
					}
				case 9:
					l := lim()
					op = fmt.Sprint("limits ", l)
					s.SetLimits(l)
				case 10:
					d := durs[r.IntN(len(durs))]
					op = fmt.Sprint("clock ", d)
					trace = append(trace, op)
					spin.fired = 0
					mock.Set(mock.Now().Add(d))
				case 11:
					sn := s.Snapshot()
					b, err := json.Marshal(sn)
					if err != nil {
						op = "snap not json: " + err.Error()
					} else {
						var x Snapshot
						if err := json.Unmarshal(b, &x); err != nil {
							t.Errorf("round %d: %v %s", round, err, b)
						}
					}
					if snap != nil && r.IntN(2) == 0 {
						op += "restore"
						s.Restore(*snap)
					}
					snap = &sn
				}
				trace = append(trace, op)
				for _, w := range weights {
					if d := f.WaitTimeN(w); d < 0 {
						t.Errorf("round %d: wait %v\n%v", round, d, trace)
					}
				}
				st := s.Stats()
				if st.InUse < 0 {
					t.Errorf("round %d: in use %d\n%v", round, st.InUse, trace)
				}
				for _, w := range st.Windows {
					if w.Used < 0 || w.Remaining < 0 || w.Remaining > w.Permits {
						t.Errorf("round %d: %v\n%v", round, w, trace)
					}
				}
				if t.Failed() {
					return
				}
			}
		})
		if t.Failed() {
			return
		}
	}
}
