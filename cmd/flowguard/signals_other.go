//go:build !unix

package main

import (
	"os"
)

var endSignals = []os.Signal{os.Interrupt}

type holder interface {
	Hold()
	Continue()
}

// obeyCtrlZ does nothing: this system has no such thing.
func obeyCtrlZ(holder) (stop func()) { return func() {} }
