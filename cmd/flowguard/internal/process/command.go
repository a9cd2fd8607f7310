package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"sync"
	"time"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/items"
)

// Command is a command that is run for items, for several at once if need be. Call Find first.
type Command struct {
	Template
	End     byte          // follows an item on standard input that ended with it
	Timeout time.Duration // of each run; 0: none
	Grace   time.Duration // from asking a command to end to killing it
	Keep    bool          // what a command writes is kept until it has ended
	Stdout  io.Writer     // where commands write otherwise
	Stderr  io.Writer

	path string

	mu     sync.Mutex
	groups map[group]struct{} // those that run
}

// Find finds the program, so that its lack is known before any input is read. If it cannot be run, the error
// is a [*NotRunnableError].
func (c *Command) Find() error {
	path, err := exec.LookPath(c.Words[0])
	if err != nil {
		return &NotRunnableError{err}
	}
	c.path, c.groups = path, map[group]struct{}{}
	return nil
}

// NotRunnableError says that the command cannot be run, whatever the item.
type NotRunnableError struct{ Err error }

// Error says why.
func (e *NotRunnableError) Error() string { return fmt.Sprintf("cannot run the command: %v", e.Err) }

// Unwrap returns the reason.
func (e *NotRunnableError) Unwrap() error { return e.Err }

// NotFound reports whether there is no such program, rather than a file that is none.
func (e *NotRunnableError) NotFound() bool {
	return errors.Is(e.Err, exec.ErrNotFound) || errors.Is(e.Err, fs.ErrNotExist)
}

// Stop says when a command that runs has to end.
type Stop struct {
	Ask  <-chan struct{} // when it is closed, the command is asked to end, and killed after Grace
	Kill <-chan struct{} // when it is closed, the command is killed
}

// Exit is how a run of the command ended.
type Exit struct {
	Err      error // nil if the exit status is 0
	Code     int   // the exit status; -1 if there is none
	Signal   int   // that killed it; 0: none
	TimedOut bool
	Stopped  bool    // it was asked to end by Stop
	Killed   bool    // it, or something it had started, was killed because it did not end when asked, or by Stop.Kill
	Output   *Output // what it wrote; nil unless it was kept
}

// Run runs the command for the item and waits until it has ended. If it was made to end, Run also waits for
// what it had started; otherwise what it leaves in the background stays there.
func (c *Command) Run(stop Stop, i items.Item) Exit {
	args := c.Arguments(i)
	cmd := exec.Command(c.path, args[1:]...)
	cmd.Args[0] = args[0]
	prepare(cmd)
	if c.Stdin {
		text := bytes.Clone(i.Text)
		if i.Ended {
			text = append(text, c.End)
		}
		cmd.Stdin = bytes.NewReader(text)
		cmd.WaitDelay = time.Second // for a command that has ended, but not what it gave its input to
	}
	cmd.Stdout, cmd.Stderr = c.Stdout, c.Stderr
	var files capture
	if c.Keep {
		var err error
		if files, err = newCapture(); err != nil {
			return Exit{Err: err, Code: -1}
		}
		cmd.Stdout, cmd.Stderr = files.stdout, files.stderr
	}
	e := c.wait(stop, cmd, i)
	if c.Keep {
		output, err := files.output()
		e.Output = output
		e.Err = errors.Join(e.Err, err)
	}
	return e
}

// The first is how often a command that was asked to end is checked, until its whole group has ended. The
// second is how long after a kill Run still waits. Processes that are left after that are left behind.
const (
	lookEvery = 10 * time.Millisecond
	afterKill = time.Second
)

// wait starts the command and waits for its end.
func (c *Command) wait(stop Stop, cmd *exec.Cmd, i items.Item) (e Exit) {
	e.Code = -1
	g, err := c.start(cmd)
	if err != nil {
		e.Err = notStarted(i, err)
		return e
	}
	defer c.remove(g)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	var timeout, patience, look <-chan time.Time // patience: until it is killed, or left behind
	if c.Timeout > 0 {
		timeout = time.After(c.Timeout)
	}
	ask := func() {
		g.terminate()
		if patience == nil {
			patience = time.After(c.Grace)
		}
	}
	kill := func() {
		g.kill()
		e.Killed = true
		patience = time.After(afterKill)
	}
	for alive := true; ; {
		select {
		case err := <-ended:
			alive = false
			e.Code, e.Signal = cmd.ProcessState.ExitCode(), killedBy(cmd.ProcessState)
			if !errors.Is(err, exec.ErrWaitDelay) { // that is about what it gave its input to
				e.Err = err
			}
		case <-stop.Ask:
			stop.Ask, e.Stopped = nil, true
			ask()
		case <-stop.Kill:
			stop.Kill, e.Stopped = nil, true
			kill()
		case <-timeout:
			timeout, e.TimedOut = nil, true
			ask()
		case <-patience:
			if e.Killed && !alive {
				return e
			}
			kill()
		case <-look:
		}
		if !alive {
			if patience == nil || g.empty() {
				return e
			}
			look = time.After(lookEvery)
		}
	}
}

// start starts the command. It does so with the lock held, so that Hold misses none that runs.
func (c *Command) start(cmd *exec.Cmd) (group, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	g := newGroup(cmd)
	c.groups[g] = struct{}{}
	return g, nil
}

func (c *Command) remove(g group) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.groups, g)
	g.close()
}

// Hold stops all running commands until Continue, if the system can do that.
func (c *Command) Hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for g := range c.groups {
		g.stop()
	}
}

// Continue lets commands go on after Hold.
func (c *Command) Continue() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for g := range c.groups {
		g.resume()
	}
}

// notStarted tells errors of one item from errors that every item would have.
func notStarted(i items.Item, err error) error {
	switch {
	case tooLong(err):
		return fmt.Errorf("%d bytes are too long for an argument; --stdin has no such limit", len(i.Text))
	case bytes.IndexByte(i.Text, 0) >= 0:
		return errors.New("a NUL byte cannot be in an argument; use --stdin, or -0 if NUL bytes end the items")
	}
	return &NotRunnableError{err}
}
