package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const terminateSignal = syscall.SIGTERM

// as lets the test binary be the command, in the given role.
func as(t *testing.T, role string) (command string) {
	t.Helper()
	t.Setenv(helperEnv, role)
	t.Setenv("GORACE", "atexit_sleep_ms=0") // or under -race each command takes a second to exit
	command, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return command
}

func TestArguments(t *testing.T) {
	for _, tt := range []struct {
		words   string
		replace string
		stdin   bool
		want    string
	}{
		{"cmd", "{}", false, "a b"},
		{"cmd -x", "{}", false, "-x|a b"},
		{"cmd {} -x", "{}", false, "a b|-x"},
		{"cmd {}.in {}.out", "{}", false, "a b.in|a b.out"},
		{"{} -x", "{}", false, "-x|a b"},
		{"cmd {} % %%", "%", false, "{}|a b|a ba b"},
		{"cmd {}", "", false, "{}|a b"},
		{"cmd {}", "{}", true, "{}"},
	} {
		c := &command{words: strings.Fields(tt.words), replace: tt.replace, stdin: tt.stdin}
		if got := strings.Join(c.arguments(line{text: []byte("a b")}), "|"); got != tt.want {
			t.Errorf("%s, replacing %q: %s, want %s", tt.words, tt.replace, got, tt.want)
		}
	}
}

func TestCommandRunsOncePerLine(t *testing.T) {
	cmd := as(t, "echo")
	start(t.Context(), strings.NewReader("a b\n\nc"), "-limits", "100/s burst 1", "--", cmd, "-x").
		check(t, 0, "-x|a b\n-x|\n-x|c\n", "lines: 3 lines in")
}

func TestExitStatus(t *testing.T) {
	for _, tt := range []struct {
		role, in string
		status   int
		err      string
	}{
		{"exit", "0\n0\n", 0, "2 lines in"},
		{"exit", "0\n1\n0\n", 123, "lines: line 2: exit status 1\nlines: 3 lines in"},
		{"exit", "254\n", 123, "1 failed"},
		{"exit", "0\n255\n0\n0\n", 124, "stopped: 2 lines not run\nlines: 2 lines in"},
		{"signal", "KILL\nKILL\n", 125, "stopped: 1 line not run"},
		{"signal", "INT\nINT\n", 130, "interrupted: 1 line cut short, 1 line not run"},
	} {
		t.Run(tt.role+" "+strings.Fields(tt.in)[0], func(t *testing.T) {
			cmd := as(t, tt.role)
			start(t.Context(), strings.NewReader(tt.in), "-limits", "100/s burst 1", "--", cmd).
				check(t, tt.status, "", tt.err)
		})
	}
}

func TestCommandThatCannotRun(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t.Context(), unread{t}, "-limits", "5/s", "--", "no-such-command").
		check(t, 127, "", `lines: cannot run the command: exec: "no-such-command": executable file not found`)
	start(t.Context(), unread{t}, "-limits", "5/s", "--", plain+"er").check(t, 127, "", "no such file")
	start(t.Context(), unread{t}, "-limits", "5/s", "--", plain).check(t, 126, "", "permission denied")
}

// What LookPath takes for a program may still not be one.
func TestCommandThatDoesNotStart(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		text   string
		status int
	}{
		"noprogram":     {"\x01\x02", 126},
		"nointerpreter": {"#!" + dir + "/none\n", 127},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(tt.text), 0o700); err != nil {
			t.Fatal(err)
		}
		start(t.Context(), strings.NewReader("a\nb\n"), "-limits", "9/s burst 1", "--", path).
			check(t, tt.status, "", "line 1: cannot run the command")
	}
}

// A line that no command can be given is that line's failure and nobody else's.
func TestLineThatIsNoArgument(t *testing.T) {
	cmd := as(t, "echo")
	in := "a\n" + strings.Repeat("x", 1<<20) + "\nn\x00l\nb\n"
	o := start(t.Context(), strings.NewReader(in), "-limits", "100/s burst 1", "--", cmd)
	o.check(t, 123, "a\nb\n", "lines: line 2: a line of 1048576 bytes is too long for an argument")
	o.check(t, 123, "a\nb\n", "lines: line 3: a line with a NUL byte")
	o.check(t, 123, "a\nb\n", "4 lines in")
}

func TestLineOnStandardInput(t *testing.T) {
	cmd := as(t, "count")
	in := "n\x00l\n" + strings.Repeat("x", 1<<20)
	start(t.Context(), strings.NewReader(in), "-limits", "100/s burst 1", "-stdin", "--", cmd).
		check(t, 0, "4\n1048577\n", "0 failed")
}

// onWrite calls f at the first write.
type onWrite struct{ f func() }

func (w onWrite) Write(p []byte) (int, error) {
	w.f()
	return len(p), nil
}

func TestCtrlCEndsCommands(t *testing.T) {
	cmd := as(t, "hang")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	in, typing := io.Pipe() // more may be typed any time
	go typing.Write([]byte("a\nb\nc\n"))
	defer typing.Close()

	var said strings.Builder
	status := run(ctx, []string{"-limits", "9/s burst 1", "--", cmd}, in, onWrite{cancel}, &said)
	outcome{status, "", said.String()}.check(t, 130, "", "interrupted: 1 line cut short, at least ")
}

func TestCommandThatIgnoresSIGTERMIsKilled(t *testing.T) {
	path := as(t, "stubborn")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := &command{path: path, words: []string{path}, stdout: onWrite{cancel}, stderr: io.Discard, grace: time.Millisecond}
	err := c.run(ctx, line{})
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(err.Error(), "killed") {
		t.Errorf("ended with %v, want killed", err)
	}
}

func TestCommandKeepsItsName(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh")
	}
	var out bytes.Buffer
	c := &command{path: sh, words: []string{"sh", "-c", `echo "$0"`}, replace: "{}", stdout: &out, stderr: io.Discard}
	if err := c.run(t.Context(), line{text: []byte("zero")}); err != nil || out.String() != "zero\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
