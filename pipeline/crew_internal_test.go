package pipeline

import (
	"context"
	"testing"

	"github.com/flowguard-go/flowguard/scheduler"
)

// A panic in a goroutine cannot be caught from outside, so this calls what runs there.
func TestPanicGivesThePermitBackAndGoesOn(t *testing.T) {
	s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := handleOf(s, "Map", "a scheduler")
	c := newCrew(t.Context(), "Map", h, one[int], func(context.Context, int) (int, error) { panic("boom") },
		newBounds(nil), false)
	p, err := s.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.room.take()
	c.running.Add(1)
	results := make(chan Result[int], 1)
	func() {
		defer func() {
			if got := recover(); got != "boom" {
				t.Errorf("the panic that arrives is %v, want boom", got)
			}
		}()
		c.do(p, 1, func(r Result[int]) { results <- r })
	}()
	if n := s.Stats().InUse; n != 0 {
		t.Errorf("the panic left %d permits in use", n)
	}
	c.running.Wait()
}
