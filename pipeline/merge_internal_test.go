package pipeline

import "testing"

// When an input closes, the turn stays with the input that had it.
func TestMergeTurnSurvivesAClosedInput(t *testing.T) {
	for _, test := range []struct{ turn, drop, want int }{{2, 0, 1}, {1, 1, 1}, {0, 2, 0}, {2, 2, 2}} {
		m := merger[int]{ctx: t.Context(), ins: make([]<-chan int, 4), turn: test.turn}
		m.drop(test.drop)
		if m.turn != test.want {
			t.Errorf("turn %d is %d after input %d closed, want %d", test.turn, m.turn, test.drop, test.want)
		}
	}
}
