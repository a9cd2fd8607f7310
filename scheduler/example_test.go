package scheduler_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
)

func Example() {
	limits, err := scheduler.ParseLimits("3/10ms 100/s burst 2")
	if err != nil {
		log.Fatal(err)
	}
	s, err := scheduler.New(limits)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	var calls sync.WaitGroup
	for range 7 {
		calls.Go(func() {
			t, err := s.Acquire(context.Background())
			if err != nil {
				log.Print(err)
				return
			}
			defer t.Release()
			// Call the far side here.
		})
	}
	calls.Wait()
	fmt.Println("granted", s.Stats().Granted)
	// Output: granted 7
}

func ExamplePer() {
	w := scheduler.Per(3, 2*time.Second)
	fmt.Println(w, "is", w.Permits, "in any", w.Per)
	// Output: 3/2s is 3 in any 2s
}

func ExamplePerSecond() {
	fmt.Println(scheduler.PerSecond(5))
	// Output: 5/s
}

func ExamplePerMinute() {
	fmt.Println(scheduler.PerMinute(100))
	// Output: 100/min
}

func ExamplePerHour() {
	fmt.Println(scheduler.PerHour(1000))
	// Output: 1000/h
}

func ExamplePerDay() {
	fmt.Println(scheduler.PerDay(5000))
	// Output: 5000/day
}

// The far side counts arrivals strictly, so a permit must count until the call is over, and then for
// a second more.
func ExampleWindow() {
	w := scheduler.PerSecond(5)
	w.From = scheduler.FromRelease
	fmt.Println(w)
	// Output: 5/s from release
}

func ExampleWindow_String() {
	fmt.Println(scheduler.Window{Permits: 10, Per: 90 * time.Minute}.String())
	// Output: 10/1h30m
}

// Two calls of half a second each, under one call a second. Counted from its grant, the first is
// past after a second; counted from its release, after a second and a half.
func ExampleInstant() {
	for _, from := range []scheduler.Instant{scheduler.FromGrant, scheduler.FromRelease} {
		mock := clock.NewMock()
		w := scheduler.PerSecond(1)
		w.From = from
		s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{w}}, scheduler.WithClock(mock))
		if err != nil {
			log.Fatal(err)
		}
		call, _ := s.TryAcquire()
		mock.Add(500 * time.Millisecond)
		call.Release()
		fmt.Printf("from %v: the next may start in %v\n", from, s.WaitTime())
		s.Close()
	}
	// Output:
	// from grant: the next may start in 500ms
	// from release: the next may start in 1s
}

func ExampleInstant_String() {
	fmt.Println(scheduler.FromGrant.String(), scheduler.FromRelease.String())
	// Output: grant release
}

func ExampleLimits() {
	limits := scheduler.Limits{
		Windows:  []scheduler.Window{scheduler.Per(3, 2*time.Second), scheduler.PerMinute(15)},
		MaxBurst: 2,
	}
	fmt.Println(limits)
	// Output: 3/2s 15/min burst 2
}

func ExampleLimits_Validate() {
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(0)}}
	fmt.Println(limits.Validate())
	// Output: scheduler: Limits.Windows[0].Permits must be 1 or more, got 0
}

func ExampleLimits_String() {
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(5)}, MaxBurst: 1}
	fmt.Println(limits.String())
	// Output: 5/s burst 1
}

func ExampleParseLimits() {
	limits, err := scheduler.ParseLimits("3/2s 15/min burst 2")
	if err != nil {
		log.Fatal(err)
	}
	for _, w := range limits.Windows {
		fmt.Println(w.Permits, "in any", w.Per)
	}
	fmt.Println(limits.MaxBurst, "at once")
	// Output:
	// 3 in any 2s
	// 15 in any 1m0s
	// 2 at once
}

func ExampleLimits_MarshalText() {
	config := map[string]scheduler.Limits{
		"search": {Windows: []scheduler.Window{scheduler.PerMinute(30)}},
		"upload": {MaxBurst: 2},
	}
	text, err := json.Marshal(config)
	fmt.Println(string(text), err)
	// Output: {"search":"30/min","upload":"burst 2"} <nil>
}

// Limits load from JSON as the text that ParseLimits reads.
func ExampleLimits_UnmarshalText() {
	var config struct{ Limits scheduler.Limits }
	err := json.Unmarshal([]byte(`{"limits": "5/s 100/min burst 3"}`), &config)
	fmt.Println(config.Limits.Windows[1].Permits, config.Limits.MaxBurst, err)
	// Output: 100 3 <nil>
}

// Limits are a command-line flag by way of [flag.TextVar].
func ExampleLimits_UnmarshalText_flag() {
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(1)}}
	flags := flag.NewFlagSet("fetch", flag.ContinueOnError)
	flags.TextVar(&limits, "limits", limits, "how fast to fetch")

	err := flags.Parse([]string{"-limits", "5/2s burst 3"})
	fmt.Println(limits, err)
	// Output: 5/2s burst 3 <nil>
}

func ExampleNew() {
	s, err := scheduler.New(scheduler.Limits{
		Windows:  []scheduler.Window{scheduler.PerSecond(10)},
		MaxBurst: 4,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	t, err := s.Acquire(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("granted ticket", t.Number())
	t.Release()
	// Output: granted ticket 1
}

// A test moves a mock clock on instead of waiting.
func ExampleWithClock() {
	mock := clock.NewMock()
	s, err := scheduler.New(
		scheduler.Limits{Windows: []scheduler.Window{scheduler.PerHour(1)}},
		scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	for range 3 {
		_, ok := s.TryAcquire()
		fmt.Println(ok)
		mock.Add(30 * time.Minute)
	}
	// Output:
	// true
	// false
	// true
}

func ExampleWithMaxQueue() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1}, scheduler.WithMaxQueue(1))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	for range 3 {
		t, err := s.Enqueue(1)
		fmt.Println(t.Number(), err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 0 scheduler: the line is full: 1 may wait; come back later or allow more with WithMaxQueue
}

func ExampleNonBlocking() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1}, scheduler.NonBlocking())
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	ctx := context.Background()
	err = s.Do(ctx, func(ctx context.Context) error {
		_, err := s.Acquire(ctx) // Do holds the only permit
		return err
	})
	fmt.Println(errors.Is(err, scheduler.ErrNoPermit))
	// Output: true
}

func ExampleScheduler_Acquire() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	call := func(ctx context.Context) error {
		t, err := s.Acquire(ctx)
		if err != nil {
			return err // ctx ended, or the scheduler is closed
		}
		defer t.Release()
		fmt.Println("calling with", s.Stats().InUse, "permit in use")
		return nil
	}
	if err := call(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("afterwards", s.Stats().InUse)
	// Output:
	// calling with 1 permit in use
	// afterwards 0
}

// A batch call counts as many times as it has items.
func ExampleScheduler_AcquireN() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerMinute(10)}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	batch := []string{"a", "b", "c"}
	t, err := s.AcquireN(context.Background(), len(batch))
	if err != nil {
		log.Fatal(err)
	}
	defer t.Release()
	fmt.Println("left this minute:", s.Stats().Windows[0].Remaining)
	// Output: left this minute: 7
}

func ExampleScheduler_TryAcquire() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerHour(1)}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	for range 2 {
		if t, ok := s.TryAcquire(); ok {
			fmt.Println("sent")
			t.Release()
		} else {
			fmt.Println("dropped")
		}
	}
	// Output:
	// sent
	// dropped
}

func ExampleScheduler_TryAcquireN() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 3})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	_, two := s.TryAcquireN(2)
	_, twoMore := s.TryAcquireN(2)
	_, one := s.TryAcquireN(1)
	fmt.Println(two, twoMore, one)
	// Output: true false true
}

// A ticket is something to select on, next to whatever else may happen.
func ExampleScheduler_Enqueue() {
	mock := clock.NewMock()
	s, err := scheduler.New(
		scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(1, 2*time.Second)}},
		scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	stop := make(chan struct{}) // closed when the program is to end
	for range 2 {
		t, err := s.Enqueue(1)
		if err != nil {
			log.Fatal(err)
		}
		mock.Add(2 * time.Second)
		select {
		case err := <-t.Ready():
			fmt.Println("ticket", t.Number(), "granted:", err == nil)
			t.Release()
		case <-stop:
			t.Cancel()
		}
	}
	// Output:
	// ticket 1 granted: true
	// ticket 2 granted: true
}

// Whoever waited long enough cancels: the ticket leaves the line as if it had never been there.
func ExampleScheduler_Enqueue_timeout() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	held, _ := s.TryAcquire()
	defer held.Release()

	t, err := s.Enqueue(1)
	if err != nil {
		log.Fatal(err)
	}
	select {
	case err := <-t.Ready():
		fmt.Println("granted:", err == nil)
		t.Release()
	case <-time.After(time.Millisecond):
		t.Cancel()
		fmt.Println("gave up, still waiting:", s.Stats().Waiting)
	}
	// Output: gave up, still waiting: 0
}

func ExampleScheduler_Do() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	errLost := errors.New("connection lost")
	err = s.Do(context.Background(), func(context.Context) error {
		fmt.Println("in use", s.Stats().InUse)
		return errLost
	})
	fmt.Println(err)
	fmt.Println("in use", s.Stats().InUse)
	// Output:
	// in use 1
	// connection lost
	// in use 0
}

func ExampleWrap() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(100)}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	lookUp := func(_ context.Context, name string) (int, error) { return len(name), nil }
	limited := scheduler.Wrap(s, lookUp) // has the type of lookUp

	for _, name := range []string{"Ada", "Grace"} {
		n, err := limited(context.Background(), name)
		fmt.Println(n, err)
	}
	fmt.Println("granted", s.Stats().Granted)
	// Output:
	// 3 <nil>
	// 5 <nil>
	// granted 2
}

func ExampleScheduler_WaitTime() {
	mock := clock.NewMock()
	s, err := scheduler.New(
		scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(1, 2*time.Second)}},
		scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	fmt.Println(s.WaitTime())
	s.TryAcquire()
	fmt.Println(s.WaitTime())
	mock.Add(1500 * time.Millisecond)
	fmt.Println(s.WaitTime())
	// Output:
	// 0s
	// 2s
	// 500ms
}

func ExampleScheduler_Stats() {
	mock := clock.NewMock()
	limits, err := scheduler.ParseLimits("2/s 100/min burst 3")
	if err != nil {
		log.Fatal(err)
	}
	s, err := scheduler.New(limits, scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	for range 3 {
		if _, err := s.Enqueue(1); err != nil {
			log.Fatal(err)
		}
	}
	stats := s.Stats()
	fmt.Println("granted", stats.Granted, "in use", stats.InUse, "waiting", stats.Waiting)
	fmt.Println("next grant in", stats.NextWake.Sub(mock.Now()))
	for _, w := range stats.Windows {
		fmt.Println(w.Window, "used", w.Used, "remaining", w.Remaining)
	}

	mock.Add(time.Second)
	fmt.Println("granted", s.Stats().Granted) // every grant that was due has been made
	// Output:
	// granted 2 in use 2 waiting 1
	// next grant in 1s
	// 2/s used 2 remaining 0
	// 100/min used 2 remaining 98
	// granted 3
}

func ExampleScheduler_Limits() {
	limits, err := scheduler.ParseLimits("5/s burst 3")
	if err != nil {
		log.Fatal(err)
	}
	s, err := scheduler.New(limits)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	workers := s.Limits().MaxBurst // more would only wait
	fmt.Println(workers, "workers under", s.Limits())
	// Output: 3 workers under 5/s burst 3
}

// What measures time beside a scheduler uses the same clock, so that a test moves both.
func ExampleScheduler_Clock() {
	mock := clock.NewMock()
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1}, scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	start := s.Clock().Now()
	mock.Add(time.Hour)
	fmt.Println(s.Clock().Now().Sub(start))
	// Output: 1h0m0s
}

func ExampleScheduler_Close() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	held, _ := s.TryAcquire()
	waiting, err := s.Enqueue(1)
	if err != nil {
		log.Fatal(err)
	}

	s.Close()
	fmt.Println(<-waiting.Ready())
	held.Release() // harmless
	_, err = s.Acquire(context.Background())
	fmt.Println(errors.Is(err, scheduler.ErrClosed))
	// Output:
	// scheduler: closed
	// true
}

// Drain lets those in line have their turn, and those at work finish.
func ExampleScheduler_Drain() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close() // does nothing after a Drain that went well

	held, _ := s.TryAcquire()
	waiting, err := s.Enqueue(1)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		held.Release()
		fmt.Println("in line before the drain, refused:", <-waiting.Ready())
		waiting.Release()
	}()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fmt.Println("drained:", s.Drain(ctx))
	_, err = s.Acquire(ctx)
	fmt.Println("newcomer:", err)
	// Output:
	// in line before the drain, refused: <nil>
	// drained: <nil>
	// newcomer: scheduler: closed
}

func ExampleDeadlineError() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerHour(1)}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	s.TryAcquire()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err = s.Acquire(ctx) // fails at once, not in a minute

	var refused *scheduler.DeadlineError
	if errors.As(err, &refused) {
		fmt.Println(refused.Limit, "would take", refused.Wait.Round(time.Minute))
	}
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// 1/h would take 1h0m0s
	// true
}

func ExampleNoPermitError() {
	mock := clock.NewMock()
	s, err := scheduler.New(
		scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(1, 2*time.Second)}},
		scheduler.NonBlocking(), scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	s.TryAcquire()

	_, err = s.Acquire(context.Background())
	var busy *scheduler.NoPermitError
	if errors.As(err, &busy) {
		fmt.Println("come back in", busy.Wait, "because of", busy.Limit)
	}
	fmt.Println(errors.Is(err, scheduler.ErrNoPermit))
	// Output:
	// come back in 2s because of 1/2s
	// true
}

func ExampleTooLargeError() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(10)}, MaxBurst: 4})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	_, err = s.AcquireN(context.Background(), 6)
	var tooLarge *scheduler.TooLargeError
	if errors.As(err, &tooLarge) {
		fmt.Println("at most", tooLarge.Most, "because of", tooLarge.Limit)
	}
	fmt.Println(errors.Is(err, scheduler.ErrTooLarge))
	// Output:
	// at most 4 because of burst 4
	// true
}

func ExampleQueueFullError() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1}, scheduler.WithMaxQueue(0))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	s.TryAcquire()

	_, err = s.Acquire(context.Background())
	var full *scheduler.QueueFullError
	if errors.As(err, &full) {
		fmt.Println(full.Max, "may wait")
	}
	fmt.Println(errors.Is(err, scheduler.ErrQueueFull))
	// Output:
	// 0 may wait
	// true
}

func ExampleInvalidError() {
	_, err := scheduler.New(scheduler.Limits{MaxBurst: -1})
	var invalid *scheduler.InvalidError
	if errors.As(err, &invalid) {
		fmt.Println(invalid.What, invalid.Got)
	}
	fmt.Println(err)
	// Output:
	// Limits.MaxBurst -1
	// scheduler: Limits.MaxBurst must be 0 (no cap) or more, got -1
}

func ExampleParseError() {
	_, err := scheduler.ParseLimits("3/2s 15/fortnight")
	var wrong *scheduler.ParseError
	if errors.As(err, &wrong) {
		fmt.Println(wrong.Text[:wrong.Offset], "<-- as far as it makes sense")
	}
	fmt.Println(err)
	// Output:
	// 3/2s 15/ <-- as far as it makes sense
	// scheduler: limits "3/2s 15/fortnight", at byte 8 ("fortnight"): expected a length such as "s", "2s", "min", "1h30m" or "day" after the slash
}

func ExampleScheduler_SetLimits() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerHour(1)}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	s.TryAcquire()
	t, err := s.Enqueue(1)
	if err != nil {
		log.Fatal(err)
	}
	defer t.Cancel()
	fmt.Println("waiting:", s.Stats().Waiting)

	// The far side allows more from now on. Nobody waits an hour for what is free.
	if err := s.SetLimits(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerHour(100)}}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("told:", <-t.Ready())
	// Output:
	// waiting: 1
	// told: <nil>
}

func ExampleScheduler_PauseFor() {
	mock := clock.NewMock()
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 5}, scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	// Two workers were told to come back later; the longer pause holds.
	for _, retryAfter := range []time.Duration{30 * time.Second, 10 * time.Second} {
		if err := s.PauseFor(retryAfter); err != nil {
			log.Fatal(err)
		}
	}
	_, ok := s.TryAcquire()
	fmt.Println("granted:", ok, "wait:", s.WaitTime())
	mock.Add(30 * time.Second)
	_, ok = s.TryAcquire()
	fmt.Println("granted:", ok)
	// Output:
	// granted: false wait: 30s
	// granted: true
}

func ExampleScheduler_PauseUntil() {
	mock := clock.NewMock()
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 5}, scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	maintenance := mock.Now().Add(time.Hour)
	if err := s.PauseUntil(maintenance); err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Stats().Paused, s.Stats().Resumes.Equal(maintenance))
	// Output: true true
}

func ExampleScheduler_Pause() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 5})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	s.Pause() // an operator's switch
	_, ok := s.TryAcquire()
	fmt.Println("granted:", ok)
	s.Resume()
	_, ok = s.TryAcquire()
	fmt.Println("granted:", ok)
	// Output:
	// granted: false
	// granted: true
}

func ExampleScheduler_Resume() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 5})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	s.PauseFor(time.Hour)
	s.Resume()
	fmt.Println("paused:", s.Stats().Paused)
	// Output: paused: false
}

func ExampleScheduler_Charge() {
	minute := scheduler.PerMinute(60)
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{minute}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	// A response says "X-RateLimit-Remaining: 12": others spend from the same limit.
	const theirs = 12
	if spent := s.Stats().Windows[0].Remaining - theirs; spent > 0 {
		if err := s.Charge(minute, spent); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(s.Stats().Windows[0])
	// Output: 60/min: 48 used, 12 remaining
}

func ExampleScheduler_WaitTimeN() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerHour(5)}}, scheduler.WithClock(clock.NewMock()))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	s.TryAcquireN(3)
	fmt.Println("2 permits:", s.WaitTimeN(2))
	fmt.Println("4 permits:", s.WaitTimeN(4))
	// Output:
	// 2 permits: 0s
	// 4 permits: 1h0m0s
}

// Jobs begin in the order in which they were given, as their permits are granted.
func ExampleScheduler_Group() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	g, ctx := s.Group(context.Background())
	for _, city := range []string{"Lima", "Oslo", "Pune"} {
		g.Go(func() error {
			fmt.Println("asking about", city)
			return ctx.Err() // of the call to the far side, which uses ctx
		})
	}
	if err := g.Wait(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// asking about Lima
	// asking about Oslo
	// asking about Pune
}

// The first job that fails ends the others before they have begun.
func ExampleGroup_Wait() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	g, ctx := s.Group(context.Background())
	for i := range 1_000 {
		g.Go(func() error {
			if i == 2 {
				return errors.New("the far side is gone")
			}
			return ctx.Err()
		})
	}
	fmt.Println(g.Wait())
	fmt.Println(g.Withdrawn(), "never began")
	// Output:
	// the far side is gone
	// 997 never began
}

func ExampleGroup_Go() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(100)}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	g, _ := s.Group(context.Background())
	g.Go(func() error {
		fmt.Println("one job")
		g.Go(func() error { // jobs may find more to do
			fmt.Println("makes another")
			return nil
		})
		return nil
	})
	fmt.Println(g.Wait())
	// Output:
	// one job
	// makes another
	// <nil>
}

func ExampleGroup_GoN() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 8})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	g, _ := s.Group(context.Background())
	g.GoN(6, func() error { return nil })
	g.GoN(9, func() error { return nil })
	fmt.Println(g.Wait())
	// Output: scheduler: weight too large: 9 permits asked for, limit burst 8 allows at most 8; ask for less or split the work
}

func ExampleGroup_Withdrawn() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	g, _ := s.Group(ctx)
	for range 3 {
		g.Go(func() error { cancel(); return nil })
	}
	fmt.Println(g.Wait())
	fmt.Println(g.Withdrawn(), "withdrawn")
	// Output:
	// scheduler: the group's context ended before all its jobs had begun: context canceled
	// 2 withdrawn
}

// What a job panics with comes out of Wait, in the goroutine that called it.
func ExamplePanicError() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	defer func() {
		p := recover().(*scheduler.PanicError)
		fmt.Println("recovered:", p.Value)
	}()
	g, _ := s.Group(context.Background())
	g.Go(func() error { panic("out of tea") })
	g.Wait()
	// Output: recovered: out of tea
}

// A tenant with a long line does not hold up one with a short one.
func ExampleScheduler_Flow() {
	mock := clock.NewMock()
	s, err := scheduler.New(
		scheduler.Limits{Windows: []scheduler.Window{scheduler.PerMinute(1)}},
		scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	greedy, modest, paying := s.Flow("greedy", 1), s.Flow("modest", 1), s.Flow("paying", 3)
	for range 100 {
		if _, err := greedy.Enqueue(1); err != nil {
			log.Fatal(err)
		}
	}
	for name, tenant := range map[string]*scheduler.Scheduler{"greedy": greedy, "modest": modest, "paying": paying} {
		defer fmt.Println(name, "would wait", tenant.WaitTime())
	}
	fmt.Println(s.Stats().Waiting, "wait")
	// Unordered output:
	// 99 wait
	// greedy would wait 1h40m0s
	// modest would wait 2m0s
	// paying would wait 1m0s
}

// A day's window goes on counting when the program is started again.
func ExampleScheduler_Snapshot() {
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerDay(1000)}}
	s, err := scheduler.New(limits)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := s.AcquireN(context.Background(), 300); err != nil {
		log.Fatal(err)
	}
	s.Close()
	saved, err := json.Marshal(s.Snapshot())
	if err != nil {
		log.Fatal(err)
	}

	// Later, in another process:
	if s, err = scheduler.New(limits); err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	var snap scheduler.Snapshot
	if err := json.Unmarshal(saved, &snap); err != nil {
		log.Fatal(err)
	}
	if err := s.Restore(snap); err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Stats().Windows[0])
	// Output: 1000/day: 300 used, 700 remaining
}

// What cannot be right is refused, and nothing of it is taken over.
func ExampleScheduler_Restore() {
	s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerDay(1000)}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	var snap scheduler.Snapshot
	if err := json.Unmarshal([]byte(`{"version":7}`), &snap); err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Restore(snap))
	// Output: scheduler: Snapshot.Version must be 1, got 7
}

func ExampleScheduler_Watch() {
	mock := clock.NewMock()
	s, err := scheduler.New(
		scheduler.Limits{Windows: []scheduler.Window{scheduler.PerMinute(1)}},
		scheduler.WithClock(mock))
	if err != nil {
		log.Fatal(err)
	}
	w, err := s.Watch(100)
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		if _, err := s.Enqueue(1); err != nil {
			log.Fatal(err)
		}
	}
	mock.Add(time.Minute)
	s.Close()
	for e := range w.Events() { // ends with the scheduler
		fmt.Println(e)
	}
	// Output:
	// ticket 1 enqueued
	// ticket 1 granted after 0s
	// ticket 2 enqueued
	// ticket 2 granted after 1m0s
}

// Who does not read misses events, and hears how many.
func ExampleWatcher_Missed() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	w, err := s.Watch(1)
	if err != nil {
		log.Fatal(err)
	}
	for range 10 {
		if t, ok := s.TryAcquire(); ok {
			t.Release()
		}
	}
	fmt.Println(<-w.Events())
	fmt.Println("missed", w.Missed())
	// Output:
	// ticket 1 enqueued
	// missed 29
}

// Events counts grants by tenant until the scheduler ends.
func ExampleWatcher_Events() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 9})
	if err != nil {
		log.Fatal(err)
	}
	w, err := s.Watch(100)
	if err != nil {
		log.Fatal(err)
	}
	for _, tenant := range []string{"a", "b", "a"} {
		s.Flow(tenant, 1).TryAcquire()
	}
	s.Close()
	granted := map[string]int{}
	for e := range w.Events() {
		if e.Kind == scheduler.EventGranted {
			granted[e.Flow] += e.Weight
		}
	}
	fmt.Println(granted)
	// Output: map[a:2 b:1]
}

func ExampleWatcher_Stop() {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	w, err := s.Watch(1)
	if err != nil {
		log.Fatal(err)
	}
	w.Stop()
	_, open := <-w.Events()
	fmt.Println(open)
	// Output: false
}

func ExampleEvent_String() {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	fmt.Println(scheduler.Event{Kind: scheduler.EventGranted, Number: 7, Flow: "a tenant", Wait: 2 * time.Second})
	fmt.Println(scheduler.Event{Kind: scheduler.EventPaused, At: at, Until: at.Add(time.Minute)})
	// Output:
	// ticket 7 of "a tenant" granted after 2s
	// scheduler paused for 1m0s
}

func ExampleEventKind_String() {
	fmt.Println(scheduler.EventGivenUp)
	// Output: given up
}

func ExamplePanicError_Error() {
	fmt.Println((&scheduler.PanicError{Value: "out of tea", Stack: []byte("goroutine 7 …")}).Error())
	// Output:
	// scheduler: a job panicked: out of tea
	//
	// goroutine 7 …
}

func ExamplePanicError_Unwrap() {
	p := &scheduler.PanicError{Value: context.DeadlineExceeded}
	fmt.Println(errors.Is(p, context.DeadlineExceeded))
	// Output: true
}
