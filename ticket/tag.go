package ticket

import "math/bits"

// tag is a point in virtual time, or a stretch of it: whole units, of a permit each for a share of 1,
// and 2^-64 parts of one. Floating point would lose small steps as time goes on.
type tag struct{ whole, part uint64 }

// cost returns how long a ticket of the weight takes in virtual time. It is rounded down to a part,
// which adds up to a permit in 2^64 of them.
func cost(weight, share int) tag {
	w, s := uint64(weight), uint64(share)
	part, _ := bits.Div64(w%s, 0, s)
	return tag{w / s, part}
}

func (t tag) plus(u tag) tag {
	part, carry := bits.Add64(t.part, u.part, 0)
	return tag{t.whole + u.whole + carry, part}
}

func (t tag) before(u tag) bool {
	return t.whole < u.whole || t.whole == u.whole && t.part < u.part
}
