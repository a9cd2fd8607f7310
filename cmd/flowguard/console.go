package main

import (
	"io"

	"github.com/flowguard-go/flowguard/scheduler"
)

// console is what a command speaks through.
type console struct {
	in         io.Reader
	out        io.Writer
	err        io.Writer
	interrupts <-chan struct{} // each Ctrl-C

	turns []scheduler.Option // of the scheduler of a run, for tests that watch it
}
