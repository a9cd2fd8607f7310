package line

// Stock is a few idle places that an owner keeps at hand for its next tickets. Its capacity is how many it holds.
type Stock []*Place

// NewStock returns an empty stock.
func NewStock() Stock { return make(Stock, 0, 16) }

// Take takes a place out. It returns nil if there is none.
func (s *Stock) Take() (p *Place) {
	last := len(*s) - 1
	if last < 0 {
		return nil
	}
	p, *s = (*s)[last], (*s)[:last]
	return p
}

// Keep puts a place in, and reports whether there was room.
func (s *Stock) Keep(p *Place) bool {
	if len(*s) == cap(*s) {
		return false
	}
	*s = append(*s, p)
	return true
}
