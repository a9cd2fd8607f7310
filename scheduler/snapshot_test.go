package scheduler_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
)

// restart ends the scheduler of a story, lets its program be down for a while, and starts it again from
// what it saved.
func (s *story) restart(text string, down time.Duration) {
	s.Helper()
	s.Close()
	saved, err := json.Marshal(s.Snapshot())
	if err != nil {
		s.Fatal(err)
	}
	time.Sleep(down)
	s.Scheduler = start(s.T, limits(s.T, text))
	var snap scheduler.Snapshot
	if err := json.Unmarshal(saved, &snap); err != nil {
		s.Fatal(err)
	}
	if err := s.Restore(snap); err != nil {
		s.Fatal(err)
	}
}

// used returns what counts in each window.
func (s *story) used() (used []int) {
	for _, w := range s.Stats().Windows {
		used = append(used, w.Used)
	}
	return used
}

func (s *story) wantUsed(want ...int) {
	s.Helper()
	got := s.used()
	for i := range want {
		if got[i] != want[i] {
			s.Errorf("after %v %v count, want %v", time.Since(s.began), got, want)
			return
		}
	}
}

// A few grants are told apart however close they are.
func TestSnapshotsOfFewGrantsAreExact(t *testing.T) {
	control(t, "3/day", func(s *story) {
		for range 3 {
			s.acquire()
			time.Sleep(time.Second)
		}
		s.restart("3/day", time.Hour)
		for i := range 3 {
			s.until(24*time.Hour + time.Duration(i)*time.Second)
			s.wantUsed(2 - i)
		}
	})
}

func TestWindowsSurviveARestart(t *testing.T) {
	control(t, "2/min 10/day", func(s *story) {
		for i := range 5 {
			s.until(time.Duration(i) * time.Hour)
			s.acquire().Release()
			s.acquire().Release()
		}
		s.restart("2/min 10/day", time.Minute-1)
		s.wantUsed(2, 10)
		s.until(4*time.Hour + time.Minute)
		s.wantUsed(0, 10)
		if got, want := s.WaitTime(), 20*time.Hour-time.Minute; got != want {
			t.Errorf("wait %v, want %v", got, want)
		}
		next := s.enqueue(2)
		s.until(24*time.Hour - 1)
		if s.granted(next) {
			t.Error("granted early")
		}
		s.until(24 * time.Hour)
		if !s.granted(next) {
			t.Error("not granted when the first had expired")
		}
	})
}

func TestOldSnapshotsCountNoMore(t *testing.T) {
	control(t, "2/min 3/h", func(s *story) {
		s.acquire()
		s.acquire()
		s.restart("2/min 3/h", 59*time.Minute)
		s.wantUsed(0, 2)
		s.restart("2/min 3/h", time.Hour)
		s.wantUsed(0, 0)
	})
}

// What was in use when the program ended may have been in use until now.
func TestRestartWithPermitsInUse(t *testing.T) {
	control(t, "3/min from release 3/min", func(s *story) {
		s.acquire()
		s.acquire().Release()
		s.restart("3/min from release 3/min", 30*time.Second)
		s.wantUsed(2, 2)
		s.until(time.Minute)
		s.wantUsed(1, 0)
		s.until(90 * time.Second)
		s.wantUsed(0, 0)
	})
}

func TestRestartWithOtherLimits(t *testing.T) {
	control(t, "5/min 50/h", func(s *story) {
		for range 5 {
			s.acquire()
		}
		s.until(30 * time.Minute)
		s.acquire()
		s.restart("6/min 40/2h 9/h from release", 0)
		s.wantUsed(1, 6, 6) // and those that count from release as if released now
		s.until(90 * time.Minute)
		s.wantUsed(0, 6, 0)
		s.until(2 * time.Hour)
		s.wantUsed(0, 1, 0)
	})
	control(t, "3/h", func(s *story) {
		s.acquire()
		s.until(time.Minute)
		s.acquire()
		s.restart("9/h from release", time.Hour-1) // when the first was old
		s.wantUsed(1)
	})
}

func TestPauseSurvivesARestart(t *testing.T) {
	control(t, "5/min", func(s *story) {
		s.PauseFor(time.Hour)
		s.restart("5/min", time.Minute)
		if got := s.Stats(); !got.Paused || !got.Resumes.Equal(s.began.Add(time.Hour)) {
			t.Errorf("stats %+v", got)
		}
		s.Pause() // hides when the other ends, and does not survive
		s.restart("5/min", time.Minute)
		if got := s.Stats(); !got.Resumes.Equal(s.began.Add(time.Hour)) {
			t.Errorf("stats %+v", got)
		}
		s.Resume()
		s.Pause()
		s.restart("5/min", 0)
		if s.Stats().Paused {
			t.Error("a pause without an end survived")
		}
		s.PauseFor(time.Minute)
		snap := s.Snapshot()
		s.PauseFor(time.Hour) // is longer
		s.Restore(snap)
		if got := s.Stats(); !got.Resumes.Equal(time.Now().Add(time.Hour)) {
			t.Errorf("stats %+v", got)
		}
	})
}

// Limits that were lowered leave a window with more than its permits.
func TestRestartAfterLimitsWereLowered(t *testing.T) {
	control(t, "10/min", func(s *story) {
		for range 10 {
			s.acquire()
		}
		s.setLimits("5/min")
		s.restart("10/min", time.Second)
		s.wantUsed(10)
	})
}

// Who waits when a snapshot is restored waits for it, and so do those behind.
func TestRestoreWithALine(t *testing.T) {
	control(t, "3/min", func(s *story) {
		s.acquire()
		snap := s.Snapshot()
		s.Pause()
		s.enqueue(1)
		if got := s.WaitTime(); got != 0 {
			t.Errorf("wait %v", got)
		}
		if err := s.Restore(snap); err != nil {
			t.Fatal(err)
		}
		if got := s.WaitTime(); got != time.Minute {
			t.Errorf("restored, wait %v", got)
		}
	})
}

// A snapshot of a full window is small, and late by little and never early.
func TestSnapshotsAreSmall(t *testing.T) {
	for _, text := range []string{"50000/h", "200000/h"} {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, limits(t, text))
			defer s.Close()
			r := rand.New(rand.NewPCG(1, 2))
			for range 20_000 {
				time.Sleep(time.Duration(r.IntN(360)) * time.Millisecond)
				if _, ok := s.TryAcquireN(r.IntN(3) + 1); !ok {
					t.Fatal("no permit")
				}
			}
			snap := s.Snapshot()
			if n := len(snap.Windows[0].Spent); n > 1_025 || n < 500 {
				t.Errorf("%d entries", n)
			}
			data, err := json.Marshal(snap)
			if err != nil || len(data) > 80_000 {
				t.Errorf("%d bytes, %v", len(data), err)
			}
			restored := start(t, limits(t, text))
			defer restored.Close()
			if err := restored.Restore(snap); err != nil {
				t.Fatal(err)
			}
			used := func(s *scheduler.Scheduler) int { return s.Stats().Windows[0].Used }
			const slack = time.Hour/1_024 + time.Hour/65_536
			for range 1_100 {
				a, b := used(s), used(restored)
				if b < a {
					t.Fatalf("%d count, of %d", b, a)
				}
				time.Sleep(slack + 1)
				if b := used(restored); b > a {
					t.Fatalf("%d count, of %d that did %v ago", b, a, slack)
				}
			}
		})
	}
}

// steppedClock shows another time of day than it counts by, as a computer's does when it is set.
type steppedClock struct {
	*clock.Mock
	by time.Duration
}

func (c *steppedClock) Now() time.Time { return c.Mock.Now().Add(c.by) }

// The computer's clock may be set while the program runs. What a snapshot tells then is by the new
// time, which is the one that the next program will read.
func TestSnapshotAfterTheClockWasSet(t *testing.T) {
	mock := clock.NewMock()
	mock.Set(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	stepped := &steppedClock{Mock: mock}
	s := start(t, limits(t, "1/h"), scheduler.WithClock(stepped))
	s.TryAcquire()
	mock.Set(mock.Now().Add(time.Minute))
	stepped.by = 5 * time.Hour
	snap := s.Snapshot()
	if got, want := snap.Windows[0].Spent[0].At, stepped.Now().Add(-time.Minute); !got.Equal(want) {
		t.Errorf("spent at %v, want %v", got, want)
	}
	mock.Set(stepped.Now())
	next := start(t, limits(t, "1/h"), scheduler.WithClock(mock))
	if err := next.Restore(snap); err != nil || next.WaitTime() != 59*time.Minute {
		t.Errorf("wait %v, %v", next.WaitTime(), err)
	}
}

// A clock that was set back makes a snapshot one from the future. What it tells counts as of now, and a
// pause lasts no longer than it was to.
func TestSnapshotFromTheFuture(t *testing.T) {
	mock := clock.NewMock()
	mock.Set(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	s := start(t, limits(t, "3/h"), scheduler.WithClock(mock))
	s.TryAcquireN(2)
	s.PauseFor(time.Minute)
	snap := s.Snapshot()
	mock.Set(mock.Now().Add(-24 * time.Hour))
	next := start(t, limits(t, "3/h"), scheduler.WithClock(mock))
	if err := next.Restore(snap); err != nil || next.WaitTime() != time.Minute || next.WaitTimeN(2) != time.Hour {
		t.Errorf("wait %v and %v, %v", next.WaitTime(), next.WaitTimeN(2), err)
	}
}

// whole is a snapshot that is as it should be.
const whole = `{"version":1,"taken":"2026-01-02T03:04:05Z","limits":"3/h 9/day from release","windows":[` +
	`{"spent":[{"at":"2026-01-02T02:30:00Z","permits":1},{"at":"2026-01-02T03:00:00Z","permits":2}]},` +
	`{"spent":[{"at":"2026-01-02T03:00:00Z","permits":2}],"held":1}],"paused_until":"2026-01-02T04:00:00Z"}`

func TestSnapshotIsAsDocumented(t *testing.T) {
	var snap scheduler.Snapshot
	if err := json.Unmarshal([]byte(whole), &snap); err != nil {
		t.Fatal(err)
	}
	mock := clock.NewMock()
	mock.Set(snap.Taken)
	s := start(t, snap.Limits, scheduler.WithClock(mock))
	if err := s.Restore(snap); err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(s.Snapshot())
	// What was held has been given back.
	want := strings.Replace(whole, `"permits":2}],"held":1}`, `"permits":2},{"at":"2026-01-02T03:04:05Z","permits":1}]}`, 1)
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
}

func TestDamagedSnapshots(t *testing.T) {
	mock := clock.NewMock()
	mock.Set(time.Date(2026, 1, 2, 3, 30, 0, 0, time.UTC))
	s := start(t, limits(t, "3/h 9/day from release"), scheduler.WithClock(mock))
	for what, change := range map[string][2]string{
		"Snapshot.Version":                     {`"version":1`, `"version":2`},
		"Snapshot.Taken":                       {`"taken":"2026-01-02T03:04:05Z",`, ``},
		"Snapshot.Windows":                     {`"limits":"3/h 9/day from release"`, `"limits":"3/h"`},
		"Snapshot.Limits":                      {`"limits":"3/h 9/day from release",`, ``},
		"Snapshot.Windows[1].Held":             {`"held":1`, `"held":-1`},
		"Snapshot.Windows[0].Spent[0].Permits": {`"permits":1`, `"permits":0`},
		"Snapshot.Windows[0].Spent[1].At":      {`T03:00:00Z`, `T02:00:00Z`},
		"Snapshot.Windows[1].Spent[0].At":      {`"spent":[{"at":"2026-01-02T03:00:00Z","permits":2}],"held"`, `"spent":[{"at":"2026-01-02T03:10:00Z","permits":2}],"held"`},
	} {
		text := strings.Replace(whole, change[0], change[1], 1)
		var snap scheduler.Snapshot
		if err := json.Unmarshal([]byte(text), &snap); err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		err := s.Restore(snap)
		var invalid *scheduler.InvalidError
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := s.Stats(); got.Windows[0].Used != 0 || got.Windows[1].Used != 0 || got.Paused {
		t.Errorf("something was restored: %+v", got)
	}
}

// FuzzRestore: whatever is read, restoring it does no more than to make permits come back later.
func FuzzRestore(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(strings.ReplaceAll(whole, `"permits":2`, `"permits":9223372036854775807`)))
	f.Add([]byte(strings.ReplaceAll(whole, "2026", "0001")))
	f.Add([]byte(strings.ReplaceAll(whole, "2026", "9999")))
	f.Add([]byte(strings.ReplaceAll(whole, "3/h", "9223372036854775807/876000h")))
	f.Add([]byte(strings.NewReplacer("3/h", "3 tokens/h evenly", "9/day from release", "9 tokens/day from reset 05:00 Europe/Berlin").Replace(whole)))
	f.Add([]byte(strings.NewReplacer("3/h", "3/h evenly", "9/day from release", "9 tokens/day from release").Replace(whole)))
	f.Add([]byte(strings.NewReplacer("3/h", "9223372036854775807/876000h", `"permits":2`, `"permits":9223372036854775807`).Replace(whole)))
	f.Fuzz(func(t *testing.T, data []byte) {
		var snap scheduler.Snapshot
		if json.Unmarshal(data, &snap) != nil {
			return
		}
		mock := clock.NewMock()
		mock.Set(time.Date(2026, 1, 2, 3, 30, 0, 0, time.UTC))
		const tokens scheduler.Unit = "tokens"
		s := start(t, limits(t, "3/h 9/day from release 5 tokens/h 9 tokens/day from reset 9 tokens/h from release 20 tokens/h evenly burst 2"), scheduler.WithClock(mock))
		defer s.Close()
		for range 3 {
			if err := s.Restore(snap); err != nil {
				var invalid *scheduler.InvalidError
				if !errors.As(err, &invalid) {
					t.Fatal(err)
				}
			}
		}
		s.Resume()
		for range 3 {
			granted := 0
			for range 4 {
				if held, ok := s.TryAcquireN(1, tokens.Of(2)); ok {
					granted++
					if err := held.Settle(tokens.Of(1)); err != nil {
						t.Fatal(err)
					}
					held.Release()
				}
				mock.Set(mock.Now().Add(3 * time.Minute)) // so far apart are single tokens
			}
			if granted > 3 {
				t.Fatalf("%d granted in an hour", granted)
			}
			for _, w := range s.Stats().Windows {
				if w.Used < granted || w.Remaining < 0 {
					t.Fatalf("%+v with %d granted", w, granted)
				}
			}
			mock.Set(mock.Now().Add(24 * time.Hour))
			if wait := s.WaitTimeN(1, tokens.Of(1)); wait != 0 {
				t.Fatalf("after a day %v to wait", wait)
			}
		}
	})
}
