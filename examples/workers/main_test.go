package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/scheduler/schedulertest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// record serves all tenants on a bubble's time and returns what the scheduler granted. A bubble's time
// stands still while anybody runs, so every instant below is exact.
func record(t *testing.T, line func(*scheduler.Scheduler, tenant) *scheduler.Scheduler) (granted schedulertest.Tickets, served []service) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(10, 20*time.Millisecond)}}
		var rec schedulertest.Recorder
		s, err := scheduler.New(limits, &rec)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close() // before the bubble ends, or it panics

		if served, err = serve(t.Context(), s, line); err != nil {
			t.Fatal(err)
		}
		s.Stats() // so that the record is complete
		if err := schedulertest.Check(limits, rec.Tickets(), 0); err != nil {
			t.Error(err)
		}
		granted = rec.Tickets().Granted()
	})
	jobs := 0
	for _, tenant := range tenants {
		jobs += tenant.jobs
	}
	if len(granted) != jobs {
		t.Fatalf("%d jobs were granted, want %d", len(granted), jobs)
	}
	return granted, served
}

// after returns how long after the first job the one of the given turn was granted.
func after(granted schedulertest.Tickets, turn int) time.Duration {
	return granted[turn].Granted.Sub(granted[0].Granted)
}

func TestOneLineServesInOrderOfArrival(t *testing.T) {
	granted, served := record(t, oneLine)
	for i, g := range granted {
		if int(g.Number) != i+1 {
			t.Fatalf("grant %d is of ticket %d", i+1, g.Number)
		}
	}
	// So a tenant begins when those before it have had all their grants, ten in every 20 ms.
	turn := 0
	for _, s := range served {
		for job, began := range s.began {
			if want := time.Duration(turn/10) * 20 * time.Millisecond; began != want {
				t.Fatalf("job %d of %s began after %v, want %v", job, s.name, began, want)
			}
			turn++
		}
	}
}

// While two tenants both wait, what they are granted divided by their shares never drifts apart by more
// than Flow promises for tickets of weight 1: 1/share + 1/share. That is so for every stretch of time,
// so the difference may not move by more between any two turns.
func TestSharesHoldInEveryStretch(t *testing.T) {
	granted, _ := record(t, lineEach)
	last := map[string]int{} // the turn of each tenant's last grant
	for turn, g := range granted {
		last[g.Flow] = turn
	}
	pairs := 0
	for i, a := range tenants {
		for _, b := range tenants[i+1:] {
			grants, drift, least, most := 0, 0, 0, 0 // drift is the difference times both shares
			for turn := range min(last[a.name], last[b.name]) + 1 {
				if after(granted, turn) <= max(a.comes, b.comes) {
					continue // one of them was not there yet
				}
				switch granted[turn].Flow {
				case a.name:
					drift += b.share
					grants++
				case b.name:
					drift -= a.share
					grants++
				}
				least, most = min(least, drift), max(most, drift)
			}
			if grants > 0 {
				pairs++
			}
			if bound := a.share + b.share; most-least > bound {
				t.Errorf("%s with %d and %s with %d drift apart by %d/%d, at most %d/%d is promised",
					a.name, a.share, b.name, b.share, most-least, a.share*b.share, bound, a.share*b.share)
			}
		}
	}
	if pairs != 8 { // of ten: the small and the tiny one are done when the late one comes
		t.Errorf("%d pairs waited together, want 8", pairs)
	}
}

// In each round those who wait are granted one job per share. Who has few jobs is done after few rounds,
// whatever the others have asked for.
func TestLineEachServesTheModestSoon(t *testing.T) {
	granted, served := record(t, lineEach)
	last := map[string]time.Duration{}
	for turn, g := range granted {
		last[g.Flow] = after(granted, turn)
	}
	for _, c := range []struct {
		name string
		last time.Duration
	}{
		{"tiny", 120 * time.Millisecond},   // 10 rounds of 6 permits, ten in every 20 ms
		{"small", 220 * time.Millisecond},  // and 10 of 5, the tiny one being done
		{"paying", 320 * time.Millisecond}, // 30 rounds in all; the late one comes at 250 ms
		{"late", 340 * time.Millisecond},
		{"greedy", 740 * time.Millisecond}, // the last of all, as 380 jobs need 38 times 20 ms less one
	} {
		if last[c.name] != c.last {
			t.Errorf("the last job of %s was granted after %v, want %v", c.name, last[c.name], c.last)
		}
	}
	for _, s := range served {
		if s.name == "late" && s.began[0] != 260*time.Millisecond {
			t.Errorf("the late one came at 250ms and began at %v, want the next permit's 260ms", s.began[0])
		}
	}
}

func TestTakingTurnsCostsNoTime(t *testing.T) {
	one, _ := record(t, oneLine)
	each, _ := record(t, lineEach)
	for turn := range one {
		if a, b := after(one, turn), after(each, turn); a != b {
			t.Fatalf("in one line the grant of turn %d came after %v, in a line each after %v", turn, a, b)
		}
	}
}

func TestEndOfContextLeavesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := scheduler.New(scheduler.Limits{MaxBurst: 1, Windows: []scheduler.Window{scheduler.PerDay(3)}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err = serve(ctx, s, lineEach)
		if st := s.Stats(); !errors.Is(err, context.DeadlineExceeded) || st.Granted != 3 || st.Waiting != 0 || st.InUse != 0 {
			t.Errorf("ended with %v, %d granted, %d waiting, %d in use; want the deadline, 3, 0 and 0", err, st.Granted, st.Waiting, st.InUse)
		}
	})
}

func TestTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		if err := compare(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		want := strings.TrimPrefix(`
One line for all, limits 10/20ms
   tenant   jobs   share   comes   first    last   median wait
   greedy    250       1      0s      0s   480ms         240ms
    small     20       1      0s   500ms   520ms         500ms
     tiny     10       1      0s   540ms   540ms         540ms
   paying     90       3      0s   560ms   720ms         640ms
     late     10       1   250ms   740ms   740ms         490ms
Look for: all others begin after the last job of the greedy one.

A line each, limits 10/20ms
   tenant   jobs   share   comes   first    last   median wait
   greedy    250       1      0s      0s   740ms         500ms
    small     20       1      0s    20ms   220ms         120ms
     tiny     10       1      0s    20ms   120ms          60ms
   paying     90       3      0s    20ms   320ms         180ms
     late     10       1   250ms   260ms   340ms          50ms
Look for: small, tiny and late are done soon; paying is granted three jobs for each of theirs.
`, "\n")
		if out.String() != want {
			t.Errorf("got\n%s\nwant\n%s", out.String(), want)
		}
	})
}
