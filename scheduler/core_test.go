package scheduler

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
)

// tale is a core without any of the shell, and the tickets that it has numbered.
type tale struct {
	core
	places []*line.Place
	flows  []*line.Flow
}

func newTale(l Limits) *tale {
	var t tale
	t.init(l, unlimited, false)
	return &t
}

// tell plays a story. Each line is an instant that the clock shows, what is done then, and after "->"
// what comes of it: what the one who did it is told, and the numbers of the tickets that are granted.
func tell(t *testing.T, limits, story string) {
	t.Helper()
	l, err := ParseLimits(limits)
	if err != nil {
		t.Fatal(err)
	}
	told := newTale(l)
	for i, text := range strings.Split(strings.TrimSpace(story), "\n") {
		act, want, _ := strings.Cut(strings.TrimSpace(text), "->")
		at, what, _ := strings.Cut(strings.TrimSpace(act), " ")
		var outcome []string
		if told.advance(told.moment(at)) {
			outcome = told.grants(nil)
		}
		if said := told.do(strings.Fields(what)); said != "" {
			outcome = append(outcome, said)
		}
		got := strings.Join(told.grants(outcome), ", ")
		if want = strings.TrimSpace(want); got != want {
			t.Errorf("line %d, %s: %s\n got %s\nwant %s", i+1, at, strings.TrimSpace(what), got, want)
		}
	}
}

// moment reads an instant.
func (t *tale) moment(text string) moment {
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return moment(d)
}

// grants grants what fits.
func (t *tale) grants(outcome []string) []string {
	for {
		p, _, _ := t.next()
		if p == nil {
			return outcome
		}
		outcome = append(outcome, fmt.Sprintf("%d granted", p.Number))
	}
}

// do does what the words say, and returns what the caller is told, if it is told anything.
//
//	acquire N [by T] [of FLOW]    also enqueue and try; FLOW is a letter and a share, such as b2
//	release, cancel or undo N     the ticket with the number
//	wait N [of FLOW]              the wait of a ticket of the weight, and the limit that decides it
//	wake                          when the alarm is to ring
//	used, left I                  of the window with the index
//	charge, observe N [by T]      the first window
//	pause [until T]
//	limits TEXT
//	queue N, non-blocking, drain, close, resume, look
func (t *tale) do(words []string) string {
	what, n := words[0], 0
	r := request{deadline: never}
	until := never
	for i := 1; i+1 < len(words); i++ {
		switch words[i] {
		case "by", "until":
			until = t.moment(words[i+1])
		case "of":
			share, _ := strconv.Atoi(words[i+1][1:])
			r.flow = &line.Flow{Key: words[i+1][:1], Share: share}
		}
	}
	if len(words) > 1 {
		n, _ = strconv.Atoi(words[1])
	}
	r.weight, r.deadline = n, until
	switch what {
	case "acquire":
		return t.arrive(callAcquire, &r)
	case "enqueue":
		return t.arrive(callEnqueue, &r)
	case "try":
		return t.arrive(callTry, &r)
	case "release":
		t.release(t.places[n-1])
	case "cancel":
		t.leave(t.places[n-1], t.flows[n-1])
	case "undo":
		t.undo(t.places[n-1])
	case "wait":
		r.deadline = never
		return t.forecast(&r)
	case "wake":
		return t.show(t.wake())
	case "used":
		return fmt.Sprint(t.windows[n].used())
	case "left":
		return fmt.Sprint(t.windows[n].remaining(t.now))
	case "charge":
		return refused(t.spend(t.windows[0].Window, n))
	case "observe":
		return refused(t.observe(t.windows[0].Window, n, until, nil))
	case "pause":
		if !t.setPause(until) {
			return "nothing"
		}
	case "resume":
		t.resume()
	case "limits":
		l, err := ParseLimits(strings.Join(words[1:], " "))
		if err != nil {
			panic(err)
		}
		t.configure(l)
	case "queue":
		t.maxQueue = n
	case "non-blocking":
		t.nonBlocking = true
	case "drain":
		t.draining = true
	case "close":
		t.draining, t.closed, t.unserved = true, true, t.line.Len() > 0
	case "look":
		return fmt.Sprintf("finished %v, served %v, timeless %v", t.finished(), t.served(), t.timeless)
	default:
		panic(what)
	}
	return ""
}

func (t *tale) arrive(k call, r *request) string {
	v, err := t.decide(k, r)
	if v == verdictRefused {
		return refused(err)
	}
	p := line.NewPlace()
	t.places, t.flows = append(t.places, p), append(t.flows, r.flow)
	if v == verdictGranted {
		t.grantAtOnce(p, r)
		return fmt.Sprintf("%d granted", p.Number)
	}
	t.join(p, r)
	return fmt.Sprintf("%d waits", p.Number)
}

// refused returns what an error says without the package's name.
func refused(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), "scheduler: ")
}

func (t *tale) show(at moment) string {
	if at == never {
		return "never"
	}
	return time.Duration(at).String()
}

func (t *tale) forecast(r *request) string {
	wait := t.wait(r)
	if wait == Forever {
		return "forever"
	}
	text := wait.String()
	if _, by := t.earliest(r); by != nil {
		text += " (" + by.String() + ")"
	}
	return text
}

func TestWindowStory(t *testing.T) {
	tell(t, "2/s", `
		0s    acquire 1  -> 1 granted
		600ms acquire 1  -> 2 granted
		600ms acquire 1  -> 3 waits
		600ms acquire 1  -> 4 waits
		600ms wake       -> 1s
		600ms left 0     -> 0
		999ms wake       -> 1s
		1s    wake       -> 3 granted, 1.6s
		1600ms used 0    -> 4 granted, 2
		2s    left 0     -> 1
		3s    left 0     -> 2
	`)
}

// A release gives no budget back to a window that counts from grant, and starts the charge of one that
// counts from release.
func TestReleaseStory(t *testing.T) {
	tell(t, "1/s 1/s from release", `
		0s     acquire 1  -> 1 granted
		0s     acquire 1  -> 2 waits
		0s     wake       -> never
		2s     used 0     -> 0
		2s     used 1     -> 1
		2500ms release 1
		2500ms wake       -> 3.5s
		3500ms used 1     -> 2 granted, 1
		3500ms release 2
		4s     used 1     -> 1
		4500ms used 1     -> 0
	`)
}

// One decision: a ticket that one limit holds back is charged to none of the others.
func TestWaitingChargesNothing(t *testing.T) {
	tell(t, "3/s 4/10s burst 3", `
		0s acquire 3  -> 1 granted
		0s release 1
		0s acquire 2  -> 2 waits
		1s used 0     -> 0
		1s used 1     -> 3
		1s wake       -> 10s
		1s cancel 2
		1s acquire 1  -> 3 granted
		1s used 0     -> 1
		1s used 1     -> 4
	`)
}

// The head blocks those behind it, and a try does not jump the line.
func TestOrderStory(t *testing.T) {
	tell(t, "3/s", `
		0s acquire 2  -> 1 granted
		0s acquire 2  -> 2 waits
		0s acquire 1  -> 3 waits
		0s try 1      -> no permit is free now
		0s cancel 2   -> 3 granted
		0s try 1      -> no permit is free now
		1s try 3      -> 4 granted
	`)
}

func TestFlowsTakeTurns(t *testing.T) {
	tell(t, "1/s", `
		0s acquire 1 of a1  -> 1 granted
		0s acquire 1 of a1  -> 2 waits
		0s acquire 1 of a1  -> 3 waits
		0s acquire 1 of b2  -> 4 waits
		0s acquire 1 of b2  -> 5 waits
		0s acquire 1 of b2  -> 6 waits
		1s look             -> 4 granted, finished false, served false, timeless false
		2s cancel 5         -> 2 granted
		3s look             -> 6 granted, finished false, served false, timeless false
		4s look             -> 3 granted, finished false, served false, timeless false
	`)
}

// What cannot succeed is refused at once, and the error says what to do.
func TestRefusalStory(t *testing.T) {
	tell(t, "3/2s burst 2", `
		0s    acquire 0           -> weight must be 1 or more, got 0
		0s    acquire -1          -> weight must be 1 or more, got -1
		0s    acquire 3           -> weight 3 exceeds limit burst 2; ask for at most 2
		0s    try 3               -> no permit is free now
		0s    acquire 2 by 0s     -> 1 granted
		0s    acquire 1 by 1s     -> 2 waits
		0s    acquire 2 by 1s     -> the earliest grant is in 2s (limit 3/2s) but the deadline is in 1s: context deadline exceeded; allow more time
		0s    acquire 2 by 1.999999999s -> the earliest grant is in 2s (limit 3/2s) but the deadline is in 1.999999999s: context deadline exceeded; allow more time
		0s    acquire 2 by 2s     -> 3 waits
		500ms release 1           -> 2 granted
		500ms release 2
		1s    acquire 1 by 500ms  -> the deadline passed 500ms ago: context deadline exceeded
		1s    cancel 3
		1s    acquire 1 by 999ms  -> the deadline passed 1ms ago: context deadline exceeded
		1s    try 1 by 999ms      -> no permit is free now
	`)
}

func TestNonBlockingStory(t *testing.T) {
	tell(t, "3/2s burst 2", `
		0s non-blocking
		0s acquire 2         -> 1 granted
		0s acquire 1         -> no permit is free now (limit burst 2); come back when a permit has been released
		0s acquire 2         -> no permit is free now (limit 3/2s); come back in 2s
		0s enqueue 1         -> 2 waits
		1s release 1         -> 2 granted
		1s acquire 1         -> no permit is free now (limit 3/2s); come back in 1s
		1s acquire 1 by 0s   -> the deadline passed 1s ago: context deadline exceeded
		1s pause until 5s
		1s acquire 1         -> no permit is free now (paused); come back in 4s
		1s pause
		1s acquire 1         -> no permit is free now (paused); come back when it is resumed
	`)
}

// A full line refuses those who would have to wait, a free permit is still granted, and each flow has
// its part of as many places again.
func TestFullLineStory(t *testing.T) {
	tell(t, "1/s", `
		0s queue 2
		0s acquire 1        -> 1 granted
		0s acquire 1        -> 2 waits
		0s acquire 1        -> 3 waits
		0s acquire 1        -> the line is full: at most 2 may wait; come back in 1s, or allow more with WithMaxQueue
		0s acquire 1 of a1  -> 4 waits
		0s acquire 1 of a1  -> the line is full: at most 2 may wait; come back in 1s, or allow more with WithMaxQueue
		0s acquire 1 of b1  -> the line is full: at most 2 may wait; come back in 1s, or allow more with WithMaxQueue
		0s cancel 4
		1s acquire 1        -> 2 granted, 5 waits
		1s pause
		1s acquire 1        -> the line is full: at most 2 may wait; come back later, or allow more with WithMaxQueue
	`)
	tell(t, "burst 1", `
		0s queue 0
		0s acquire 1  -> 1 granted
		0s acquire 1  -> the line is full: no ticket may wait; come back later, or allow more with WithMaxQueue
		0s release 1
		0s acquire 1  -> 2 granted
	`)
}

// A grant that is undone gives its budget back to every limit at once.
func TestUndoStory(t *testing.T) {
	tell(t, "2/s 2/s from release burst 2", `
		0s    acquire 1  -> 1 granted
		300ms acquire 1  -> 2 granted
		400ms acquire 1  -> 3 waits
		400ms undo 2     -> 3 granted
		500ms acquire 1  -> 4 waits
		500ms undo 1     -> 4 granted
		600ms used 0     -> 2
		600ms used 1     -> 2
		1400ms used 0    -> 1
		1500ms used 0    -> 0
		1500ms used 1    -> 2
	`)
}

// While the clock is behind, time stands still for everything that names an instant.
func TestClockStepsBackStory(t *testing.T) {
	tell(t, "1/s", `
		10s   acquire 1            -> 1 granted
		10s   enqueue 1            -> 2 waits
		4s    wake                 -> 11s
		4s    wait 1               -> 2s (1/s)
		4s    acquire 1 by 5s      -> the earliest grant is in 2s (limit 1/s) but the deadline is in 1s: context deadline exceeded; allow more time
		4s    acquire 1 by 6s      -> 3 waits
		5s    wake                 -> 11s
		10999ms wake               -> 11s
		11s   wake                 -> 2 granted, 12s
	`)
}

// Drain serves the line and ends when all permits are back. Close grants nothing more.
func TestEndStory(t *testing.T) {
	tell(t, "burst 1", `
		0s look       -> finished false, served true, timeless true
		0s acquire 1  -> 1 granted
		0s acquire 1  -> 2 waits
		0s drain
		0s acquire 1  -> closed
		0s try 1      -> closed
		0s wait 1     -> forever
		0s look       -> finished false, served false, timeless true
		0s release 1  -> 2 granted
		0s look       -> finished false, served false, timeless true
		0s release 2
		0s try 1      -> closed
		0s look       -> finished true, served true, timeless true
	`)
	tell(t, "burst 1", `
		0s acquire 1  -> 1 granted
		0s acquire 1  -> 2 waits
		0s close
		0s release 1
		0s look       -> finished false, served false, timeless true
		0s cancel 2
		0s look       -> finished true, served false, timeless true
		0s acquire 1  -> closed
	`)
	tell(t, "burst 1", `
		0s acquire 1  -> 1 granted
		0s close
		0s look       -> finished true, served false, timeless true
		0s release 1
		0s look       -> finished true, served true, timeless true
	`)
}

// What was used elsewhere counts as granted now, also beyond the Permits. What the server says is left
// holds until it is used up or its time is over.
func TestChargeAndObserveStory(t *testing.T) {
	tell(t, "3/s 5/10s", `
		0s    charge 4  -> the permits of Charge must be from 1 to 3, the Permits of the window, got 4
		0s    charge 0  -> the permits of Charge must be from 1 to 3, the Permits of the window, got 0
		0s    charge 2
		500ms charge 3
		500ms used 0    -> 5
		500ms left 0    -> 0
		500ms used 1    -> 0
		500ms wait 1    -> 1s (3/s)
		2s    observe -1 by 3s  -> the permits left of Observe must be 0 or more, got -1
		2s    observe 1 by 2s
		2s    left 0    -> 3
		2s    observe 1 by 6s
		2s    left 0    -> 1
		2s    wait 2    -> 4s (3/s)
		2s    acquire 1 -> 1 granted
		2s    acquire 1 -> 2 waits
		2s    wake      -> 6s
		6s    left 0    -> 2 granted, 2
	`)
	tell(t, "3/s", `
		0s acquire 1        -> 1 granted
		0s observe 2 by 9s
		0s left 0           -> 2
		1s acquire 1        -> 2 granted
		1s left 0           -> 1
		1s undo 2
		1s left 0           -> 2
	`)
	var c core
	c.init(Limits{MaxBurst: 1}, unlimited, false)
	if err := c.spend(PerSecond(1), 1); refused(err) != "the window of Charge must be one of the scheduler's (burst 1), got 1/s" {
		t.Error(err)
	}
}

// Two cores that are told the same are the same after each step, although one grants and takes back in two steps
// what the other passes. Where pass returns false, it has changed nothing.
func TestPassIsGrantAndRelease(t *testing.T) {
	seed, passed := seed(t), 0
	for run := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, run))
		l := tinyLimits[r.IntN(len(tinyLimits))]
		var cores [2]core
		for i := range cores {
			c := &cores[i]
			c.init(l, unlimited, false)
			c.totals.holds = run%2 == 0
			if run%8 == 0 {
				c.quota = newQuota(c, "", AwayWait())
				c.quota.stock, c.quota.until = 40, 300
				c.enforce()
			}
		}
		var held [2][]*line.Place
		for step := range 60 {
			op, n, kept := r.IntN(10), 1+r.IntN(3), r.IntN(4)
			for i := range cores {
				c, req := &cores[i], &request{weight: n, deadline: never}
				switch {
				case op < 3:
					c.advance(c.now.after(time.Duration(n * n * n)))
				case op == 3 && c.takes(req):
					p := line.NewPlace()
					c.grantAtOnce(p, req)
					held[i] = append(held[i], p)
				case op == 4 && kept < len(held[i]):
					c.release(held[i][kept])
					held[i] = slices.Delete(held[i], kept, kept+1)
				case op == 5 && len(l.Windows) > 0:
					c.spend(l.Windows[0], 1)
				case op == 6:
					c.setPause(c.now.after(time.Duration(n)))
				case op == 7 && run%8 == 1 && len(l.Windows) > 0:
					c.observe(l.Windows[0], n, c.now.after(20), nil)
				case op > 7 && c.takes(req):
					if i == 0 && c.pass(n) {
						passed++
						continue
					}
					p := line.NewPlace()
					c.grantAtOnce(p, req)
					c.release(p)
				}
			}
			if !reflect.DeepEqual(&cores[0], &cores[1]) {
				t.Fatalf("run %d, %v, step %d:\n%+v\ninstead of\n%+v", run, l, step, &cores[0], &cores[1])
			}
		}
	}
	if passed < 50 { // of about 200
		t.Errorf("only %d tickets were passed", passed)
	}
}

// Time makes room also by the end of a lease, if the source is away and a part of the limits holds from then on.
func TestTheEndOfALeaseMakesRoom(t *testing.T) {
	var c core
	c.init(Limits{Windows: []Window{PerSecond(4)}}, unlimited, false)
	c.quota = newQuota(&c, "", AwayLocalShare(2))
	c.quota.err, c.quota.until = errors.New("away"), 100
	c.enforce()
	p := line.NewPlace()
	c.join(p, &request{weight: 1, deadline: never})
	if c.advance(99); c.fitsAt(p) {
		t.Fatal("fits before the lease ends")
	}
	if room := c.advance(100); !room || !c.fitsAt(p) {
		t.Errorf("advance tells of room: %v; the ticket fits: %v", room, c.fitsAt(p))
	}
}

// The largest weights and the last instants do not overflow.
func TestCoreAtItsEnds(t *testing.T) {
	var c core
	c.init(Limits{Windows: []Window{{Permits: math.MaxInt, Per: maxPer, From: FromGrant}, {Permits: math.MaxInt, Per: maxPer, From: FromRelease}}}, unlimited, false)
	c.advance(horizon)
	r := request{weight: math.MaxInt, deadline: never}
	var held []*line.Place
	for i := range 3 {
		if v, err := c.decide(callEnqueue, &r); (v == verdictGranted) != (i == 0) || err != nil {
			t.Fatalf("ticket %d: verdict %d, %v", i, v, err)
		}
		p := line.NewPlace()
		held = append(held, p)
		if i == 0 {
			c.grantAtOnce(p, &r)
		} else {
			c.join(p, &r)
		}
	}
	if err := c.spend(c.windows[0].Window, math.MaxInt); err != nil {
		t.Error(err)
	}
	// Three times a hundred years from the last instant is more than a moment holds.
	if got := c.wait(&r); got != Forever {
		t.Errorf("waits for %v", got)
	}
	r.deadline = horizon
	var late *DeadlineError
	if _, err := c.decide(callAcquire, &r); !errors.As(err, &late) || late.Left != 0 {
		t.Error(err)
	}
	c.release(held[0])
	if got := c.windows[1].used(); got != math.MaxInt {
		t.Errorf("%d used", got)
	}
}

// Windows that are no longer in force can be collected.
func TestOldWindowsAreForgotten(t *testing.T) {
	var c core
	c.init(Limits{Windows: []Window{PerSecond(1), PerMinute(2), PerHour(3)}}, unlimited, false)
	c.configure(Limits{MaxBurst: 1})
	for _, l := range c.inForce[:cap(c.inForce)] {
		if w, kept := l.(*window); kept {
			t.Errorf("%v is kept", w)
		}
	}
}
