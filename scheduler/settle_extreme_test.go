package scheduler_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// Costs that an int cannot add up count as the most that it holds.
func TestHugeCosts(t *testing.T) {
	const tokens scheduler.Unit = "tokens"
	for _, text := range []string{"100 tokens/min", "100 tokens/min from release", "100 tokens/min from reset", "100 tokens/min evenly"} {
		control(t, text, func(s *story) {
			var large *scheduler.TooLargeError
			_, err := s.AcquireN(s.Context(), 1, tokens.Of(math.MaxInt), tokens.Of(math.MaxInt))
			if !errors.As(err, &large) || large.Unit != tokens || large.Weight != math.MaxInt {
				s.Errorf("%s: %v", text, err)
			}
			var held []interface{ Release() }
			for range 2 {
				h, err := s.AcquireN(s.Context(), 1, tokens.Of(0))
				if err != nil {
					s.Fatal(err)
				}
				if err := h.Settle(tokens.Of(math.MaxInt), tokens.Of(math.MaxInt)); err != nil {
					s.Fatal(err)
				}
				s.wantUsed(math.MaxInt)
				held = append(held, h)
			}
			if wait := s.WaitTimeN(1, tokens.Of(1)); wait <= 0 {
				s.Errorf("%s: a wait of %v", text, wait)
			}
			for _, h := range held {
				h.Release()
			}
			s.wantUsed(math.MaxInt)
			time.Sleep(time.Minute)
			s.wantUsed(0)
		})
	}
}
