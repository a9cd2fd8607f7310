//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/process/processtest"
	"github.com/flowguard-go/flowguard/scheduler"
)

// program is flowguard as a process.
type program struct {
	*exec.Cmd
	t      *testing.T
	out    io.Closer
	stdout *bufio.Reader
	stderr *bufio.Reader
	said   strings.Builder
}

func start(t *testing.T, dir string, args ...string) *program {
	t.Helper()
	p := prepare(t, dir, "flowguard", args...)
	p.begin()
	return p
}

func prepare(t *testing.T, dir, name string, args ...string) *program {
	t.Helper()
	processtest.Hear(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	p := &program{Cmd: exec.Command(name, args...), t: t}
	p.Dir = dir
	p.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), "GORACE=atexit_sleep_ms=0")
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = out
	p.stdout, p.stderr = bufio.NewReader(out), bufio.NewReader(said)
	return p
}

func (p *program) begin() {
	p.t.Helper()
	if err := p.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { p.Process.Kill() })
}

// hear waits until the program says something on standard error.
func (p *program) hear(text string) {
	p.t.Helper()
	for {
		line, err := p.stderr.ReadString('\n')
		p.said.WriteString(line)
		if strings.Contains(line, text) {
			return
		}
		if err != nil {
			p.t.Fatalf("the program never said %q, but\n%s", text, p.said.String())
		}
	}
}

// end waits for the end and returns the exit status.
func (p *program) end() int {
	p.t.Helper()
	rest, _ := io.ReadAll(p.stderr)
	p.said.Write(rest)
	io.Copy(io.Discard, p.stdout)
	err := p.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return p.ProcessState.ExitCode()
}

func (p *program) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// fifo makes a named pipe. Its read waits until something has been written and returns it.
func fifo(t *testing.T) (name string, read func() string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Skip(err)
	}
	return name, func() string {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
}

// ended fails the test if one of the processes is left.
func ended(t *testing.T, pids string) {
	t.Helper()
	for _, word := range strings.Fields(pids) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		if state := processtest.State(t, pid); state != "" {
			t.Errorf("process %d of %s is left, in state %s", pid, pids, state)
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// stubborn is a command that ignores SIGTERM, as does what it has started. It says which processes they are.
const stubborn = `trap '' TERM; sleep 1000 & echo $$ $! >"$1"; wait`

func TestTwoCtrlCLeaveNoChild(t *testing.T) {
	name, read := fifo(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "in"), "x\ny\n")
	p := start(t, dir, "run", "-limits", "burst 1", "in", "--", "sh", "-c", stubborn, "sh", name)
	pids := read()
	p.signal(syscall.SIGINT)
	p.hear("interrupted: waiting for 1 command: sh -c 'trap ")
	p.signal(syscall.SIGINT)
	p.hear("interrupted again: killing 1 command")
	p.hear("1 command killed; none is left running")
	p.hear("interrupted: 1 line cut short, 1 line not run")
	if status := p.end(); status != 130 {
		t.Errorf("exit status %d", status)
	}
	ended(t, pids)
}

func TestOneCtrlCAsksCommandsToEnd(t *testing.T) {
	name, read := fifo(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "in"), "x\n")
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		p := start(t, dir, "run", "-limits", "burst 1", "in", "--", "sh", "-c", `sleep 1000 & echo $$ $! >"$1"; wait`, "sh", name)
		pids := read()
		p.signal(s)
		p.hear("interrupted: 1 line cut short, 0 lines not run")
		if status := p.end(); status != 130 {
			t.Errorf("%v: exit status %d", s, status)
		}
		ended(t, pids)
		if strings.Contains(p.said.String(), "killed;") {
			t.Errorf("%v: a command that ends when it is asked to was killed:\n%s", s, p.said.String())
		}
	}
}

// A program that is started in the background of a script, or with nohup, leaves the signals alone that are
// ignored there.
func TestIgnoredSignalsStayIgnored(t *testing.T) {
	name, read := fifo(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "in"), "x\n")
	sh := exec.Command("sh", "-c", `trap '' HUP; exec flowguard run -limits "burst 1" in -- sh -c 'echo $PPID >"$1"; cat <"$1" >/dev/null' sh "$1"`, "sh", name)
	sh.Dir = dir
	if err := sh.Start(); err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(read()))
	if err != nil || pid != sh.Process.Pid {
		t.Fatal(pid, err)
	}
	sh.Process.Signal(syscall.SIGHUP)
	write(t, name, "go on")
	if err := sh.Wait(); err != nil {
		t.Errorf("nohup does not work: %v", err)
	}
}

// When nothing reads the output any more, as after head, all ends quietly and no command is left.
func TestClosedPipe(t *testing.T) {
	name, read := fifo(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "in"), "1\n2\n")
	if err := syscall.Mkfifo(name+".go", 0o600); err != nil {
		t.Skip(err)
	}
	p := start(t, dir, "run", "-limits", "burst 2", "in", "--",
		"sh", "-c", `if [ "$2" = 1 ]; then read go <"$1.go"; echo out; else sleep 1000 & echo $$ $! >"$1"; wait; fi`, "sh", name)
	pids := read()
	p.out.Close()
	write(t, name+".go", "go\n")
	if status := p.end(); status != 141 || p.said.String() != "" {
		t.Errorf("exit status %d, said %q", status, p.said.String())
	}
	ended(t, pids)
}

func TestClosedPipeOfLines(t *testing.T) {
	cmd := exec.Command("sh", "-c", `yes | flowguard run -limits 100000/s 2>err | head -n 3; cat err`)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "y\ny\ny\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// kill -9 in the middle, again and again: nothing is run twice that was logged as done, and nothing is lost.
func TestResumeAfterKill(t *testing.T) {
	const jobs = 120
	for _, order := range [][]string{nil, {"-k"}} {
		dir := t.TempDir()
		var in strings.Builder
		for i := range jobs {
			fmt.Fprintln(&in, "job", i)
		}
		write(t, filepath.Join(dir, "in"), in.String())
		args := append([]string{"run", "-limits", "burst 4", "--joblog", "log", "--resume"}, order...)
		args = append(args, "in", "--", "sh", "-c", `echo "$1" >>did; echo "$1"`, "sh")

		runs := func() map[string]int { // of each job, so far
			n := map[string]int{}
			data, _ := os.ReadFile(filepath.Join(dir, "did"))
			for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
				n[line]++
			}
			return n
		}
		logged := func() (all []string) {
			data, _ := os.ReadFile(filepath.Join(dir, "log"))
			for _, line := range strings.SplitAfter(string(data), "\n") {
				columns := strings.Split(line, "\t")
				if len(columns) == 9 && columns[0] != "Seq" && strings.HasSuffix(line, "\n") {
					seq, _ := strconv.Atoi(columns[0])
					all = append(all, fmt.Sprint("job ", seq-1))
				}
			}
			return all
		}
		atKill := map[string]int{} // how often a job had been run when it was seen in the log
		kills := 0
		for {
			p := start(t, dir, args...)
			for range 1 + kills*5%23 { // some lines of output later
				p.stdout.ReadString('\n')
			}
			p.Process.Kill()
			p.end()
			n := runs()
			for _, job := range logged() {
				if _, seen := atKill[job]; !seen {
					atKill[job] = n[job]
				}
			}
			if len(atKill) == jobs {
				break
			}
			kills++
		}
		if kills < 5 {
			t.Errorf("killed %d times only", kills)
		}
		if p := start(t, dir, args...); p.end() != 0 {
			t.Errorf("the last run said %s", p.said.String())
		}
		n := runs()
		if all := logged(); len(all) != jobs {
			t.Errorf("%d jobs are in the log, want %d", len(all), jobs)
		}
		for i := range jobs {
			job := fmt.Sprint("job ", i)
			if n[job] == 0 {
				t.Errorf("%s was never run", job)
			}
			if n[job] != atKill[job] {
				t.Errorf("%s was run %d times, %d of them after it was logged", job, n[job], n[job]-atKill[job])
			}
		}
	}
}

// The state knows of each command that has begun, even if the program is killed.
func TestStateAfterKill(t *testing.T) {
	name, read := fifo(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "in"), "1\n2\n3\n4\n5\n")
	total := 0
	for round := range 3 {
		p := start(t, dir, "run", "-limits", "1000/h", "-j", "1", "--state", "state.json", "in", "--", "sh", "-c", `echo "$2" >"$1"; [ "$2" -lt 3 ]`, "sh", name)
		for range 3 {
			read()
		}
		p.Process.Kill()
		p.end()
		total += 3
		var snap scheduler.Snapshot
		data, err := os.ReadFile(filepath.Join(dir, "state.json"))
		if err == nil {
			err = json.Unmarshal(data, &snap)
		}
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, s := range snap.Windows[0].Spent {
			got += s.Permits
		}
		if got < total || got > total+1 { // another may have begun before the kill
			t.Errorf("round %d: %d commands in the state, want %d", round, got, total)
		}
		total = got
	}
}

func TestOneRunAtATime(t *testing.T) {
	name, read := fifo(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "in"), "x\n")
	p := start(t, dir, "run", "-limits", "burst 1", "--state", "state.json", "--joblog", "log", "in", "--", "sh", "-c", `echo >"$1"; exec sleep 1000`, "sh", name)
	read()
	for _, args := range [][]string{{"--state", "state.json"}, {"--joblog", "log", "--resume"}} {
		other := start(t, dir, append(append([]string{"run", "-limits", "5/s"}, args...), "in", "--", "echo")...)
		if status := other.end(); status != 1 || !strings.Contains(other.said.String(), "another run uses it") {
			t.Errorf("%v: exit status %d, said %s", args, status, other.said.String())
		}
	}
	p.signal(syscall.SIGINT)
	p.end()
}

// Without a burst as many run at once as the limits allow: here each waits for all others.
func TestAsManyAtOnceAsTheLimitsAllow(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "in"), "1\n2\n3\n4\n5\n6\n7\n8\n")
	p := start(t, dir, "run", "-limits", "8/h", "in", "--", "sh", "-c", `echo >here.$1; while [ $(ls here.* | wc -l) -lt 8 ]; do sleep 0.01; done`, "sh")
	if status := p.end(); status != 0 {
		t.Errorf("exit status %d: %s", status, p.said.String())
	}
}

// A pause by Ctrl-Z also holds up commands, and they go on with the program.
func TestCtrlZ(t *testing.T) {
	name, read := fifo(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "in"), "x\n")
	p := start(t, dir, "run", "-limits", "burst 1", "in", "--", "sh", "-c", `echo $$ >"$1"; read go <"$1"`, "sh", name)
	pid, err := strconv.Atoi(strings.TrimSpace(read()))
	if err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTSTP)
	for _, who := range []int{pid, p.Process.Pid} {
		if state := processtest.Become(t, who, func(s string) bool { return s == "T" }); state != "T" {
			t.Errorf("process %d is in state %q, want T for stopped", who, state)
		}
	}
	p.signal(syscall.SIGCONT)
	if state := processtest.Become(t, pid, func(s string) bool { return s != "T" }); state == "T" {
		t.Error("the command is still stopped")
	}
	write(t, name, "go\n")
	if status := p.end(); status != 0 {
		t.Errorf("exit status %d: %s", status, p.said.String())
	}
}
