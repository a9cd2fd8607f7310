package line

import (
	"math/bits"

	"github.com/flowguard-go/flowguard/internal/weight"
)

// point is a point in virtual time. Virtual time is counted in whole units, of one permit each for a
// share of 1, and in 2^-64 parts of a unit. Floating point would lose small steps as time goes on. Two
// words would wrap around after a few tickets of the largest weight; three last for 2^65 of them.
type point struct{ high, whole, part uint64 }

// span is a length of virtual time that one ticket takes. Two words hold the largest.
type span struct{ whole, part uint64 }

// takes returns how long a ticket of the weight takes in virtual time. It is rounded down to a part,
// which adds up to a permit in 2^64 tickets.
func takes(weight, share int) span {
	w, s := uint64(weight), uint64(share)
	part, _ := bits.Div64(w%s, 0, s)
	return span{w / s, part}
}

// dividesEvenly reports whether takes need not round for the share.
func dividesEvenly(share int) bool { return share&(share-1) == 0 }

func (p point) plus(s span) point {
	part, carry := bits.Add64(p.part, s.part, 0)
	whole, carry := bits.Add64(p.whole, s.whole, carry)
	return point{p.high + carry, whole, part}
}

func (p point) minus(s span) point {
	part, borrow := bits.Sub64(p.part, s.part, 0)
	whole, borrow := bits.Sub64(p.whole, s.whole, borrow)
	return point{p.high - borrow, whole, part}
}

// plusTotal returns when tickets of that weight in all end at the latest, if the first of them starts
// at p. Because what each ticket takes is rounded down, n of them may end up to n-1 parts earlier.
func (p point) plusTotal(t weight.Sum, share int) point {
	if share != 1 {
		s := uint64(share)
		high, rest := t.High/s, t.High%s
		low, rest := bits.Div64(rest, t.Low, s)
		part, _ := bits.Div64(rest, 0, s)
		p, t = p.plus(span{0, part}), weight.Sum{High: high, Low: low}
	}
	whole, carry := bits.Add64(p.whole, t.Low, 0)
	return point{p.high + t.High + carry, whole, p.part}
}

func (p point) before(q point) bool {
	if p.high != q.high {
		return p.high < q.high
	}
	return p.whole < q.whole || p.whole == q.whole && p.part < q.part
}
