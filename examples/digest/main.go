// Digest sends events to a receiver that accepts few messages. While the limits have room, an event is sent at
// once. Events that happen while there is no room are sent together, as a digest, when there is:
//
//	go run ./examples/digest
//
// In 8 seconds it shows a quiet time, a storm of 40 events in two seconds, and a quiet time. What to
// look for: in quiet times each event is a message of its own, sent in the instant of the event. In
// the storm there are never more than three messages in any second and eight in any five, and no event
// is missing.
//
// The other half of the example is main_test.go: the same code with the limits of a real provider,
// through a simulated day of some 8,600 events.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// event is something that happened.
type event struct {
	number int
	at     time.Time
}

// digest sends all events, in their order, and takes one permit for each message. It returns when
// events is closed and all have been sent, or else the first error.
func digest(ctx context.Context, s *scheduler.Scheduler, events <-chan event, send func(context.Context, []event) error) error {
	var message []event
	var turn ticket.Ticket
	var ready <-chan error // of turn; nil while the message is empty
	defer func() { turn.Cancel() }()
	for events != nil || ready != nil {
		select {
		case e, ok := <-events:
			if !ok {
				events = nil
				break
			}
			message = append(message, e)
			if ready != nil {
				break // it goes out with those before it
			}
			var err error
			if turn, err = s.Enqueue(1); err != nil {
				return err
			}
			ready = turn.Ready()
		case err := <-ready:
			if err != nil {
				return err
			}
			if err := send(ctx, message); err != nil {
				return err
			}
			turn.Release()
			message, ready = nil, nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func main() {
	log.SetFlags(0)
	limits, err := scheduler.ParseLimits("3/s 8/5s")
	if err != nil {
		log.Fatal(err)
	}
	flag.TextVar(&limits, "limits", limits, "the `limits` of messages, such as \"3/s 8/5s\"")
	flag.Parse()
	s, err := scheduler.New(limits)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	events := make(chan event)
	go happen(events)
	began := time.Now()
	err = digest(context.Background(), s, events, func(_ context.Context, message []event) error {
		text := fmt.Sprintf("event %d", message[0].number)
		if n := len(message); n > 1 {
			text = fmt.Sprintf("%d events, %d to %d", n, message[0].number, message[n-1].number)
		}
		fmt.Printf("%5.2fs  %s\n", time.Since(began).Seconds(), text)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Look for: messages of many events in the storm, of one event before and after, and no event left out.")
}

// happen makes events in quiet times and in a storm.
func happen(events chan<- event) {
	defer close(events)
	number := 0
	for _, weather := range []struct {
		events int
		pause  time.Duration
	}{
		{3, 700 * time.Millisecond},
		{40, 50 * time.Millisecond},
		{5, 700 * time.Millisecond},
	} {
		for range weather.events {
			number++
			events <- event{number, time.Now()}
			time.Sleep(weather.pause)
		}
	}
}
