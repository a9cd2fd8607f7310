package engine

import (
	"errors"
	"io"
	"time"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/items"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/process"
)

// Printer is the work of printing the items, byte for byte.
type Printer struct {
	W   io.Writer
	End byte // that ends an item
}

// moment is how long a write may take that cannot be interrupted, before it is left behind.
const moment = time.Second

// Do prints the item. A write that is stuck, in a pipe that nothing reads, cannot be interrupted: once it
// is asked to end it is given a moment and then left behind.
func (p *Printer) Do(stop process.Stop, i items.Item) process.Exit {
	text := i.Text
	if i.Ended {
		text = append(text, p.End)
	}
	written := make(chan error, 1)
	go func() {
		_, err := p.W.Write(text)
		written <- err
	}()
	var err error
	select {
	case err = <-written:
	case <-stop.Ask:
		select {
		case err = <-written:
		case <-stop.Kill:
			return process.Exit{Stopped: true}
		case <-time.After(moment):
			return process.Exit{Stopped: true}
		}
	}
	if err != nil {
		err = OutputError(err)
	}
	return process.Exit{Err: err}
}

// Publish has nothing to do.
func (p *Printer) Publish(*process.Output) error { return nil }

// Line returns the item.
func (p *Printer) Line(i items.Item) string { return process.Quote(string(i.Text)) }

// errBrokenPipe says that the output has no reader any more. Many pipelines end that way, such as one into
// head, so flowguard does not report it as an error.
var errBrokenPipe = errors.New("nothing reads the output any more")

// OutputError returns the error that the output could not be written.
func OutputError(err error) error {
	if brokenPipe(err) {
		return Fatal(StatusBrokenPipe, errBrokenPipe)
	}
	return Fatal(StatusError, err)
}
