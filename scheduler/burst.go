package scheduler

import (
	"math"
	"math/bits"
	"strconv"
)

// burst caps the permits held at once. It counts them also where there is no cap.
type burst struct {
	max  int   // 0: no cap
	held tally // weight granted and not released
}

func (b *burst) fits(n int) bool { return b.max == 0 || n <= b.max-b.held.int() }

// roomAt takes permits to be released as soon as they are needed.
func (b *burst) roomAt(now moment, ahead *foreseen, n int) (at moment, sure bool) {
	return now, b.max == 0 || ahead.empty() && b.fits(n)
}

func (b *burst) grant(_ moment, n int)   { b.held.add(n) }
func (b *burst) release(_ moment, n int) { b.held.sub(n) }
func (b *burst) undo(_, _ moment, n int) { b.held.sub(n) }

// String returns the cap as [ParseLimits] reads it.
func (b *burst) String() string {
	if b.max == 0 {
		return ""
	}
	return "burst " + strconv.Itoa(b.max)
}

// tally is a sum of weights. Without a cap the permits of many tickets can be more than an int holds.
type tally struct{ high, low uint64 }

func (t *tally) add(n int) {
	var carry uint64
	t.low, carry = bits.Add64(t.low, uint64(n), 0)
	t.high += carry
}

// sub takes away what was added before.
func (t *tally) sub(n int) {
	var borrow uint64
	t.low, borrow = bits.Sub64(t.low, uint64(n), 0)
	t.high -= borrow
}

func (t *tally) plus(u tally) {
	var carry uint64
	t.low, carry = bits.Add64(t.low, u.low, 0)
	t.high += u.high + carry
}

// minus takes away what is not more than the sum.
func (t *tally) minus(u tally) {
	var borrow uint64
	t.low, borrow = bits.Sub64(t.low, u.low, 0)
	t.high -= u.high + borrow
}

func (t tally) less(u tally) bool { return t.high < u.high || t.high == u.high && t.low < u.low }

// int returns the sum, or the largest int if the sum is larger.
func (t tally) int() int {
	if t.high > 0 || t.low > math.MaxInt {
		return math.MaxInt
	}
	return int(t.low)
}

func (t tally) zero() bool { return t == tally{} }
