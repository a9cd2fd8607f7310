package keyed

import (
	"testing"

	"github.com/flowguard-go/flowguard/internal/inside"
	"github.com/flowguard-go/flowguard/scheduler"
)

// Cells decide also about a key that never was in the agenda, because a permit of it has always been held. Only for the last
// one the agenda has to be told.
func TestCellsDecideWhilePermitsAreHeld(t *testing.T) {
	l := scheduler.MustParseLimits("9/h burst 2")
	set, err := New(func(int) scheduler.Limits { return l }, Shards(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := set.TryAcquire(1); !ok {
		t.Fatal("no permit")
	}
	st := borrowed(t, set)
	r := inside.Request{Weight: 1, Deadline: inside.Never}
	hash := st.box.hash(1)
	e, p, decided := st.take(hash, 1, r, true)
	if !decided || p == nil {
		t.Fatal("a core is needed for the second permit")
	}
	if _, none, decided := st.take(hash, 1, r, true); !decided || none != nil {
		t.Error("a core is needed to refuse the third permit")
	}
	for i := range 2 {
		if !st.takeBack(e, p, p.Number) || e.cell.Held != 1 {
			t.Errorf("a core is needed to take back a permit that is not the last, for the %d. time; %d are held", i+1, e.cell.Held)
		}
	}
	e.cell.Held, p = 0, nil
	if e, p, _ = st.take(hash, 1, r, true); p == nil {
		t.Fatal("no permit")
	}
	if st.takeBack(e, p, p.Number) {
		t.Error("a key of which no permit is held any more is not planned to be forgotten")
	}
	st.release(e, p, p.Number)
	if e.index < 0 || e.busy || st.busy != 0 {
		t.Errorf("when all permits are back: index %d, busy %v, %d busy keys", e.index, e.busy, st.busy)
	}
	if e, p, _ = st.take(hash, 1, r, true); p == nil || !st.takeBack(e, p, p.Number) || e.busy || st.busy != 0 {
		t.Errorf("a core is needed for a key that is planned to be forgotten; busy %v, %d busy keys", e.busy, st.busy)
	}
}
