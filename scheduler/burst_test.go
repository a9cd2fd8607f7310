package scheduler

import (
	"math"
	"testing"
)

func TestBurstStory(t *testing.T) {
	tell(t, "burst 3", `
		0s acquire 2  -> 1 granted
		0s acquire 2  -> 2 waits
		0s acquire 1  -> 3 waits
		0s wake       -> never
		0s wait 1     -> 0s (burst 3)
		0s release 1  -> 2 granted, 3 granted
		0s wait 1     -> 0s (burst 3)
		0s undo 3
		0s wait 1     -> 0s
		0s wait 2     -> 0s (burst 3)
		0s wait 4     -> forever
	`)
}

// A cap below what is held revokes nothing: grants wait until enough has come back. Without a cap the
// permits are counted all the same, so that a cap that comes later knows of them.
func TestBurstBelowWhatIsHeld(t *testing.T) {
	tell(t, "burst 5", `
		0s acquire 2      -> 1 granted
		0s acquire 3      -> 2 granted
		0s limits burst 2
		0s acquire 1      -> 3 waits
		0s try 1          -> no permit is free now
		0s acquire 3      -> weight 3 exceeds limit burst 2; ask for at most 2
		0s release 1
		0s release 2      -> 3 granted
		0s limits 9/s
		0s acquire 9      -> 4 granted
		0s acquire 1      -> 5 waits
		1s acquire 1      -> 5 granted, 6 granted
		1s limits burst 9
		1s acquire 1      -> 7 waits
		1s release 4      -> 7 granted
	`)
}

func TestBurst(t *testing.T) {
	for _, test := range []struct {
		max, held int
		weight    int
		fits      bool
	}{
		{0, 0, math.MaxInt, true},
		{0, math.MaxInt, math.MaxInt, true},
		{1, 0, 1, true},
		{1, 1, 1, false},
		{5, 3, 2, true},
		{5, 3, 3, false},
		{2, 5, 1, false},
		{math.MaxInt, 0, math.MaxInt, true},
		{math.MaxInt, 1, math.MaxInt, false},
		{math.MaxInt, math.MaxInt, 1, false},
		{1, math.MaxInt, math.MaxInt, false},
	} {
		b := burst{max: test.max}
		b.grant(0, test.held)
		if got := b.fits(0, test.weight); got != test.fits {
			t.Errorf("burst %d with %d held: %d fits %v", test.max, test.held, test.weight, got)
		}
		// Permits are taken to be released when they are needed, and then nothing is sure.
		const now = 7
		if at, sure := b.roomAt(now, nil, demand{weight: test.weight}); at != now || sure != test.fits {
			t.Errorf("burst %d with %d held: room for %d at %d, sure %v", test.max, test.held, test.weight, at, sure)
		}
		behind := &foreseen{long: true}
		if at, sure := b.roomAt(now, behind, demand{weight: test.weight}); at != now || sure != (test.max == 0) {
			t.Errorf("burst %d with %d held: room for %d behind another at %d, sure %v", test.max, test.held, test.weight, at, sure)
		}
	}
	if got := (&burst{max: 12}).String(); got != "burst 12" {
		t.Error(got)
	}
	if got := (&burst{}).String(); got != "" {
		t.Error(got)
	}
}
