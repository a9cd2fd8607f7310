// Package flowguard is the overview of a library that decides when work may run. It holds no code.
//
// Flowguard keeps any number of sliding rate limits ("3 in any 2 seconds, and 15 in any minute") and a
// concurrency limit ("never more than 2 at once") in one decision. It grants permits in the order in
// which they were asked for, or lets tenants take turns.
//
// Use it to call an API with published limits or to serve one, to slow a pipeline of channels down, or to let
// many goroutines take turns fairly. Tests of such code simulate hours in milliseconds.
//
// # Words
//
// The names, docs and errors of all packages use these words, each with one meaning:
//
//	ticket   a place in line; tickets are numbered 1, 2, 3, … in the order in which the owner receives them
//	weight   how many permits a ticket asks for; 1 by default
//	grant    what the owner does to the first ticket in line when every limit has room for it
//	permit   what a granted ticket holds
//	window   at most Permits granted in any interval of length Per; a sliding window log
//	burst    permits held at once; MaxBurst caps it. Elsewhere a concurrency limit or a bulkhead
//	unit     what a window counts other than permits, such as tokens
//	cost     how much of a unit a ticket asks for
//	settle   to say afterwards what a ticket's work really cost
//	flow     one of several lines, named by a key, that take turns in proportion to their shares
//	owner    what holds the state: a goroutine, or for one decision a caller to which it has lent the state
//	turn     one pass of the owner's loop: receive, read the clock, advance, grant, arm the timer, reply
//
// # Where to start
//
// Read [github.com/flowguard-go/flowguard/scheduler]. Write or parse the limits, and make a Scheduler with New.
// Then put Acquire and Release, or Do, around each call. For HTTP one line is enough: see
// [github.com/flowguard-go/flowguard/flowhttp]. Run examples/quickstart to see limits hold.
//
// # Packages
//
//   - [github.com/flowguard-go/flowguard/scheduler] grants permits.
//   - [github.com/flowguard-go/flowguard/ticket] is what a caller holds.
//   - [github.com/flowguard-go/flowguard/pipeline] puts a scheduler between channels.
//   - [github.com/flowguard-go/flowguard/keyed] keeps limits for each of many keys.
//   - [github.com/flowguard-go/flowguard/flowhttp] limits HTTP clients and servers.
//   - [github.com/flowguard-go/flowguard/timeline] draws what a scheduler did.
//   - [github.com/flowguard-go/flowguard/debug] is a live page of what it does now.
//   - [github.com/flowguard-go/flowguard/scheduler/schedulertest] helps to test code that uses one.
//
// Modules beside the library: flowgrpc for gRPC, flowredis for limits that several processes share, flowotel for
// metrics, and the command cmd/flowguard.
package flowguard
