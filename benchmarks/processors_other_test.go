//go:build !unix

package main

import "time"

// processorTimeSoFar is not known here.
func processorTimeSoFar() time.Duration { return 0 }
