package joblog

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/lock"
)

func open(t *testing.T, name string, resume bool) *Log {
	t.Helper()
	l, err := Open(name, resume)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func write(t *testing.T, l *Log, jobs ...Job) {
	t.Helper()
	for _, j := range jobs {
		if err := l.Write(j); err != nil {
			t.Fatal(err)
		}
	}
}

func TestResume(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	l := open(t, name, true)
	began := time.UnixMilli(1767366245123)
	write(t, l, Job{Seq: 1, Began: began, Took: 1500 * time.Millisecond, Wrote: 7, Command: "cmd 'a b'"},
		Job{Seq: 3, Began: began, Code: 2, Command: "cmd c"}, Job{Seq: 4, Began: began, Code: -1, Signal: 9, Command: "cmd d"})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(name)
	want := header + "1\t:\t1767366245.123\t1.500\t0\t7\t0\t0\tcmd 'a b'\n" +
		"3\t:\t1767366245.123\t0.000\t0\t0\t2\t0\tcmd c\n" + "4\t:\t1767366245.123\t0.000\t0\t0\t-1\t9\tcmd d\n"
	if string(data) != want {
		t.Errorf("the log is\n%s\nwant\n%s", data, want)
	}

	l = open(t, name, true)
	defer l.Close()
	for _, tt := range []struct {
		seq          int
		command      string
		done, failed bool
	}{{1, "cmd 'a b'", true, false}, {2, "cmd b", false, false}, {3, "cmd c", true, true}, {4, "cmd d", true, true}} {
		if done, failed, err := l.Done(tt.seq, tt.command); done != tt.done || failed != tt.failed || err != nil {
			t.Errorf("job %d: done %v, failed %v, %v", tt.seq, done, failed, err)
		}
	}
	if jobs, failed := l.Earlier(); jobs != 3 || failed != 2 {
		t.Errorf("%d jobs, %d failed", jobs, failed)
	}
	if _, _, err := l.Done(1, "cmd z"); err == nil {
		t.Error("another input than that of the log is taken for the same")
	}
}

// A job that was run again counts as it ended last.
func TestLastEntryCounts(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	l := open(t, name, false)
	write(t, l, Job{Seq: 1, Code: 1, Command: "c"}, Job{Seq: 1, Command: "c"})
	l.Close()
	l = open(t, name, true)
	defer l.Close()
	if done, failed, _ := l.Done(1, "c"); !done || failed {
		t.Errorf("done %v, failed %v", done, failed)
	}
	if jobs, failed := l.Earlier(); jobs != 1 || failed != 0 {
		t.Errorf("%d jobs, %d failed", jobs, failed)
	}
}

// Wherever a write was cut off, the log goes on as if the last job had not been done.
func TestLogCutOffAnywhere(t *testing.T) {
	dir := t.TempDir()
	whole := header + "1\t:\t0.000\t0.000\t0\t0\t0\t0\tcmd a\n" + "2\t:\t0.000\t0.000\t0\t0\t0\t0\tcmd " + strings.Repeat("b", 100) + "\n"
	for n := range len(whole) + 1 {
		name := filepath.Join(dir, "log")
		if err := os.WriteFile(name, []byte(whole[:n]), 0o600); err != nil {
			t.Fatal(err)
		}
		l := open(t, name, true)
		jobs, _ := l.Earlier()
		if want := max(0, strings.Count(whole[:n], "\n")-1); jobs != want {
			t.Fatalf("cut off after %d bytes: %d jobs, want %d", n, jobs, want)
		}
		write(t, l, Job{Seq: 3, Began: time.UnixMilli(0), Command: "cmd c"})
		l.Close()
		data, _ := os.ReadFile(name)
		want := header + strings.Join(strings.SplitAfter(whole, "\n")[1:1+jobs], "") + "3\t:\t0.000\t0.000\t0\t0\t0\t0\tcmd c\n"
		if string(data) != want {
			t.Fatalf("cut off after %d bytes, the log goes on as\n%s", n, data)
		}
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"a letter to mum\n":                    "not the header of a job log",
		header + "1\t:\n":                      "columns",
		header + "x\t2\t3\t4\t5\t6\t7\t8\t9\n": "Seq",
	} {
		name := filepath.Join(dir, "log")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(name, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if data, _ := os.ReadFile(name); string(data) != text {
			t.Errorf("%q became %q", text, data)
		}
	}
	name := filepath.Join(dir, "earlier")
	l := open(t, name, false)
	write(t, l, Job{Seq: 1})
	if _, err := Open(name, true); !errors.Is(err, lock.ErrTaken) {
		t.Errorf("two runs write one log: %v", err)
	}
	l.Close()
	if _, err := Open(name, false); err == nil || !strings.Contains(err.Error(), "--resume") {
		t.Errorf("a log of an earlier run: %v", err)
	}
}
