// Package weight adds up weights.
package weight

import (
	"math"
	"math/bits"
)

// Sum is a sum of weights. A weight may be as large as an int, so one word would not hold two of the
// largest. The zero Sum is 0.
type Sum struct{ High, Low uint64 }

// Add adds a weight.
func (s *Sum) Add(n int) {
	var carry uint64
	s.Low, carry = bits.Add64(s.Low, uint64(n), 0)
	s.High += carry
}

// Subtract takes away a weight that was added before.
func (s *Sum) Subtract(n int) {
	var borrow uint64
	s.Low, borrow = bits.Sub64(s.Low, uint64(n), 0)
	s.High -= borrow
}

// AddSum adds another sum.
func (s *Sum) AddSum(u Sum) {
	var carry uint64
	s.Low, carry = bits.Add64(s.Low, u.Low, 0)
	s.High += u.High + carry
}

// SubtractSum takes away another sum that is not larger.
func (s *Sum) SubtractSum(u Sum) {
	var borrow uint64
	s.Low, borrow = bits.Sub64(s.Low, u.Low, 0)
	s.High -= u.High + borrow
}

// Less reports whether s is less than u.
func (s Sum) Less(u Sum) bool { return s.High < u.High || s.High == u.High && s.Low < u.Low }

// IsZero reports whether the sum is 0.
func (s Sum) IsZero() bool { return s == Sum{} }

// Saturated returns the sum, or math.MaxInt if it is larger than that.
func (s Sum) Saturated() int {
	if s.High > 0 || s.Low > math.MaxInt {
		return math.MaxInt
	}
	return int(s.Low)
}
