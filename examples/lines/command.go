package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// command runs a program for each line.
type command struct {
	path    string // where the program was found
	words   []string
	replace string
	stdin   bool
	stdout  io.Writer
	stderr  io.Writer
	grace   time.Duration // from SIGTERM to SIGKILL
}

// newCommand finds the program, so that its lack is known before any input is read.
func newCommand(o *options, stdout, stderr io.Writer) (*command, error) {
	path, err := exec.LookPath(o.command[0])
	if err != nil {
		return nil, &fatal{notRunnable(err), fmt.Errorf("cannot run the command: %w", err)}
	}
	return &command{path, o.command, o.replace, o.stdin, stdout, stderr, 5 * time.Second}, nil
}

// notRunnable returns the exit status that tells whether the program was found.
func notRunnable(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return statusNotFound
	}
	return statusCannotRun
}

// run is the job of running the command for one line.
func (c *command) run(ctx context.Context, l line) error {
	cmd := exec.CommandContext(ctx, c.path, c.arguments(l)...)
	cmd.Args[0] = c.words[0]
	cmd.Stdout, cmd.Stderr = c.stdout, c.stderr
	if c.stdin {
		cmd.Stdin = bytes.NewReader(append(l.text, '\n'))
	}
	cmd.Cancel = func() error { return terminate(cmd.Process) }
	cmd.WaitDelay = c.grace

	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case cmd.Process == nil:
		return notStarted(l, err)
	case !errors.As(err, &exit):
		return err
	case exit.ExitCode() == 255:
		return &fatal{statusStopAsked, err}
	}
	if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		// Ctrl-C in a terminal goes to commands too, and one may die of it before the word of it
		// has reached us.
		if s.Signal() == syscall.SIGINT {
			return &fatal{statusInterrupted, err}
		}
		return &fatal{statusKilled, err}
	}
	return err
}

// arguments returns the command's arguments with the line in its place.
func (c *command) arguments(l line) []string {
	args := make([]string, 0, len(c.words))
	placed := c.stdin
	for _, word := range c.words[1:] {
		if !c.stdin && c.replace != "" && strings.Contains(word, c.replace) {
			word = strings.ReplaceAll(word, c.replace, string(l.text))
			placed = true
		}
		args = append(args, word)
	}
	if !placed {
		args = append(args, string(l.text))
	}
	return args
}

// notStarted tells what is the line's fault from what would befall every line.
func notStarted(l line, err error) error {
	switch {
	case errors.Is(err, syscall.E2BIG):
		return fmt.Errorf("a line of %d bytes is too long for an argument; -stdin knows no such limit", len(l.text))
	case bytes.IndexByte(l.text, 0) >= 0:
		return errors.New("a line with a NUL byte cannot be an argument; use -stdin")
	}
	return &fatal{notRunnable(err), fmt.Errorf("cannot run the command: %w", err)}
}

// terminate asks the process to end. Where there is no such signal, it is killed.
func terminate(p *os.Process) error {
	err := p.Signal(syscall.SIGTERM)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return p.Kill()
	}
	return err
}
