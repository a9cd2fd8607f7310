// Package engine runs a real server that speaks the protocol of Redis, for tests and examples, and a line to it
// that is slow.
package engine

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server is a server that runs as a process of its own, on a port of the loopback interface.
type Server struct {
	Addr string
	Dir  string // where its dump is

	program string
	args    []string
	cmd     *exec.Cmd
}

// Program returns the path of the server's program: what FLOWGUARD_REDIS_SERVER names, else redis-server, else
// valkey-server. It returns an error if there is none.
func Program() (string, error) {
	if name := os.Getenv("FLOWGUARD_REDIS_SERVER"); name != "" {
		return exec.LookPath(name)
	}
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("engine: neither redis-server nor valkey-server is installed")
}

// Start starts a server that writes to dir. It keeps nothing unless it is told to save.
func Start(dir string, args ...string) (*Server, error) {
	program, err := Program()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: "127.0.0.1:" + strconv.Itoa(port), Dir: dir, program: program}
	s.args = append([]string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "",
		"--appendonly", "no", "--maxmemory-policy", "noeviction", "--logfile", "log"}, args...)
	return s, s.Run()
}

// freePort returns a port on which no program listens. A server of a cluster also listens on port+10,000.
func freePort() (int, error) {
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if port < 55_000 {
			return port, nil
		}
	}
}

// Run starts the server again after Kill, on the same port.
func (s *Server) Run() error {
	s.cmd = exec.Command(s.program, s.args...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	rdb := s.Client()
	defer rdb.Close()
	for range 500 {
		if rdb.Ping(context.Background()).Err() == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.Kill()
	log, _ := os.ReadFile(filepath.Join(s.Dir, "log"))
	return fmt.Errorf("engine: %s does not answer on %s: %s", s.program, s.Addr, log)
}

// Kill ends the server without letting it save.
func (s *Server) Kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// Stop and Continue keep the server from running for a while.
func (s *Server) Stop() { s.cmd.Process.Signal(syscall.SIGSTOP) }

// Continue ends what Stop began.
func (s *Server) Continue() { s.cmd.Process.Signal(syscall.SIGCONT) }

// Forget removes the server's dump.
func (s *Server) Forget() error { return os.RemoveAll(filepath.Join(s.Dir, "dump.rdb")) }

// Client returns a client of the server as flowredis needs it.
func (s *Server) Client() *redis.Client { return ClientOf(s.Addr) }

// ClientOf is Client for an address.
func ClientOf(addr string) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true, MaxRetries: -1, DialTimeout: time.Second})
}

// Processor returns how much processor time the server has used.
func (s *Server) Processor() (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("engine: unexpected %q", rest)
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, nil
}
