package realserver

import (
	"runtime"

	"github.com/flowguard-go/flowguard/scheduler"
)

// waits returns when so many tickets wait in line.
func waits(s *scheduler.Scheduler, n int) {
	for s.Stats().Waiting != n {
		runtime.Gosched()
	}
}
