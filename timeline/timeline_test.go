package timeline_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/scheduler/schedulertest"
	"github.com/flowguard-go/flowguard/ticket"
	"github.com/flowguard-go/flowguard/timeline"
)

var update = flag.Bool("update", false, "write testdata anew")

var began = time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)

// at is so many milliseconds after the beginning.
func at(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }

// story builds events by hand.
type story struct {
	events []scheduler.Event
	number ticket.Number
}

func (s *story) tell(e scheduler.Event) { s.events = append(s.events, e) }

// ticket tells of a ticket; instants below 0 have not come. It is given up if it leaves ungranted.
func (s *story) ticket(flow string, weight, enqueued, granted, left int) {
	s.number++
	e := scheduler.Event{Number: s.number, Weight: weight, Flow: flow}
	e.Kind, e.At = scheduler.EventEnqueued, at(enqueued)
	s.tell(e)
	if granted >= 0 {
		e.Kind, e.At, e.Wait = scheduler.EventGranted, at(granted), at(granted).Sub(at(enqueued))
		s.tell(e)
	}
	if left >= 0 {
		e.Kind, e.At = scheduler.EventReleased, at(left)
		if granted < 0 {
			e.Kind, e.Err = scheduler.EventGivenUp, scheduler.ErrClosed
		}
		s.tell(e)
	}
}

// everything has one of everything that can be drawn.
func everything() (scheduler.Limits, []scheduler.Event) {
	limits := scheduler.MustParseLimits("3/2s 5/s from release burst 3")
	s := &story{}
	s.ticket("", 1, 0, 0, 600)
	s.ticket("web", 2, 0, 0, 900)
	s.ticket("web", 1, 100, 2000, 2500)
	s.ticket("batch", 1, 200, -1, 1300)
	s.ticket("batch", 3, 300, 4000, -1)
	s.ticket("batch", 1, 350, -1, -1)
	s.number++
	undone := scheduler.Event{Kind: scheduler.EventEnqueued, Number: s.number, Weight: 1, Flow: "web", At: at(2100)}
	s.tell(undone)
	undone.Kind = scheduler.EventGranted
	s.tell(undone)
	undone.Kind, undone.At = scheduler.EventUndone, at(2400)
	s.tell(undone)
	for i, err := range []error{&scheduler.QueueFullError{}, &scheduler.DeadlineError{}, &scheduler.NoPermitError{}, &scheduler.TooLargeError{}, scheduler.ErrClosed, io.EOF} {
		s.tell(scheduler.Event{Kind: scheduler.EventRefused, At: at(500 + 70*i), Weight: 1, Flow: "web", Err: err})
	}
	s.tell(scheduler.Event{Kind: scheduler.EventPaused, At: at(1000), Until: at(1500)})
	s.tell(scheduler.Event{Kind: scheduler.EventPaused, At: at(1200), Until: at(1900)}) // it lasts longer
	s.tell(scheduler.Event{Kind: scheduler.EventCharged, At: at(2200), Weight: 1, Window: limits.Windows[0]})
	s.tell(scheduler.Event{Kind: scheduler.EventObserved, At: at(2600), Until: at(3600), Weight: 1, Window: limits.Windows[1]})
	s.tell(scheduler.Event{Kind: scheduler.EventRestored, At: at(2700)})
	s.tell(scheduler.Event{Kind: scheduler.EventLimits, At: at(3000), Limits: scheduler.MustParseLimits("6/2s 40/min burst 5")})
	s.tell(scheduler.Event{Kind: scheduler.EventPaused, At: at(4500)})
	s.tell(scheduler.Event{Kind: scheduler.EventResumed, At: at(4800), Missed: 2})
	return limits, s.events
}

// costs has tickets that cost tokens, most of which are settled.
func costs() (scheduler.Limits, []scheduler.Event) {
	const tokens scheduler.Unit = "tokens"
	s := &story{}
	tell := func(kind scheduler.EventKind, ms, amount int) {
		s.tell(scheduler.Event{Kind: kind, Number: s.number, Weight: 1, Flow: "web", At: at(ms), Costs: []ticket.Cost{tokens.Of(amount)}})
	}
	for i, real := range []int{300, 900, 1800, 700} {
		from := []int{0, 1500, 3000, 5100}[i]
		s.number++
		tell(scheduler.EventEnqueued, from, 900)
		tell(scheduler.EventGranted, from, 900)
		if real != 900 {
			tell(scheduler.EventSettled, from+400, real)
		}
		tell(scheduler.EventReleased, from+450, real)
	}
	s.ticket("other", 1, 1000, 1000, 2000) // no tokens
	return scheduler.MustParseLimits("3/s 2600 tokens/2s 200000 tokens/min evenly 6000 tokens/4s from release 5000 tokens/day from reset 05:06 UTC"), s.events
}

// What an estimate was too low by may exceed a limit. No grant broke it.
func TestSettledAboveTheLimit(t *testing.T) {
	limits, events := costs()
	svg := draw(t, timeline.New(limits, slices.Values(events)))
	if strings.Contains(svg, "BROKEN") {
		t.Error("a settlement is shown as a grant that broke the limit")
	}
	for _, want := range []string{"3/s: peak 2 of 3", "2600 tokens/2s: peak 2,700 of 2,600", "5000 tokens/day from reset 05:06 UTC: peak 3,900 of 5,000"} {
		if !strings.Contains(svg, want) {
			t.Errorf("nothing says %q in %s", want, svg)
		}
	}
}

// A real scheduler's tickets, settled before they were recorded and while they are.
func TestRecordOfCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tokens scheduler.Unit = "tokens"
		s, err := scheduler.New(scheduler.MustParseLimits("100 tokens/10s 100 tokens/5s from release 500 tokens/day from reset 09:00 Europe/Berlin"))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		old, err := s.AcquireN(t.Context(), 1, tokens.Of(40))
		if err != nil {
			t.Fatal(err)
		}
		if err := old.Settle(tokens.Of(30)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		tl, err := timeline.Record(s)
		if err != nil {
			t.Fatal(err)
		}
		defer tl.Stop()
		young, err := s.AcquireN(t.Context(), 1, tokens.Of(60))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		for _, n := range []int{20, 65} {
			if err := young.Settle(tokens.Of(n)); err != nil {
				t.Fatal(err)
			}
		}
		old.Release()
		young.Release()
		svg := draw(t, tl)
		for _, want := range []string{"100 tokens/10s: peak 95 of 100", "100 tokens/5s from release: peak 95 of 100", "09:00 Europe/Berlin: peak 95 of 500"} {
			if !strings.Contains(svg, want) {
				t.Errorf("nothing says %q in %s", want, svg)
			}
		}
	})
}

// crowd has more tickets than can be drawn one by one, of many flows.
func crowd() (scheduler.Limits, []scheduler.Event) {
	random := rand.New(rand.NewPCG(1, 2))
	s := &story{}
	for i := range 900 {
		enqueued := i*10 + random.IntN(40)
		granted := enqueued + random.IntN(300)*(i%300)/100
		s.ticket(fmt.Sprintf("flow %d", random.IntN(1+i%12)), 1, enqueued, granted, granted+random.IntN(200))
		if i%3 == 0 {
			s.tell(scheduler.Event{Kind: scheduler.EventRefused, At: at(enqueued), Weight: 1, Err: scheduler.ErrQueueFull})
		}
	}
	return scheduler.MustParseLimits("200/s 5000/min burst 100"), s.events
}

// hostile has names that are no names.
func hostile() (scheduler.Limits, []scheduler.Event) {
	s := &story{}
	for i, key := range []string{`"><script>alert(1)</script>`, "a\x00b\x1b[31m\n\u202e", "\xff\xfe", strings.Repeat("long ", 50), "日本語のキー", "]]>&amp;"} {
		s.ticket(key, 1, i*100, i*100, i*100+50)
	}
	return scheduler.MustParseLimits("10/s"), s.events
}

func draw(t testing.TB, tl *timeline.Timeline, opts ...timeline.Option) string {
	t.Helper()
	var b bytes.Buffer
	if err := tl.SVG(&b, opts...); err != nil {
		t.Fatal(err)
	}
	wellFormed(t, b.String())
	return b.String()
}

// wellFormed checks what holds for every picture.
func wellFormed(t testing.TB, svg string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(svg))
	ids, references := map[string]bool{}, map[string]bool{}
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("the picture is no XML: %v\n%s", err, svg)
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch element.Name.Local {
		case "svg", "title", "desc", "style", "defs", "pattern", "g", "rect", "path", "text":
		default:
			t.Errorf("there is a <%s>", element.Name.Local)
		}
		for _, a := range element.Attr {
			switch {
			case a.Name.Local == "id":
				if ids[a.Value] {
					t.Errorf("the id %s is there twice", a.Value)
				}
				ids[a.Value] = true
			case a.Name.Local == "aria-labelledby":
				for id := range strings.FieldsSeq(a.Value) {
					references[id] = true
				}
			case strings.HasPrefix(a.Value, "url(#"):
				references[strings.TrimSuffix(strings.TrimPrefix(a.Value, "url(#"), ")")] = true
			case strings.HasPrefix(a.Name.Local, "on"), strings.Contains(a.Name.Local, "href"),
				strings.Contains(a.Value, "://") && a.Name.Local != "xmlns":
				t.Errorf("there is %s=%q", a.Name.Local, a.Value)
			}
		}
	}
	for id := range references {
		if !ids[id] {
			t.Errorf("nothing has the id %s", id)
		}
	}
}

// The pictures are those that people have looked at, to the byte.
func TestGolden(t *testing.T) {
	for _, c := range []struct {
		name  string
		scene func() (scheduler.Limits, []scheduler.Event)
		opts  []timeline.Option
	}{
		{"everything", everything, nil},
		{"everything-dark", everything, []timeline.Option{timeline.Dark, timeline.Width(640), timeline.Title("dark & narrow")}},
		{"crowd", crowd, nil},
		{"costs", costs, nil},
		{"hostile", hostile, []timeline.Option{timeline.Light}},
		{"part", everything, []timeline.Option{timeline.Between(at(2000), at(3200)), timeline.Mark(at(2400), at(2600), "here")}},
		{"empty", func() (scheduler.Limits, []scheduler.Event) { return scheduler.MustParseLimits("5/s"), nil }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			limits, events := c.scene()
			got := draw(t, timeline.New(limits, slices.Values(events)), c.opts...)
			if again := draw(t, timeline.New(limits, slices.Values(events)), c.opts...); again != got {
				t.Fatal("the same events give two pictures")
			}
			file := filepath.Join("testdata", c.name+".svg")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the picture is another than %s; look at both, and if the new one is right: go test ./timeline -run TestGolden -update", file)
			}
		})
	}
}

// The description says in words what is drawn.
func TestDescription(t *testing.T) {
	limits, events := everything()
	svg := draw(t, timeline.New(limits, slices.Values(events)))
	for _, want := range []string{
		"Limits 3/2s 5/s from release burst 3", "7 tickets", "4 granted", "1 still waiting", "1 gave up", "1 undone",
		"6 refused: 1 line full, 1 deadline too early, 1 no permit, 1 too large, 1 closed, 1 other.",
		"Paused for 1.2s.", "2 events were lost.", "burst 3 → burst 5: peak",
		`aria-labelledby="`, `role="img"`,
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("nothing says %q", want)
		}
	}
}

// A picture shows when the source of a shared quota was out of reach.
func TestQuotaOutOfReach(t *testing.T) {
	s := &story{}
	s.ticket("web", 1, 0, 100, 5000)
	s.tell(scheduler.Event{Kind: scheduler.EventQuotaLost, At: at(1000), Err: io.EOF})
	s.tell(scheduler.Event{Kind: scheduler.EventQuotaBack, At: at(2000)})
	s.tell(scheduler.Event{Kind: scheduler.EventQuotaLost, At: at(4000), Err: io.EOF})
	s.ticket("web", 1, 4100, 4200, 5500)
	svg := draw(t, timeline.New(scheduler.MustParseLimits("3/2s"), slices.Values(s.events)))
	for _, want := range []string{
		"The quota was out of reach for 2.5s.", ">quota out of reach 1s<", ">quota out of reach<",
		"<title>quota out of reach from 1s to 2s</title>", "<title>quota out of reach from 4s</title>",
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("nothing says %q", want)
		}
	}
}

// Two pictures in one page do not get into each other's way: their ids differ.
func TestIDsDiffer(t *testing.T) {
	limits, events := everything()
	a, b := draw(t, timeline.New(limits, slices.Values(events))), draw(t, timeline.New(limits, slices.Values(events[:5])))
	id := func(svg string) string {
		_, rest, _ := strings.Cut(svg, `<title id="`)
		id, _, _ := strings.Cut(rest, `"`)
		return id
	}
	if id(a) == id(b) {
		t.Errorf("both have the id %s", id(a))
	}
}

// A picture does not grow with the number of tickets once they are too many to be drawn one by one.
func TestLargeRunStaysSmall(t *testing.T) {
	if testing.Short() {
		t.Skip("it draws 200,000 tickets")
	}
	size := func(n int) int {
		s := &story{}
		for i := range n {
			s.ticket(fmt.Sprint("flow ", i%20), 1, i*7%1_000_000, i*7%1_000_000+i%5000, i*7%1_000_000+i%5000+300)
		}
		return len(draw(t, timeline.New(scheduler.MustParseLimits("1000/s 50000/min burst 700"), slices.Values(s.events))))
	}
	few, many := size(2_000), size(200_000)
	if many > 400_000 || many > 4*few {
		t.Errorf("2,000 tickets take %d bytes, 200,000 take %d", few, many)
	}
}

// Everything drawn one by one is bounded, so that no run makes a picture that no program can show.
func TestManyOfEverything(t *testing.T) {
	s := &story{}
	var limits scheduler.Limits
	for i := range 1000 {
		limits.Windows = append(limits.Windows, scheduler.Per(i+1, time.Duration(i+1)*time.Second))
	}
	for i := range 5000 {
		s.tell(scheduler.Event{Kind: scheduler.EventPaused, At: at(i * 10), Until: at(i*10 + 5)})
		s.tell(scheduler.Event{Kind: scheduler.EventLimits, At: at(i * 10), Limits: limits})
		if i == 20 {
			limits = scheduler.MustParseLimits("5/s burst 1")
		}
	}
	svg := draw(t, timeline.New(limits, slices.Values(s.events)))
	if len(svg) > 1_000_000 {
		t.Errorf("the picture takes %d bytes", len(svg))
	}
	if !strings.Contains(svg, "more windows") {
		t.Error("nothing says that windows are left out")
	}
}

// Runs of a real scheduler break no limit in the picture, and the same runs against tighter limits break
// them where Check says so.
func TestBrokenAgreesWithCheck(t *testing.T) {
	broken, runs := 0, 120 // broken: limits of tokens
	if testing.Short() {
		runs = 30
	}
	defer func() {
		if broken < runs/12 {
			t.Errorf("limits of tokens were broken %d times only", broken)
		}
	}()
	for seed := range uint64(runs) {
		random := rand.New(rand.NewPCG(seed, 1))
		limits := scheduler.MustParseLimits(fmt.Sprintf("%d/2s %d/s from release %d tokens/2s %d tokens/s from release burst %d",
			4+random.IntN(9), 4+random.IntN(9), 6+random.IntN(5), 6+random.IntN(5), 3+random.IntN(6)))
		const tokens scheduler.Unit = "tokens"
		mock := clock.NewMock()
		var rec schedulertest.Recorder
		s, err := scheduler.New(limits, scheduler.WithClock(mock), &rec)
		if err != nil {
			t.Fatal(err)
		}
		var tickets []ticket.Ticket
		for range 60 {
			switch random.IntN(5) {
			case 0, 1:
				var costs []ticket.Cost
				if random.IntN(4) > 0 {
					costs = append(costs, tokens.Of(random.IntN(5)))
				}
				if t, err := s.Enqueue(random.IntN(3)+1, costs...); err == nil {
					tickets = append(tickets, t)
				}
			case 2:
				if n := len(tickets); n > 0 {
					t := tickets[random.IntN(n)]
					if random.IntN(2) == 0 {
						_ = t.Settle(tokens.Of(random.IntN(12))) // if it still can be
					}
					t.Release()
				}
			case 3:
				s.Charge(limits.Windows[0], 1)
			default:
				mock.Set(mock.Now().Add(time.Duration(random.IntN(1500)) * time.Millisecond))
			}
			s.Stats()
		}
		s.Close()
		if svg := draw(t, timeline.New(limits, slices.Values(rec.Events()))); strings.Contains(svg, "BROKEN") {
			t.Fatalf("seed %d: a scheduler broke its limits, says the picture\n%v", seed, rec.Tickets())
		}
		tighter := limits
		tighter.MaxBurst--
		tighter.Windows = slices.Clone(limits.Windows)
		tighter.Windows[max(random.IntN(4), random.IntN(4))].Permits -= 1 + random.IntN(3)
		broken += min(1, strings.Count(fmt.Sprint(schedulertest.Check(tighter, rec.Tickets(), scheduler.Forever)), "tokens counted"))
		says := schedulertest.Check(tighter, rec.Tickets(), scheduler.Forever)
		svg := draw(t, timeline.New(tighter, slices.Values(withoutCharges(rec.Events()))))
		if strings.Contains(svg, "BROKEN") != (says != nil) {
			t.Fatalf("seed %d: Check says %v, the picture says broken: %v\n%v", seed, says, strings.Contains(svg, "BROKEN"), rec.Tickets())
		}
	}
}

func withoutCharges(events []scheduler.Event) (rest []scheduler.Event) {
	for _, e := range events {
		if e.Kind != scheduler.EventCharged {
			rest = append(rest, e)
		}
	}
	return rest
}

// Lowering a limit below what is in use breaks nothing.
func TestLoweredLimitIsNotBroken(t *testing.T) {
	s := &story{}
	s.ticket("", 3, 0, 0, 5000)
	s.tell(scheduler.Event{Kind: scheduler.EventLimits, At: at(100), Limits: scheduler.MustParseLimits("1/10s burst 1")})
	limits := scheduler.MustParseLimits("3/10s burst 3")
	if svg := draw(t, timeline.New(limits, slices.Values(s.events))); strings.Contains(svg, "BROKEN") {
		t.Error("the picture says it is broken")
	}
	s.ticket("", 1, 200, 200, 300)
	if svg := draw(t, timeline.New(limits, slices.Values(s.events))); !strings.Contains(svg, "BROKEN") {
		t.Error("a grant above the new limit is not shown as such")
	}
}

// Record sees what an EventLog sees, and the picture is the same.
func TestRecordIsTheSameAsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := scheduler.MustParseLimits("3/2s burst 2")
		var log scheduler.EventLog
		s, err := scheduler.New(limits, &log)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		tl, err := timeline.Record(s)
		if err != nil {
			t.Fatal(err)
		}
		defer tl.Stop()
		for range 7 {
			go s.Do(t.Context(), func(context.Context) error { time.Sleep(500 * time.Millisecond); return nil })
		}
		time.Sleep(4500 * time.Millisecond)
		synctest.Wait()
		// Both end at the last event.
		if got, want := draw(t, tl), draw(t, timeline.New(limits, slices.Values(log.Events()))); got != want {
			t.Errorf("Record gives another picture:\n%s\n%s", got, want)
		}
		time.Sleep(time.Minute)
		live := draw(t, tl)
		tl.Stop()
		tl.Stop()
		if stopped := draw(t, tl); stopped != live || !strings.Contains(live, ">1m<") {
			t.Error("what was drawn while it was recorded is not what was drawn afterwards")
		}
	})
}

// A recording that begins later knows what the windows remember and what is held.
func TestRecordFromTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := scheduler.New(scheduler.MustParseLimits("4/10s burst 3"))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		held, _ := s.Acquire(t.Context())
		for range 2 {
			done, _ := s.Acquire(t.Context())
			done.Release()
		}
		waits, _ := s.Enqueue(2)
		s.PauseFor(3 * time.Second)
		time.Sleep(time.Second)
		tl, err := timeline.Record(s)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		held.Release()
		time.Sleep(7 * time.Second)
		waits.Release()
		tl.Stop()
		svg := draw(t, tl)
		for _, want := range []string{"before or elsewhere", "4/10s: peak 3 of 4", "burst 3: peak 2 of 3", "ticket 1: was there before, held until 4s", "ticket 4 of weight 2", "waited 10s", "Paused for 2s."} {
			if !strings.Contains(svg, want) {
				t.Errorf("nothing says %q in\n%s", want, svg)
			}
		}
	})
}

// What was held before and is not given back counts in a window from release for as long as it is recorded.
func TestRecordOfWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := scheduler.New(scheduler.MustParseLimits("5/s from release burst 4"))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for range 3 {
			if _, err := s.Acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		tl, err := timeline.Record(s)
		if err != nil {
			t.Fatal(err)
		}
		defer tl.Stop()
		time.Sleep(time.Minute)
		svg := draw(t, tl)
		for _, want := range []string{"burst 4: peak 3 of 4", "5/s from release: peak 3 of 5"} {
			if !strings.Contains(svg, want) {
				t.Errorf("nothing says %q in\n%s", want, svg)
			}
		}
	})
}

// deafClock is a clock of which the scheduler never hears: it must look by itself.
type deafClock struct {
	*clock.Mock
	passed atomic.Int64
}

func (c *deafClock) Now() time.Time                  { return began.Add(time.Duration(c.passed.Load())) }
func (c *deafClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// A picture shows all that happened before SVG was called, and all that was due by then.
func TestPictureIsOfThePresent(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // what was sent is unread when SVG is called
	deaf := &deafClock{Mock: clock.NewMock()}
	s, err := scheduler.New(scheduler.MustParseLimits("2000/s"), scheduler.WithClock(deaf))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tl, err := timeline.Record(s)
	if err != nil {
		t.Fatal(err)
	}
	defer tl.Stop()
	for round := range 20 {
		for range 100 {
			if _, err := s.Enqueue(1); err != nil {
				t.Fatal(err)
			}
		}
		if want := fmt.Sprintf("%d granted.", 100*(round+1)); round < 9 && !strings.Contains(draw(t, tl), want) {
			t.Fatalf("nothing says %q", want)
		}
	}
	if _, err := s.Enqueue(1); err != nil {
		t.Fatal(err)
	}
	s.Stats() // the owner has nothing to do, and will not hear of the time that comes
	s.Stats()
	deaf.passed.Add(int64(time.Second))
	if svg := draw(t, tl); !strings.Contains(svg, "2,001 tickets in 1s: 2,001 granted.") {
		t.Errorf("the last is not there: %.1500s", svg)
	}
}

func TestRecordOfClosed(t *testing.T) {
	s, err := scheduler.New(scheduler.MustParseLimits("5/s"))
	if err != nil {
		t.Fatal(err)
	}
	tl, err := timeline.Record(s)
	if err != nil {
		t.Fatal(err)
	}
	s.Close() // ends the recording too
	draw(t, tl)
	tl.Stop()
	if _, err := timeline.Record(s); !errors.Is(err, scheduler.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	tl := timeline.New(scheduler.MustParseLimits("5/s"), slices.Values([]scheduler.Event{}))
	for _, c := range []struct {
		opt  timeline.Option
		want string
	}{
		{timeline.Width(100), "scheduler: the pixels of timeline.Width must be from 480 to 4000, got 100"},
		{timeline.Between(at(5), at(5)), "scheduler: the end of timeline.Between must be after "},
		{timeline.Mark(at(5), at(4), ""), "scheduler: the end of timeline.Mark must be not before "},
		{timeline.Colors(7), "scheduler: timeline.Colors must be Auto, Light or Dark, got Colors(7)"},
		{nil, "scheduler: an Option of SVG must be made by one of the functions of package timeline, got nil"},
	} {
		var b bytes.Buffer
		err := tl.SVG(&b, c.opt)
		var invalid *scheduler.InvalidError
		if !errors.As(err, &invalid) || !strings.HasPrefix(err.Error(), c.want) || b.Len() > 0 {
			t.Errorf("got %v and %d bytes, want %s", err, b.Len(), c.want)
		}
	}
	if err := tl.SVG(brokenWriter{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("got %v", err)
	}
	if err := (&timeline.Timeline{}).SVG(io.Discard); err != nil {
		t.Errorf("the zero Timeline: %v", err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// Whatever flows, titles and instants there are, the picture is XML and nothing panics.
func FuzzSVG(f *testing.F) {
	f.Add("web", "title", int64(0), int64(1e9), int64(5e9), uint8(3), 5)
	f.Add("</text>", "\x00", int64(-1), int64(1<<62), int64(-1<<62), uint8(200), math.MaxInt)
	f.Fuzz(func(t *testing.T, key, title string, a, b, c int64, kind uint8, weight int) {
		var events []scheduler.Event
		for i, at := range []int64{a, b, c, a} {
			events = append(events, scheduler.Event{
				Kind: scheduler.EventKind((int(kind) + i*5) % 13), At: time.Unix(0, at), Number: ticket.Number(i%2 + 1), Weight: weight,
				Flow: key, Until: time.Unix(0, c), Wait: time.Duration(b), Window: scheduler.PerSecond(5), Limits: scheduler.MustParseLimits("7/s burst 2"),
			})
		}
		tl := timeline.New(scheduler.MustParseLimits("5/s burst 3"), slices.Values(events))
		draw(t, tl, timeline.Title(title), timeline.Mark(time.Unix(0, a), time.Unix(0, a), key))
		if b > a {
			draw(t, tl, timeline.Between(time.Unix(0, a), time.Unix(0, b)))
		}
	})
}

func BenchmarkSVG(b *testing.B) {
	for _, n := range []int{20, 200_000} {
		s := &story{}
		for i := range n {
			s.ticket(fmt.Sprint("flow ", i%5), 1, i*5, i*5+i%500, i*5+i%500+300)
		}
		tl := timeline.New(scheduler.MustParseLimits("300/s 15000/min burst 100"), slices.Values(s.events))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				tl.SVG(io.Discard)
			}
		})
	}
}

// Amounts of many digits fit beside the rows, and the description has them in full.
func TestLargeAmounts(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	events := []scheduler.Event{
		{Kind: scheduler.EventEnqueued, At: start, Number: 1, Weight: 1, Costs: []ticket.Cost{{Unit: "bytes", Amount: 13_599_999}}},
		{Kind: scheduler.EventGranted, At: start, Number: 1, Weight: 1, Costs: []ticket.Cost{{Unit: "bytes", Amount: 13_599_999}}},
		{Kind: scheduler.EventReleased, At: start.Add(time.Second), Number: 1, Weight: 1, Costs: []ticket.Cost{{Unit: "bytes", Amount: 13_599_999}}},
	}
	svg := draw(t, timeline.New(scheduler.MustParseLimits("200000000 bytes/min"), slices.Values(events)))
	for _, want := range []string{">peak 13.5M of 200M<", ">200M<", "peak 13,599,999 of 200,000,000, full 0 % of the time."} {
		if !strings.Contains(svg, want) {
			t.Errorf("the picture does not say %q", want)
		}
	}
}
