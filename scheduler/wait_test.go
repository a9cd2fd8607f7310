package scheduler_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/scheduler/schedulertest"
	"github.com/flowguard-go/flowguard/ticket"
)

// Wait does what Acquire and Release do: all that can be seen of two schedulers of which one is called so
// and the other so is the same, whoever else holds permits.
func TestWaitIsAcquireAndRelease(t *testing.T) {
	acquire := func(s *scheduler.Scheduler, ctx context.Context, n int, costs ...ticket.Cost) error {
		held, err := s.AcquireN(ctx, n, costs...)
		held.Release()
		return err
	}
	waits := map[string]func(s *scheduler.Scheduler, ctx context.Context, n int, costs ...ticket.Cost) error{
		"Acquire": acquire, "Wait": (*scheduler.Scheduler).WaitN,
	}
	for _, text := range []string{"5/s 8/3s burst 4", "3/s from release", "burst 3", "4/s evenly", "6/s 20 tokens/s burst 5"} {
		for seed := range uint64(20) {
			seen := make(map[string][]any)
			for name, wait := range waits {
				r := rand.New(rand.NewPCG(seed, 1))
				mock := clock.NewMock()
				var rec schedulertest.Recorder
				opts := []scheduler.Option{scheduler.WithClock(mock), scheduler.NonBlocking()}
				if seed%2 == 0 {
					opts = append(opts, scheduler.WithHeldTime(), &rec)
				}
				s, err := scheduler.New(limits(t, text), opts...)
				if err != nil {
					t.Fatal(err)
				}
				s.Stats() // it lends
				var held []ticket.Ticket
				for range 60 {
					switch r.IntN(5) {
					case 0:
						mock.Set(mock.Now().Add(time.Duration(r.IntN(700)) * time.Millisecond))
					case 1:
						if other, ok := s.TryAcquireN(1 + r.IntN(2)); ok {
							held = append(held, other)
						}
					case 2:
						for _, other := range held {
							other.Release()
						}
						held = nil
					default:
						ctx, cancel := context.Background(), func() {}
						if r.IntN(4) == 0 {
							ctx, cancel = context.WithCancel(ctx)
							if r.IntN(2) == 0 {
								cancel()
							}
						}
						var costs []ticket.Cost
						if r.IntN(3) == 0 {
							costs = append(costs, scheduler.Unit("tokens").Of(r.IntN(12)))
						}
						err := wait(s, ctx, r.IntN(6), costs...)
						seen[name] = append(seen[name], fmt.Sprint(err))
						cancel()
					}
					seen[name] = append(seen[name], s.Stats())
				}
				s.Close()
				seen[name] = append(seen[name], rec.Tickets())
			}
			for i := range seen["Wait"] {
				if got, want := seen["Wait"][i], seen["Acquire"][i]; !reflect.DeepEqual(got, want) {
					t.Fatalf("%s, seed %d, step %d: by Wait\n%+v\nby Acquire and Release\n%+v", text, seed, i, got, want)
				}
			}
		}
	}
}

// Wait waits behind others, and gives up with its context.
func TestWaitWaits(t *testing.T) {
	s := start(t, limits(t, "burst 1"))
	first, _ := s.TryAcquire()
	done := make(chan error)
	go func() { done <- s.Wait(background) }()
	for s.Stats().Waiting == 0 {
	}
	ctx, cancel := context.WithCancel(background)
	go func() { done <- s.Wait(ctx) }()
	for s.Stats().Waiting == 1 {
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("no error after the end of the context")
	}
	first.Release()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := s.Stats(); got.InUse != 0 || got.Waiting != 0 || got.Granted != 2 {
		t.Errorf("left behind: %+v", got)
	}
}

func TestWaitAllocatesNothing(t *testing.T) {
	s := start(t, limits(t, "1000000000/s burst 1"))
	if n := testing.AllocsPerRun(1000, func() { s.Wait(background) }); n > 0 && !scheduler.RaceEnabled {
		t.Errorf("%v allocations", n)
	}
}
