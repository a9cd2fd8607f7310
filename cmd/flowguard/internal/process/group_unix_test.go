//go:build unix

package process

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/items"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/process/processtest"
)

// family is a shell script that starts two commands in the background, one of which ignores SIGTERM, and
// says which processes they are.
func family(t *testing.T) (c *Command, started func() []int) {
	t.Helper()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip(err)
	}
	script := `sleep 1000 & a=$!; trap '' TERM; sleep 1000 & b=$!; trap - TERM; echo $$ $a $b >"$1"; wait`
	c = &Command{Template: Template{Words: []string{"sh", "-c", script, "sh", fifo, "{}"}, Replace: "{}"}, Keep: true}
	if err := c.Find(); err != nil {
		t.Skip(err)
	}
	return c, func() (pids []int) {
		f, err := os.Open(fifo) // waits for the script
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		line, err := bufio.NewReader(f).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range strings.Fields(line) {
			pid, _ := strconv.Atoi(word)
			pids = append(pids, pid)
		}
		return pids
	}
}

func (c *Command) begin(stop Stop, i items.Item) <-chan Exit {
	exit := make(chan Exit, 1)
	go func() { exit <- c.Run(stop, i) }()
	return exit
}

func TestAllThatWasStartedEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		grace  time.Duration
		stop   func(ask, kill chan struct{})
		killed bool
	}{
		"asked, then killed": {time.Millisecond, func(ask, kill chan struct{}) { close(ask) }, true},
		"killed":             {time.Hour, func(ask, kill chan struct{}) { close(kill) }, true},
		"asked, killed soon": {time.Hour, func(ask, kill chan struct{}) { close(ask); close(kill) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			c, started := family(t)
			c.Grace = tt.grace
			ask, kill := make(chan struct{}), make(chan struct{})
			exit := c.begin(Stop{Ask: ask, Kill: kill}, item("x"))
			pids := started()
			tt.stop(ask, kill)
			e := <-exit
			if !e.Stopped || e.Killed != tt.killed {
				t.Errorf("%+v", e)
			}
			for _, pid := range pids {
				if processtest.State(t, pid) != "" {
					t.Errorf("process %d of %v is left", pid, pids)
				}
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	c, started := family(t)
	c.Timeout, c.Grace = 100*time.Millisecond, time.Millisecond
	exit := c.begin(Stop{}, item("x"))
	pids := started()
	if e := <-exit; !e.TimedOut || e.Stopped || e.Err == nil {
		t.Errorf("%+v", e)
	}
	for _, pid := range pids {
		if processtest.State(t, pid) != "" {
			t.Errorf("process %d of %v is left", pid, pids)
		}
	}
}

// A command that ends when it is asked to does so before its time is up, with all it had started.
func TestAskedToEnd(t *testing.T) {
	c := &Command{Template: Template{Words: []string{"sh", "-c", `sleep 1000 & echo $! >"$1"; wait`, "sh", "{}"}, Replace: "{}"}, Keep: true, Grace: time.Hour}
	if err := c.Find(); err != nil {
		t.Skip(err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip(err)
	}
	ask := make(chan struct{})
	exit := c.begin(Stop{Ask: ask}, item(fifo))
	data, err := os.ReadFile(fifo)
	if err != nil {
		t.Fatal(err)
	}
	close(ask)
	e := <-exit
	pid, _ := strconv.Atoi(strings.TrimSpace(string(data)))
	if !e.Stopped || e.Killed || processtest.State(t, pid) != "" {
		t.Errorf("%+v, process %d alive is %v", e, pid, processtest.State(t, pid) != "")
	}
}

// What a command leaves in the background when it ends well is its own business, and nobody waits for it.
func TestBackgroundIsLeftAlone(t *testing.T) {
	c := &Command{Template: Template{Words: []string{"sh", "-c", `sleep 1000 & echo $!`}, Replace: ""}, Keep: true, Grace: time.Hour}
	if err := c.Find(); err != nil {
		t.Skip(err)
	}
	e := c.Run(Stop{}, item("x"))
	out, _ := wrote(t, e)
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil || processtest.State(t, pid) == "" {
		t.Fatalf("%q: %v, alive %v", out, err, processtest.State(t, pid) != "")
	}
	syscall.Kill(pid, syscall.SIGKILL)
}

// A command that has ended is not waited for because of what it gave its input to.
func TestInputHeldByTheBackground(t *testing.T) {
	c := &Command{Template: Template{Words: []string{"sh", "-c", `sleep 1000 <&0 >/dev/null 2>&1 & echo $!`}, Stdin: true}, Keep: true, Grace: time.Hour}
	if err := c.Find(); err != nil {
		t.Skip(err)
	}
	e := c.Run(Stop{}, item(strings.Repeat("x", 1<<20)))
	out, _ := wrote(t, e)
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil || e.Err != nil {
		t.Fatalf("%q, %+v", out, e)
	}
	syscall.Kill(pid, syscall.SIGKILL)
}

func TestHold(t *testing.T) {
	c, started := family(t)
	kill := make(chan struct{})
	exit := c.begin(Stop{Kill: kill}, item("x"))
	pids := started()
	c.Hold()
	for _, pid := range pids {
		if s := processtest.Become(t, pid, func(s string) bool { return s == "T" }); s != "T" {
			t.Errorf("process %d is in state %q, want T for stopped", pid, s)
		}
	}
	c.Continue()
	for _, pid := range pids {
		if s := processtest.Become(t, pid, func(s string) bool { return s != "T" }); s == "T" {
			t.Errorf("process %d is still in state %q", pid, s)
		}
	}
	close(kill)
	<-exit
}

func TestCommandKeepsItsName(t *testing.T) {
	c := &Command{Template: Template{Words: []string{"sh", "-c", `echo "$0"`}}, Keep: true}
	if err := c.Find(); err != nil {
		t.Skip(err)
	}
	if out, _ := wrote(t, c.Run(Stop{}, item("zero"))); out != "zero\n" {
		t.Error(out)
	}
}
