package scheduler_test

import (
	"testing"

	"github.com/flowguard-go/flowguard/scheduler"
)

// A unit that the limits begin to name works at that very instant.
func TestSettleAtTheInstantOfNewLimits(t *testing.T) {
	const tokens scheduler.Unit = "tokens"
	control(t, "9/s", func(s *story) {
		s.setLimits("9/s 100 tokens/min 500 tokens/day from reset")
		held, err := s.AcquireN(s.Context(), 1, tokens.Of(90))
		if err != nil {
			s.Fatal(err)
		}
		s.wantUsed(1, 90, 90)
		if err := held.Settle(tokens.Of(20)); err != nil {
			s.Fatal(err)
		}
		s.wantUsed(1, 20, 20)
	})
}
