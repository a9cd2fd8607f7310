package line

import "math/bits"

// point is a point in virtual time. Virtual time is counted in whole units, of one permit each for a
// share of 1, and in 2^-64 parts of a unit. Floating point would lose small steps as time goes on. Two
// words would wrap around after a few tickets of the largest weight; three last for 2^65 of them.
type point struct{ high, whole, part uint64 }

// Turn is how much of its flow's due a ticket takes, in permits: Whole permits, and Part times 2^-64 of one.
// For a ticket that names no unit it is the weight; see [Costs].
type Turn struct{ Whole, Part uint64 }

// TurnOf returns the turn of a ticket that names no unit.
func TurnOf(weight int) Turn { return Turn{Whole: uint64(weight)} }

// Less reports whether t is less than u.
func (t Turn) Less(u Turn) bool { return t.Whole < u.Whole || t.Whole == u.Whole && t.Part < u.Part }

// shareBits is how many bits a share can have.
const shareBits = 20

// Rounded returns the turn as lines keep it. Use the rounded turn to ask what is ahead of a newcomer.
func (t Turn) Rounded() Turn { return Turn{t.Whole, t.Part &^ (1<<shareBits - 1)} }

// span is a length of virtual time that one ticket takes. Two words hold the largest.
type span struct{ whole, part uint64 }

// takes returns how long a ticket with the turn takes in virtual time. It is rounded down to a part,
// which adds up to a permit in 2^64 tickets.
func takes(t Turn, share int) span {
	s := uint64(share)
	part, _ := bits.Div64(t.Whole%s, t.Part, s)
	return span{t.Whole / s, part}
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

// plusTotal returns when tickets with those turns in all end at the latest, if the first of them starts
// at p. Because what each ticket takes is rounded down, n of them may end up to n-1 parts earlier.
func (p point) plusTotal(turns point, share int) point {
	if share != 1 {
		s := uint64(share)
		high, rest := turns.high/s, turns.high%s
		whole, rest := bits.Div64(rest, turns.whole, s)
		part, _ := bits.Div64(rest, turns.part, s)
		turns = point{high, whole, part}
	}
	part, carry := bits.Add64(p.part, turns.part, 0)
	whole, carry := bits.Add64(p.whole, turns.whole, carry)
	return point{p.high + turns.high + carry, whole, part}
}

func (p point) before(q point) bool {
	if p.high != q.high {
		return p.high < q.high
	}
	return p.whole < q.whole || p.whole == q.whole && p.part < q.part
}
