package main

import "io"

// console is what a command speaks through.
type console struct {
	in         io.Reader
	out        io.Writer
	err        io.Writer
	interrupts <-chan struct{} // each Ctrl-C
}
