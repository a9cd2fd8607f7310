package processtest

import (
	"os"
	"os/signal"
)

// Hear makes what tests start hear the signals. A process inherits what its parent ignores, and shells ignore
// some signals for what they run in the background, as nohup does.
func Hear(signals ...os.Signal) {
	for _, s := range signals {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s) // a process does not inherit a handler
		}
	}
}
