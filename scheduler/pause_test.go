package scheduler

import (
	"testing"
	"time"

	"github.com/benbjohnson/clock"
)

func TestPauseStory(t *testing.T) {
	t.Run("ends by itself", func(t *testing.T) {
		tell(t, "burst 1", `
			1s pause until 3s
			1s look                      -> finished false, served true, timeless false
			1s acquire 1                 -> 1 waits
			1s try 1                     -> no permit is free now
			1s wake                      -> 3s
			1s wait 1                    -> 2s (pause)
			2.999999999s wake            -> 3s
			3s look                      -> 1 granted, finished false, served false, timeless true
			3s wake                      -> never
		`)
	})
	t.Run("extended, never shortened", func(t *testing.T) {
		tell(t, "burst 1", `
			0s pause until 3s
			0s pause until 2s
			0s acquire 1       -> 1 waits
			0s wake            -> 3s
			2s pause until 5s
			3s wake            -> 5s
			5s wake            -> 1 granted, never
		`)
	})
	t.Run("an instant that is not in the future", func(t *testing.T) {
		tell(t, "burst 1", `
			2s pause until 2s  -> nothing
			2s pause until 1s  -> nothing
			2s pause until -1s -> nothing
			2s acquire 1       -> 1 granted
		`)
	})
	t.Run("halted", func(t *testing.T) {
		tell(t, "1/s", `
			0s pause
			0s acquire 1          -> 1 waits
			0s acquire 1          -> 2 waits
			0s wake               -> never
			0s wait 1             -> 2s (1/s)
			0s acquire 1 by 1s    -> no permit can be granted before the deadline in 1s (paused): context deadline exceeded; come back when it is resumed
			9h look               -> finished false, served false, timeless false
			9h pause until 10h
			11h wake              -> never
			11h resume            -> 1 granted
			11h wake              -> 11h0m1s
		`)
	})
	t.Run("halted within a pause that would end", func(t *testing.T) {
		tell(t, "burst 1", `
			0s pause until 2s
			0s pause
			0s acquire 1       -> 1 waits
			0s wait 1          -> 2s (pause)
			5s wake            -> never
			5s resume          -> 1 granted
		`)
	})
	t.Run("resumed early", func(t *testing.T) {
		tell(t, "burst 1", `
			0s pause until 2s
			0s acquire 1       -> 1 waits
			1s resume          -> 1 granted
			1s release 1
			1s pause until 3s
			2s acquire 1       -> 2 waits
			3s look            -> 2 granted, finished false, served false, timeless true
		`)
	})
	t.Run("resumed without a pause", func(t *testing.T) {
		tell(t, "burst 1", `
			0s resume
			0s acquire 1  -> 1 granted
		`)
	})
	t.Run("while the clock stands still", func(t *testing.T) {
		tell(t, "burst 1", `
			10s pause until 12s
			10s acquire 1      -> 1 waits
			5s  wake           -> 12s
			11s wake           -> 12s
			12s wake           -> 1 granted, never
		`)
	})
	t.Run("outlives new limits", func(t *testing.T) {
		tell(t, "burst 1", `
			0s pause until 2s
			0s limits 1/s
			0s acquire 1       -> 1 waits
			0s wake            -> 2s
			2s wake            -> 1 granted, never
		`)
	})
	// The windows go on counting, and the later of the two decides.
	t.Run("and a window", func(t *testing.T) {
		tell(t, "1/3s", `
			0s acquire 1       -> 1 granted
			0s acquire 1       -> 2 waits
			0s pause until 2s
			0s wake            -> 3s
			0s wait 1          -> 6s (1/3s)
			0s pause until 5s
			0s wake            -> 5s
			0s wait 1          -> 8s (1/3s)
			5s wait 1          -> 2 granted, 3s (1/3s)
		`)
	})
}

func TestPause(t *testing.T) {
	for _, test := range []struct {
		name   string
		pause  pause
		paused [3]bool   // at 1, 2 and 3
		at     [3]moment // when there is room
		sure   bool
	}{
		{"none", pause{}, [3]bool{}, [3]moment{1, 2, 3}, true},
		{"until 2", pause{until: 2}, [3]bool{true, false, false}, [3]moment{2, 2, 3}, true},
		{"until resume", pause{halted: true}, [3]bool{true, true, true}, [3]moment{1, 2, 3}, false},
		{"both", pause{halted: true, until: 2}, [3]bool{true, true, true}, [3]moment{2, 2, 3}, false},
	} {
		for i := range 3 {
			now := moment(i + 1)
			p := test.pause
			at, sure := p.roomAt(now, nil, demand{weight: 1})
			if p.paused(now) != test.paused[i] || at != test.at[i] || sure != test.sure || p.fits(now, 1) {
				t.Errorf("%s, at %d: paused %v, room at %d, sure %v, fits %v", test.name, now, p.paused(now), at, sure, p.fits(now, 1))
			}
			// No grant makes a difference.
			p.grant(now, 1)
			p.release(now, 1)
			p.undo(now, now, 1)
			if p != test.pause {
				t.Errorf("%s: became %+v", test.name, p)
			}
		}
	}
	var p pause
	for _, step := range []struct{ until, want moment }{{5, 5}, {3, 5}, {6, 6}, {never, 6}, {7, 7}} {
		p.extend(step.until)
		if p.until != step.want {
			t.Errorf("extended until %d it lasts until %d, want %d", step.until, p.until, step.want)
		}
	}
	if !p.halted {
		t.Error("an end that became known ended the halt")
	}
}

// No pause ends later than a clock can show, also if the clock is behind. The owner would set its alarm for a
// time that never comes, again and again.
func TestLongestPauseEnds(t *testing.T) {
	for _, behind := range []time.Duration{0, time.Hour} {
		st := newParts(Limits{MaxBurst: 1}, clock.NewMock()).state
		st.core.advance(moment(time.Hour))
		st.core.advance(moment(time.Hour - behind))
		st.setPause(horizon)
		st.core.advance(horizon)
		if st.core.pause.paused(st.core.now) {
			t.Errorf("behind by %v: the pause goes on until %d, %d after the horizon", behind, st.core.pause.until, st.core.pause.until-horizon)
		}
	}
}
