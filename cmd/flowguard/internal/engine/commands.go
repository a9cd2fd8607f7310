package engine

import (
	"errors"
	"io"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/items"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/process"
)

// Commands is the work of running a command for each item.
type Commands struct {
	*process.Command
	Stdout io.Writer // for Publish
	Stderr io.Writer
}

// Do runs the command.
func (c *Commands) Do(stop process.Stop, i items.Item) process.Exit {
	e := c.Command.Run(stop, i)
	var no *process.NotRunnableError
	if errors.As(e.Err, &no) {
		e.Err = Fatal(NotRunnable(no), e.Err)
	}
	return e
}

// NotRunnable returns the exit status for a command that cannot be run.
func NotRunnable(err *process.NotRunnableError) int {
	if err.NotFound() {
		return StatusNotFound
	}
	return StatusCannotRun
}

// Publish writes what the command wrote.
func (c *Commands) Publish(o *process.Output) error {
	_, errOut := o.Stdout.WriteTo(c.Stdout)
	_, errErr := o.Stderr.WriteTo(c.Stderr)
	if err := errors.Join(errOut, errErr); err != nil {
		return OutputError(err)
	}
	return nil
}
