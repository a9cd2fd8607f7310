//go:build unix

package process

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

func prepare(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func newGroup(cmd *exec.Cmd) group { return processGroup(cmd.Process.Pid) }

// processGroup is the number of a process group, which is that of its first process. It stays taken while
// any process of the group is left.
type processGroup int

func (g processGroup) signal(s syscall.Signal) error { return syscall.Kill(-int(g), s) }

func (g processGroup) terminate() {
	g.signal(syscall.SIGTERM)
	g.signal(syscall.SIGCONT) // one that is stopped would not hear it
}

func (g processGroup) kill()       { g.signal(syscall.SIGKILL) }
func (g processGroup) empty() bool { return g.signal(0) == syscall.ESRCH || onlyZombies(int(g)) }
func (g processGroup) close()      {}
func (g processGroup) stop()       { g.signal(syscall.SIGSTOP) }
func (g processGroup) resume()     { g.signal(syscall.SIGCONT) }

// killedBy returns the number of the signal that ended the process, 0 if none did.
func killedBy(p *os.ProcessState) int {
	if s, ok := p.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return int(s.Signal())
	}
	return 0
}

// tooLong reports whether a command was not started because an argument was too long.
func tooLong(err error) bool { return errors.Is(err, syscall.E2BIG) }
