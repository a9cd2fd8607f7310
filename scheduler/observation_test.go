package scheduler_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// The stories are told with one window and the calls of one caller, except where another is named.

var hundred = scheduler.PerHour(100)

func (s *story) observe(w scheduler.Window, left int, d time.Duration) {
	s.Helper()
	if err := s.Observe(w, left, d); err != nil {
		s.Fatal(err)
	}
}

// wantRemaining checks what is left of the first window.
func (s *story) wantRemaining(want int) {
	s.Helper()
	if got := s.Stats().Windows[0].Remaining; got != want {
		s.Errorf("%d remain after %v, want %d", got, time.Since(s.began), want)
	}
}

// wantGrantable takes permits one by one until there are none.
func (s *story) wantGrantable(want int) {
	s.Helper()
	got := 0
	for {
		t, ok := s.TryAcquire()
		if !ok {
			break
		}
		t.Release()
		got++
	}
	if got != want {
		s.Errorf("%d granted after %v, want %d", got, time.Since(s.began), want)
	}
}

func (s *story) wantWait(weight int, want time.Duration) {
	s.Helper()
	if got := s.WaitTimeN(weight); got != want {
		s.Errorf("%d permits wait %v after %v, want %v", weight, got, time.Since(s.began), want)
	}
}

func TestObserve(t *testing.T) {
	control(t, "100/h", func(s *story) {
		call := s.acquire()
		s.observe(hundred, 2, 10*time.Second)
		call.Release()
		s.wantRemaining(2)
		s.wantWait(2, 0)
		s.wantWait(3, 10*time.Second)
		s.wantGrantable(2)
		s.wantRemaining(0)
		s.until(3 * time.Second)
		s.wantWait(1, 7*time.Second)

		soon, cancel := context.WithTimeout(background, 7*time.Second-1)
		defer cancel()
		var refused *scheduler.DeadlineError
		if _, err := s.Acquire(soon); !errors.As(err, &refused) || refused.Wait != 7*time.Second || refused.Limit != "100/h" {
			s.Errorf("deadline before the end: %v", err)
		}
		next := s.enqueue(1)
		if got, want := s.Stats().NextWake, s.began.Add(10*time.Second); !got.Equal(want) {
			s.Errorf("next wake %v, want %v", got, want)
		}
		s.until(10*time.Second - 1)
		if s.granted(next) {
			s.Error("granted before the end")
		}
		s.until(10 * time.Second)
		if !s.granted(next) {
			s.Error("not granted at the end")
		}
		s.wantRemaining(96)
	})
}

// A deadline at the end of the observation can be met.
func TestAcquireWaitsForTheEndOfAnObservation(t *testing.T) {
	control(t, "100/h", func(s *story) {
		s.observe(hundred, 0, 10*time.Second)
		ctx, cancel := context.WithTimeout(background, 10*time.Second+1)
		defer cancel()
		if _, err := s.Acquire(ctx); err != nil || time.Since(s.began) != 10*time.Second {
			s.Errorf("%v after %v", err, time.Since(s.began))
		}
	})
}

func TestObserveNeverLoosensTheWindow(t *testing.T) {
	control(t, "3/h", func(s *story) {
		s.observe(scheduler.PerHour(3), 100, 2*time.Hour)
		s.wantRemaining(3)
		s.wantGrantable(3)
		s.wantWait(1, time.Hour)
		s.observe(scheduler.PerHour(3), 0, time.Minute)
		s.wantWait(1, time.Hour)
	})
}

func TestObserveForNoTime(t *testing.T) {
	control(t, "100/h", func(s *story) {
		w, err := s.Watch(9)
		if err != nil {
			s.Fatal(err)
		}
		for _, d := range []time.Duration{0, -1, -1 << 63} {
			s.observe(hundred, 0, d)
		}
		s.wantRemaining(100)
		s.observe(hundred, 7, time.Second)
		s.observe(hundred, 0, 0) // and ends nothing
		s.wantRemaining(7)
		if got := len(w.Events()); got != 1 {
			s.Errorf("%d events, want 1", got)
		}
	})
}

// The first observation takes what was given back before it as counted. An earlier one, for no time, makes the
// scheduler count from then on.
func TestFirstObservation(t *testing.T) {
	for _, begin := range []bool{false, true} {
		control(t, "100/h", func(s *story) {
			if begin {
				s.observe(hundred, 0, 0)
			}
			call := s.acquire()
			s.acquire().Release() // the server may count it only after it has answered call
			s.observe(hundred, 5, time.Minute)
			call.Release()
			if begin {
				s.wantRemaining(4)
			} else {
				s.wantRemaining(5)
			}
		})
	}
}

func TestObserveForEver(t *testing.T) {
	control(t, "100/h", func(s *story) {
		s.observe(hundred, 1, scheduler.Forever)
		s.until(10_000 * time.Hour)
		s.wantGrantable(1)
	})
}

func TestObserveRefuses(t *testing.T) {
	control(t, "100/h", func(s *story) {
		var invalid *scheduler.InvalidError
		if err := s.Observe(scheduler.PerHour(99), 1, time.Second); !errors.As(err, &invalid) || invalid.Got != scheduler.PerHour(99) {
			s.Errorf("unknown window: %v", err)
		}
		if err := s.Observe(hundred, -1, time.Second); !errors.As(err, &invalid) || invalid.Got != -1 {
			s.Errorf("less than nothing left: %v", err)
		}
		s.wantRemaining(100)
		s.Close()
		if err := s.Observe(hundred, 1, time.Second); err != scheduler.ErrClosed {
			s.Errorf("closed: %v", err)
		}
	})
}

func TestLatestObservationHolds(t *testing.T) {
	control(t, "100/h", func(s *story) {
		first := s.acquire()
		s.observe(hundred, 50, 10*time.Second)
		s.wantRemaining(50)
		s.observe(hundred, 0, 20*time.Second)
		s.wantRemaining(0)
		waits := s.enqueue(1)
		first.Release()
		s.observe(hundred, 70, 30*time.Second)
		if !s.granted(waits) {
			s.Error("not granted when more was left")
		}
		s.wantRemaining(69)
		s.until(30*time.Second - 1)
		s.wantRemaining(69)
		s.until(30 * time.Second)
		s.wantRemaining(98)
	})
}

// When the latest observation ends, an earlier one may hold on. It was told of a longer time.
func TestObservationThatEndsFirst(t *testing.T) {
	control(t, "100/h", func(s *story) {
		s.observe(hundred, 5, 10*time.Second)
		s.observe(hundred, 0, time.Second)
		s.wantRemaining(0)
		s.wantWait(5, time.Second)
		s.wantWait(6, 10*time.Second)
		s.until(time.Second)
		s.wantRemaining(5)
		s.acquire().Release()
		s.observe(hundred, 8, time.Second) // the server allows more, and nothing says that it stops to
		s.acquire().Release()
		s.wantRemaining(7)
		s.until(10*time.Second - 1)
		s.wantRemaining(7)
		s.until(10 * time.Second)
		s.wantRemaining(98)
		s.observe(hundred, 3, 10*time.Second)
		s.observe(hundred, 2, 5*time.Second)
		s.observe(hundred, 1, 10*time.Second)
		s.until(19 * time.Second)
		s.wantRemaining(1)
	})
}

func TestObserveOneWindowOfSeveral(t *testing.T) {
	control(t, "4/s 100/h 100/h", func(s *story) {
		s.observe(hundred, 3, time.Minute)
		for i, want := range []int{4, 3, 3} {
			if got := s.Stats().Windows[i].Remaining; got != want {
				s.Errorf("%d remain of window %d, want %d", got, i, want)
			}
		}
		s.wantGrantable(3)
		s.wantWait(1, time.Minute)
		s.until(time.Second)
		s.wantRemaining(4)
		s.wantGrantable(0)
	})
}

// Tickets ahead use up what is left, and what does not fit waits for the end with all behind it.
func TestObserveBehindALine(t *testing.T) {
	control(t, "10/h", func(s *story) {
		s.observe(scheduler.PerHour(10), 4, time.Minute)
		s.PauseFor(time.Second)
		s.enqueue(3)
		s.wantWait(1, time.Second)
		s.enqueue(2)
		s.wantWait(1, time.Minute)
		s.enqueue(1)
		s.until(time.Hour - 1)
		s.wantGrants("[1@1s 2@1m0s 3@1m0s]")
	})
}

func TestObserveWithWeights(t *testing.T) {
	control(t, "100/h", func(s *story) {
		s.observe(hundred, 10, time.Minute)
		if _, ok := s.TryAcquireN(4); !ok {
			s.Error("4 of 10 not granted")
		}
		s.wantRemaining(6)
		if _, ok := s.TryAcquireN(7); ok {
			s.Error("7 of 6 granted")
		}
		s.wantWait(7, time.Minute)
		s.wantWait(6, 0)
	})
}

// The server has never seen a grant that is undone.
func TestUndoneGrantIsLeft(t *testing.T) {
	control(t, "100/h", func(s *story) {
		before := s.enqueue(1)
		s.until(time.Second)
		s.observe(hundred, 10, time.Minute)
		s.wantRemaining(10)
		s.until(2 * time.Second)
		unseen := s.enqueue(4)
		s.wantRemaining(6)
		unseen.Cancel()
		s.wantRemaining(10)
		before.Cancel() // it was not deducted from what is left
		s.wantRemaining(10)

		s.observe(hundred, 9, 2*time.Second)
		s.until(3 * time.Second)
		soon, late := s.enqueue(3), s.enqueue(4)
		s.wantRemaining(2)
		soon.Cancel()
		s.wantRemaining(5)
		s.until(4 * time.Second) // now the first observation holds
		s.wantRemaining(6)
		late.Cancel()
		s.wantRemaining(10)
		s.until(3 * time.Minute)
		s.wantRemaining(100)
	})
}

// It is not given back to an observation that was told after it: the server has not counted it there.
func TestUndoneGrantOfBeforeIsNotLeft(t *testing.T) {
	control(t, "100/h", func(s *story) {
		s.observe(hundred, 5, time.Minute)
		s.until(time.Second)
		unseen := s.enqueue(1)
		s.wantRemaining(4)
		s.until(2 * time.Second)
		s.observe(hundred, 20, time.Second)
		unseen.Cancel()
		s.wantRemaining(20)
		s.until(3 * time.Second)
		s.wantRemaining(20)
	})
}

// Release does not give back what the server has counted.
func TestObserveFromRelease(t *testing.T) {
	control(t, "5/min from release", func(s *story) {
		w := scheduler.Window{Permits: 5, Per: time.Minute, From: scheduler.FromRelease}
		held := s.acquire()
		s.observe(w, 2, 10*time.Second)
		s.wantRemaining(2)
		other := s.acquire()
		s.wantRemaining(1)
		held.Release()
		s.wantRemaining(1)
		s.wantWait(2, 10*time.Second)
		s.until(10 * time.Second)
		s.wantRemaining(3)
		other.Release()
		s.until(time.Minute)
		s.wantRemaining(4)
		s.until(70 * time.Second)
		s.wantRemaining(5)
	})
}

func TestSetLimitsKeepsAnObservation(t *testing.T) {
	control(t, "100/h 9/min", func(s *story) {
		s.observe(hundred, 3, 10*time.Second)
		s.observe(hundred, 2, 5*time.Second)
		s.setLimits("80/h 9/min burst 7")
		s.wantRemaining(2)
		s.until(5 * time.Second)
		s.wantRemaining(3)
		s.setLimits("60/h")
		s.wantRemaining(3)
		s.until(10 * time.Second)
		s.wantRemaining(60)
	})
}

func TestWatchHearsOfObservations(t *testing.T) {
	control(t, "100/h", func(s *story) {
		w, err := s.Watch(1)
		if err != nil {
			s.Fatal(err)
		}
		s.acquire()
		s.until(time.Second)
		<-w.Events()
		s.observe(hundred, 12, 30*time.Second)
		e := <-w.Events()
		if e.Kind != scheduler.EventObserved || e.Window != hundred || e.Weight != 12 || !e.Until.Equal(s.began.Add(31*time.Second)) {
			s.Errorf("event %+v", e)
		}
		if got, want := e.String(), "scheduler observed 12 left of 100/h for 30s"; got != want {
			s.Errorf("%q, want %q", got, want)
		}
	})
}

func TestSnapshotOfObservations(t *testing.T) {
	control(t, "100/h", func(s *story) {
		s.observe(hundred, 12, 30*time.Second)
		s.until(10 * time.Second)
		s.wantGrantable(12)
		s.observe(hundred, 5, 10*time.Second)
		text, err := json.Marshal(s.Snapshot())
		if err != nil {
			s.Fatal(err)
		}
		var snap scheduler.Snapshot
		if err := json.Unmarshal(text, &snap); err != nil {
			s.Fatal(err)
		}
		s.until(15 * time.Second)
		again := &story{T: s.T, Scheduler: start(s.T, limits(s.T, "100/h")), began: s.began}
		defer again.Close()
		if err := again.Restore(snap); err != nil {
			s.Fatal(err)
		}
		again.wantRemaining(5)
		again.wantWait(6, 15*time.Second)
		again.until(30*time.Second - 1) // it keeps what ends last, and the least that is left
		again.wantRemaining(5)
		again.until(30 * time.Second)
		again.wantRemaining(88)
	})
}

// Eight workers ask while all of them call, and each is told how many remain. In whatever order they
// pass it on, what is left is what remains.
func TestObserveByManyWorkers(t *testing.T) {
	for seed := range uint64(40) {
		control(t, "100/h", func(s *story) {
			r := rand.New(rand.NewPCG(seed, 37))
			var calls []ticket.Ticket
			for range 8 {
				calls = append(calls, s.acquire())
			}
			for _, i := range r.Perm(8) { // the server has counted others too
				s.observe(hundred, 47-i, time.Minute)
				calls[i].Release()
			}
			s.wantGrantable(40)
		})
	}
}

// All of them are told the same: the server counts late, or tells what it knew a while ago. Then how
// many of the eight it has counted is not known, but at least one.
func TestObserveTheSameByManyWorkers(t *testing.T) {
	control(t, "100/h", func(s *story) {
		var calls []ticket.Ticket
		for range 8 {
			calls = append(calls, s.acquire())
		}
		for _, call := range calls {
			s.observe(hundred, 90, time.Minute)
			s.wantRemaining(83)
			call.Release()
		}
		s.wantGrantable(83)
	})
}

// However many calls there have been, each begun while another was under way, only the last may not
// have been counted.
func TestObserveAfterManyCalls(t *testing.T) {
	control(t, "1000/h", func(s *story) {
		thousand := scheduler.PerHour(1000)
		call := s.acquire()
		for range 200 {
			s.observe(thousand, 999, 1)
			time.Sleep(time.Nanosecond)
			next := s.acquire()
			call.Release()
			call = next
		}
		s.observe(thousand, 100, time.Minute)
		s.wantRemaining(99) // its own call has been counted, the one before it may not have been
	})
}

// toldClock shows what it was told and never calls anybody: a Stats makes the grants that are due.
type toldClock struct{ at atomic.Int64 }

func (c *toldClock) Now() time.Time                  { return time.Unix(0, c.at.Load()) }
func (c *toldClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }
func (c *toldClock) AfterFunc(d time.Duration, f func()) *clock.Timer {
	return clock.NewMock().AfterFunc(d, f)
}

// countingServer is a server that counts calls in fixed periods and knows nothing of a scheduler.
type countingServer struct {
	limit, used int
	per, reset  time.Duration // the present period ends at reset
}

func (f *countingServer) advance(now time.Duration) {
	for now >= f.reset {
		f.used, f.reset = 0, f.reset+f.per
	}
}

// call counts a call if it fits.
func (f *countingServer) call(n int) (accepted bool) {
	if n > f.limit-f.used {
		return false
	}
	f.used += n
	return true
}

// stage is how far a worker has come with its call.
type stage uint8

const (
	stageIdle stage = iota
	stageWaiting
	stageCalling
	stageAnswered
	stageObserved
)

// worker makes one call after the other.
type worker struct {
	stage  stage
	due    time.Duration // when it does the next thing by itself
	ticket ticket.Ticket
	leaves bool // without a look at whether it was granted

	left   int // what it was answered
	d      time.Duration
	period time.Duration // the end of the period in which it was counted
}

// trial is workers who share a scheduler, and a server that counts their calls. The scheduler's
// window is so wide that it never makes anybody wait, so only what is observed can.
type trial struct {
	*testing.T
	*scheduler.Scheduler
	r       *rand.Rand
	clock   toldClock
	window  scheduler.Window
	far     countingServer
	workers []worker
	now     time.Duration

	latency, rest time.Duration
	heaviest      int
	unreliable    bool // some callers leave, some answers are lost

	told      bool          // somebody has observed
	holds     time.Duration // an observation holds until then
	uncovered bool          // at the last grant none held
	grants    map[ticket.Number]time.Duration
	firstTold map[time.Duration]time.Duration // when the first answer of a period was observed

	guarded int                   // calls that had to be accepted
	refused int                   // calls that were not
	used    map[time.Duration]int // of the periods that end then
}

func newTrial(t *testing.T, r *rand.Rand, far countingServer, workers int) *trial {
	x := &trial{
		T: t, r: r, far: far,
		window:    scheduler.Window{Permits: 1 << 30, Per: 1 << 50, From: scheduler.Instant(r.IntN(2))},
		workers:   make([]worker, workers),
		heaviest:  1,
		grants:    map[ticket.Number]time.Duration{},
		firstTold: map[time.Duration]time.Duration{},
		used:      map[time.Duration]int{},
	}
	x.Scheduler = start(t, scheduler.Limits{Windows: []scheduler.Window{x.window}}, scheduler.WithClock(&x.clock))
	return x
}

func (x *trial) moveTo(at time.Duration) {
	x.now = at
	x.clock.at.Store(int64(at))
	x.far.advance(at)
}

// some returns now and then nothing, and now and then much more than d.
func (x *trial) some(d time.Duration) time.Duration {
	switch x.r.IntN(8) {
	case 0:
		return 0
	case 1:
		d *= 4
	}
	return time.Duration(x.r.Int64N(int64(d) + 1))
}

// step does what comes next: a grant for which the scheduler waits, or what a worker does.
func (x *trial) step() {
	stats := x.receive()
	next := &x.workers[x.r.IntN(len(x.workers))]
	for i := range x.workers {
		if w := &x.workers[i]; w.due < next.due {
			next = w
		}
	}
	if stats.Waiting > 0 {
		wake := time.Duration(stats.NextWake.UnixNano())
		if wake > x.holds {
			x.Fatalf("at %d: tickets wait until %d, but what was observed ended at %d", x.now, wake, x.holds)
		}
		if wake < next.due {
			x.moveTo(wake)
			return
		}
	}
	x.moveTo(max(x.now, next.due))
	x.receive() // grants of this instant come before what the worker does in it
	x.act(next)
}

// receive lets all who were granted begin their calls.
func (x *trial) receive() scheduler.Stats {
	stats := x.Stats()
	for i := range x.workers {
		w := &x.workers[i]
		if w.stage != stageWaiting || w.leaves {
			continue
		}
		select {
		case <-w.ticket.Ready():
			w.stage, w.due = stageCalling, x.now+x.some(x.latency)
			x.uncovered = x.now >= x.holds
			x.grants[w.ticket.Number()] = x.now
		default:
		}
	}
	return stats
}

const noTime = time.Duration(1 << 62)

func (x *trial) act(w *worker) {
	switch w.stage {
	case stageIdle:
		t, err := x.Enqueue(1 + x.r.IntN(x.heaviest))
		if err != nil {
			x.Fatal(err)
		}
		*w = worker{stage: stageWaiting, due: noTime, ticket: t}
		if w.leaves = x.unreliable && x.r.IntN(10) == 0; w.leaves {
			w.due = x.now + x.some(x.latency)
		}
	case stageWaiting:
		w.ticket.Cancel()
		w.stage, w.due = stageIdle, x.now+x.some(x.rest)
	case stageCalling:
		x.call(w)
		w.stage, w.due = stageAnswered, x.now+x.some(x.latency)
	case stageAnswered:
		if lost := x.unreliable && x.told && x.r.IntN(10) == 0; !lost {
			x.observe(w)
		}
		w.stage, w.due = stageObserved, x.now+x.some(x.latency/4)
	case stageObserved:
		w.ticket.Release()
		w.stage, w.due = stageIdle, x.now+x.some(x.rest)
	}
}

func (x *trial) call(w *worker) {
	n := w.ticket.Weight()
	accepted := x.far.call(n)
	w.left, w.d, w.period = x.far.limit-x.far.used, x.far.reset-x.now, x.far.reset
	first, told := x.firstTold[w.period]
	switch {
	case accepted:
		x.used[w.period] += n
	case !x.uncovered:
		x.Fatalf("at %d: ticket %d, granted at %d, was refused though at the last grant an observation held: %+v", x.now, w.ticket.Number(), x.grants[w.ticket.Number()], x.far)
	case told && x.grants[w.ticket.Number()] > first:
		x.Fatalf("at %d: ticket %d, granted at %d, was refused though an answer of this period was observed at %d: %+v", x.now, w.ticket.Number(), x.grants[w.ticket.Number()], first, x.far)
	default:
		x.refused++
	}
	if !x.uncovered {
		x.guarded++
	}
}

func (x *trial) observe(w *worker) {
	if err := x.Observe(x.window, w.left, w.d); err != nil {
		x.Fatal(err)
	}
	x.told = true
	x.holds = max(x.holds, x.now+w.d)
	if _, told := x.firstTold[w.period]; !told {
		x.firstTold[w.period] = x.now
	}
}

// What is promised: a call is accepted if at the last grant before the server counts it an
// observation held. So when an answer of a period has been observed, no call that is granted later is
// refused in that period, because until its end an observation holds.
//
// It takes for granted that nobody else uses the server's limit after the first answer that is
// observed, that the server counts a call between its grant and its release, that an answer is
// observed while its ticket is held, and that no ticket is released before something is observed.
//
// Proof. Let t be the instant of that last grant. For an answer and an instant, take the number in the
// answer, less the permits granted before it was told that might not have been counted, less those
// granted since and not undone. What the scheduler took to be left at t was no more than that for one
// of the answers: it replaces what it knows by a new answer or keeps it, but never adds them up. (Of the
// ticket whose answer it was it deducts all but one permit. The server has counted that permit, or has
// refused the whole ticket.) The grant at t was within what was left. So of all permits granted up to t,
// those not counted when that answer was given are no more than the number in it. What the server has
// counted since is among them, and so is the call in question, because no grant came between t and its
// arrival. The server had room for that number, and a reset only makes more room.
//
// Before the first observation, and when all have ended, there is only the scheduler's window: what is
// granted then may be refused.
func TestObserveKeepsTheLimitOfTheServer(t *testing.T) {
	runs := uint64(300)
	if scheduler.RaceEnabled {
		runs = 30
	}
	guarded, refused := 0, 0
	for seed := range runs {
		r := rand.New(rand.NewPCG(seed, 31))
		far := countingServer{limit: 1 + r.IntN(40), per: time.Duration(100 + r.IntN(900))}
		far.used, far.reset = r.IntN(far.limit+1), 1+time.Duration(r.Int64N(int64(far.per))) // others, before
		x := newTrial(t, r, far, 1+r.IntN(10))
		x.latency = far.per * time.Duration(1+r.IntN(60)) / 40 >> r.IntN(6)
		x.rest = x.latency >> r.IntN(3)
		x.heaviest = 1 + r.IntN(min(3, far.limit))
		x.unreliable = r.IntN(2) == 0
		for range 2000 {
			x.step()
		}
		x.Close()
		guarded, refused = guarded+x.guarded, refused+x.refused
	}
	if guarded < 200*int(runs) || refused < 20*int(runs) {
		t.Errorf("%d calls were guarded and %d of the others refused; the trial shows little", guarded, refused)
	}
}

// Workers who are quick use all that the server allows in each of its periods.
func TestObserveUsesAllOfTheServersLimit(t *testing.T) {
	for _, limit := range []int{1, 2, 10, 90, 400} {
		if limit == 400 && scheduler.RaceEnabled {
			continue // as many steps as in all the others
		}
		for workers := 1; workers <= 8; workers++ {
			r := rand.New(rand.NewPCG(uint64(limit), uint64(workers)))
			per := time.Duration(limit) * 10_000
			x := newTrial(t, r, countingServer{limit: limit, per: per, reset: per}, workers)
			x.latency, x.rest = 500, 200
			for x.now < 5*per {
				x.step()
			}
			for reset := per; reset < x.now; reset += per {
				if got := x.used[reset]; got != limit {
					t.Errorf("%d workers used %d of %d in the period that ended at %v", workers, got, limit, reset)
				}
			}
			x.Close()
		}
	}
}
