// Package engine runs all items within the limits. It also does retries, the order of output, the job log, and
// stopping.
package engine

// The exit statuses of a run. They are those of xargs, and those a shell gives for a signal.
const (
	StatusError       = 1
	StatusUsage       = 2
	StatusFailures    = 123
	StatusStopAsked   = 124
	StatusKilled      = 125
	StatusCannotRun   = 126
	StatusNotFound    = 127
	StatusInterrupted = 130
	StatusBrokenPipe  = 141
)
