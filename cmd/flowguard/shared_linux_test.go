package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/flowguard-go/flowguard/scheduler"
)

// redisServer is a real server. Without redis-server or valkey-server tests are skipped, unless FLOWGUARD_REDIS=required: then
// they fail.
type redisServer struct {
	*exec.Cmd
	t    *testing.T
	args []string
	port string
}

func startRedis(t *testing.T, args ...string) *redisServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &redisServer{t: t, args: args, port: strconv.Itoa(l.Addr().(*net.TCPAddr).Port)}
	l.Close()
	s.begin()
	return s
}

// begin starts the server, with no memory of earlier times.
func (s *redisServer) begin() {
	s.t.Helper()
	var program string
	for _, name := range []string{os.Getenv("FLOWGUARD_REDIS_SERVER"), "redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	switch {
	case program != "":
	case os.Getenv("FLOWGUARD_REDIS") == "required":
		s.t.Fatal("neither redis-server nor valkey-server is installed")
	default:
		s.t.Skip("neither redis-server nor valkey-server is installed")
	}
	args := append([]string{"--port", s.port, "--bind", "127.0.0.1", "--dir", s.t.TempDir(), "--save", ""}, s.args...)
	s.Cmd = exec.Command(program, args...)
	s.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.end)
	for range 500 {
		if s.answers() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatalf("%s does not answer", program)
}

func (s *redisServer) answers() bool {
	c, err := net.Dial("tcp", "127.0.0.1:"+s.port)
	if err != nil {
		return false
	}
	defer c.Close()
	answer := make([]byte, len("+PONG"))
	fmt.Fprint(c, "PING\r\n")
	_, err = c.Read(answer)
	return err == nil && string(answer) == "+PONG"
}

// end kills it.
func (s *redisServer) end() {
	s.Process.Kill()
	s.Wait()
}

// quota is what stands behind --shared. Options begin with "?".
func (s *redisServer) quota(options string) string {
	return "redis://127.0.0.1:" + s.port + options + "#x"
}

// Options of quotas that lease at once. The longer a lease, the slower this machine may be. What others hold of a burst is
// given up in a twentieth of it.
const (
	patient = "?lease=1m&on_loss=optimistic"
	brisk   = "?lease=10s&on_loss=optimistic"
)

// makeQuota lets a run make the quota, so that others that begin at the same time find it.
func makeQuota(t *testing.T, limits, url string) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "in"), "x\n")
	if p := start(t, dir, "run", "-limits", limits, "--shared", url, "in"); p.end() != 0 {
		t.Fatal(p.said.String())
	}
}

// grantsInEnv names the file to which the program "watched" writes when its jobs got their permits, in nanoseconds of
// the machine's monotonic clock, which all processes share.
const grantsInEnv = "FLOWGUARD_TEST_GRANTS"

func init() { morePrograms["watched"] = watched }

// watched is flowguard, and tells of all grants.
func watched() {
	interrupts, stop := listen()
	defer stop()
	var log scheduler.EventLog
	c := console{in: os.Stdin, out: os.Stdout, err: os.Stderr, interrupts: interrupts, turns: []scheduler.Option{&log}}
	status := execute(os.Args[1:], c)
	now, reading := clocks()
	var grants []int64
	for _, e := range log.Events() {
		if e.Kind == scheduler.EventGranted {
			grants = append(grants, reading-int64(now.Sub(e.At)))
		}
	}
	text, err := json.Marshal(grants)
	if err == nil {
		err = os.WriteFile(os.Getenv(grantsInEnv), text, 0o600)
	}
	if err != nil {
		panic(err)
	}
	os.Exit(status)
}

// clocks reads Go's clock and that of the machine at the same instant, as near as a few attempts come.
func clocks() (now time.Time, reading int64) {
	nearest := int64(1 << 62)
	for range 1000 {
		before, at, after := monotonic(), time.Now(), monotonic()
		if after-before < nearest {
			nearest, now, reading = after-before, at, before
		}
	}
	return now, reading
}

func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}

// Two runs that are at work at the same time keep the limits together: no interval has more of the grants of both.
func TestSharedLimitsAreExact(t *testing.T) {
	const rounds, lines = 12, 5 // as many of each run in each round
	limits := scheduler.MustParseLimits("10/200ms 35/s")
	url := startRedis(t).quota(brisk)
	makeQuota(t, limits.String(), url)
	var runs []*program
	var inputs []io.WriteCloser
	var files []string
	for i := range 2 {
		p := prepare(t, t.TempDir(), "watched", "run", "-limits", limits.String(), "--shared", url)
		file := filepath.Join(p.Dir, "grants")
		p.Env = append(p.Env, grantsInEnv+"="+file)
		in, err := p.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		p.begin()
		runs, inputs, files = append(runs, p), append(inputs, in), append(files, file)
		t.Cleanup(func() { inputs[i].Close() })
	}
	for range rounds {
		for _, in := range inputs {
			io.WriteString(in, strings.Repeat("x\n", lines))
		}
		for i, p := range runs {
			for range lines {
				if line, err := p.stdout.ReadString('\n'); line != "x\n" {
					t.Fatalf("run %d printed %q: %v", i, line, err)
				}
			}
		}
	}
	var all []int64
	for i, p := range runs {
		inputs[i].Close()
		if status := p.end(); status != 0 {
			t.Errorf("exit status %d: %s", status, p.said.String())
		}
		var grants []int64
		data, err := os.ReadFile(files[i])
		if err == nil {
			err = json.Unmarshal(data, &grants)
		}
		if err != nil || len(grants) != rounds*lines {
			t.Fatalf("%d grants, want %d: %v", len(grants), rounds*lines, err)
		}
		all = append(all, grants...)
	}
	slices.Sort(all)
	for _, w := range limits.Windows {
		for i := w.Permits; i < len(all); i++ {
			if d := time.Duration(all[i] - all[i-w.Permits]); d < w.Per {
				t.Errorf("%v: %d grants in %v", w, w.Permits+1, d)
			}
		}
	}
}

// A shared burst is shared: of all commands of two runs one is at work at a time. Each that runs makes a folder that
// must not be there.
func TestSharedBurst(t *testing.T) {
	url := startRedis(t).quota(brisk)
	makeQuota(t, "burst 1", url)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "in"), "x\nx\nx\n")
	var runs []*program
	for range 2 {
		runs = append(runs, start(t, dir, "run", "-limits", "burst 1", "--shared", url, "in", "--", "sh", "-c", "mkdir alone && sleep 0.01 && rmdir alone"))
	}
	for _, p := range runs {
		if status := p.end(); status != 0 || !strings.Contains(p.said.String(), "3 lines in") {
			t.Errorf("exit status %d: %s", status, p.said.String())
		}
	}
}

// How many commands may run at once in one run is no limit that others share: each has its own -j, and one that
// waits for its only command holds up no other.
func TestAtOnceIsNotShared(t *testing.T) {
	url := startRedis(t).quota(patient)
	name, read := fifo(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "in"), "1\n2\n3\n")
	p := start(t, dir, "run", "-limits", "1000/s", "-j", "1", "--shared", url, "in", "--", "sh", "-c", `echo $$ >"$1"; read go <"$1"`, "sh", name)
	pids := read()
	for _, args := range [][]string{{"-j", "1"}, {"-j", "2"}, nil} {
		args = append([]string{"run", "-limits", "1000/s", "--shared", url, "in"}, args...)
		other := start(t, dir, append(args, "--", "true")...)
		if status := other.end(); status != 0 || !strings.Contains(other.said.String(), "3 lines in") {
			t.Errorf("%v: exit status %d: %s", args, status, other.said.String())
		}
	}
	p.signal(syscall.SIGINT)
	p.end()
	ended(t, pids)
}

// The server goes away in the middle, without its memory, and comes back: nothing is lost or run twice.
func TestServerComesBack(t *testing.T) {
	server := startRedis(t)
	p := prepare(t, t.TempDir(), "flowguard", "run", "-limits", "3/s", "--shared", server.quota(brisk))
	in, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.begin()
	io.WriteString(in, "1\n")
	if line, err := p.stdout.ReadString('\n'); line != "1\n" {
		t.Fatalf("%q, %v", line, err)
	}
	server.end()
	io.WriteString(in, "2\n3\n4\n5\n6\n7\n8\n9\n") // more than it may have leased
	in.Close()
	p.hear("; waiting for 127.0.0.1:" + server.port + ", Ctrl-C ends the run")
	server.begin()
	p.hear("answers again after")
	rest, err := io.ReadAll(p.stdout)
	if string(rest) != "2\n3\n4\n5\n6\n7\n8\n9\n" || err != nil {
		t.Errorf("it printed %q, %v", rest, err)
	}
	if status := p.end(); status != 0 {
		t.Errorf("exit status %d: %s", status, p.said.String())
	}
}

// Ctrl-C ends a run that waits for a server which stands still.
func TestCtrlCWhileTheServerStandsStill(t *testing.T) {
	server := startRedis(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "in"), "1\n2\n3\n")
	p := start(t, dir, "run", "-limits", "1/min", "--shared", server.quota(brisk), "in")
	if line, err := p.stdout.ReadString('\n'); line != "1\n" {
		t.Fatalf("%q, %v", line, err)
	}
	server.Process.Signal(syscall.SIGSTOP)
	p.hear("waiting for 127.0.0.1:" + server.port)
	p.signal(syscall.SIGINT)
	p.hear("interrupted: 2 lines not run")
	if status := p.end(); status != 130 {
		t.Errorf("exit status %d: %s", status, p.said.String())
	}

	// Also before it has ever answered.
	p = start(t, dir, "run", "-limits", "1/s", "--shared", server.quota(""), "in")
	p.signal(syscall.SIGINT)
	if status := p.end(); status != 130 && status != -1 { // -1: before the program heard signals
		t.Errorf("exit status %d: %s", status, p.said.String())
	}
}

// Runs that do not agree about the limits do not share them.
func TestOtherLimits(t *testing.T) {
	url := startRedis(t).quota(patient)
	name, read := fifo(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "in"), "1\n2\n")
	p := start(t, dir, "run", "-limits", "10/min", "--shared", url, "in", "--", "sh", "-c", `echo $$ >"$1"; read go <"$1"`, "sh", name)
	read()
	other := start(t, dir, "run", "-limits", "11/min", "--shared", url, "in")
	if status := other.end(); status != 1 || !strings.HasPrefix(other.said.String(),
		"flowguard: quota x: this run has 11/min with a lease of 1m0s, Optimistic; the others have 10/min with a lease of 1m0s, Optimistic; give all the same -limits") {
		t.Errorf("exit status %d: %s", status, other.said.String())
	}
	p.signal(syscall.SIGINT)
	p.end()
}

// A server that may forget what was used is told of before anything runs, and the picture says of what it is.
func TestServerEvicts(t *testing.T) {
	for _, tt := range []struct {
		args []string
		said string
	}{
		{[]string{"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"}, "(maxmemory-policy allkeys-lru), and limits would be exceeded; set it to noeviction\n"},
		{[]string{"--maxmemory", "100mb", "--maxmemory-policy", "noeviction"}, ""},
		{[]string{"--maxmemory-policy", "allkeys-lru"}, ""}, // its memory has no end
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "in"), "1\n")
		p := start(t, dir, "run", "-limits", "1/s", "--shared", startRedis(t, tt.args...).quota(patient), "--svg", "run.svg", "in")
		if status := p.end(); status != 0 || strings.Contains(p.said.String(), "maxmemory-policy") != (tt.said != "") || !strings.Contains(p.said.String(), tt.said) {
			t.Errorf("%q: exit status %d: %s", tt.args, status, p.said.String())
		}
		svg, err := os.ReadFile(filepath.Join(dir, "run.svg"))
		if err != nil || !strings.Contains(string(svg), "Limits 1/s: what this run had of quota x") {
			t.Errorf("the picture does not tell that it is a part: %v", err)
		}
	}
}
