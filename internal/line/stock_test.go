package line

import "testing"

// A stock gives each place out once, and takes no more than it has room for.
func TestStock(t *testing.T) {
	s := NewStock()
	if s.Take() != nil {
		t.Error("an empty stock gave a place")
	}
	kept := map[*Place]bool{}
	for range cap(s) {
		p := new(Place)
		if kept[p] = true; !s.Keep(p) {
			t.Fatal("refused though there is room")
		}
	}
	if s.Keep(new(Place)) {
		t.Error("kept more than there is room for")
	}
	for p := s.Take(); p != nil; p = s.Take() {
		if !kept[p] {
			t.Error("gave what was not kept, or gave it twice")
		}
		delete(kept, p)
	}
	if len(kept) != 0 {
		t.Errorf("%d places are lost", len(kept))
	}
}
