//go:build !unix

package main

import "time"

// processorTimeSoFar is not known here.
func processorTimeSoFar() time.Duration { return 0 }

// preemptions is not known here.
func preemptions() int64 { return 0 }
