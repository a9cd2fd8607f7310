package main

import (
	"os"
	"os/signal"
)

// mostInterrupts is how often a person must press Ctrl-C to end this program at once, whatever it does.
const mostInterrupts = 3

// listen returns a channel of the wishes to end this program, until stop. Signals that were ignored when it
// began, as nohup does and shells do for what runs in the background, stay ignored.
func listen() (interrupts <-chan struct{}, stop func()) {
	signals := make(chan os.Signal, mostInterrupts)
	for _, s := range endSignals {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	heard, done := make(chan struct{}, mostInterrupts), make(chan struct{})
	go func() {
		for n := 1; ; n++ {
			select {
			case <-signals:
			case <-done:
				return
			}
			if n >= mostInterrupts {
				os.Exit(130)
			}
			heard <- struct{}{}
		}
	}()
	return heard, func() { signal.Stop(signals); close(done) }
}
