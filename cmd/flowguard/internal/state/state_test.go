package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/lock"
	"github.com/flowguard-go/flowguard/scheduler"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Ten runs in a row of three calls each still keep the limit of an hour.
func TestLimitsHoldOverRuns(t *testing.T) {
	name := filepath.Join(t.TempDir(), "state.json")
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var calls []time.Duration
		for range 10 {
			s, err := scheduler.New(scheduler.MustParseLimits("20/h"))
			if err != nil {
				t.Fatal(err)
			}
			f, err := Open(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Restore(s); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				held, err := s.Acquire(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if err := f.Save(s.Snapshot()); err != nil { // before the call, as a run does
					t.Fatal(err)
				}
				calls = append(calls, time.Since(began))
				held.Release()
			}
			s.Close()
			f.Close()
			time.Sleep(time.Second) // between two runs
		}
		for i, at := range calls {
			if i >= 20 && at-calls[i-20] < time.Hour {
				t.Errorf("call %d comes %v after call %d", i, at-calls[i-20], i-20)
			}
			if i == 19 && at > time.Minute || i == 20 && at != time.Hour {
				t.Errorf("call %d at %v", i, at)
			}
		}
	})
}

func TestOneRunAtATime(t *testing.T) {
	name := filepath.Join(t.TempDir(), "state.json")
	f, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(name); !errors.Is(err, lock.ErrTaken) {
		t.Errorf("a second run got %v", err)
	}
	f.Close()
	again, err := Open(name)
	if err != nil {
		t.Errorf("after the first has ended: %v", err)
	}
	again.Close()
}

func TestDamaged(t *testing.T) {
	name := filepath.Join(t.TempDir(), "state.json")
	s, err := scheduler.New(scheduler.MustParseLimits("1/h"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for text, want := range map[string]string{"": "", "{": "remove it", `{"version":99}`: "remove it", "[]": "remove it"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		err = f.Restore(s)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		f.Close()
	}
}

// A state file behind a symbolic link stays there.
func TestSymbolicLink(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Skip(err)
	}
	s, err := scheduler.New(scheduler.MustParseLimits("1/h"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f, err := Open(link)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Save(s.Snapshot()); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(target); len(data) == 0 {
		t.Error("the file behind the link is still empty")
	}
}
