package flowredis

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// server is a real engine in a process of its own.
type server struct {
	t    testing.TB
	path string // of the program
	dir  string
	port int
	args []string
	cmd  *exec.Cmd
}

// program returns the engine to test with. FLOWGUARD_REDIS may name one; with the value required there must be one.
func program(t testing.TB) string {
	want := os.Getenv("FLOWGUARD_REDIS")
	names := []string{"redis-server", "valkey-server"}
	if want != "" && want != "required" {
		names = []string{want}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing := fmt.Sprintf("no engine: none of %v is in PATH; on Debian, apt-get install redis-server", names)
	if want != "" {
		t.Fatal(missing)
	}
	t.Skip(missing + "; FLOWGUARD_REDIS=required makes this a failure")
	return ""
}

func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	s := &server{t: t, path: program(t), dir: t.TempDir(), port: freePort(t), args: args}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func freePort(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (s *server) addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

func (s *server) start() {
	s.t.Helper()
	args := append([]string{"--port", fmt.Sprint(s.port), "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction", "--logfile", filepath.Join(s.dir, "log")}, s.args...)
	s.cmd = exec.Command(s.path, args...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	rdb := s.client()
	defer rdb.Close()
	for range 500 {
		if rdb.Ping(context.Background()).Err() == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	s.t.Fatalf("the engine does not answer:\n%s", log)
}

func (s *server) kill() {
	if s.cmd != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		s.cmd = nil
	}
}

func (s *server) client() *redis.Client { return client(s.addr()) }

func client(addr string) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true, MaxRetries: -1, DialTimeout: 200 * time.Millisecond, DialerRetries: 1})
}
