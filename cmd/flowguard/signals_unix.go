//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

var endSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}

// holder is what Ctrl-Z stops.
type holder interface {
	Hold()
	Continue()
}

// obeyCtrlZ stops commands, and lets them go on, together with this program. They are groups of their own, so
// the terminal tells only this program. It also keeps a closed pipe from ending this program at once, which
// would leave commands behind.
func obeyCtrlZ(h holder) (stop func()) {
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	if signal.Ignored(syscall.SIGTSTP) {
		return func() { signal.Stop(pipe) }
	}
	stops, continues := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(stops, syscall.SIGTSTP)
	signal.Notify(continues, syscall.SIGCONT)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-stops:
				h.Hold()
				select {
				case <-continues: // an earlier one
				default:
				}
				// This thread may run on for a moment before the signal stops it.
				syscall.Kill(os.Getpid(), syscall.SIGSTOP)
				<-continues
				h.Continue()
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(stops); signal.Stop(continues); signal.Stop(pipe); close(done) }
}
