//go:build unix

package main

import (
	"syscall"
	"time"
)

// processorTimeSoFar returns what the process has used up of its processors.
func processorTimeSoFar() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// preemptions returns how often the system has taken a processor away from the process so far.
func preemptions() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return int64(u.Nivcsw)
}
