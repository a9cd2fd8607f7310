package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// helperEnv makes the test binary play a command.
const helperEnv = "FLOWGUARD_LINES_HELPER"

func TestMain(m *testing.M) {
	if role := os.Getenv(helperEnv); role != "" {
		os.Exit(helper(role, os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// helper is what the test binary does as a command.
func helper(role string, args []string) (status int) {
	switch role {
	case "echo":
		fmt.Println(strings.Join(args, "|"))
	case "count":
		n, err := io.Copy(io.Discard, os.Stdin)
		if err != nil {
			panic(err)
		}
		fmt.Println(n)
	case "exit":
		fmt.Sscan(args[0], &status)
	case "signal":
		me, err := os.FindProcess(os.Getpid())
		if err != nil {
			panic(err)
		}
		if args[0] == "INT" {
			me.Signal(os.Interrupt)
		} else {
			me.Kill()
		}
		time.Sleep(time.Hour)
	case "hang":
		fmt.Println("running")
		time.Sleep(time.Hour)
	case "stubborn":
		signal.Ignore(terminateSignal)
		fmt.Println("running")
		time.Sleep(time.Hour)
	}
	return status
}

// outcome is what run left behind.
type outcome struct {
	status   int
	out, err string
}

// start runs the program to its end.
func start(ctx context.Context, stdin io.Reader, args ...string) outcome {
	var out, err strings.Builder
	status := run(ctx, args, stdin, &out, &err)
	return outcome{status, out.String(), err.String()}
}

func (o outcome) check(t *testing.T, status int, out, err string) {
	t.Helper()
	if o.status != status {
		t.Errorf("exit status %d, want %d", o.status, status)
	}
	if o.out != out {
		t.Errorf("output %.200q, want %.200q", o.out, out)
	}
	if !strings.Contains(o.err, err) {
		t.Errorf("stderr %q, want %q in it", o.err, err)
	}
}

// timed notes when each line is written.
type timed struct {
	began time.Time
	strings.Builder
}

func (w *timed) Write(p []byte) (int, error) {
	fmt.Fprintf(&w.Builder, "%v %s", time.Since(w.began), p)
	return len(p), nil
}

func TestLinesArePrintedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, err := timed{began: time.Now()}, strings.Builder{}
		args := []string{"-limits", "2/s 3/5s burst 7"}
		status := run(t.Context(), args, strings.NewReader("a\nb\nc\nd\ne\n"), &out, &err)
		outcome{status, out.String(), err.String()}.check(t, 0,
			"0s a\n0s b\n1s c\n5s d\n5s e\n", "lines: 5 lines in 5s, 0 failed, longest wait 5s\n")
	})
}

func TestPrinting(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for _, tt := range []struct{ name, in, out, err string }{
		{"nothing", "", "", "lines: 0 lines in 0s, 0 failed, longest wait 0s\n"},
		{"one line", "a\n", "a\n", "lines: 1 line in 0s, 0 failed"},
		{"no final newline", "a\nb", "a\nb\n", "2 lines"},
		{"empty lines", "\n\n", "\n\n", "2 lines"},
		{"other bytes", "a\r\n\x00\xff\n", "a\r\n\x00\xff\n", "2 lines"},
		{"1 MiB", long + "\n" + long + long + "\nend", long + "\n" + long + long + "\nend\n", "3 lines"},
		{"more than is read ahead", strings.Repeat("line\n", 5000), strings.Repeat("line\n", 5000), "5000 lines"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start(t.Context(), strings.NewReader(tt.in), "-limits", "100000/s").check(t, 0, tt.out, tt.err)
			})
		})
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for name, text := range map[string]string{a: "1\n2", b: "3\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stdin := strings.NewReader("in\n")
	start(t.Context(), stdin, "-limits", "9/s", a, "-", b).check(t, 0, "1\n2\nin\n3\n", "4 lines")

	// Nothing is done where a file is missing.
	start(t.Context(), stdin, "-limits", "9/s", a, filepath.Join(dir, "c")).check(t, 1, "", "no such file")
	start(t.Context(), stdin, "-limits", "9/s", dir).check(t, 1, "", "is a directory")
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		err  string
	}{
		{"no limits", nil, "-limits is missing"},
		{"empty limits", []string{"-limits", ""}, "at least one"},
		{"bad limits", []string{"-limits", "5/x"}, `after "5/"`},
		{"no permits", []string{"-limits", "0/s"}, "1 or more"},
		{"unknown flag", []string{"-limit", "5/s"}, "-limit"},
		{"no command", []string{"-limits", "5/s", "--"}, "a command must follow --"},
		{"flag after file", []string{"-limits", "5/s", "a", "-q"}, "-q stands after a file"},
		{"stdin of nothing", []string{"-limits", "5/s", "-stdin"}, "-stdin needs a command"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := start(t.Context(), unread{t}, tt.args...)
			o.check(t, statusUsage, "", tt.err)
			o.check(t, statusUsage, "", "examples:")
		})
	}
	o := start(t.Context(), unread{t}, "-h")
	if o.status != 0 || !strings.HasPrefix(o.out, "usage:") || o.err != "" {
		t.Errorf("-h: %+v", o)
	}
}

// unread is input that must not be touched.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the input was read")
	return 0, io.EOF
}
