// Package flowguard is the overview of a library that decides when work may run; it holds no code.
//
// Flowguard holds any number of rate windows ("3 in any 2 seconds, and 15 in any minute") together
// with a cap on work in progress ("never more than 2 at once"), and grants permits strictly in the
// order in which they were asked for, or lets tenants take turns. It is for channel pipelines that must slow a stream down to
// what the far side allows, for many goroutines that must take turns fairly, and for tests that
// check hours of such behaviour in milliseconds.
//
// # Words
//
// The names, docs and errors of all packages use these words and no others for what they mean:
//
//	ticket   a place in line; tickets are numbered 1, 2, 3, … in the order the owner receives them
//	weight   how many permits one ticket asks for; 1 unless told
//	grant    what the owner does to the ticket at the head when every limit has room
//	permit   what a granted ticket holds
//	window   at most Permits granted in any interval of length Per; it slides and is exact
//	burst    permits held at once, which MaxBurst caps; elsewhere a concurrency limit or bulkhead
//	flow     one of several lines, named by a key, that take turns in proportion to their shares
//	owner    the single goroutine that holds the state
//	turn     one pass of the owner's loop: receive, read the clock, advance, grant, arm the timer, reply
//
// # Where to start
//
// To limit calls, read [github.com/flowguard-go/flowguard/scheduler]: parse or write the limits, make
// a Scheduler with New, and put Acquire and Release, Do or Wrap around each call; for many jobs make a
// Group. To see the limits hold, run examples/quickstart, and to see tenants take turns,
// examples/workers. To use limits from a shell, see cmd/flowguard.
//
// # Packages
//
//   - [github.com/flowguard-go/flowguard/scheduler] grants permits within windows and a burst.
//   - [github.com/flowguard-go/flowguard/ticket] is what a caller holds: its number, whether it has
//     been granted, and how to give it back.
//   - [github.com/flowguard-go/flowguard/pipeline] puts a scheduler between channels.
//   - [github.com/flowguard-go/flowguard/scheduler/schedulertest] helps to test code that uses a
//     scheduler: it moves a mock clock from grant to grant and checks what was granted when.
package flowguard
