package process

import (
	"os"
	"os/exec"
)

// group is a started command with all that it has started, as far as the system can tell. Each system has
// its own file:
//
//   - Unix: a process group. A process that makes a session or group of its own leaves it.
//   - Windows: a job object. It may miss processes that the command starts in its first instant.
//   - elsewhere: the command alone.
type group interface {
	// terminate asks all to end.
	terminate()
	// kill ends all.
	kill()
	// empty reports whether none is left. It is asked only when the command itself has ended.
	empty() bool
	// close frees what the system keeps for the group.
	close()
	// stop and resume stop all processes and let them go on, if the system can.
	stop()
	resume()
}

// single is the group of a command alone.
type single struct{ process *os.Process }

func (s single) terminate()  { s.process.Kill() }
func (s single) kill()       { s.process.Kill() }
func (s single) empty() bool { return true }
func (s single) close()      {}
func (s single) stop()       {}
func (s single) resume()     {}

var _ group = single{}

// prepare and newGroup are what a system's file defines.
var (
	_ func(*exec.Cmd)       = prepare
	_ func(*exec.Cmd) group = newGroup
)
