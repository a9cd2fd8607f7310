package engine

import (
	"fmt"
	"math"
	"testing"

	"github.com/flowguard-go/flowguard/ticket"
)

func TestAverageCosts(t *testing.T) {
	var tally Tally
	if got := tally.average(); len(got) != 0 {
		t.Errorf("nothing costs %v", got)
	}
	for _, n := range []int{3, 0, 5} {
		tally.price([]ticket.Cost{{Unit: "tokens", Amount: n}, {Unit: "rows", Amount: 0}})
	}
	if got := fmt.Sprint(tally.average()); got != "[3 tokens 0 rows]" {
		t.Error(got)
	}
	tally.price([]ticket.Cost{{Unit: "tokens", Amount: math.MaxInt}, {Unit: "rows", Amount: 1}})
	if got := tally.average(); got[0].Amount <= math.MaxInt/5 || got[1].Amount != 1 {
		t.Errorf("a sum that is too large gives %v", got)
	}
}
