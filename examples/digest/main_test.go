package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/scheduler/schedulertest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The provider accepts 5 messages a minute and 200 a day. With those limits alone, a storm would have
// used up the day within the hour; 8 an hour are ours, to have some left for every hour.
const provider, ours = "5/min 200/day", "8/h"

func parse(t *testing.T, text string) scheduler.Limits {
	t.Helper()
	limits, err := scheduler.ParseLimits(text)
	if err != nil {
		t.Fatal(err)
	}
	return limits
}

// The plain clock in a bubble: the code under test is as it is, the test lets time pass by sleeping.
func TestStormOfADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := parse(t, provider+" "+ours)
		var record schedulertest.Recorder
		s, err := scheduler.New(limits, &record)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close() // before the bubble ends, or it panics

		var happened []event
		events := make(chan event)
		go func() {
			defer close(events)
			rnd := rand.New(rand.NewPCG(1, 2))
			for end := time.Now().Add(24 * time.Hour); time.Now().Before(end); {
				// Odd times: an event in the very instant of a grant may go with it or not.
				time.Sleep(time.Duration(rnd.ExpFloat64() * float64(10*time.Second)))
				happened = append(happened, event{len(happened), time.Now()})
				events <- happened[len(happened)-1]
			}
		}()

		var sent []event
		var messages uint64
		var latest time.Duration
		err = digest(t.Context(), s, events, func(_ context.Context, message []event) error {
			sent = append(sent, message...)
			messages++
			latest = max(latest, time.Since(message[0].at))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}

		// Nothing is lost, sent twice or out of order.
		if !slices.Equal(sent, happened) {
			t.Errorf("sent %d events, %d happened, or their order differs", len(sent), len(happened))
		}
		// Each message had a permit of its own.
		if granted := s.Stats().Granted; messages != granted {
			t.Errorf("sent %d messages with %d permits", messages, granted)
		}
		// No interval has more of them than a limit allows, and none was granted later than it could be.
		if err := schedulertest.Check(limits, record.Tickets(), 0); err != nil {
			t.Error(err)
		}
		// The day's messages last for the day.
		if latest > time.Hour {
			t.Errorf("an event was sent after %v, want all within the hour", latest)
		}
		t.Logf("%d events in %d messages, the latest after %v", len(sent), messages, latest)
	})
}

// A mock clock in a bubble: the test moves time, and nothing happens at any other. Write tests so where
// the code takes a clock anyway, or where one instant is what they are about.
func TestDigestGoesWithTheNextPermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mock := clock.NewMock()
		s, err := scheduler.New(parse(t, provider), scheduler.WithClock(mock))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()

		var lengths []int
		want := func(list string) {
			t.Helper()
			synctest.Wait() // until digest has done what there is to do
			if got := fmt.Sprint(lengths); got != list {
				t.Errorf("after %v the messages have %s events, want %s", mock.Now().Sub(time.Unix(0, 0)), got, list)
			}
		}
		events := make(chan event)
		go digest(t.Context(), s, events, func(_ context.Context, message []event) error {
			lengths = append(lengths, len(message))
			return nil
		})

		for range 20 {
			events <- event{}
			synctest.Wait()
		}
		want("[1 1 1 1 1]")
		schedulertest.Advance(t, s, mock, time.Minute-1)
		want("[1 1 1 1 1]")
		schedulertest.Advance(t, s, mock, 1)
		want("[1 1 1 1 1 15]")
		events <- event{}
		want("[1 1 1 1 1 15 1]")
		close(events)
	})
}

func TestEndOfContextLeavesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := scheduler.New(parse(t, "1/day"))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()

		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		events := make(chan event, 2)
		events <- event{}
		time.AfterFunc(time.Minute, func() { events <- event{} })
		err = digest(ctx, s, events, func(context.Context, []event) error { return nil })
		if st := s.Stats(); !errors.Is(err, context.DeadlineExceeded) || st.Granted != 1 || st.Waiting != 0 {
			t.Errorf("ended with %v, %d granted, %d waiting; want the deadline, 1 and 0", err, st.Granted, st.Waiting)
		}
	})
}
